//! Corpus BLEU (Papineni et al. 2002) as sacreBLEU computes it by default.

use super::{is_python_space, matches, ngrams, paired};
use crate::error::Result;

/// Longest n-gram that counts.
const MAX_ORDER: usize = 4;

/// A corpus BLEU score and what it is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct BleuScore {
    /// The score, from 0 to 100.
    pub value: f64,
    /// Precision of the n-grams of 1 to 4 tokens, after smoothing, from 0 to 100.
    pub precisions: [f64; MAX_ORDER],
    /// Factor from 0 to 1 that punishes texts shorter than their references.
    pub brevity_penalty: f64,
    /// Tokens in all hypotheses.
    pub hypothesis_tokens: usize,
    /// Tokens in all references.
    pub reference_tokens: usize,
}

/// How the score was computed, in sacreBLEU's notation.
pub fn signature() -> &'static str {
    "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp"
}

/// BLEU of a list of texts against one reference each.
///
/// # Errors
/// [`Error::UnevenScoring`](crate::error::Error::UnevenScoring) if the lists
/// differ in length or are empty.
pub fn bleu<H: AsRef<str>, R: AsRef<str>>(hypotheses: &[H], references: &[R]) -> Result<BleuScore> {
    let mut correct = [0; MAX_ORDER];
    let mut total = [0; MAX_ORDER];
    let (mut hypothesis_tokens, mut reference_tokens) = (0, 0);
    for (hypothesis, reference) in paired(hypotheses, references)? {
        let (hypothesis, reference) = (tokenize_13a(hypothesis), tokenize_13a(reference));
        let (hypothesis, reference) = (words(&hypothesis), words(&reference));
        hypothesis_tokens += hypothesis.len();
        reference_tokens += reference.len();
        for order in 1..=MAX_ORDER {
            correct[order - 1] += matches(&ngrams(&hypothesis, order), &ngrams(&reference, order));
            total[order - 1] += (hypothesis.len() + 1).saturating_sub(order);
        }
    }
    let precisions = smoothed_precisions(correct, total);
    let brevity_penalty = brevity_penalty(hypothesis_tokens, reference_tokens);
    Ok(BleuScore {
        value: brevity_penalty * geometric_mean(precisions),
        precisions,
        brevity_penalty,
        hypothesis_tokens,
        reference_tokens,
    })
}

fn brevity_penalty(hypothesis_tokens: usize, reference_tokens: usize) -> f64 {
    match hypothesis_tokens {
        shorter if shorter >= reference_tokens => 1.0,
        0 => 0.0,
        shorter => (1.0 - reference_tokens as f64 / shorter as f64).exp(),
    }
}

/// Precisions in percent. Each order without a match gets half the credit of
/// the one before it (Chen and Cherry 2014, method 3); an order without any
/// n-gram, and every one if nothing matches at all, stays 0.
fn smoothed_precisions(correct: [usize; MAX_ORDER], total: [usize; MAX_ORDER]) -> [f64; MAX_ORDER] {
    let mut precisions = [0.0; MAX_ORDER];
    if correct == [0; MAX_ORDER] {
        return precisions;
    }
    let mut smoothing = 1.0;
    for (order, precision) in precisions.iter_mut().enumerate() {
        if total[order] == 0 {
            break;
        }
        *precision = if correct[order] == 0 {
            smoothing *= 2.0;
            100.0 / (smoothing * total[order] as f64)
        } else {
            100.0 * correct[order] as f64 / total[order] as f64
        };
    }
    precisions
}

fn geometric_mean(precisions: [f64; MAX_ORDER]) -> f64 {
    let logs: f64 = precisions.iter().map(|precision| precision.ln()).sum();
    (logs / MAX_ORDER as f64).exp()
}

fn words(text: &str) -> Vec<&str> {
    text.split(is_python_space).filter(|word| !word.is_empty()).collect()
}

/// The tokenizer "13a" of NIST's mteval-v13a, with white space between tokens.
/// The order of the steps and that each looks at the result of the one before
/// decide how rows of punctuation come apart.
fn tokenize_13a(text: &str) -> String {
    let mut text = text.trim_end_matches(is_python_space).replace("<skipped>", "");
    text = text.replace("-\n", "").replace('\n', " ");
    if text.contains('&') {
        text = text.replace("&quot;", "\"").replace("&amp;", "&");
        text = text.replace("&lt;", "<").replace("&gt;", ">");
    }
    let mut characters: Vec<char> = vec![' '];
    for character in text.chars() {
        match character {
            '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/' => characters.extend([' ', character, ' ']),
            _ => characters.push(character),
        }
    }
    characters.push(' ');
    // A stop or comma is parted from what is no digit before it, then after it.
    let characters = replace_pairs(&characters, |a, b| !a.is_ascii_digit() && is_stop(b), |a, b| [a, ' ', b, ' ']);
    let characters = replace_pairs(&characters, |a, b| is_stop(a) && !b.is_ascii_digit(), |a, b| [' ', a, ' ', b]);
    let characters = replace_pairs(&characters, |a, b| a.is_ascii_digit() && b == '-', |a, b| [a, ' ', b, ' ']);
    characters.into_iter().collect()
}

fn is_stop(character: char) -> bool {
    matches!(character, '.' | ',')
}

/// Replaces pairs of neighbours from left to right. Like a regular expression,
/// it goes on behind a replaced pair, so pairs never overlap.
fn replace_pairs(
    characters: &[char],
    applies: impl Fn(char, char) -> bool,
    with: impl Fn(char, char) -> [char; 4],
) -> Vec<char> {
    let mut replaced = Vec::with_capacity(characters.len() * 2);
    let mut rest = characters;
    while let [first, tail @ ..] = rest {
        match tail {
            [second, after @ ..] if applies(*first, *second) => {
                replaced.extend(with(*first, *second));
                rest = after;
            }
            _ => {
                replaced.push(*first);
                rest = tail;
            }
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        words(&tokenize_13a(text)).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn punctuation_comes_apart_as_in_13a() {
        assert_eq!(tokens("Pay $1,000.50, now."), ["Pay", "$", "1,000.50", ",", "now", "."]);
        assert_eq!(tokens("a.b ,5 5, 3-4 x-y it's"), ["a", ".", "b", ",", "5", "5", ",", "3", "-", "4", "x-y", "it's"]);
        assert_eq!(tokens("wait... 5.. ok"), ["wait", ".", ".", ".", "5", ".", ".", "ok"]);
    }

    #[test]
    fn entities_line_ends_and_skips_are_resolved() {
        assert_eq!(tokens("&quot;a&quot; &amp;lt; b"), ["\"", "a", "\"", "<", "b"]);
        assert_eq!(tokens("co-\noperate\nnow<skipped>!\n"), ["cooperate", "now", "!"]);
        assert_eq!(tokens("a\u{1f}b\u{3000}c\u{a0}d"), ["a", "b", "c", "d"]);
    }

    #[test]
    fn equal_texts_score_100_and_strange_ones_0() {
        let same = bleu(&["The cat sat on the mat."], &["The cat sat on the mat."]).unwrap();
        assert!((same.value - 100.0).abs() < 1e-9);
        let strange = bleu(&["a b c d e"], &["v w x y z"]).unwrap();
        assert_eq!((strange.value, strange.precisions), (0.0, [0.0; 4]));
        // Without 4-grams there is no score, however good the words are.
        assert_eq!(bleu(&["a b c"], &["a b c"]).unwrap().value, 0.0);
        assert_eq!(bleu(&[""], &["a"]).unwrap().brevity_penalty, 0.0);
    }

    #[test]
    fn smoothing_halves_and_brevity_is_exponential() {
        // 5 of 5 words, 3 of 4 pairs, 1 of 3 triples, no 4-gram of 2.
        let score = bleu(&["a b c e f"], &["a b c d e f g h"]).unwrap();
        let expected = [100.0, 75.0, 100.0 / 3.0, 25.0];
        for (precision, expected) in score.precisions.into_iter().zip(expected) {
            assert!((precision - expected).abs() < 1e-9);
        }
        assert!((score.brevity_penalty - (1.0f64 - 8.0 / 5.0).exp()).abs() < 1e-12);
    }
}
