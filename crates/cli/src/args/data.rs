//! Which pairs, and how arguments that are more than a word are read.

use std::path::PathBuf;

use clap::Args;
use pema::template::{Template, unescape};
use pema_kernels::top_k::MAX_K;

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

/// Template as typed.
pub(super) fn template(text: &str) -> pema::Result<Template> {
    Template::parse(&unescape(text))
}

/// A text in which \n is a new line.
pub(super) fn unescaped(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(unescape(text))
}

/// A number of things of which there must be one.
pub(super) fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "give a whole number from 1 on".to_owned())
}

/// As many as one search can return.
pub(super) fn neighbours(text: &str) -> Result<usize, String> {
    count(text).ok().filter(|n| *n <= MAX_K).ok_or_else(|| format!("give a whole number from 1 to {MAX_K}"))
}
