//! Held-out rows: how good the mixture is, and which lambda is best.

use serde::{Deserialize, Serialize};

use crate::schedule::{Schedule, Unrolling};

/// What held-out rows say of an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeldOutScore {
    /// Mean -log P_LM(y).
    pub base_nll: f64,
    /// Mean -log P_PEMA(y).
    pub nll: f64,
    /// Mean -log of the mixture at the best constant lambda.
    pub mix_nll: f64,
    /// That lambda.
    pub lambda_constant: f32,
    /// Mean -log of the mixture under Gradual Unrolling at the best lambda_max.
    pub unrolled_nll: f64,
    /// That lambda_max.
    pub lambda_max: f32,
}

impl HeldOutScore {
    /// The schedule with the lower loss.
    pub fn schedule(&self) -> Schedule {
        if self.unrolled_nll < self.mix_nll { Schedule::Paper } else { Schedule::Constant }
    }
}

/// Lambdas that are tried: 0.05 to 1.
const GRID: usize = 20;

/// Chooses lambda for both schedules on rows given by their losses under the model (`lm`) and the
/// adapter (`pema`), their position within the target and the length of their input.
pub fn choose_lambda(lm: &[f32], pema: &[f32], position: &[u32], input_tokens: &[u32]) -> HeldOutScore {
    let n = lm.len().max(1) as f64;
    let mean = |x: &[f32]| x.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let mixture = |schedule: Schedule, lambda_max: f32| {
        let rows = lm.iter().zip(pema).zip(position.iter().zip(input_tokens));
        let losses = rows.map(|((lm, pema), (position, length))| {
            let unrolling = Unrolling { schedule, lambda_max, length: *length as usize };
            mixture_nll(*lm, *pema, unrolling.lambda(*position as usize))
        });
        losses.sum::<f64>() / n
    };
    let best = |schedule: Schedule| {
        let tried = (1..=GRID).map(|i| i as f32 / GRID as f32).map(|lambda| (mixture(schedule, lambda), lambda));
        tried.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((f64::INFINITY, 0.0))
    };
    let (mix_nll, lambda_constant) = best(Schedule::Constant);
    let (unrolled_nll, lambda_max) = best(Schedule::Paper);
    HeldOutScore { base_nll: mean(lm), nll: mean(pema), mix_nll, lambda_constant, unrolled_nll, lambda_max }
}

/// -log(lambda e^-pema + (1 - lambda) e^-lm), stable for any loss.
pub(crate) fn mixture_nll(lm: f32, pema: f32, lambda: f32) -> f64 {
    let (lm, pema, lambda) = (-f64::from(lm), -f64::from(pema), f64::from(lambda));
    if lambda <= 0.0 {
        return -lm;
    }
    if lambda >= 1.0 {
        return -pema;
    }
    let top = lm.max(pema);
    -(top + (lambda * (pema - top).exp() + (1.0 - lambda) * (lm - top).exp()).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixture_is_the_plain_formula_where_that_is_stable() {
        for lambda in [0.0, 0.3, 1.0] {
            let plain = -(lambda * (-2.0f64).exp() + (1.0 - lambda) * (-0.5f64).exp()).ln();
            assert!((mixture_nll(0.5, 2.0, lambda as f32) - plain).abs() < 1e-7);
        }
        assert!(mixture_nll(2000.0, 1.0, 0.5).is_finite());
    }

    #[test]
    fn a_better_adapter_gets_a_larger_lambda_and_a_useless_one_the_smallest() {
        let lm = [2.0, 3.0, 1.0];
        let good = choose_lambda(&lm, &[0.1, 0.1, 0.1], &[0, 1, 2], &[10, 10, 10]);
        let bad = choose_lambda(&lm, &[9.0, 9.0, 9.0], &[0, 1, 2], &[10, 10, 10]);
        assert_eq!((good.lambda_constant, bad.lambda_constant), (1.0, 0.05));
        assert!(good.mix_nll < good.base_nll);
        assert_eq!(good.schedule(), Schedule::Constant);
    }

    #[test]
    fn rows_past_the_input_prefer_a_schedule_that_fades() {
        // Early rows need the adapter, late rows the model.
        let score = choose_lambda(&[5.0, 0.1], &[0.1, 5.0], &[0, 9], &[10, 10]);
        assert_eq!(score.schedule(), Schedule::Paper);
    }
}
