//! Runs of tokens that a text must not say twice.
//!
//! A small model that loses the thread says the same again, and a search for the most probable text takes that
//! for a good one, since nothing is easier to predict than a repetition. How long a run must be to betray this is read off
//! the training targets: two tokens longer than any that returns there. Runs with numbers are left alone: a number that
//! must be said again would be replaced by a wrong one. This is a rule of decoding, not a part of the distribution: losses
//! do not know it. The paper has no such rule.

use std::collections::HashSet;

use pema_plm::tokenizer::Tokenizer;

use crate::Result;
use crate::dataset::Example;

/// Runs that are looked at. Shorter ones return in sound texts whatever a few hundred targets say; targets in which longer
/// ones return are of a kind that repeats itself.
const RUNS: std::ops::RangeInclusive<usize> = 3..=12;
/// Of so many targets one may repeat itself by mistake.
const RARE: usize = 200;

/// Tokens of a run that no text of these targets' kind may say twice: one more than of the shortest that never returns in
/// them, because new texts are not quite like the ones learnt from. 0 when there is none.
pub fn no_repeat(tokenizer: &Tokenizer, training: &[Example]) -> Result<usize> {
    let mut targets = Vec::with_capacity(training.len());
    for example in training {
        // Behind a blank, as most templates have it: the first token is then like those that begin a word.
        targets.push(tokenizer.encode_plain(&format!(" {}", example.target))?);
    }
    Ok(shortest(&targets, |id| is_number(tokenizer, id)))
}

/// Whether a token has a digit in it.
pub(crate) fn is_number(tokenizer: &Tokenizer, id: u32) -> bool {
    tokenizer.piece_bytes(id).is_ok_and(|piece| piece.iter().any(u8::is_ascii_digit))
}

/// Tokens that would say a run of `n` for the second time, ascending; none for `n` = 0.
pub(crate) fn repeating(ids: &[u32], n: usize, number: impl Fn(u32) -> bool) -> Vec<u32> {
    if n == 0 || ids.len() < n {
        return Vec::new();
    }
    let begun = &ids[ids.len() + 1 - n..];
    let again = ids.windows(n).filter(|run| run[..n - 1] == *begun && !run.iter().any(|id| number(*id)));
    let mut found: Vec<u32> = again.map(|run| run[n - 1]).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn shortest(targets: &[Vec<u32>], number: impl Fn(u32) -> bool) -> usize {
    let rare = |n: &usize| targets.iter().filter(|ids| returns(ids, *n, &number)).count() <= targets.len() / RARE;
    match RUNS.into_iter().find(rare) {
        Some(n) if !targets.is_empty() => n + 1,
        _ => 0,
    }
}

/// Whether a run of `n` tokens is there twice.
fn returns(ids: &[u32], n: usize, number: impl Fn(u32) -> bool) -> bool {
    let mut seen = HashSet::new();
    !ids.windows(n).filter(|run| !run.iter().any(|id| number(*id))).all(|run| seen.insert(run))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(_: u32) -> bool {
        false
    }

    #[test]
    fn what_would_be_said_again_is_found() {
        let ids = [1, 2, 3, 9, 1, 2, 4, 9, 1, 2];
        assert_eq!(repeating(&ids, 3, words), [3, 4]);
        assert_eq!(repeating(&ids, 3, |id| id == 3), [4], "numbers may be said again");
        assert!(repeating(&ids, 3, |id| id == 2).is_empty());
        assert_eq!(repeating(&ids, 4, words), [4], "9 1 2 went on with 4 only");
        assert!(repeating(&ids, 5, words).is_empty());
        assert_eq!(repeating(&[7, 7], 2, words), [7]);
        assert_eq!(repeating(&[7], 1, words), [7]);
        for (ids, n) in [(&[7, 7][..], 0), (&[7, 8], 3), (&[], 1)] {
            assert!(repeating(ids, n, words).is_empty());
        }
    }

    #[test]
    fn a_run_is_two_tokens_longer_than_what_returns_in_targets() {
        let (plain, twice) = (vec![1, 2, 3, 4, 5, 6], vec![1, 2, 3, 4, 9, 1, 2, 3, 4, 8]);
        assert_eq!(shortest(std::slice::from_ref(&plain), words), 4);
        let both = [plain.clone(), twice.clone()];
        assert_eq!(shortest(&both, words), 6);
        assert_eq!(shortest(&both, |id| id == 3), 4, "only a run with a number returns");
        let many = [vec![plain; 200], vec![twice]].concat();
        assert_eq!(shortest(&many, words), 4, "one of 200 is a mistake");
        assert_eq!(shortest(&[vec![5; 40]], words), 0, "this kind repeats itself");
        assert_eq!(shortest(&[], words), 0);
    }
}
