//! A run from pairs to an adapter: what it takes, how far it is, what came of it.

use serde::{Deserialize, Serialize};

use crate::check::{Check, Way};

/// An adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainInfo {
    /// Rows it was trained on.
    pub rows: u32,
    /// r
    pub rank: u32,
    /// `residual` or `paper`
    pub form: String,
    /// Steps done and the best one.
    pub steps: [u32; 2],
    /// Weight under Gradual Unrolling.
    pub lambda_max: f32,
    /// Weight that is the same at every token.
    pub lambda_constant: f32,
    /// Held-out NLL of the model and of the mixture.
    pub held_out: Option<[f32; 2]>,
    /// Seconds for memory and training; 0 for an imported one.
    pub seconds: f32,
    /// Every step that was seen, for the chart.
    pub history: Vec<TrainProgress>,
    /// How it writes unless the user wants it otherwise.
    pub way: Way,
    /// How that was chosen.
    pub check: Check,
}

/// What a run takes on, needs and takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Pairs to learn from, out of so many that are no demonstrations.
    pub pairs: [u32; 2],
    /// Bytes that memory, state of the training and adapter add to the store.
    pub bytes: u64,
    /// Bytes that the browser says it still gives; some say more than there is.
    pub free: Option<u64>,
}

impl Estimate {
    /// Whether the store can hold it.
    pub fn fits(&self) -> bool {
        self.free.is_none_or(|free| self.bytes <= free)
    }
}

/// The memory grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct MemoryProgress {
    /// Pairs read.
    pub examples: u32,
    /// Pairs in all.
    pub of: u32,
    /// Rows of the memory.
    pub rows: u32,
    /// Tokens a second, of this run.
    pub tokens_per_second: f32,
    /// Seconds left, when known.
    pub seconds_left: Option<f32>,
}

/// A training step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrainProgress {
    /// 1 or 2.
    pub stage: u32,
    /// From 1.
    pub step: u32,
    /// Steps at most.
    pub of: u32,
    /// L_rct
    pub rct: f32,
    /// L_pd, 0 in stage 1.
    pub pd: f32,
    /// Held-out NLL of the model, the adapter and the mixture, when they were measured.
    pub held_out: Option<[f32; 3]>,
    /// Seconds left at most.
    pub seconds_left: Option<f32>,
}
