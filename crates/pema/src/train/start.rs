//! Where training starts: its rows, the rows it is judged on, its parameters.

use pema_device::Device;
use pema_kernels::random::Rng;

use super::closed_form::eigenvectors;
use super::config::{Stage1, TrainConfig};
use super::network::Parameters;
use crate::{Form, Memory, Result};

/// Without a memory of held-out rows, one example in this many is held out.
const HOLD_OUT_EVERY: u32 = 10;
/// Fewest examples of which some can be held out.
const HOLD_OUT_MIN: usize = 20;

/// Rows that training is judged on.
#[derive(Debug)]
pub(super) struct HeldOut<'a> {
    pub(super) memory: &'a Memory,
    pub(super) rows: Vec<usize>,
    /// -log P of their targets under the model alone.
    pub(super) lm: Vec<f32>,
}

/// Rows that are held out of `memory` when there is no other memory to judge on, and rows to train on.
pub(super) fn parted(memory: &Memory, valid: Option<&Memory>) -> (Vec<usize>, Vec<usize>) {
    let held_back = valid.is_none() && memory.examples() >= HOLD_OUT_MIN;
    let is_held = |row: &usize| held_back && memory.sample[*row] % HOLD_OUT_EVERY == HOLD_OUT_EVERY - 1;
    (0..memory.rows()).partition(is_held)
}

/// The entries of some rows.
pub(super) fn pick(column: &[u32], rows: &[usize]) -> Vec<u32> {
    rows.iter().map(|r| column[*r]).collect()
}

/// Stage 1 in closed form, or the paper's initialisation: A Kaiming-uniform with a = sqrt 5, which is
/// uniform within 1/sqrt(d), and B zero.
pub(super) async fn initial(
    device: &Device,
    memory: &Memory,
    training: &[usize],
    config: &TrainConfig,
    rng: &mut Rng,
) -> Result<Parameters> {
    let (d, rank) = (memory.hidden(), config.rank);
    let zeros = vec![0.0f32; rank * d];
    match config.stage1 {
        Stage1::ClosedForm => {
            let a = eigenvectors(device, memory, training, rank).await?;
            // The paper form gains as much from starting at the reconstruction; the residual form
            // starts at the model itself.
            let bt_pd = if config.form == Form::Paper { a.clone() } else { zeros };
            Ok(Parameters { bt_rct: a.clone(), bt_pd, a })
        }
        Stage1::Descent => {
            let a = rng.floats(rank * d, 1.0 / (d as f32).sqrt());
            Ok(Parameters { a, bt_pd: zeros.clone(), bt_rct: zeros })
        }
    }
}
