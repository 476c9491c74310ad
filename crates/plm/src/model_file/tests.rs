//! Files that are refused, and why.

use super::*;
use crate::gguf::build::Builder;
use crate::source::{MemorySource, now};

/// The error for a model of so many layers with one more tensor.
fn read(layers: u32, more: &str) -> Result<ModelConfig> {
    let key = |k: &str| format!("llama.{k}");
    let zeros = [0; 4 * 64];
    let mut file = Builder::new()
        .str("general.architecture", "llama")
        .u32(&key("embedding_length"), 8)
        .u32(&key("attention.head_count"), 2)
        .u32(&key("feed_forward_length"), 8)
        .u32(&key("context_length"), 16)
        .u32(&key("block_count"), layers)
        .raw(&key("attention.layer_norm_rms_epsilon"), 6, &1e-5f32.to_le_bytes())
        .tensor("token_embd.weight", &[8, 8], 0, &zeros)
        .tensor("output_norm.weight", &[8], 0, &zeros[..32]);
    for part in BLOCK {
        file = file.tensor(&format!("blk.0.{part}.weight"), &[8], 0, &zeros[..32]);
    }
    if !more.is_empty() {
        file = file.tensor(more, &[8], 0, &zeros[..32]);
    }
    ModelConfig::read(&now(Gguf::open(MemorySource::new("my.gguf", file.finish())))?)
}

#[test]
fn more_layers_than_tensors_are_refused_before_memory_is_asked_for() {
    assert_eq!(read(1, "").unwrap().layers, 1);
    for layers in [13, u32::MAX] {
        let error = read(layers, "").unwrap_err().to_string();
        assert!(error.contains("my.gguf") && error.contains(&format!("{layers} blocks")), "{error}");
    }
}

#[test]
fn a_tensor_that_nobody_reads_is_refused_by_name() {
    read(1, "output.weight").unwrap();
    for name in [
        "blk.0.attn_q.bias",
        "blk.0.attn_q_norm.weight",
        "blk.00.attn_q.weight",
        "blk.1.attn_q.weight",
        "position_embd.weight",
    ] {
        let error = read(1, name).unwrap_err().to_string();
        assert!(error.contains("my.gguf") && error.contains(name), "{error}");
    }
}
