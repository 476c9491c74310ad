//! `pema memory`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pema::ContextMode;
use pema::template::Template;

use super::data::{DataArgs, count, template};

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
    #[arg(long, value_parser = count)]
    pub limit: Option<usize>,
    /// Leave out examples of more than N tokens, prompt and target together
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<usize>,
    /// Keep f(c) in single precision instead of half
    #[arg(long)]
    pub f32: bool,
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
