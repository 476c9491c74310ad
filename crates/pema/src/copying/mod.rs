//! Copying: what to favour when the words of the input return in the target.
//!
//! The adapter sees f(c) alone and cannot tell which words of the input are still to be said, and a small
//! model loses some of them. [`CopyBias`] is a log-linear correction of the mixture over the few tokens
//! that spell words of the input,
//!
//! P(w) = P_mix(w) exp(beta of w's class) / Z,
//!
//! where the class says where the word stands in the input, seen from the last one that was said (see
//! [`Class`]). The dozen betas are fitted by maximum likelihood on held-out pairs, so that tasks that copy
//! nothing get betas of nothing. This goes beyond the paper; `docs/pema.md` says why.

mod fit;
mod lexicon;
mod reader;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

pub use fit::fit_copying;
pub(crate) use fit::{CopyRow, ENOUGH, copy_rows};
pub(crate) use lexicon::Lexicon;
pub(crate) use reader::Reader;

use crate::dataset::Example;

/// How a token relates to the words of the input, nearest relation first. `true`: the token ends the
/// word; `false`: the word has more letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    /// Goes on with the word that was begun.
    Continue(bool),
    /// Begins the word behind the one said last.
    Next(bool),
    /// Begins one of the two words behind that.
    Near(bool),
    /// Begins a word further on.
    Far(bool),
    /// Begins a word that was passed over.
    Back(bool),
    /// Ends the text; `true` when no word is left ahead.
    End(bool),
}

/// Classes in all.
pub(crate) const CLASSES: usize = 12;

impl Class {
    /// Its place among the weights.
    pub(crate) fn index(self) -> usize {
        let (kind, last) = match self {
            Class::Continue(l) => (0, l),
            Class::Next(l) => (1, l),
            Class::Near(l) => (2, l),
            Class::Far(l) => (3, l),
            Class::Back(l) => (4, l),
            Class::End(l) => (5, l),
        };
        2 * kind + usize::from(last)
    }
}

/// The fitted correction. It travels with an adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CopyBias {
    /// beta of every class, in nats.
    pub(crate) weights: [f32; CLASSES],
    /// Words that the training pairs mostly change or drop, in lower case: they are never favoured, and
    /// passing over them counts for nothing.
    pub(crate) changed: Vec<String>,
}

/// A word is taken as changed when at most this share of the pairs with it in the input say it again,
const COPIED_RARELY: f64 = 0.4;
/// and this many pairs have it.
const SEEN: usize = 2;

impl CopyBias {
    /// A correction that changes nothing yet, for a task with these training pairs.
    pub(crate) fn unfitted(training: &[Example]) -> CopyBias {
        let mut counts = std::collections::BTreeMap::<String, [usize; 2]>::new();
        for pair in training {
            let said: HashSet<String> = reader::words(&pair.target).map(|w| w.to_lowercase()).collect();
            let input: HashSet<String> = reader::words(&pair.input).map(|w| w.to_lowercase()).collect();
            for word in input {
                let again = said.contains(&word);
                let [seen, copied] = counts.entry(word).or_default();
                *seen += 1;
                *copied += usize::from(again);
            }
        }
        let rarely = |[seen, copied]: [usize; 2]| seen >= SEEN && copied as f64 <= COPIED_RARELY * seen as f64;
        let changed = counts.into_iter().filter(|(_, c)| rarely(*c)).map(|(word, _)| word).collect();
        CopyBias { weights: [0.0; CLASSES], changed }
    }

    /// Refuses weights that are no numbers or out of all proportion.
    pub(crate) fn is_sound(&self) -> bool {
        self.weights.iter().all(|w| w.abs() <= fit::LARGEST)
    }

    /// What to add to the log-probability of tokens behind `said`; of every other token, nothing.
    pub(crate) fn bonus(&self, reader: &Reader, lexicon: &Lexicon, said: &str) -> Vec<(u32, f32)> {
        let found = reader.candidates(lexicon, said);
        found.into_iter().map(|(id, class)| (id, self.weights[class.index()])).filter(|(_, b)| *b != 0.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_places_of_their_own() {
        let all = [Class::Continue, Class::Next, Class::Near, Class::Far, Class::Back, Class::End];
        let places: HashSet<usize> = all.iter().flat_map(|c| [c(false).index(), c(true).index()]).collect();
        assert_eq!(places, (0..CLASSES).collect());
    }

    #[test]
    fn words_that_the_pairs_change_are_known() {
        let pair = |input: &str, target: &str| Example { input: input.into(), target: target.into(), line: 1 };
        let pairs = [
            pair("u took da bus", "You took the bus."),
            pair("da end of U", "The end of you."),
            pair("bus nobody", "The bus."),
        ];
        let bias = CopyBias::unfitted(&pairs);
        // `nobody` was dropped once, which may be chance.
        assert_eq!(bias.changed, ["da", "u"]);
        assert!(bias.is_sound());
        assert!(!CopyBias { weights: [f32::NAN; CLASSES], changed: vec![] }.is_sound());
    }
}
