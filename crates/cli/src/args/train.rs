//! `pema train`, `pema tune` and `pema lab`.

use std::path::PathBuf;

use clap::Args;
use pema::template::Template;
use pema::train::{Decay, Recipe};
use pema::{ContextMode, Form, Shots};
use pema_lab::Way;

use super::data::{DataArgs, FieldArgs, count, template};

#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Model file (GGUF); only its LM head is loaded
    #[arg(long)]
    pub model: PathBuf,
    /// Folder of the memory to train on
    #[arg(long)]
    pub memory: PathBuf,
    /// Folder of a memory of held-out examples; a tenth of --memory when not given
    #[arg(long)]
    pub valid: Option<PathBuf>,
    /// Adapter file to write (safetensors)
    #[arg(long)]
    pub out: PathBuf,
    #[command(flatten)]
    pub train: TrainOptions,
}

/// Changes to a recipe.
#[derive(Debug, Args, Clone)]
pub struct TrainOptions {
    /// recommended or paper
    #[arg(long, default_value = "recommended")]
    pub recipe: Recipe,
    /// residual (h = f + B A f) or paper (h = B A f)
    #[arg(long)]
    pub form: Option<Form>,
    /// Width of the bottleneck
    #[arg(long)]
    pub rank: Option<usize>,
    /// Weight of the reconstruction loss, 0 to 1
    #[arg(long)]
    pub kappa: Option<f32>,
    /// Most training steps
    #[arg(long)]
    pub steps: Option<usize>,
    /// Rows per step
    #[arg(long)]
    pub batch: Option<usize>,
    /// Learning rate
    #[arg(long)]
    pub lr: Option<f64>,
    /// How the learning rate moves: cosine (down to 0 at the last step) or constant
    #[arg(long)]
    pub decay: Option<Decay>,
    /// Share of the bottleneck's input that is dropped, 0 to below 1
    #[arg(long)]
    pub dropout: Option<f32>,
    /// Decoupled weight decay
    #[arg(long)]
    pub weight_decay: Option<f64>,
    /// Seed of initialisation, batches and dropout
    #[arg(long)]
    pub seed: Option<u64>,
    /// Steps between looks at the held-out rows
    #[arg(long)]
    pub eval_every: Option<usize>,
    /// Looks without improvement before training stops; 0 never stops early
    #[arg(long)]
    pub patience: Option<usize>,
}

#[derive(Debug, Args)]
pub struct TuneArgs {
    /// Model file (GGUF)
    #[arg(long)]
    pub model: PathBuf,
    #[command(flatten)]
    pub data: DataArgs,
    /// Pairs to choose and check on, with the same fields; when not given a tenth of --data, at least 10 pairs and at
    /// most 200, of a few pairs a quarter
    #[arg(long)]
    pub valid: Option<PathBuf>,
    /// As for `memory build`; made of the names of the fields when not given
    #[arg(long, value_parser = template)]
    pub template: Option<Template>,
    /// Solved examples in every prompt: auto, or so many of the pairs that are learnt from: the first of --data with
    /// --valid, else those that come first once some were drawn to be held out
    #[arg(long, default_value = "auto")]
    pub shots: Shots,
    /// Held-out pairs that are written to check that it helps; 0 for no check
    #[arg(long, default_value_t = CHECKED)]
    pub checked: usize,
    /// Never show the training pairs most like an input before it: they would all be kept in the adapter, as text
    #[arg(long)]
    pub no_similar: bool,
    /// teacher-forced (gold prefixes) or free-running (the model's own words, as in the paper)
    #[arg(long, default_value = "teacher-forced")]
    pub mode: ContextMode,
    /// Folder to write: memory, held-out, adapter.safetensors, report.json
    #[arg(long)]
    pub out: PathBuf,
    /// Use only the first N pairs of --data
    #[arg(long, value_parser = count)]
    pub limit: Option<usize>,
    #[command(flatten)]
    pub train: TrainOptions,
}

/// Held-out pairs that are written by every way that is tried.
pub const CHECKED: usize = 40;

#[derive(Debug, Args)]
pub struct LabArgs {
    /// Model file (GGUF)
    #[arg(long)]
    pub model: PathBuf,
    /// Tasks: files of pairs, which are split, or folders with train, valid and test files
    #[arg(long, required = true, num_args = 1..)]
    pub data: Vec<PathBuf>,
    #[command(flatten)]
    pub fields: FieldArgs,
    /// Template of all tasks; made of the names of the fields when not given
    #[arg(long, value_parser = template)]
    pub template: Option<Template>,
    /// Ways to compare, such as base,knn,paper,paper-gu,residual,residual-gu, each also with +shots, base+similar, default
    /// and default-base (the same without its adapter); all when not given
    #[arg(long, value_delimiter = ',')]
    pub methods: Vec<Way>,
    /// Seeds
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,
    /// Solved examples in the prompts of the +shots ways
    #[arg(long, default_value_t = 12)]
    pub shots: usize,
    /// Train on the first N pairs only
    #[arg(long, value_parser = count)]
    pub limit: Option<usize>,
    /// Test on the first N pairs only
    #[arg(long, value_parser = count)]
    pub test_limit: Option<usize>,
    /// Report to write: .html or .json; measurements are kept beside it and never made twice
    #[arg(long)]
    pub out: PathBuf,
}
