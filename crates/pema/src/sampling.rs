//! Choosing the next token, and knowing when a text is finished.

mod stop;

pub use stop::StopStrings;

use pema_kernels::random::Rng;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How the next token is drawn from the model's distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplingConfig {
    /// Log-probabilities are divided by this; 0 always takes the best token.
    pub temperature: f32,
    /// Only this many of the best tokens take part; 0 for all.
    pub top_k: u32,
    /// Only the fewest best tokens that together reach this probability take
    /// part; 1 for all.
    pub top_p: f32,
    /// Where the random numbers start.
    pub seed: u64,
}

impl Default for SamplingConfig {
    /// Greedy decoding.
    fn default() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0 }
    }
}

impl SamplingConfig {
    /// Checks what a user may have typed.
    ///
    /// # Errors
    /// [`Error::BadSampling`] for a temperature that is negative or no number,
    /// or a `top_p` outside (0, 1].
    pub fn check(&self) -> Result<()> {
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return Err(Error::BadSampling {
                setting: "temperature",
                value: self.temperature,
                range: "0 for the most likely text, or a positive number such as 0.7",
            });
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(Error::BadSampling {
                setting: "top_p",
                value: self.top_p,
                range: "a number above 0 and up to 1; 1 switches it off",
            });
        }
        Ok(())
    }
}

/// Draws tokens. The same seed and the same log-probabilities give the same
/// tokens on every platform.
#[derive(Debug, Clone)]
pub struct Sampler {
    config: SamplingConfig,
    random: Rng,
    weights: Vec<f64>,
}

impl Sampler {
    /// A sampler for a single text: sequence 0 of the seed.
    pub fn new(config: SamplingConfig) -> Self {
        Self::for_sequence(config, 0)
    }

    /// The sampler of sequence `index` of a batch. Each sequence has its own
    /// random numbers, so a text does not depend on which others ran beside it.
    pub fn for_sequence(config: SamplingConfig, index: u64) -> Self {
        // Both are scrambled first: seeds 1, 2, 3 and indices 1, 2, 3 must not meet.
        let start = Rng::new(config.seed).next_u64();
        let offset = Rng::new(!index).next_u64();
        Self { config, random: Rng::new(start.wrapping_add(offset)), weights: Vec::new() }
    }

    /// Whether the best candidate is always taken.
    pub fn is_greedy(&self) -> bool {
        self.config.temperature.is_nan() || self.config.temperature <= 0.0 || self.config.top_k == 1
    }

    /// The next token out of `candidates`, pairs of (token id, log-probability)
    /// in nats, best first, equal ones by smaller id. The candidates may be the
    /// head of a longer list; their probabilities are normalised over what is
    /// given. Order of the filters: temperature, `top_k`, `top_p`.
    ///
    /// `None` when there is no candidate or the best is not a number, which
    /// means that the model has diverged.
    pub fn pick(&mut self, candidates: &[(u32, f32)]) -> Option<u32> {
        let &(best, best_log_prob) = candidates.first()?;
        if !best_log_prob.is_finite() {
            return None;
        }
        if self.is_greedy() {
            return Some(best);
        }
        let temperature = f64::from(self.config.temperature);
        let kept = match self.config.top_k {
            0 => candidates.len(),
            top_k => candidates.len().min(top_k as usize),
        };
        self.weights.clear();
        let mut total = 0.0;
        for &(_, log_prob) in &candidates[..kept] {
            // Relative to the best one, so that a low temperature cannot underflow them all.
            let weight = ((f64::from(log_prob) - f64::from(best_log_prob)) / temperature).exp();
            let weight = if weight.is_finite() { weight } else { 0.0 };
            self.weights.push(weight);
            total += weight;
        }
        let mass = self.nucleus(total);
        let mut left = self.random.unit_f64() * mass;
        for (&(token, _), &weight) in candidates.iter().zip(&self.weights) {
            left -= weight;
            if left < 0.0 {
                return Some(token);
            }
        }
        // Rounding can leave a hair over; the mass then ends at the last kept token.
        candidates.get(self.weights.len().wrapping_sub(1)).map(|&(token, _)| token)
    }

    /// Cuts the weights to the nucleus (Holtzman et al. 2020) and returns its mass.
    fn nucleus(&mut self, total: f64) -> f64 {
        let top_p = f64::from(self.config.top_p);
        if top_p >= 1.0 || top_p.is_nan() {
            return total;
        }
        let mut mass = 0.0;
        for index in 0..self.weights.len() {
            mass += self.weights[index];
            // The token that reaches the threshold still belongs to the nucleus.
            if mass >= top_p * total {
                self.weights.truncate(index + 1);
                break;
            }
        }
        mass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logarithm of one half; the candidates have 1/2, 1/4, 1/8 and 1/8.
    const HALF: f32 = -std::f32::consts::LN_2;
    const CANDIDATES: [(u32, f32); 4] = [(7, HALF), (3, 2.0 * HALF), (1, 3.0 * HALF), (9, 3.0 * HALF)];

    fn config(temperature: f32, top_k: u32, top_p: f32) -> SamplingConfig {
        SamplingConfig { temperature, top_k, top_p, seed: 5 }
    }

    /// Shares of 20,000 draws, in the order of the candidates.
    fn shares(config: SamplingConfig) -> [f64; 4] {
        let mut sampler = Sampler::new(config);
        let mut counts = [0.0; 4];
        for _ in 0..20_000 {
            let token = sampler.pick(&CANDIDATES).unwrap();
            let index = CANDIDATES.iter().position(|&(id, _)| id == token).unwrap();
            counts[index] += 1.0 / 20_000.0;
        }
        counts
    }

    fn assert_shares(config: SamplingConfig, expected: [f64; 4]) {
        for (got, want) in shares(config).into_iter().zip(expected) {
            assert!((got - want).abs() < 0.012 && (want > 0.0 || got == 0.0), "{config:?}: {got} for {want}");
        }
    }

    #[test]
    fn greedy_takes_the_first() {
        assert_eq!(Sampler::new(SamplingConfig::default()).pick(&CANDIDATES), Some(7));
        assert_eq!(Sampler::new(config(1.0, 1, 1.0)).pick(&CANDIDATES), Some(7));
    }

    #[test]
    fn shares_follow_the_settings() {
        assert_shares(config(1.0, 0, 1.0), [0.5, 0.25, 0.125, 0.125]);
        // Temperature 1/2 squares the probabilities: 16, 4, 1, 1 parts of 22.
        assert_shares(config(0.5, 0, 1.0), [16.0 / 22.0, 4.0 / 22.0, 1.0 / 22.0, 1.0 / 22.0]);
        assert_shares(config(1.0, 2, 1.0), [2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0]);
        // 0.5 does not reach 0.6, so the second belongs to the nucleus.
        assert_shares(config(1.0, 0, 0.6), [2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0]);
        // The nucleus is taken after the temperature: 16/22 reaches 0.6 alone.
        assert_shares(config(0.5, 0, 0.6), [1.0, 0.0, 0.0, 0.0]);
        assert_shares(config(1e-30, 0, 1.0), [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_seed_fixes_the_text_and_sequences_differ() {
        let draw = |mut sampler: Sampler| (0..32).map(|_| sampler.pick(&CANDIDATES).unwrap()).collect::<Vec<_>>();
        let config = config(1.0, 0, 1.0);
        assert_eq!(draw(Sampler::new(config)), draw(Sampler::for_sequence(config, 0)));
        assert_ne!(draw(Sampler::for_sequence(config, 0)), draw(Sampler::for_sequence(config, 1)));
        let shifted = SamplingConfig { seed: 6, ..config };
        assert_ne!(draw(Sampler::for_sequence(config, 1)), draw(Sampler::for_sequence(shifted, 0)));
        // Worked out by another program from the definition of the generator.
        assert_eq!(draw(Sampler::new(config))[..8], [7, 7, 7, 7, 7, 9, 7, 9]);
    }

    #[test]
    fn a_diverged_or_missing_distribution_has_no_token() {
        let mut sampler = Sampler::new(config(1.0, 0, 1.0));
        assert_eq!(sampler.pick(&[]), None);
        assert_eq!(sampler.pick(&[(1, f32::NAN)]), None);
        for _ in 0..100 {
            assert_eq!(sampler.pick(&[(1, -0.1), (2, f32::NAN), (3, f32::NEG_INFINITY)]), Some(1));
        }
        assert!(config(f32::NAN, 0, 1.0).check().is_err() && config(-1.0, 0, 1.0).check().is_err());
        assert!(config(1.0, 0, 0.0).check().is_err() && config(1.0, 0, 1.0).check().is_ok());
    }
}
