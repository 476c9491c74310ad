//! A training between two steps, so that one that was cut off goes on in the middle and ends with the
//! adapter it would have had.

use serde::{Deserialize, Serialize};

use super::config::TrainConfig;
use super::held_out::HeldOutScore;
use super::network::Parameters;
use super::parameter::ParameterState;
use crate::{Error, Keys, Memory, Result};

/// Everything that the next steps depend on, in host memory. [`Trainer::state`](super::Trainer::state)
/// makes it, [`Trainer::resume`](super::Trainer::resume) goes on from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainState {
    pub(super) config: TrainConfig,
    /// CRC-32 of the rows that are trained and judged on.
    pub(super) rows: u32,
    /// A, B_pd and B_rct.
    pub(super) parameters: [ParameterState; 3],
    pub(super) rng: u64,
    /// The rows of this pass, shuffled, and how many of them were used.
    pub(super) order: Vec<u32>,
    pub(super) cursor: u32,
    pub(super) step: u32,
    pub(super) best: Option<Best>,
    pub(super) stale: u32,
    /// -log P_LM(y) of the held-out rows.
    pub(super) lm: Vec<f32>,
}

/// The best parameters so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Best {
    pub(super) score: HeldOutScore,
    pub(super) parameters: Parameters,
    pub(super) step: usize,
}

impl TrainState {
    /// Steps done.
    pub fn step(&self) -> usize {
        self.step as usize
    }

    /// Whether it is of a training with these settings on these rows.
    pub fn is_of(&self, config: &TrainConfig, memory: &Memory, valid: Option<&Memory>) -> bool {
        self.config == *config && self.rows == fingerprint(memory, valid)
    }

    /// Refuses a state that is not of this training: `training` are the rows that are trained on, in order,
    /// `held_out` the number of rows that are judged on.
    pub(super) fn check(
        &self,
        config: &TrainConfig,
        memory: &Memory,
        valid: Option<&Memory>,
        training: &[usize],
        held_out: usize,
    ) -> Result<()> {
        if self.config != *config {
            return Err(Error::OtherTraining { what: "settings" });
        }
        let mut order: Vec<usize> = self.order.iter().map(|row| *row as usize).collect();
        order.sort_unstable();
        let n = config.rank * memory.hidden();
        let best = self.best.as_ref().map(|b| &b.parameters);
        let fits = self.rows == fingerprint(memory, valid)
            && order == training
            && self.cursor as usize <= order.len()
            && self.lm.len() == held_out
            && self.parameters.iter().all(|p| p.fits(n))
            && best.is_none_or(|b| [&b.a, &b.bt_pd, &b.bt_rct].iter().all(|v| v.len() == n));
        if fits { Ok(()) } else { Err(Error::OtherTraining { what: "rows" }) }
    }
}

/// CRC-32 of both memories' rows.
pub(super) fn fingerprint(memory: &Memory, valid: Option<&Memory>) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    for memory in [Some(memory), valid].into_iter().flatten() {
        sum.update(&(memory.rows() as u64).to_le_bytes());
        match &memory.keys {
            Keys::F16(keys) => sum.update(bytemuck::cast_slice(keys)),
            Keys::F32(keys) => sum.update(bytemuck::cast_slice(keys)),
        }
        for column in [&memory.values, &memory.sample, &memory.position, &memory.input_tokens] {
            sum.update(bytemuck::cast_slice(column));
        }
    }
    sum.finalize()
}
