//! The command line.

mod data;
mod memory;
mod train;
mod write;

pub use data::{DataArgs, FieldArgs};
pub use memory::{BuildArgs, ImportArgs, MemoryArgs, MemoryCommand};
pub use train::{CHECKED, LabArgs, TrainArgs, TrainOptions, TuneArgs};
pub use write::{EvalArgs, GenerateArgs, WithArgs};

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};
use data::count;
use pema::Shots;
use pema_device::Choice;

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
#[command(group(ArgGroup::new("read").args(["text", "ids"]).required(true)))]
pub struct ContextsArgs {
    /// Model file (GGUF)
    #[arg(long)]
    pub model: PathBuf,
    /// Text to read
    #[arg(long)]
    pub text: Option<String>,
    /// Token ids to read, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub ids: Option<Vec<u32>>,
    /// File to write: `ids` U32 [T] and `context` F32 [T, d] as safetensors
    #[arg(long)]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Model file (GGUF)
    #[arg(long)]
    pub model: PathBuf,
    /// Solved examples shown in every prompt: auto, or a number
    #[arg(long, default_value = "auto")]
    pub shots: Shots,
    /// Folder to keep memories and adapter in; they are not kept when not given
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
