//! How far a score may be off: the bootstrap of Koehn (2004) over the texts.

use pema_kernels::random::Rng;
use serde::{Deserialize, Serialize};

use super::{ChrfCounts, paired};
use crate::error::Result;

/// Samples drawn.
const SAMPLES: usize = 1000;
/// Share of the samples outside the interval, on both sides together.
const OUTSIDE: f64 = 0.05;
/// The same texts give the same interval.
const SEED: u64 = 20_241;

/// A value and the range that holds it with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Interval {
    /// The value on all texts.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Whether the whole range lies above `limit`.
    pub fn above(&self, limit: f64) -> bool {
        self.low > limit
    }
}

/// chrF2 with its interval.
///
/// # Errors
/// [`Error::UnevenScoring`](crate::error::Error::UnevenScoring) if the lists differ in length or are empty.
pub fn chrf_interval<H: AsRef<str>, R: AsRef<str>>(hypotheses: &[H], references: &[R]) -> Result<Interval> {
    let counts = counts(hypotheses, references)?;
    Ok(interval(counts.len(), |rows| corpus(&counts, rows)))
}

/// chrF2 of `better` less that of `base`, on the same resampled texts, so that what is hard for both
/// does not blur the difference.
///
/// # Errors
/// As [`chrf_interval`].
pub fn chrf_gain<B: AsRef<str>, H: AsRef<str>, R: AsRef<str>>(
    base: &[B],
    better: &[H],
    references: &[R],
) -> Result<Interval> {
    let (base, better) = (counts(base, references)?, counts(better, references)?);
    Ok(interval(base.len(), |rows| corpus(&better, rows) - corpus(&base, rows)))
}

fn counts<H: AsRef<str>, R: AsRef<str>>(hypotheses: &[H], references: &[R]) -> Result<Vec<ChrfCounts>> {
    Ok(paired(hypotheses, references)?.map(|(h, r)| ChrfCounts::of(h, r)).collect())
}

fn corpus(counts: &[ChrfCounts], rows: &[usize]) -> f64 {
    let mut sum = ChrfCounts::default();
    for row in rows {
        sum += counts[*row];
    }
    sum.score().value
}

fn interval(n: usize, value: impl Fn(&[usize]) -> f64) -> Interval {
    let mut rng = Rng::new(SEED);
    let mut samples: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let rows: Vec<usize> = (0..n).map(|_| (rng.next_u64() % n as u64) as usize).collect();
            value(&rows)
        })
        .collect();
    samples.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| samples[((SAMPLES - 1) as f64 * share).round() as usize];
    Interval { value: value(&(0..n).collect::<Vec<_>>()), low: at(OUTSIDE / 2.0), high: at(1.0 - OUTSIDE / 2.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::chrf;

    const REFERENCES: [&str; 6] =
        ["the cat sat", "on a mat", "it was warm", "and it slept", "until the evening", "then it rained"];

    #[test]
    fn the_value_is_the_corpus_score_and_lies_inside() {
        let texts = ["the cat sat", "on the mat", "it is warm", "it slept", "until evening", "it rains"];
        let found = chrf_interval(&texts, &REFERENCES).unwrap();
        assert_eq!(found.value, chrf(&texts, &REFERENCES).unwrap().value);
        assert!(found.low < found.value && found.value < found.high, "{found:?}");
        assert_eq!(found, chrf_interval(&texts, &REFERENCES).unwrap());
    }

    #[test]
    fn a_clear_gain_is_above_zero_and_none_is_not() {
        let bad = ["xyz"; 6];
        let gain = chrf_gain(&bad, &REFERENCES, &REFERENCES).unwrap();
        assert!(gain.above(0.0) && (gain.value - 100.0).abs() < 1e-9, "{gain:?}");
        assert!(!chrf_gain(&REFERENCES, &REFERENCES, &REFERENCES).unwrap().above(0.0));
        assert!(chrf_gain(&bad[..2], &REFERENCES, &REFERENCES).is_err());
    }
}
