//! Quality on the test pairs.

use serde::{Deserialize, Serialize};

/// Quality on the test pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Pairs measured.
    pub pairs: u32,
    /// One row a method.
    pub methods: Vec<MethodScore>,
    /// The method of the adapter's own way: `base` where the model writes alone.
    pub chosen: String,
    /// Whether tuning helped, in a sentence.
    pub verdict: String,
    /// Warnings, such as too few pairs.
    pub warnings: Vec<String>,
    /// Input, base, adapted, wanted.
    pub examples: Vec<[String; 4]>,
    /// sacreBLEU-like signature.
    pub signature: String,
}

/// One method's scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodScore {
    /// `base`, `knn`, `pema`, `pema-gu`
    pub method: String,
    /// Mean -log P of target tokens.
    pub nll: f64,
    /// exp of it
    pub perplexity: f64,
    /// 0 to 100
    pub bleu: f64,
    /// 0 to 100
    pub chrf: f64,
    /// Share of answers equal to the target, 0 to 1.
    pub exact: f64,
}
