//! Gradual Unrolling: how much the adapter has to say at each generated token.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How the mixing weight lambda_t falls while a text is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Gradual Unrolling of the PEMA paper: an even step down per token, to 0
    /// after as many tokens as the user's input has.
    #[default]
    Paper,
    /// The same weight at every token.
    Constant,
    /// What the paper's released program computes: the even step squared, but
    /// for the first token. Its length is that of the reference text, which no
    /// real generation knows, so this serves comparisons only.
    ReferenceCode,
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Paper => "paper",
            Self::Constant => "constant",
            Self::ReferenceCode => "reference-code",
        })
    }
}

impl FromStr for Schedule {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "paper" => Ok(Self::Paper),
            "constant" => Ok(Self::Constant),
            "reference-code" => Ok(Self::ReferenceCode),
            _ => Err(Error::UnknownSchedule { name: name.to_owned() }),
        }
    }
}

/// The mixing weights of one generated text:
/// P_t = lambda_t P_PEMA + (1 - lambda_t) P_LM (paper, equation 6).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Unrolling {
    /// How the weight falls.
    pub schedule: Schedule,
    /// Weight of the first token, from 0 to 1.
    pub lambda_max: f32,
    /// Tokens until the weight is 0: those of the user's input, without the
    /// instruction and the demonstrations; 0 counts as 1. Without meaning for
    /// [`Schedule::Constant`]; chosen by the caller for [`Schedule::ReferenceCode`].
    pub length: usize,
}

impl Unrolling {
    /// Checks and keeps the settings.
    ///
    /// # Errors
    /// [`Error::BadLambda`] for a `lambda_max` outside [0, 1] or not a number.
    pub fn new(schedule: Schedule, lambda_max: f32, length: usize) -> Result<Self> {
        if !(0.0..=1.0).contains(&lambda_max) {
            return Err(Error::BadLambda { lambda_max });
        }
        Ok(Self { schedule, lambda_max, length })
    }

    /// Weight of the adapter at the generated token `t`, counted from 0.
    ///
    /// The paper's recurrence lambda_{t+1} = max(0, lambda_t - lambda_max / SL)
    /// is taken in closed form, so that long texts gather no rounding and the
    /// weight is exactly 0 from token SL on, where the adapter can be skipped.
    pub fn lambda(&self, t: usize) -> f32 {
        let length = self.length.max(1);
        let straight = f64::from(self.lambda_max) * (length.saturating_sub(t) as f64 / length as f64);
        match self.schedule {
            Schedule::Constant => self.lambda_max,
            Schedule::Paper => straight as f32,
            Schedule::ReferenceCode if t == 0 => self.lambda_max,
            Schedule::ReferenceCode => (straight * straight) as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unrolling(schedule: Schedule, lambda_max: f32, length: usize) -> Unrolling {
        Unrolling::new(schedule, lambda_max, length).unwrap()
    }

    #[test]
    fn the_papers_weight_follows_its_recurrence() {
        for length in [1, 2, 7, 100, 333] {
            let closed = unrolling(Schedule::Paper, 0.9, length);
            let mut lambda = 0.9f64;
            for t in 0..length + 3 {
                assert!((f64::from(closed.lambda(t)) - lambda).abs() < 1e-6, "token {t} of {length}");
                lambda = (lambda - 0.9 / length as f64).max(0.0);
            }
            assert!(closed.lambda(length - 1) > 0.0);
            assert_eq!(closed.lambda(length), 0.0);
            assert_eq!(closed.lambda(usize::MAX), 0.0);
        }
    }

    #[test]
    fn an_input_without_tokens_counts_as_one() {
        let closed = unrolling(Schedule::Paper, 0.5, 0);
        assert_eq!([closed.lambda(0), closed.lambda(1)], [0.5, 0.0]);
    }

    #[test]
    fn a_constant_weight_ignores_the_length() {
        let constant = unrolling(Schedule::Constant, 0.4, 3);
        assert_eq!([constant.lambda(0), constant.lambda(3), constant.lambda(900)], [0.4; 3]);
    }

    #[test]
    fn the_released_program_squares_all_but_the_first() {
        let code = unrolling(Schedule::ReferenceCode, 0.9, 100);
        for (t, expected) in
            [(0, 0.9), (1, 0.793_881), (10, 0.6561), (30, 0.3969), (50, 0.2025), (100, 0.0), (101, 0.0)]
        {
            assert!((code.lambda(t) - expected).abs() < 1e-6, "token {t}: {}", code.lambda(t));
        }
    }

    #[test]
    fn names_are_the_same_in_files_and_on_the_command_line() {
        for schedule in [Schedule::Paper, Schedule::Constant, Schedule::ReferenceCode] {
            let name = schedule.to_string();
            assert_eq!(name.parse::<Schedule>().unwrap(), schedule);
            assert_eq!(serde_json::to_string(&schedule).unwrap(), format!("\"{name}\""));
        }
        assert!(matches!("Paper ".parse::<Schedule>(), Err(Error::UnknownSchedule { .. })));
    }

    #[test]
    fn a_weight_out_of_range_is_refused() {
        for lambda_max in [-0.1, 1.1, f32::NAN] {
            assert!(matches!(Unrolling::new(Schedule::Paper, lambda_max, 4), Err(Error::BadLambda { .. })));
        }
    }
}
