//! What a training tells of itself.

use super::held_out::HeldOutScore;
use super::network::Losses;

/// One step, as the user sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// 1 or 2.
    pub stage: u32,
    /// Step within all stages, from 1.
    pub step: usize,
    /// Most steps there will be.
    pub of: usize,
    /// Losses of the batch.
    pub losses: Losses,
    /// What the held-out rows say, when they were asked.
    pub held_out: Option<HeldOutScore>,
}

impl StepReport {
    /// The loss that this step lowered: L_rct in stage 1, L_pd in stage 2.
    pub fn loss(&self) -> f64 {
        if self.stage == 1 { self.losses.rct } else { self.losses.pd }
    }
}

/// How training went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Steps done.
    pub steps: usize,
    /// The step whose parameters were kept.
    pub best_step: usize,
    /// What the held-out rows say of them; `None` without held-out rows.
    pub held_out: Option<HeldOutScore>,
    /// Rows trained on.
    pub rows: usize,
    /// Most bytes that were on the device at once.
    pub peak_bytes: u64,
}
