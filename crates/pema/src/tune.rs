//! The whole job in one call, with everything chosen that can be: demonstrations, memory, training, and
//! the way to write, checked on held-out texts.

use std::iter::once;

use pema_plm::Plm;
use pema_plm::source::ByteSource;

use crate::beam::BEAMS;
use crate::build::{BuildConfig, BuildProgress, Builder};
use crate::copying::{CopyBias, ENOUGH, copy_rows};
use crate::dataset::{Dataset, Example};
use crate::demonstrations::{DemoSet, Shots, choose_demonstrations, enough_tokens};
use crate::evaluate::Evaluator;
use crate::generate::{Copying, Generator};
use crate::guard::{Mix, Tried, Verdict, decide};
use crate::memory::{ContextMode, Memory};
use crate::prompt::PromptSetup;
use crate::template::{Demo, Template};
use crate::train::{StepReport, Summary, TrainConfig, Trainer};
use crate::{Adapter, Error, Result};

/// What to tune, and what is not left to the program.
#[derive(Debug, Clone)]
pub struct TuneConfig {
    /// How a prompt is written.
    pub template: Template,
    /// Demonstrations.
    pub shots: Shots,
    /// Training.
    pub train: TrainConfig,
    /// How contexts are made.
    pub mode: ContextMode,
    /// Held-out pairs that are written to choose and to check; 0 trusts the held-out loss instead.
    pub checked: usize,
    /// Text for the memory's `created`.
    pub created: String,
    /// Name and version of the program, for the adapter.
    pub software: String,
}

/// Where it stands.
#[derive(Debug)]
pub enum TuneProgress<'a> {
    /// A set of demonstrations was judged.
    Demonstrations {
        /// Judgements so far.
        done: usize,
        /// Judgements in all.
        of: usize,
        /// The set.
        set: &'a DemoSet,
    },
    /// The memory grows.
    Memory {
        /// Whether it is that of the held-out pairs.
        held_out: bool,
        /// How far.
        progress: BuildProgress,
    },
    /// A training step was done.
    Train(&'a StepReport),
    /// A held-out text was written.
    Check {
        /// In which way.
        mix: Mix,
        /// Texts so far.
        done: usize,
        /// Texts in all.
        of: usize,
    },
}

/// What came of it.
#[derive(Debug)]
pub struct Tuned {
    /// Template and demonstrations.
    pub prompt: PromptSetup,
    /// The memory that was trained on.
    pub memory: Memory,
    /// The memory of the held-out pairs.
    pub held_out: Memory,
    /// The adapter, told how to write.
    pub adapter: Adapter,
    /// How training went.
    pub summary: Summary,
    /// What was written to check it; empty without a check.
    pub tried: Vec<Tried>,
    /// What that says; `None` without a check.
    pub verdict: Option<Verdict>,
    /// Lines that were left out because they are too long, training and held-out pairs.
    pub left_out: [Vec<usize>; 2],
}

/// Tunes on `train`, chooses and checks on `held_out`.
pub async fn tune<S: ByteSource>(
    plm: &Plm<S>,
    train: &Dataset,
    held_out: &Dataset,
    config: &TuneConfig,
    mut on: impl FnMut(TuneProgress<'_>),
) -> Result<Tuned> {
    let demos = match config.shots {
        Shots::First(n) if n >= train.examples.len() => {
            let range = format!("fewer than the {} examples of {}", train.examples.len(), train.name);
            return Err(Error::BadSetting { setting: "shots", value: n.to_string(), range });
        }
        Shots::First(n) => train.examples[..n].iter().map(Demo::from).collect(),
        Shots::Auto => {
            let seed = config.train.seed;
            choose_demonstrations(plm, train, &config.template, seed, |done, of, set| {
                on(TuneProgress::Demonstrations { done, of, set });
            })
            .await?
            .demos
        }
    };
    let prompt = PromptSetup { template: config.template.clone(), demos };
    let mut rest = train.clone();
    rest.examples.retain(|e| !prompt.demos.iter().any(|d| d.input == e.input && d.target == e.target));
    if rest.examples.is_empty() {
        return Err(Error::Empty { file: train.name.clone() });
    }
    let mut built = Vec::new();
    for (part, data) in [&rest, held_out].into_iter().enumerate() {
        let created = config.created.clone();
        let build = BuildConfig { prompt: prompt.clone(), mode: config.mode, max_tokens: None, half: true, created };
        let mut builder = Builder::new(plm, data, build)?;
        while let Some(progress) = builder.step().await? {
            on(TuneProgress::Memory { held_out: part == 1, progress });
        }
        let left_out = std::mem::take(&mut builder.too_long);
        built.push((builder.finish(), left_out));
    }
    let (Some((held, held_left_out)), Some((memory, left_out))) = (built.pop(), built.pop()) else {
        return Err(Error::Empty { file: train.name.clone() });
    };
    let (device, head) = (plm.device.clone(), plm.head.clone());
    let mut trainer = Trainer::new(device, head, &memory, Some(&held), config.train.clone()).await?;
    while let Some(step) = trainer.step().await? {
        on(TuneProgress::Train(&step));
    }
    let (mut adapter, summary) = trainer.finish(&config.software).await?;
    let (mut tried, mut verdict) = (Vec::new(), None);
    if config.checked > 0 {
        let mut checked = held_out.clone();
        checked.examples.retain(|e| !held_left_out.contains(&e.line));
        checked.examples.truncate(config.checked);
        let held = Held { all: held_out, checked: &checked, memory: &held };
        tried = check(plm, train, &held, &prompt, &adapter, &mut on).await?;
        let (inputs, targets): (Vec<String>, Vec<String>) =
            checked.examples.iter().map(|e| (e.input.clone(), e.target.clone())).unzip();
        let found = decide(&tried, &inputs, &targets, memory.examples())?;
        found.apply(&mut adapter);
        verdict = Some(found);
    }
    Ok(Tuned { prompt, memory, held_out: held, adapter, summary, tried, verdict, left_out: [left_out, held_left_out] })
}

/// Ways that are tried once more without copying.
const FINALISTS: usize = 2;

/// Writes the held-out pairs, one token after the other: by the model alone, in every way worth trying with
/// words of the input favoured, and in the best of these without. Then once more by the model alone and in
/// the best way of all, keeping several versions of every text.
async fn check<S: ByteSource>(
    plm: &Plm<S>,
    training: &Dataset,
    held: &Held<'_>,
    prompt: &PromptSetup,
    adapter: &Adapter,
    on: &mut impl FnMut(TuneProgress<'_>),
) -> Result<Vec<Tried>> {
    let pairs = held.checked;
    let ways = Mix::worth_trying(adapter);
    let of = (1 + ways.len() + FINALISTS.min(ways.len()) + 2) * pairs.examples.len();
    let max_tokens = enough_tokens(plm, &pairs.examples)?;
    let evaluator = Evaluator::new(plm, pairs, prompt, Some(adapter), None).await?;
    let mut bias = CopyBias::unfitted(&training.examples);
    let generator = Generator::new(plm, Some(adapter), None)?;
    let inputs: Vec<String> = held.all.examples.iter().map(|e| e.input.clone()).collect();
    let rows = copy_rows(&generator, held.memory, &inputs, &bias, ENOUGH).await?;
    let weight = |mix: Mix, row: usize| mix.weight(held.memory.position[row], held.memory.input_tokens[row]);
    let mut tried: Vec<Tried> = Vec::new();
    for round in 0..3 {
        let best = ranked(&tried, &pairs.examples)?;
        let mixes: Vec<Mix> = match round {
            0 => once(Mix::BASE).chain(ways.iter().map(|mix| Mix { copying: true, ..*mix })).collect(),
            1 => best.iter().take(FINALISTS).map(|mix| Mix { copying: false, ..*mix }).collect(),
            _ => once(Mix::BASE).chain(best.first().copied()).map(|mix| Mix { beams: BEAMS, ..mix }).collect(),
        };
        for mix in mixes {
            let mut config = mix.config(prompt, max_tokens);
            let correction = mix.copying.then(|| {
                bias.fit(&rows, |row| weight(mix, row));
                bias.clone()
            });
            if let Some(bias) = &correction {
                config.copying = Copying::With(bias.clone());
            }
            let losses = rows.iter().enumerate().map(|(i, row)| row.nll(correction.as_ref(), weight(mix, i)));
            let nll = losses.sum::<f64>() / rows.len().max(1) as f64;
            let done = tried.len() * pairs.examples.len();
            let told = |now: usize| on(TuneProgress::Check { mix, done: done + now, of });
            tried.push(Tried { mix, texts: evaluator.texts(&config, told).await?, nll, bias: correction });
        }
    }
    Ok(tried)
}

/// The ways with the adapter, best first.
fn ranked(tried: &[Tried], pairs: &[Example]) -> Result<Vec<Mix>> {
    let targets: Vec<&str> = pairs.iter().map(|e| e.target.as_str()).collect();
    let mut scored = Vec::new();
    for way in tried.iter().filter(|t| t.mix.method.adapted()) {
        scored.push((way.score(&targets)?, way.mix));
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    Ok(scored.into_iter().map(|(_, mix)| mix).collect())
}

/// The held-out pairs as the check needs them.
struct Held<'a> {
    /// All of them.
    all: &'a Dataset,
    /// Those that are written.
    checked: &'a Dataset,
    /// Rows of all of them.
    memory: &'a Memory,
}
