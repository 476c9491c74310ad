//! Scores of generated texts against references.
//!
//! BLEU and chrF give the numbers of the Python package sacreBLEU with its
//! default settings, so that results can be set beside published ones.

pub mod bleu;
pub mod chrf;
mod faults;
mod resample;

pub use bleu::{BleuScore, bleu};
pub use chrf::{ChrfCounts, ChrfScore, chrf};
pub use faults::{Faults, faults};
pub use resample::{Interval, chrf_gain, chrf_interval};

use std::{collections::HashMap, hash::Hash};

use crate::error::{Error, Result};

/// Share of the texts that equal their reference, white space around either
/// ignored; from 0 to 1.
///
/// # Errors
/// [`Error::UnevenScoring`] if the lists differ in length or are empty.
pub fn exact_match<H: AsRef<str>, R: AsRef<str>>(hypotheses: &[H], references: &[R]) -> Result<f64> {
    let pairs = paired(hypotheses, references)?;
    let equal = pairs.filter(|(hypothesis, reference)| hypothesis.trim() == reference.trim()).count();
    Ok(equal as f64 / hypotheses.len() as f64)
}

/// What two pairs of scores come down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// One score gains a point and the other loses next to nothing.
    Better,
    /// One score loses a point, and it is not better.
    Worse,
    /// Neither.
    Alike,
}

/// Compares (chrF, BLEU) `after` a change with those `before`.
pub fn compared(before: [f64; 2], after: [f64; 2]) -> Compared {
    const CLEARLY: f64 = 1.0;
    const HARDLY: f64 = 0.5;
    let [chrf, bleu] = [after[0] - before[0], after[1] - before[1]];
    if chrf > CLEARLY && bleu > -HARDLY || bleu > CLEARLY && chrf > -HARDLY {
        Compared::Better
    } else if chrf < -CLEARLY || bleu < -CLEARLY {
        Compared::Worse
    } else {
        Compared::Alike
    }
}

/// Each text with its reference.
fn paired<'a, H: AsRef<str>, R: AsRef<str>>(
    hypotheses: &'a [H],
    references: &'a [R],
) -> Result<impl Iterator<Item = (&'a str, &'a str)>> {
    if hypotheses.len() != references.len() || hypotheses.is_empty() {
        return Err(Error::UnevenScoring { hypotheses: hypotheses.len(), references: references.len() });
    }
    Ok(hypotheses.iter().map(AsRef::as_ref).zip(references.iter().map(AsRef::as_ref)))
}

/// How often each run of `order` items occurs.
fn ngrams<T: Eq + Hash>(items: &[T], order: usize) -> HashMap<&[T], usize> {
    let mut counts = HashMap::new();
    for ngram in items.windows(order) {
        *counts.entry(ngram).or_insert(0) += 1;
    }
    counts
}

/// Occurrences in `hypothesis` that the reference has as well, each at most as
/// often as it does.
fn matches<T: Eq + Hash>(hypothesis: &HashMap<&[T], usize>, reference: &HashMap<&[T], usize>) -> usize {
    hypothesis.iter().map(|(ngram, &count)| count.min(reference.get(ngram).copied().unwrap_or(0))).sum()
}

/// White space as Python's `str.split` sees it: Unicode's, and the four ASCII
/// separators that Unicode does not count.
fn is_python_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_match_ignores_only_the_white_space_around() {
        let share = exact_match(&["Hello. ", "a b", "x", "A"], &["Hello.", "a  b", "x\n", "a"]).unwrap();
        assert_eq!(share, 0.5);
    }

    #[test]
    fn lists_that_cannot_be_compared_are_refused() {
        let none: [&str; 0] = [];
        assert!(matches!(exact_match(&["a"], &["a", "b"]), Err(Error::UnevenScoring { hypotheses: 1, references: 2 })));
        assert!(bleu(&none, &none).is_err());
        assert!(chrf(&["a", "b"], &["a"]).is_err());
    }

    #[test]
    fn a_match_counts_at_most_as_often_as_in_the_reference() {
        let hypothesis: Vec<char> = "aaab".chars().collect();
        let reference: Vec<char> = "aab".chars().collect();
        assert_eq!(matches(&ngrams(&hypothesis, 1), &ngrams(&reference, 1)), 3);
        assert_eq!(matches(&ngrams(&hypothesis, 2), &ngrams(&reference, 2)), 2);
        assert!(ngrams(&reference, 4).is_empty());
    }
}
