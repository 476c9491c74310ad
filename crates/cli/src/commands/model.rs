//! `pema model`: what a model file holds.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::json;

use crate::args::{Global, ModelArgs};
use crate::engine;
use crate::table::bytes;

pub async fn run(global: &Global, args: &ModelArgs) -> Result<()> {
    let model = engine::model(&args.model).await?;
    let (c, id) = (&model.config, &model.identity);
    let head = model.head_tensor()?;
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for t in model.gguf.tensors() {
        *kinds.entry(t.kind.to_string()).or_default() += 1;
    }
    let pre = model.gguf.metadata().optional("tokenizer.ggml.pre", |m, k| m.str(k).map(str::to_owned))?;
    let parameters: u64 = model.gguf.tensors().iter().map(|t| t.shape.iter().product::<u64>()).sum();
    if global.json {
        return engine::print_json(&json!({
            "name": id.name, "architecture": c.architecture, "parameters": parameters, "sha256": id.sha256,
            "hidden_size": c.hidden, "layers": c.layers, "heads": c.heads, "kv_heads": c.kv_heads,
            "head_dim": c.head_dim, "ffn": c.ffn, "vocab_size": c.vocab, "context": c.context,
            "quantisation": kinds, "tokenizer": {"pre": pre, "sha256": id.tokenizer_sha256, "bos": model.tokenizer.bos(), "eos": model.tokenizer.eos()},
            "chat_template": model.chat.is_some(),
            "head": {"tensor": head.name, "format": head.kind.to_string(), "bytes": head.bytes},
        }));
    }
    let kinds: Vec<String> = kinds.into_iter().map(|(k, n)| format!("{n} x {k}")).collect();
    println!("{} ({}, {:.0} M parameters)", id.name, c.architecture, parameters as f64 / 1e6);
    println!(
        "  sizes       d {}, {} blocks, {} heads ({} for keys) of {}, feed-forward {}",
        c.hidden, c.layers, c.heads, c.kv_heads, c.head_dim, c.ffn
    );
    println!("  context     {} tokens", c.context);
    println!("  tensors     {}", kinds.join(", "));
    println!("  LM head     {} x {} in {}, {} ({})", c.vocab, c.hidden, head.kind, bytes(head.bytes), head.name);
    println!("  tokenizer   {} tokens, pre-tokeniser {}", c.vocab, pre.as_deref().unwrap_or("not named"));
    println!("  chat        {}", if model.chat.is_some() { "has a template" } else { "no template" });
    println!("  sha256      {}", id.sha256);
    Ok(())
}
