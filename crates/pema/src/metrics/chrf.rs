//! Corpus chrF2 (Popović 2015) as sacreBLEU 2 computes it by default.

use super::{is_python_space, matches, ngrams, paired};
use crate::error::Result;

/// Longest character n-gram that counts.
const MAX_ORDER: usize = 6;

/// Square of beta = 2: recall weighs four times as much as precision.
const BETA_SQUARED: f64 = 4.0;

/// A corpus chrF score and what it is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChrfScore {
    /// The score, from 0 to 100.
    pub value: f64,
    /// Mean precision of the n-grams over their orders, from 0 to 1.
    pub precision: f64,
    /// Mean recall of the n-grams over their orders, from 0 to 1.
    pub recall: f64,
}

/// How the score was computed, in sacreBLEU's notation.
pub fn signature() -> &'static str {
    "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no"
}

/// chrF2 of a list of texts against one reference each: n-grams of 1 to 6
/// characters, white space left out, no words. Orders that either side lacks
/// do not count ("effective order", sacreBLEU's default; not the smoothing by
/// a small constant of the older programs).
///
/// # Errors
/// [`Error::UnevenScoring`](crate::error::Error::UnevenScoring) if the lists
/// differ in length or are empty.
pub fn chrf<H: AsRef<str>, R: AsRef<str>>(hypotheses: &[H], references: &[R]) -> Result<ChrfScore> {
    let mut counts = ChrfCounts::default();
    for (hypothesis, reference) in paired(hypotheses, references)? {
        counts += ChrfCounts::of(hypothesis, reference);
    }
    Ok(counts.score())
}

/// What one text adds to the score of a corpus.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChrfCounts([Counts; MAX_ORDER]);

impl ChrfCounts {
    /// Counts of one text and its reference.
    pub fn of(hypothesis: &str, reference: &str) -> ChrfCounts {
        let (hypothesis, reference) = (letters(hypothesis), letters(reference));
        let mut counts = ChrfCounts::default();
        for (index, count) in counts.0.iter_mut().enumerate() {
            count.add(&hypothesis, &reference, index + 1);
        }
        counts
    }

    /// chrF2 of the texts counted.
    pub fn score(&self) -> ChrfScore {
        score(&self.0)
    }
}

impl std::ops::AddAssign for ChrfCounts {
    fn add_assign(&mut self, other: ChrfCounts) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            sum.hypothesis += more.hypothesis;
            sum.reference += more.reference;
            sum.matched += more.matched;
        }
    }
}

/// Numbers of n-grams of one order over the whole corpus.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    hypothesis: usize,
    reference: usize,
    matched: usize,
}

impl Counts {
    fn add(&mut self, hypothesis: &[char], reference: &[char], order: usize) {
        let in_reference = (reference.len() + 1).saturating_sub(order);
        self.reference += in_reference;
        // A reference too short for this order has no say on it.
        if in_reference > 0 {
            self.hypothesis += (hypothesis.len() + 1).saturating_sub(order);
            self.matched += matches(&ngrams(hypothesis, order), &ngrams(reference, order));
        }
    }
}

fn score(counts: &[Counts; MAX_ORDER]) -> ChrfScore {
    let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0);
    for count in counts.iter().filter(|count| count.hypothesis > 0 && count.reference > 0) {
        precision += count.matched as f64 / count.hypothesis as f64;
        recall += count.matched as f64 / count.reference as f64;
        orders += 1;
    }
    if orders > 0 {
        precision /= f64::from(orders);
        recall /= f64::from(orders);
    }
    let value = if precision + recall > 0.0 {
        100.0 * (1.0 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall)
    } else {
        0.0
    };
    ChrfScore { value, precision, recall }
}

fn letters(text: &str) -> Vec<char> {
    text.chars().filter(|&character| !is_python_space(character)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(hypothesis: &str, reference: &str) -> f64 {
        chrf(&[hypothesis], &[reference]).unwrap().value
    }

    #[test]
    fn white_space_does_not_count() {
        assert!((value("ab cd\u{3000}ef\u{1c}", "a b cdef") - 100.0).abs() < 1e-9);
    }

    #[test]
    fn orders_beyond_the_text_do_not_count() {
        assert!((value("ab", "ab") - 100.0).abs() < 1e-9);
        // Characters only, not bytes: one of two matches, no pair does.
        let expected = 100.0 * 0.25;
        assert!((value("äö", "äü") - expected).abs() < 1e-9);
    }

    #[test]
    fn recall_weighs_more_than_precision() {
        // Two orders; precision (1 + 1) / 2, recall (2/3 + 1/2) / 2.
        let (precision, recall) = (1.0, 7.0 / 12.0);
        let expected = 100.0 * 5.0 * precision * recall / (4.0 * precision + recall);
        assert!((value("ab", "abc") - expected).abs() < 1e-9);
        assert!(value("abc", "ab") > value("ab", "abc"));
    }

    #[test]
    fn nothing_scores_nothing() {
        assert_eq!(value("", "abc"), 0.0);
        assert_eq!(value("abc", ""), 0.0);
        assert_eq!(value("", ""), 0.0);
    }

    #[test]
    fn a_text_without_reference_does_not_count_against_the_others() {
        let corpus = chrf(&["abc", "ab"], &["", "ab"]).unwrap().value;
        assert!((corpus - 100.0).abs() < 1e-9, "{corpus}");
    }

    #[test]
    fn counts_are_summed_before_they_are_divided() {
        let corpus = chrf(&["a", "bcdefgh"], &["x", "bcdefgh"]).unwrap().value;
        assert!(corpus > 90.0, "the mean of 0 and 100 would be 50, not {corpus}");
    }
}
