//! The whole job in one call, with everything chosen that can be: demonstrations, memory, training, and
//! the way to write, checked on held-out texts.

use pema_plm::Plm;
use pema_plm::source::ByteSource;

use crate::build::{BuildConfig, BuildProgress, Builder};
use crate::check::{CheckProgress, Checker, Held, Ways};
use crate::dataset::Dataset;
use crate::demonstrations::{DemoSet, Shots, choose_demonstrations};
use crate::generate::Generator;
use crate::guard::{Mix, Tried, Verdict};
use crate::memory::{ContextMode, Memory};
use crate::neighbours::{Neighbours, neighbours_instead};
use crate::prompt::PromptSetup;
use crate::repeats::no_repeat;
use crate::template::{Demo, Template};
use crate::train::{Recipe, StepReport, Summary, TrainConfig, Trainer};
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
    /// Whether training pairs like the input may be shown right before it. All pairs then travel with the adapter.
    pub similar: bool,
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
        /// The best set of this round so far; after the last judgement, the one that is kept.
        best: &'a DemoSet,
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
    /// The adapter did not help; the memory's nearest rows are tried in its place.
    Neighbours,
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
    /// What writes better than the model alone where the adapter does not.
    pub instead: Option<Neighbours>,
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
    let prompt = PromptSetup::new(config.template.clone(), shown(plm, train, config, &mut on).await?);
    let mut rest = train.clone();
    rest.examples.retain(|e| !prompt.demos.contains(&Demo::from(e)));
    let (memory, left_out) = fill(plm, &rest, &prompt, config, |progress| {
        on(TuneProgress::Memory { held_out: false, progress });
    })
    .await?;
    let (held, held_left_out) = fill(plm, held_out, &prompt, config, |progress| {
        on(TuneProgress::Memory { held_out: true, progress });
    })
    .await?;
    let (device, head) = (plm.device.clone(), plm.head.clone());
    let mut trainer = Trainer::new(device, head, &memory, Some(&held), config.train.clone()).await?;
    while let Some(step) = trainer.step().await? {
        on(TuneProgress::Train(&step));
    }
    let (mut adapter, summary) = trainer.finish(&config.software).await?;
    if config.train.recipe != Recipe::Paper {
        adapter.meta.no_repeat = no_repeat(&plm.file.tokenizer, &train.examples)?;
    }
    let (mut tried, mut verdict, mut instead) = (Vec::new(), None, None);
    if config.checked > 0 {
        let mut checked = held_out.clone();
        checked.examples.retain(|e| !held_left_out.contains(&e.line));
        checked.examples.truncate(config.checked);
        let held = Held {
            training: &train.examples,
            all: &held_out.examples,
            memory: &held,
            written: &checked.examples,
            ways: Ways::All,
            copying: true,
            similar: config.similar,
        };
        let found;
        (found, tried) = check(plm, &adapter, held, memory.examples(), &mut on).await?;
        found.apply(&mut adapter);
        let alone = tried.iter().find(|t| found.reason.is_some() && t.mix == found.chosen);
        if let Some(alone) = alone {
            on(TuneProgress::Neighbours);
            instead = neighbours_instead(plm, &checked, &prompt, &memory, &alone.texts).await?;
        }
        verdict = Some(found);
    }
    let (prompt, left_out) = (adapter.meta.prompt.clone(), [left_out, held_left_out]);
    Ok(Tuned { prompt, memory, held_out: held, adapter, summary, tried, verdict, instead, left_out })
}

/// The demonstrations of every prompt.
async fn shown<S: ByteSource>(
    plm: &Plm<S>,
    train: &Dataset,
    config: &TuneConfig,
    on: &mut impl FnMut(TuneProgress<'_>),
) -> Result<Vec<Demo>> {
    match config.shots {
        Shots::First(n) if n >= train.examples.len() => {
            let range = format!("fewer than the {} examples of {}", train.examples.len(), train.name);
            Err(Error::BadSetting { setting: "shots", value: n.to_string(), range })
        }
        Shots::First(n) => Ok(train.examples[..n].iter().map(Demo::from).collect()),
        Shots::Auto => {
            let say = |done, of, best: &DemoSet| on(TuneProgress::Demonstrations { done, of, best });
            Ok(choose_demonstrations(plm, train, &config.template, config.train.seed, say).await?.demos)
        }
    }
}

/// A memory of `data`, and the lines that are too long for it.
async fn fill<S: ByteSource>(
    plm: &Plm<S>,
    data: &Dataset,
    prompt: &PromptSetup,
    config: &TuneConfig,
    mut on: impl FnMut(BuildProgress),
) -> Result<(Memory, Vec<usize>)> {
    let (prompt, created) = (prompt.clone(), config.created.clone());
    let build = BuildConfig { prompt, mode: config.mode, max_tokens: None, half: true, created };
    let mut builder = Builder::new(plm, data, build)?;
    while let Some(progress) = builder.step().await? {
        on(progress);
    }
    let left_out = std::mem::take(&mut builder.too_long);
    Ok((builder.finish(), left_out))
}

/// What held-out texts say of the adapter, and the ways that were tried.
async fn check<S: ByteSource>(
    plm: &Plm<S>,
    adapter: &Adapter,
    held: Held<'_>,
    trained_on: usize,
    on: &mut impl FnMut(TuneProgress<'_>),
) -> Result<(Verdict, Vec<Tried>)> {
    let generator = Generator::new(plm, Some(adapter), None)?;
    let mut checker = Checker::new(&generator, held)?;
    while let Some(CheckProgress { mix, done, of, .. }) = checker.step().await? {
        on(TuneProgress::Check { mix, done, of });
    }
    Ok((checker.decide(trained_on)?, checker.finish()))
}
