//! A small world for tests of the library: tiny models, pairs, memories and adapters, and what plain
//! f64 loops make of them.

use std::sync::Arc;

use pema::dataset::{Dataset, Example};
use pema::template::{Demo, Template};
use pema::train::{Stage1, StepReport, Summary, TrainConfig, Trainer};
use pema::{Adapter, AdapterMeta, BuildConfig, Builder, ContextMode, Form, Memory, PromptSetup, Result};
use pema_device::Device;
use pema_kernels::quant::{self, Format};
use pema_kernels::random::Rng;
use pema_plm::source::FileSource;
use pema_plm::{Identity, Plm};

use crate::{block_on, contexts, devices, fixture};

/// A model whose weights lie in a file.
pub type Model = Plm<FileSource>;

/// `tiny.gguf` on every device.
pub fn models() -> Vec<Model> {
    devices().into_iter().map(|device| contexts::load(&fixture("tiny.gguf"), Arc::new(device))).collect()
}

/// `n` pairs that differ, as if from the lines of a file.
pub fn dataset(n: usize) -> Dataset {
    let who = ["the boss", "my team", "Anna", "the shop", "our client"];
    let what = ["report", "invoice", "apples", "dog", "train", "price", "text"];
    let example = |i: usize| {
        let (who, what) = (who[i % who.len()], what[i % what.len()]);
        let input = format!("hey, {who} wants the {what} {i}, thx");
        let target = format!("Could {who} please have the {what} {i}?");
        Example { input, target, line: i + 1 }
    };
    Dataset { name: "pairs.jsonl".into(), examples: (0..n).map(example).collect() }
}

/// Prompts of the form `Be formal.\nInformal: {input}\nFormal:` behind `demos`.
pub fn setup(demos: &[(&str, &str)]) -> PromptSetup {
    let template = Template::parse("Be formal.\nInformal: {input}\nFormal: {target}").unwrap();
    let demo = |(input, target): &(&str, &str)| Demo { input: (*input).into(), target: (*target).into() };
    PromptSetup::new(template, demos.iter().map(demo).collect())
}

/// What to build, with single-precision keys and no limit but the model's.
pub fn build_config(prompt: &PromptSetup, mode: ContextMode) -> BuildConfig {
    BuildConfig { prompt: prompt.clone(), mode, max_tokens: None, half: false, created: "1700000000".into() }
}

/// A memory of all examples.
pub fn build(plm: &Model, data: &Dataset, config: BuildConfig) -> Memory {
    let mut builder = Builder::new(plm, data, config).unwrap();
    while block_on(builder.step()).unwrap().is_some() {}
    builder.finish()
}

/// An adapter of random values: A within 1/sqrt(d), B_pd within `bound`, B_rct within 1.
pub fn adapter(identity: &Identity, form: Form, rank: usize, bound: f32, seed: u64) -> Adapter {
    let (d, mut rng) = (identity.hidden_size, Rng::new(seed));
    let a = rng.floats(rank * d, 1.0 / (d as f32).sqrt());
    let meta = AdapterMeta {
        identity: identity.clone(),
        prompt: setup(&[("hi \"you\"\n", "Good day.")]),
        recipe: "recommended".into(),
        kappa: 0.2,
        lambda_max: 0.9,
        lambda_constant: 0.35,
        schedule: pema::schedule::Schedule::Constant,
        method: pema::Method::Pema,
        seed,
        copying: None,
        beams: 1,
        no_repeat: 0,
        software: "tests 1.0".into(),
    };
    Adapter { rank, form, a, b_pd: rng.floats(d * rank, bound), b_rct: rng.floats(d * rank, 1.0), meta }
}

/// The LM head in host memory.
#[derive(Debug)]
pub struct Head {
    hidden: usize,
    values: Vec<f32>,
}

impl Head {
    /// The head of a model whose head is tied and stored as Q8_0, dequantised by the kernels' reference.
    pub fn of(plm: &Model) -> Head {
        let (vocab, hidden) = (plm.file.config.vocab, plm.file.config.hidden);
        let name = &plm.file.head_tensor().unwrap().name;
        let (_, raw) = block_on(plm.file.gguf.read_tensor(name)).unwrap();
        let words = quant::pack(Format::Q8_0, vocab, hidden, &raw).expect("the tiny model's head is Q8_0");
        Head { hidden, values: quant::dequantize(Format::Q8_0, &words, vocab, hidden) }
    }

    /// The row of a token.
    pub fn row(&self, id: u32) -> &[f32] {
        &self.values[id as usize * self.hidden..][..self.hidden]
    }

    /// log softmax(W_hd h)
    pub fn log_probabilities(&self, h: &[f64]) -> Vec<f64> {
        let dot = |row: &[f32]| row.iter().zip(h).map(|(w, h)| f64::from(*w) * h).sum::<f64>();
        log_softmax(&self.values.chunks_exact(self.hidden).map(dot).collect::<Vec<f64>>())
    }
}

/// Logits to log-probabilities.
pub fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let top = logits.iter().copied().fold(f64::MIN, f64::max);
    let lse = top + logits.iter().map(|l| (l - top).exp()).sum::<f64>().ln();
    logits.iter().map(|l| l - lse).collect()
}

/// The largest element's index.
pub fn argmax(values: &[f64]) -> u32 {
    let best = values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(i, _)| i as u32)
}

/// h_pd of an adapter.
pub fn adapted(adapter: &Adapter, f: &[f32]) -> Vec<f64> {
    let (r, d) = (adapter.rank, f.len());
    let dot = |row: &[f32]| row.iter().zip(f).map(|(a, f)| f64::from(*a) * f64::from(*f)).sum::<f64>();
    let z: Vec<f64> = adapter.a.chunks_exact(d).map(dot).collect();
    let base = if adapter.form == Form::Residual { wide(f) } else { vec![0.0; d] };
    let rows = adapter.b_pd.chunks_exact(r).zip(base);
    rows.map(|(b, base)| base + b.iter().zip(&z).map(|(b, z)| f64::from(*b) * z).sum::<f64>()).collect()
}

/// The same numbers in double precision.
pub fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

/// The transpose of a `[rows, cols]` matrix.
pub fn transpose(x: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    (0..cols).flat_map(|c| (0..rows).map(move |r| x[r * cols + c])).collect()
}

/// The memory of `n` pairs without demonstrations, built on the processor.
pub fn memory(n: usize) -> Memory {
    let plm = contexts::load(&fixture("tiny.gguf"), Arc::new(Device::cpu()));
    build(&plm, &dataset(n), build_config(&setup(&[]), ContextMode::TeacherForced))
}

/// Every form from every start.
pub const WAYS: [(Form, Stage1); 4] = [
    (Form::Residual, Stage1::ClosedForm),
    (Form::Residual, Stage1::Descent),
    (Form::Paper, Stage1::ClosedForm),
    (Form::Paper, Stage1::Descent),
];

/// A short training at rank 4 without early stopping.
pub fn quick(form: Form, stage1: Stage1) -> TrainConfig {
    let descent = stage1 == Stage1::Descent;
    TrainConfig {
        form,
        stage1,
        rank: 4,
        steps: Some(12),
        batch: 100,
        lr: 1e-2,
        stage1_steps: if descent { 8 } else { 0 },
        stage1_batch: 200,
        patience: 0,
        ..TrainConfig::recommended()
    }
}

/// Trains to the end.
pub fn train(
    plm: &Model,
    memory: &Memory,
    valid: Option<&Memory>,
    config: TrainConfig,
) -> Result<(Vec<StepReport>, Adapter, Summary)> {
    block_on(async {
        let mut trainer = Trainer::new(plm.device.clone(), plm.head.clone(), memory, valid, config).await?;
        let mut reports = Vec::new();
        while let Some(report) = trainer.step().await? {
            reports.push(report);
        }
        let (adapter, summary) = trainer.finish("tests 1.0").await?;
        Ok((reports, adapter, summary))
    })
}
