//! What training pairs make of the words of their inputs: `u` becomes `you`, `can't` becomes `cannot`.

use std::collections::{BTreeMap, HashSet};

use super::reader::words;
use crate::dataset::Example;

/// What a word, or two words in a row, become in targets: the likeliest first, itself among them when it is
/// also copied; nothing where it is mostly dropped. Words joined by a blank, in lower case. What is mostly
/// copied as it stands has no entry.
pub(crate) type Rewrites = BTreeMap<String, Vec<String>>;

/// A word is taken as changed when at most this share of its occurrences is said again,
const COPIED_RARELY: f64 = 0.4;
/// and it occurs so often.
const SEEN: usize = 2;
/// Share of a word's occurrences that must become the same for that to be a way to say it.
const OFTEN: f64 = 0.15;
/// Most words on either side of a change that is read as one rewrite.
const SHORT: usize = 3;
/// Pairs with more words on one side are not compared word by word, which takes the product of both.
const LONG: usize = 600;

/// What an occurrence became, counted. An empty text counts those that were dropped; those that cannot be
/// told are only in `seen`.
#[derive(Debug, Default)]
struct Tally {
    seen: usize,
    became: BTreeMap<String, usize>,
}

/// Learns from pairs, by their longest common subsequences of words; a second look also matches words with
/// what the first found them to become.
pub(super) fn learn(pairs: &[Example]) -> Rewrites {
    let lower = |text: &str| words(text).map(str::to_lowercase).collect::<Vec<_>>();
    let mut split: Vec<(Vec<String>, Vec<String>)> =
        pairs.iter().map(|pair| (lower(&pair.input), lower(&pair.target))).collect();
    split.retain(|(input, target)| input.len().max(target.len()) <= LONG);
    let first = select(&count(&split, &Rewrites::new()));
    select(&count(&split, &first))
}

fn count(pairs: &[(Vec<String>, Vec<String>)], known: &Rewrites) -> BTreeMap<String, Tally> {
    let mut tallies = BTreeMap::<String, Tally>::new();
    let mut add = |word: String, became: Option<String>| {
        let tally = tallies.entry(word).or_default();
        tally.seen += 1;
        if let Some(became) = became {
            *tally.became.entry(became).or_default() += 1;
        }
    };
    let mut two = Vec::new();
    for (input, target) in pairs {
        let (mut i, mut j) = (0, 0);
        let end = (input.len(), target.len());
        for (a, b) in matches(input, target, known).into_iter().chain([end]) {
            let (from, to) = (&input[i..a], &target[j..b]);
            if from.len() == to.len() && from.len() <= SHORT {
                from.iter().zip(to).for_each(|(f, t)| add(f.clone(), Some(t.clone())));
            } else if from.len() == 1 && to.len() <= SHORT || to.is_empty() {
                from.iter().for_each(|f| add(f.clone(), Some(to.join(" "))));
            } else {
                if from.len() == 2 && to.len() <= SHORT {
                    two.push((from.join(" "), to.join(" ")));
                }
                // Said again somewhere in what replaced it, or nobody knows.
                from.iter().for_each(|f| add(f.clone(), to.contains(f).then(|| f.clone())));
            }
            if (a, b) != end {
                add(input[a].clone(), Some(target[b].clone()));
            }
            (i, j) = (a + 1, b + 1);
        }
    }
    let names: HashSet<&String> = two.iter().map(|(from, _)| from).collect();
    for pair in pairs.iter().flat_map(|(input, _)| input.windows(2)) {
        let both = pair.join(" ");
        if names.contains(&both) {
            tallies.entry(both).or_default().seen += 1;
        }
    }
    for (from, to) in &two {
        *tallies.entry(from.clone()).or_default().became.entry(to.clone()).or_default() += 1;
    }
    tallies
}

fn select(tallies: &BTreeMap<String, Tally>) -> Rewrites {
    let mut rewrites = Rewrites::new();
    for (word, tally) in tallies {
        let seen = tally.seen as f64;
        let copied = tally.became.get(word).copied().unwrap_or(0);
        let pair = word.contains(' ');
        let often = |(became, n): (&String, &usize)| {
            let told = *n >= SEEN || (tally.seen < SEEN && !pair);
            (became != word && !became.is_empty() && told && *n as f64 >= OFTEN * seen).then(|| (*n, became.clone()))
        };
        let mut ways: Vec<(usize, String)> = tally.became.iter().filter_map(often).collect();
        let rarely = tally.seen >= SEEN && copied as f64 <= COPIED_RARELY * seen;
        if ways.is_empty() && (pair || !rarely) {
            continue;
        }
        if !(rarely || pair) {
            ways.push((copied, word.clone()));
        }
        ways.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
        rewrites.insert(word.clone(), ways.into_iter().map(|(_, way)| way).collect());
    }
    rewrites
}

/// Places of a longest common subsequence; a word also matches what it is known to become, for less.
fn matches(input: &[String], target: &[String], known: &Rewrites) -> Vec<(usize, usize)> {
    const SAME: u32 = 3;
    const REWRITTEN: u32 = 2;
    let worth = |i: usize, j: usize| -> u32 {
        if input[i] == target[j] {
            return SAME;
        }
        if known.get(&input[i]).is_some_and(|ways| ways.contains(&target[j])) { REWRITTEN } else { 0 }
    };
    let width = target.len() + 1;
    // best[i][j] for what is left behind i and j
    let mut best = vec![0u32; (input.len() + 1) * width];
    for i in (0..input.len()).rev() {
        for j in (0..target.len()).rev() {
            let skip = best[(i + 1) * width + j].max(best[i * width + j + 1]);
            let worth = worth(i, j);
            let take = if worth > 0 { worth + best[(i + 1) * width + j + 1] } else { 0 };
            best[i * width + j] = skip.max(take);
        }
    }
    let (mut i, mut j, mut found) = (0, 0, Vec::new());
    while i < input.len() && j < target.len() {
        let here = best[i * width + j];
        let worth = worth(i, j);
        if worth > 0 && here == worth + best[(i + 1) * width + j + 1] {
            found.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if here == best[(i + 1) * width + j] {
            i += 1;
        } else {
            j += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(pairs: &[(&str, &str)]) -> Vec<(String, Vec<String>)> {
        let example = |(input, target): &(&str, &str)| Example {
            input: (*input).to_owned(),
            target: (*target).to_owned(),
            line: 1,
        };
        learn(&pairs.iter().map(example).collect::<Vec<_>>()).into_iter().collect()
    }

    fn entry(from: &str, ways: &[&str]) -> (String, Vec<String>) {
        (from.to_owned(), ways.iter().map(|way| (*way).to_owned()).collect())
    }

    #[test]
    fn words_that_become_others_are_found_in_any_company() {
        let pairs = [("u took da bus", "You took the bus."), ("da end of U", "The end of you."), ("no bus", "No bus!")];
        assert_eq!(learnt(&pairs), [entry("da", &["the"]), entry("u", &["you"])]);
    }

    #[test]
    fn two_words_become_one_and_one_becomes_two() {
        let pairs = [
            ("i can't go", "I cannot go."),
            ("we can't sing", "We cannot sing."),
            ("go rn", "Go right now."),
            ("sleep rn", "Sleep right now."),
        ];
        let found = learnt(&pairs);
        assert!(found.contains(&entry("can t", &["cannot"])), "{found:?}");
        assert!(found.contains(&entry("rn", &["right now"])), "{found:?}");
    }

    #[test]
    fn words_that_are_mostly_dropped_become_nothing_and_mixed_ones_both() {
        let pairs =
            [("hey anna has 2", "Anna has 2."), ("hey go 2 bed", "Go to bed."), ("hey off 2 work", "Off to work.")];
        assert_eq!(learnt(&pairs), [entry("2", &["to"]), entry("hey", &[])]);
        let even = [("go 2 bed", "Go to bed."), ("we 2 go", "We 2 go."), ("2 work", "To work."), ("all 2", "All 2")];
        assert_eq!(learnt(&even), [entry("2", &["to", "2"])]);
    }

    #[test]
    fn what_happened_once_beside_copies_is_chance() {
        let pairs = [("the bus left", "The coach left."), ("a bus", "A bus."), ("my bus", "My bus.")];
        assert_eq!(learnt(&pairs), []);
        assert_eq!(learnt(&[("", ""), ("word", ""), ("", "word")]), []);
    }

    #[test]
    fn very_long_pairs_are_left_out() {
        let long = "da word ".repeat(LONG);
        assert_eq!(learnt(&[(&long, &long.replace("da", "the"))]), []);
    }
}
