//! `pema generate` and `pema eval`.

use std::path::PathBuf;

use clap::Args;
use pema::Method;
use pema::schedule::Schedule;
use pema::template::Template;

use super::data::{DataArgs, count, neighbours, template, unescaped};

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
    /// Length that the schedule reference-code counts down from
    #[arg(long, required_if_eq("schedule", "reference-code"))]
    pub reference_length: Option<usize>,
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
    /// result: 1 takes the best token each time. The adapter's own number when not given, in `eval` for the model alone
    /// too
    #[arg(long)]
    pub beams: Option<usize>,
    /// With an adapter, never say a run of N tokens twice; 0 allows it. The adapter's own rule when not given
    #[arg(long, value_name = "N")]
    pub no_repeat: Option<usize>,
}

#[derive(Debug, Args)]
pub struct GenerateArgs {
    #[command(flatten)]
    pub with: WithArgs,
    /// base, knn, pema or pema-gu; when not given the adapter's own choice, without one knn with --memory, else base
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
    #[arg(long, value_parser = count)]
    pub limit: Option<usize>,
    /// File to write answers to, one JSON object a line
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// 0 always takes the most probable token
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    pub temperature: f32,
    /// Draw from the N most probable tokens, at most 256; 0 for all 256
    #[arg(long, default_value_t = 0)]
    pub top_k: u32,
    /// Draw from the fewest tokens that reach this probability
    #[arg(long, default_value_t = 1.0)]
    pub top_p: f32,
    /// The same seed gives the same text
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Also stop at this text; \n is a new line; may be repeated
    #[arg(long, value_parser = unescaped)]
    pub stop: Vec<String>,
    /// Show for every token lambda, P_LM, P_PEMA and their mixture
    #[arg(long)]
    pub explain: bool,
}

#[derive(Debug, Args)]
pub struct EvalArgs {
    #[command(flatten)]
    pub with: WithArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// Methods to measure: base, knn, pema, pema-gu; all that --adapter and --memory allow when not given
    #[arg(long, value_delimiter = ',')]
    pub methods: Vec<Method>,
    /// Use only the first N pairs
    #[arg(long, value_parser = count)]
    pub limit: Option<usize>,
    /// Also write every text, one JSON object a line
    #[arg(long)]
    pub out: Option<PathBuf>,
}
