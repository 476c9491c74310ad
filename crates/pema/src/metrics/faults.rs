//! What is wrong with texts, in words that somebody can act on.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Rates over all texts. A word is a run of letters and digits, whatever its case.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Faults {
    /// Of the words that input and reference share, the share that the text lost.
    pub dropped: f64,
    /// Of the text's words, the share that neither input nor reference has.
    pub added: f64,
    /// Of the text's runs of three words, the share that it had already said.
    pub repeated: f64,
    /// Words of the texts for each word of the references.
    pub length_ratio: f64,
}

/// Copying errors, repetition and length of texts written for `inputs`.
///
/// # Errors
/// [`Error::UnevenScoring`] if the lists differ in length or are empty.
pub fn faults<I: AsRef<str>, H: AsRef<str>, R: AsRef<str>>(
    inputs: &[I],
    texts: &[H],
    references: &[R],
) -> Result<Faults> {
    if texts.is_empty() || texts.len() != references.len() || texts.len() != inputs.len() {
        return Err(Error::UnevenScoring { hypotheses: texts.len(), references: references.len() });
    }
    let (mut shared, mut dropped, mut said, mut added) = (0, 0, 0, 0);
    let (mut runs, mut repeated, mut wanted) = (0, 0, 0);
    for ((input, text), reference) in inputs.iter().zip(texts).zip(references) {
        let (input, text, reference) = (words(input.as_ref()), words(text.as_ref()), words(reference.as_ref()));
        let sets = [&input, &text, &reference].map(|words| words.iter().collect::<HashSet<_>>());
        let copied: Vec<_> = sets[0].intersection(&sets[2]).collect();
        shared += copied.len();
        dropped += copied.iter().filter(|word| !sets[1].contains(**word)).count();
        said += text.len();
        added += text.iter().filter(|word| !sets[0].contains(word) && !sets[2].contains(word)).count();
        wanted += reference.len();
        let mut seen = HashSet::new();
        for run in text.windows(3) {
            runs += 1;
            repeated += usize::from(!seen.insert(run));
        }
    }
    let share = |part: usize, of: usize| part as f64 / of.max(1) as f64;
    Ok(Faults {
        dropped: share(dropped, shared),
        added: share(added, said),
        repeated: share(repeated, runs),
        length_ratio: share(said, wanted),
    })
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faithful_text_has_no_faults() {
        let found = faults(&["anna pays 24.50"], &["Anna pays 24.50."], &["Anna pays 24.50."]).unwrap();
        assert_eq!(found, Faults { length_ratio: 1.0, ..Faults::default() });
    }

    #[test]
    fn each_fault_is_seen_by_itself() {
        let one = |text: &str| faults(&["anna pays 24"], &[text], &["Anna pays 24 today"]).unwrap();
        let lost = one("Anna pays today");
        assert!((lost.dropped - 1.0 / 3.0).abs() < 1e-9 && lost.added == 0.0, "{lost:?}");
        let more = one("Anna pays 24 today, thanks Bob");
        assert!((more.added - 2.0 / 6.0).abs() < 1e-9 && more.dropped == 0.0 && more.length_ratio == 1.5, "{more:?}");
        let again = one("Anna pays 24 Anna pays 24 Anna pays 24");
        assert!((again.repeated - 4.0 / 7.0).abs() < 1e-9, "{again:?}");
        let none = one("");
        assert_eq!((none.dropped, none.added, none.repeated, none.length_ratio), (1.0, 0.0, 0.0, 0.0));
    }

    #[test]
    fn lists_that_do_not_match_are_refused() {
        assert!(faults(&["a", "b"], &["a"], &["a"]).is_err());
    }
}
