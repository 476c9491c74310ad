//! A model against recorded contexts: ids, f(c) at every position, log-sum-exp, best logits, greedy tokens.

use std::path::Path;
use std::sync::Arc;

use pema_device::{Buffer, Device};
use pema_kernels::{argmax, cross_entropy, top_k};
use pema_plm::source::FileSource;
use pema_plm::{LmHead, ModelFile, Piece, Plm};
use safetensors::SafeTensors;

use crate::{assert_close, block_on, floats, ids, relative_error};

/// Loads a model file.
pub fn load(path: &Path, device: Arc<Device>) -> Plm<FileSource> {
    block_on(async {
        let file = ModelFile::open(FileSource::open(path).unwrap()).await.unwrap();
        Plm::load(file, device).await.unwrap()
    })
}

/// Loads only the last layer of a model file, as training does.
pub fn head(path: &Path, device: &Device) -> LmHead {
    block_on(async {
        let file = ModelFile::open(FileSource::open(path).unwrap()).await.unwrap();
        LmHead::load(&file, device).await.unwrap()
    })
}

/// Recorded texts of `prefix`.
pub fn texts(recorded: &[u8], prefix: &str) -> usize {
    let file = SafeTensors::deserialize(recorded).unwrap();
    (0..).take_while(|i| file.tensor(&format!("{prefix}{i}.context")).is_ok()).count()
}

/// Checks every recorded text of `prefix` (`tiny.`, or empty) against the model.
pub fn check(plm: &Plm<FileSource>, recorded: &[u8], prefix: &str, texts: std::ops::Range<usize>) {
    let file = SafeTensors::deserialize(recorded).unwrap();
    let (_, header) = SafeTensors::read_metadata(recorded).unwrap();
    let metadata = header.metadata().clone().unwrap();
    for i in texts {
        let name = |what: &str| format!("{prefix}{i}.{what}");
        let tokens = ids(&file, &name("ids"));
        assert_eq!(plm.file.tokenizer.encode(&metadata[&name("text")]).unwrap(), tokens, "{}", name("ids"));

        let d = plm.file.config.hidden;
        let expected = floats(&file, &name("context"));
        let contexts = block_on(plm.contexts(&tokens)).unwrap();
        let mut worst = 0.0f64;
        for (t, (e, g)) in expected.chunks_exact(d).zip(contexts.chunks_exact(d)).enumerate() {
            let error = relative_error(e, g);
            assert!(error < 2e-3, "{} position {t}: relative error {error:e}", name("context"));
            worst = worst.max(error);
        }
        assert_eq!(contexts.len(), expected.len());

        let last = tokens.len() - 1;
        let logits = logits(plm, &contexts[last * d..]);
        let (top, values) = best(plm, &logits, 10);
        assert_eq!(top, ids(&file, &name("top10_ids")), "{}", name("top10_ids"));
        assert_close(&name("top10_logits"), &floats(&file, &name("top10_logits")), &values, 1e-3);
        assert_close(&name("lse"), &floats(&file, &name("lse"))[last..], &[lse(plm, &logits)], 1e-4);

        let greedy = ids(&file, &name("greedy_ids"));
        assert_eq!(generate(plm, &tokens, greedy.len()), greedy, "{}", name("greedy_ids"));
        println!(
            "{}: {} positions, worst relative error {worst:.1e}, {} greedy tokens",
            name("text"),
            tokens.len(),
            greedy.len()
        );
    }
}

fn logits(plm: &Plm<FileSource>, context: &[f32]) -> Buffer {
    let h = plm.device.upload(context, "context").unwrap();
    let out = plm.device.alloc(plm.head.vocab(), "logits").unwrap();
    plm.head.logits(&plm.device, &h, 0, 1, &out).unwrap();
    out
}

fn best(plm: &Plm<FileSource>, logits: &Buffer, k: usize) -> (Vec<u32>, Vec<f32>) {
    let device = &plm.device;
    let (ids, values) = (device.alloc(k, "ids").unwrap(), device.alloc(k, "values").unwrap());
    let p = top_k::Params { rows: 1, cols: plm.head.vocab() as u32, k: k as u32 };
    device.run(&top_k::KERNEL, &p, &[logits, &ids, &values]).unwrap();
    block_on(async { (device.read(&ids, 0, k).await.unwrap(), device.read(&values, 0, k).await.unwrap()) })
}

fn lse(plm: &Plm<FileSource>, logits: &Buffer) -> f32 {
    let device = &plm.device;
    let (targets, stats) = (device.upload(&[0u32], "target").unwrap(), device.alloc(2, "stats").unwrap());
    let p = cross_entropy::Params { rows: 1, vocab: plm.head.vocab() as u32, ..Default::default() };
    device.run(&cross_entropy::KERNEL, &p, &[&targets, logits, &stats]).unwrap();
    block_on(device.read::<f32>(&stats, 1, 1)).unwrap()[0]
}

/// Greedy decoding with the KV cache, token by token: the most probable continuation of `ids`.
fn generate(plm: &Plm<FileSource>, ids: &[u32], n: usize) -> Vec<u32> {
    let device = &plm.device;
    let mut cache = plm.cache(&[], ids.len() + n).unwrap();
    let sequence = Some(cache.add_sequence(ids.len() + n).unwrap());
    let best = device.alloc(1, "best").unwrap();
    let out = device.alloc(plm.head.vocab(), "logits").unwrap();
    let mut context = plm.read(&mut cache, &[Piece { sequence, ids, wanted: 1 }]).unwrap();
    let mut generated = Vec::new();
    loop {
        plm.head.logits(device, &context, 0, 1, &out).unwrap();
        let p = argmax::Params { rows: 1, cols: plm.head.vocab() as u32 };
        device.run(&argmax::KERNEL, &p, &[&out, &best]).unwrap();
        let id = block_on(device.read::<u32>(&best, 0, 1)).unwrap()[0];
        generated.push(id);
        if generated.len() == n {
            return generated;
        }
        context = plm.read(&mut cache, &[Piece { sequence, ids: &[id], wanted: 1 }]).unwrap();
    }
}
