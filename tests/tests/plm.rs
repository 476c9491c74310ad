//! The language model against an independent implementation's numbers, on both devices, and batches
//! against single sequences.

use std::sync::Arc;

use pema_device::Device;
use pema_plm::Piece;
use pema_tests::{assert_close, block_on, contexts, default_model, devices, fixture, gpu, read_fixture};

#[test]
fn tiny_models_equal_the_recorded_values_on_every_device() {
    let recorded = read_fixture("tiny_contexts.safetensors");
    for device in devices() {
        let device = Arc::new(device);
        contexts::check(&contexts::load(&fixture("tiny.gguf"), device.clone()), &recorded, "tiny.", 0..3);
        contexts::check(&contexts::load(&fixture("tiny_f32_untied.gguf"), device), &recorded, "untied.", 0..3);
    }
}

#[test]
fn a_batch_behind_a_shared_prefix_equals_each_text_read_alone() {
    let ids: Vec<u32> = (0..200).map(|i| 3 + i * 7 % 370).collect();
    let (prefix, rest) = ids.split_at(70);
    let texts = [&rest[..1], &rest[1..40], &rest[40..43], &rest[50..130]];
    for device in devices() {
        let plm = contexts::load(&fixture("tiny.gguf"), Arc::new(device));
        let mut cache = plm.cache(prefix, 400).unwrap();
        let mut pieces = Vec::new();
        for text in texts {
            let sequence = Some(cache.add_sequence(text.len()).unwrap());
            pieces.push(Piece { sequence, ids: text, wanted: text.len() });
        }
        let together = plm.read(&mut cache, &pieces).unwrap();
        let together = block_on(plm.device.read::<f32>(&together, 0, together.words())).unwrap();
        let mut at = 0;
        for text in texts {
            let alone = block_on(plm.contexts(&[prefix, text].concat())).unwrap();
            let (begin, n) = (prefix.len() * 64, text.len() * 64);
            assert_close("batched contexts", &alone[begin..], &together[at..at + n], 1e-5);
            at += n;
        }
    }
}

#[test]
fn the_default_model_gives_the_recorded_ids_contexts_and_greedy_tokens() {
    let Some(path) = default_model() else { return };
    let file = std::env::var("PEMA_CONTEXTS").map(std::fs::read);
    let recorded = file.map_or_else(|_| read_fixture("default_model_contexts.safetensors"), Result::unwrap);
    let texts = contexts::texts(&recorded, "");
    assert!(texts >= 3);
    contexts::check(&contexts::load(&path, Arc::new(Device::cpu())), &recorded, "", 0..texts);
}

#[test]
fn the_default_model_agrees_on_a_gpu_adapter_too() {
    let (Some(path), Some(device)) = (default_model(), gpu()) else { return };
    let recorded = read_fixture("default_model_contexts.safetensors");
    contexts::check(&contexts::load(&path, Arc::new(device)), &recorded, "", 2..3);
}
