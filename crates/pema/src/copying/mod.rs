//! Copying: what to favour when the words of the input return in the target.
//!
//! The adapter sees f(c) alone and cannot tell which words of the input are still to be said, and a small
//! model loses some of them. [`CopyBias`] is a log-linear correction of the mixture over the few tokens
//! that spell words of the input or what training pairs make of them,
//!
//! P(w) = P_mix(w) exp(beta of w's class) / Z,
//!
//! where the class says where the word stands in the input, seen from the last one that was said (see
//! [`Class`]). The betas are fitted by maximum likelihood on held-out pairs, so that tasks that copy
//! nothing get betas of nothing. This goes beyond the paper; `docs/pema.md` says why.

mod fit;
mod lexicon;
mod reader;
mod rewrites;

use serde::{Deserialize, Serialize};

pub use fit::fit_copying;
pub(crate) use fit::{CopyRow, ENOUGH, ROWS, copy_rows, copy_rows_of, worth_copying};
pub(crate) use lexicon::Lexicon;
pub(crate) use reader::Reader;
pub(crate) use rewrites::Rewrites;

use crate::dataset::Example;

/// Where a word begins, seen from the one said last; nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Where {
    /// It is the next word of the input.
    Next,
    /// One of the two behind that.
    Near,
    /// Further on.
    Far,
    /// It was passed over.
    Back,
    /// It was said.
    Again,
}

/// How many words are left ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Left {
    /// None.
    Nothing,
    /// One or two.
    Few,
    /// More.
    Many,
}

/// How a token relates to the words of the input, nearest relation first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    /// Goes on with the word that was begun.
    Continue(Spelling),
    /// Begins a word.
    Begin(Where, Spelling),
    /// Ends the text.
    End(Left),
}

/// What a token is of its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Spelling {
    /// Whether the word is not the input's own but what training pairs make of it.
    pub(crate) rewritten: bool,
    /// Whether the token ends the word; else it has more letters.
    pub(crate) last: bool,
}

/// Classes in all.
pub(crate) const CLASSES: usize = 27;

impl Class {
    /// Its place among the weights.
    pub(crate) fn index(self) -> usize {
        let of = |spelling: Spelling| 2 * usize::from(spelling.rewritten) + usize::from(spelling.last);
        match self {
            Class::Continue(spelling) => of(spelling),
            Class::Begin(place, spelling) => 4 * (1 + place as usize) + of(spelling),
            Class::End(left) => 24 + left as usize,
        }
    }
}

/// The fitted correction. It travels with an adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CopyBias {
    /// beta of every class, in nats.
    pub(crate) weights: [f32; CLASSES],
    /// Words that do not return as they stand, and what they become.
    pub(crate) rewrites: Rewrites,
}

impl CopyBias {
    /// A correction that changes nothing yet, for a task with these training pairs.
    pub(crate) fn unfitted(training: &[Example]) -> CopyBias {
        CopyBias { weights: [0.0; CLASSES], rewrites: rewrites::learn(training) }
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
        let spellings =
            || [false, true].into_iter().flat_map(|rewritten| [false, true].map(|last| Spelling { rewritten, last }));
        let begins = [Where::Next, Where::Near, Where::Far, Where::Back, Where::Again];
        let mut places: Vec<usize> = spellings().map(|s| Class::Continue(s).index()).collect();
        places.extend(begins.iter().flat_map(|place| spellings().map(|s| Class::Begin(*place, s).index())));
        places.extend([Left::Nothing, Left::Few, Left::Many].map(|left| Class::End(left).index()));
        assert_eq!(places, (0..CLASSES).collect::<Vec<_>>());
    }

    #[test]
    fn weights_that_are_no_numbers_are_not_sound() {
        let bias = CopyBias::unfitted(&[]);
        assert!(bias.is_sound());
        assert!(!CopyBias { weights: [f32::NAN; CLASSES], ..bias }.is_sound());
    }
}
