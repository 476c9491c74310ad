//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use pema::schedule::Schedule;
use pema::template::{Template, unescape};
use pema::train::{Decay, Recipe};
use pema::{ContextMode, Form, Method, Shots};
use pema_device::Choice;
use pema_kernels::top_k::MAX_K;
use pema_lab::Way;

/// Adapts a language model to your own examples, on your own machine, without back-propagating through it.
#[derive(Debug, Parser)]
#[command(name = "pema", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
pub struct Global {
    /// auto (a real GPU, else the processor), gpu (any adapter), cpu, or part of an adapter's name
    #[arg(long, global = true, default_value = "auto")]
    pub device: Choice,
    /// Print one JSON object on standard output and nothing else
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say which device is used and whether it computes correctly
    Doctor,
    /// Describe a model file
    Model(ModelArgs),
    /// Write the context representations f(c) of a text to a file
    Contexts(ContextsArgs),
    /// Build, describe, export or import an external memory
    Memory(MemoryArgs),
    /// Train an adapter on a memory; of the model only its LM head is loaded
    Train(TrainArgs),
    /// The whole job on your pairs: demonstrations, memory, training, and a check that it helps
    Tune(TuneArgs),
    /// Compare every method on pairs held back, as a report
    Lab(LabArgs),
    /// Write text with the model, an adapter or a memory
    Generate(GenerateArgs),
    /// Measure methods on held-out pairs
    Eval(EvalArgs),
    /// Time a training step, reading and writing on this device
    Bench(BenchArgs),
    /// The whole job on the example data: memory, training, report, side-by-side answers
    Demo(DemoArgs),
}

#[derive(Debug, Args)]
pub struct ModelArgs {
    /// Model file (GGUF)
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
}

#[derive(Debug, Args)]
pub struct ContextsArgs {
    /// Model file (GGUF)
    #[arg(long)]
    pub model: PathBuf,
    /// Text to read
    #[arg(long, conflicts_with = "ids", required_unless_present = "ids")]
    pub text: Option<String>,
    /// Token ids to read, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub ids: Option<Vec<u32>>,
    /// File to write: `ids` U32 [T] and `context` F32 [T, d] as safetensors
    #[arg(long)]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct MemoryArgs {
    #[command(subcommand)]
    pub command: MemoryCommand,
}

#[derive(Debug, Subcommand)]
pub enum MemoryCommand {
    /// Run the model once over examples and keep (f(c), next token)
    Build(Box<BuildArgs>),
    /// Describe a memory
    Info {
        /// Folder of the memory
        dir: PathBuf,
    },
    /// Copy a memory to one file. It is as private as the text it was made of
    Export {
        /// Folder of the memory
        dir: PathBuf,
        /// File to write (safetensors)
        file: PathBuf,
    },
    /// Check an exported memory, or the NumPy files of another program, and keep it in a folder
    Import(Box<ImportArgs>),
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// File to read: an exported memory (safetensors), or with --values keys as NumPy keeps them, f32 [N, d], with
    /// or without NPY header. Keys are what the LM head reads, behind the final norm
    pub file: PathBuf,
    /// Folder to write
    pub dir: PathBuf,
    /// NumPy file of token ids, i32 [N], that belongs to the keys
    #[arg(long, requires_all = ["model", "template"])]
    pub values: Option<PathBuf>,
    /// With --values: model file (GGUF) the keys were made with
    #[arg(long, requires = "values")]
    pub model: Option<PathBuf>,
    /// With --values: template the keys were made with, as for `memory build`
    #[arg(long, value_parser = template, requires = "values")]
    pub template: Option<Template>,
    /// With --values: teacher-forced, or free-running as the paper's authors make keys
    #[arg(long, default_value = "free-running")]
    pub mode: ContextMode,
}

/// Examples: JSON Lines, CSV, TSV, or two text files of matching lines.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// Examples (.jsonl, .csv, .tsv, or .txt together with --targets)
    #[arg(long)]
    pub data: PathBuf,
    /// Second text file: line n is the target of line n of --data
    #[arg(long)]
    pub targets: Option<PathBuf>,
    #[command(flatten)]
    pub fields: FieldArgs,
}

#[derive(Debug, Args)]
pub struct FieldArgs {
    /// Field or column of the input; guessed when not given
    #[arg(long)]
    pub input_field: Option<String>,
    /// Field or column of the target; guessed when not given
    #[arg(long)]
    pub target_field: Option<String>,
}

#[derive(Debug, Args)]
pub struct TuneArgs {
    /// Model file (GGUF)
    #[arg(long)]
    pub model: PathBuf,
    #[command(flatten)]
    pub data: DataArgs,
    /// Pairs to choose and check on, with the same fields; a tenth of --data when not given
    #[arg(long)]
    pub valid: Option<PathBuf>,
    /// As for `memory build`; made of the names of the fields when not given
    #[arg(long, value_parser = template)]
    pub template: Option<Template>,
    /// Solved examples in every prompt: auto, or the first so many of --data
    #[arg(long, default_value = "auto")]
    pub shots: Shots,
    /// Held-out pairs that are written to check that it helps; 0 for no check
    #[arg(long, default_value_t = CHECKED)]
    pub checked: usize,
    /// teacher-forced (gold prefixes) or free-running (the model's own words, as in the paper)
    #[arg(long, default_value = "teacher-forced")]
    pub mode: ContextMode,
    /// Folder to write: memory, held-out, adapter.safetensors, report.json
    #[arg(long)]
    pub out: PathBuf,
    /// Use only the first N pairs of --data
    #[arg(long)]
    pub limit: Option<usize>,
    #[command(flatten)]
    pub train: TrainOptions,
}

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
    /// Ways to compare, such as base,knn,paper,paper-gu,residual,residual-gu, each also with +shots, and default
    #[arg(long, value_delimiter = ',')]
    pub methods: Vec<Way>,
    /// Seeds
    #[arg(long, default_value_t = 1)]
    pub seeds: u64,
    /// Solved examples in the prompts of the +shots ways
    #[arg(long, default_value_t = 12)]
    pub shots: usize,
    /// Train on the first N pairs only
    #[arg(long)]
    pub limit: Option<usize>,
    /// Test on the first N pairs only
    #[arg(long)]
    pub test_limit: Option<usize>,
    /// Report to write: .html or .json; measurements are kept beside it and never made twice
    #[arg(long)]
    pub out: PathBuf,
}

/// Held-out pairs that are written by every way that is tried.
pub const CHECKED: usize = 40;

#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Model file (GGUF)
    #[arg(long)]
    pub model: PathBuf,
    #[command(flatten)]
    pub data: DataArgs,
    /// formality, translation, plain, chat, chat:INSTRUCTION, or a text with {input} and {target}; \n is a new line
    #[arg(long, value_parser = template)]
    pub template: Template,
    /// Solved examples shown in every prompt; they are left out of the memory
    #[arg(long, default_value_t = 0)]
    pub shots: usize,
    /// File the shots are taken from, its first ones; --data itself when not given
    #[arg(long)]
    pub shots_from: Option<PathBuf>,
    /// teacher-forced (gold prefixes) or free-running (the model's own words, as in the paper)
    #[arg(long, default_value = "teacher-forced")]
    pub mode: ContextMode,
    /// Folder to write
    #[arg(long)]
    pub out: PathBuf,
    /// Use only the first N examples
    #[arg(long)]
    pub limit: Option<usize>,
    /// Leave out examples of more than N tokens, prompt and target together
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<usize>,
    /// Keep f(c) in single precision instead of half
    #[arg(long)]
    pub f32: bool,
}

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

/// Model and what goes with it.
#[derive(Debug, Args)]
pub struct WithArgs {
    /// Model file (GGUF)
    #[arg(long)]
    pub model: PathBuf,
    /// Adapter file
    #[arg(long)]
    pub adapter: Option<PathBuf>,
    /// Folder of a memory, for kNN
    #[arg(long)]
    pub memory: Option<PathBuf>,
    /// Template instead of the one that the adapter or the memory brings, and without its shots
    #[arg(long, value_parser = template)]
    pub template: Option<Template>,
    /// Weight of the adapter or the memory at the first token instead of the one chosen in training, 0 to 1
    #[arg(long)]
    pub lambda_max: Option<f32>,
    /// paper (Gradual Unrolling), constant or reference-code, for pema-gu
    #[arg(long)]
    pub schedule: Option<Schedule>,
    /// Neighbours of kNN, at most 256
    #[arg(long, value_parser = neighbours)]
    pub knn_k: Option<usize>,
    /// Temperature of kNN's distances
    #[arg(long)]
    pub knn_temperature: Option<f32>,
    /// Most tokens to write per text
    #[arg(long)]
    pub max_tokens: Option<usize>,
    /// Versions of a text that are kept while it is written, of which the most probable is the
    /// result: 1 takes the best token each time. The adapter's own number when not given
    #[arg(long)]
    pub beams: Option<usize>,
}

#[derive(Debug, Args)]
pub struct GenerateArgs {
    #[command(flatten)]
    pub with: WithArgs,
    /// base, knn, pema or pema-gu; the adapter's own choice when not given
    #[arg(long)]
    pub method: Option<Method>,
    /// Input to write an answer to
    #[arg(long, conflicts_with = "data", required_unless_present = "data")]
    pub prompt: Option<String>,
    /// File of inputs
    #[arg(long, requires = "out")]
    pub data: Option<PathBuf>,
    /// Field or column of the input in --data; guessed when not given
    #[arg(long)]
    pub input_field: Option<String>,
    /// Use only the first N inputs
    #[arg(long)]
    pub limit: Option<usize>,
    /// File to write answers to, one JSON object a line
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// 0 always takes the most probable token
    #[arg(long, default_value_t = 0.0)]
    pub temperature: f32,
    /// Draw from the N most probable tokens; 0 for no limit
    #[arg(long, default_value_t = 0)]
    pub top_k: u32,
    /// Draw from the fewest tokens that reach this probability
    #[arg(long, default_value_t = 1.0)]
    pub top_p: f32,
    /// The same seed gives the same text
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Also stop at this text; may be repeated
    #[arg(long)]
    pub stop: Vec<String>,
    /// Show for every token lambda, P_LM, P_PEMA and their mixture
    #[arg(long)]
    pub explain: bool,
    /// Length that the schedule reference-code counts down from
    #[arg(long)]
    pub reference_length: Option<usize>,
}

#[derive(Debug, Args)]
pub struct EvalArgs {
    #[command(flatten)]
    pub with: WithArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// Methods to measure
    #[arg(long, value_delimiter = ',', default_value = "base,pema,pema-gu")]
    pub methods: Vec<Method>,
    /// Use only the first N pairs
    #[arg(long)]
    pub limit: Option<usize>,
    /// Also write every text, one JSON object a line
    #[arg(long)]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Model file (GGUF)
    #[arg(long)]
    pub model: PathBuf,
    /// Solved examples shown in every prompt: auto, or a number
    #[arg(long, default_value = "auto")]
    pub shots: Shots,
    /// Folder to keep memory and adapter in; a temporary one when not given
    #[arg(long)]
    pub keep: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Model file (GGUF)
    #[arg(long)]
    pub model: PathBuf,
    /// Rows of the training step
    #[arg(long, default_value_t = 2048, value_parser = count)]
    pub rows: usize,
    /// Width of the bottleneck
    #[arg(long, default_value_t = 64, value_parser = count)]
    pub rank: usize,
    /// Timed repetitions
    #[arg(long, default_value_t = 5, value_parser = count)]
    pub repeats: usize,
    /// Leave out reading and writing
    #[arg(long)]
    pub training_only: bool,
}

/// Template as typed.
fn template(text: &str) -> pema::Result<Template> {
    Template::parse(&unescape(text))
}

/// A number of things of which there must be one.
fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "give a whole number from 1 on".to_owned())
}

/// As many as one search can return.
fn neighbours(text: &str) -> Result<usize, String> {
    count(text).ok().filter(|n| *n <= MAX_K).ok_or_else(|| format!("give a whole number from 1 to {MAX_K}"))
}
