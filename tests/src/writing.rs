//! Writing with the tiny models, and the contexts behind what was written, read again without a cache.

use pema::sampling::SamplingConfig;
use pema::{Copying, Encoded, GenerateConfig, Generator, Method, Prompter, Token, Written};
use pema_plm::source::FileSource;

use crate::block_on;
use crate::small::{self, Model, argmax};

/// Prompts of the first `n` pairs of [`small::dataset`].
pub fn prompts(plm: &Model, n: usize) -> Vec<Encoded> {
    let setup = small::setup(&[]);
    let prompter = Prompter::new(&plm.file, &setup).unwrap();
    small::dataset(n).examples.iter().map(|e| prompter.prompt(&e.input).unwrap()).collect()
}

/// Greedy, ten tokens, nothing that stops.
pub fn config(method: Method) -> GenerateConfig {
    GenerateConfig {
        method,
        lambda_max: None,
        schedule: None,
        reference_length: None,
        max_tokens: 10,
        sampling: SamplingConfig::default(),
        stop: Vec::new(),
        copying: Copying::default(),
        votes: None,
        beams: None,
        no_repeat: None,
        explain: false,
    }
}

/// The same at temperature 1.
pub fn sampled(method: Method, seed: u64) -> GenerateConfig {
    GenerateConfig { sampling: SamplingConfig { temperature: 1.0, seed, ..Default::default() }, ..config(method) }
}

/// What is written. Panics unless the pieces told on the way are the text.
pub fn write(generator: &Generator<'_, FileSource>, prompts: &[Encoded], config: &GenerateConfig) -> Vec<Written> {
    let mut told = vec![String::new(); prompts.len()];
    let written = block_on(generator.write(prompts, config, |i, piece| told[i] += piece)).unwrap();
    assert_eq!(written.len(), prompts.len());
    for (told, written) in told.iter().zip(&written) {
        assert_eq!(told.trim(), written.text);
    }
    written
}

/// What the model writes alone.
pub fn base(plm: &Model, prompts: &[Encoded], config: &GenerateConfig) -> Vec<Written> {
    write(&Generator::new(plm, None, None).unwrap(), prompts, config)
}

/// The ids of a text.
pub fn ids(written: &Written) -> Vec<u32> {
    written.tokens.iter().map(|t| t.id).collect()
}

/// f(c) before each of `ids`, behind `prompt`, in one pass.
pub fn contexts(plm: &Model, prompt: &[u32], ids: &[u32]) -> Vec<Vec<f32>> {
    let all = block_on(plm.contexts(&[prompt, &ids[..ids.len() - 1]].concat())).unwrap();
    all.chunks_exact(plm.file.config.hidden).skip(prompt.len() - 1).map(<[f32]>::to_vec).collect()
}

/// Panics unless a token is the most probable of the mixture of two distributions by the token's own
/// lambda, and its explanation says so.
pub fn check_token(what: &str, token: &Token, lm: &[f64], other: &[f64]) {
    let lambda = f64::from(token.lambda);
    let mixture: Vec<f64> = lm.iter().zip(other).map(|(l, o)| lambda * o + (1.0 - lambda) * l).collect();
    assert_eq!(token.id, argmax(&mixture), "{what}: not the most probable token");
    let got = token.probabilities.unwrap();
    for (name, p, got) in [("lm", lm, got.lm), ("other", other, got.pema), ("mixture", &mixture, got.mix)] {
        let p = p[token.id as usize];
        assert!((p - f64::from(got)).abs() <= 1e-3 * p + 1e-6, "{what}: {name} {got} instead of {p}");
    }
}

/// Nearest neighbours by the definition: softmax(-distance^2 / T) over the k nearest keys, summed by token.
pub fn votes(memory: &pema::Memory, config: &pema::KnnConfig, f: &[f32], vocab: usize) -> Vec<f64> {
    let distance = |row: usize| -> f64 {
        let key = memory.gather(&[row]);
        key.iter().zip(f).map(|(k, f)| (f64::from(*k) - f64::from(*f)).powi(2)).sum()
    };
    let mut near: Vec<(f64, u32)> = (0..memory.rows()).map(|row| (distance(row), memory.values[row])).collect();
    near.sort_by(|a, b| a.0.total_cmp(&b.0));
    near.truncate(config.k);
    let mut shares = vec![0.0; vocab];
    for (distance, token) in &near {
        shares[*token as usize] += (-(distance - near[0].0) / f64::from(config.temperature)).exp();
    }
    let sum: f64 = shares.iter().sum();
    shares.iter().map(|s| s / sum).collect()
}
