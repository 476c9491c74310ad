//! The adapter: what training makes of a memory.

use pema_plm::Identity;

use crate::copying::CopyBias;
use crate::generate::Method;
use crate::prompt::PromptSetup;
use crate::schedule::Schedule;
use crate::{Error, Result};

/// Bottleneck and decoders, in host memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// r
    pub rank: usize,
    /// How h_pd is made.
    pub form: Form,
    /// A, `[r, d]`.
    pub a: Vec<f32>,
    /// B_pd, `[d, r]`.
    pub b_pd: Vec<f32>,
    /// B_rct, `[d, r]`; needed for training only.
    pub b_rct: Vec<f32>,
    /// What travels with it.
    pub meta: AdapterMeta,
}

/// How the adapter is used and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterMeta {
    /// The model whose head it was trained against.
    pub identity: Identity,
    /// Template and demonstrations of its memory.
    pub prompt: PromptSetup,
    /// `recommended` or `paper`.
    pub recipe: String,
    /// Weight of the reconstruction loss.
    pub kappa: f32,
    /// Lambda at the first token under Gradual Unrolling, chosen on held-out rows.
    pub lambda_max: f32,
    /// Lambda when it is the same at every token, chosen on held-out rows.
    pub lambda_constant: f32,
    /// The schedule with the lower held-out loss.
    pub schedule: Schedule,
    /// How to write with it unless asked otherwise: what wrote best on held-out pairs, the model alone
    /// when nothing beat it; without such a check what `schedule` says.
    pub method: Method,
    /// What to favour of the input's words, fitted on held-out pairs, where that wrote better.
    pub copying: Option<CopyBias>,
    /// Versions of a text that are kept while it is written, chosen likewise; 1 takes the best token each time.
    pub beams: usize,
    /// Tokens of a run that is not said twice, read off the training targets; 0 for no such rule.
    pub no_repeat: usize,
    /// Seed of initialisation, batches and dropout.
    pub seed: u64,
    /// Name and version of the program.
    pub software: String,
}

/// How the prediction representation h_pd is made of f.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// h_pd = f + B_pd A f: starts at the model itself and learns only the difference.
    #[default]
    Residual,
    /// h_pd = B_pd A f, the paper's.
    Paper,
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Form::Residual => "residual",
            Form::Paper => "paper",
        })
    }
}

impl std::str::FromStr for Form {
    type Err = Error;
    fn from_str(s: &str) -> Result<Form> {
        match s {
            "residual" => Ok(Form::Residual),
            "paper" => Ok(Form::Paper),
            _ => Err(Error::BadSetting { setting: "form", value: s.into(), range: "residual or paper".into() }),
        }
    }
}

impl Adapter {
    /// Refuses an adapter of another model. `path` is for the message.
    pub fn check_model(&self, path: &str, model: &Identity) -> Result<()> {
        crate::memory::check_model(path, &self.meta.identity, model)
    }
}

/// The transpose of a `[rows, cols]` matrix.
pub(crate) fn transpose(x: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    (0..cols).flat_map(|c| (0..rows).map(move |r| x[r * cols + c])).collect()
}
