//! Where a text stands in its input, and which tokens would go on with it.

use std::collections::{BTreeMap, HashSet};

use super::{Class, CopyBias, Lexicon};

/// The words of an input that may return in the target, in order and in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    words: Vec<String>,
}

/// Which words were said.
struct Place {
    said: Vec<bool>,
    /// The word behind the one said last.
    next: usize,
}

/// Words behind the next one that count as near.
const NEAR: usize = 2;

/// Runs of letters and digits.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty())
}

impl Reader {
    /// Reads an input for texts that are written with a correction.
    pub(crate) fn new(input: &str, bias: &CopyBias) -> Reader {
        let changed: HashSet<&str> = bias.changed.iter().map(String::as_str).collect();
        let words = words(input).map(str::to_lowercase).filter(|w| !changed.contains(w.as_str())).collect();
        Reader { words }
    }

    /// The tokens that spell words of the input behind the text `said`, and those that end it, each
    /// with its nearest relation, by id.
    pub(crate) fn candidates(&self, lexicon: &Lexicon, said: &str) -> BTreeMap<u32, Class> {
        let mut found = BTreeMap::new();
        let mut add = |ids: &[u32], class: Class| {
            for id in ids {
                let nearest = found.entry(*id).or_insert(class);
                *nearest = class.min(*nearest);
            }
        };
        let lower = said.to_lowercase();
        let begun = lower.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        if !begun.is_empty() {
            let before = self.place(&lower[..lower.len() - begun.len()]);
            for (word, said) in self.words.iter().zip(&before.said) {
                let rest = word.strip_prefix(begun).filter(|rest| !said && !rest.is_empty());
                for part in rest.into_iter().flat_map(prefixes) {
                    add(lexicon.spelling(part, false), Class::Continue(Some(part) == rest));
                }
            }
        }
        let place = self.place(&lower);
        for (i, word) in self.words.iter().enumerate().filter(|(i, _)| !place.said[*i]) {
            let class = |last| match i.checked_sub(place.next) {
                Some(0) => Class::Next(last),
                Some(ahead) if ahead <= NEAR => Class::Near(last),
                Some(_) => Class::Far(last),
                None => Class::Back(last),
            };
            if !lower.ends_with(' ') && prefixes(word).all(|part| lexicon.spelling(part, true).is_empty()) {
                add(&lexicon.blanks, class(false));
            }
            for part in prefixes(word) {
                let class = class(part == word);
                add(lexicon.spelling(part, true), class);
                if begun.is_empty() {
                    add(lexicon.spelling(part, false), class);
                }
            }
        }
        let done = place.said[place.next.min(self.words.len())..].iter().all(|said| *said);
        add(&lexicon.ends, Class::End(done));
        found
    }

    /// Follows a text through the input: a word is said where it stands next ahead, else where it was passed over.
    fn place(&self, text: &str) -> Place {
        let mut place = Place { said: vec![false; self.words.len()], next: 0 };
        for word in words(text) {
            let ahead = (place.next..self.words.len()).chain(0..place.next.min(self.words.len()));
            let found = ahead.into_iter().find(|i| !place.said[*i] && self.words[*i] == word);
            if let Some(i) = found {
                place.said[i] = true;
                place.next = i + 1;
            }
        }
        place
    }
}

/// All beginnings of a word, itself the last.
fn prefixes(word: &str) -> impl Iterator<Item = &str> {
    word.char_indices().map(move |(at, c)| &word[..at + c.len_utf8()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: [&str; 10] = [" the", "The", "t", "he", " a", "a", " ", "2", "4", "\u{fffd}"];

    fn lexicon() -> Lexicon {
        let mut lexicon = Lexicon::default();
        lexicon.ends.push(TOKENS.len() as u32);
        for (id, text) in (0..).zip(TOKENS) {
            lexicon.add(id, text.as_bytes());
        }
        lexicon.add(90, &[0xE2, 0x82]);
        lexicon
    }

    fn id(token: &str) -> u32 {
        TOKENS.iter().position(|t| *t == token).unwrap() as u32
    }

    fn reader(input: &str, changed: &[&str]) -> Reader {
        let changed = changed.iter().map(|w| (*w).to_owned()).collect();
        Reader::new(input, &CopyBias { weights: [0.0; super::super::CLASSES], changed })
    }

    #[test]
    fn a_text_is_followed_through_its_input() {
        let r = reader("anna pays u 24 for apples", &["u"]);
        let place = |text: &str| {
            let place = r.place(text);
            (place.next, place.said.iter().filter(|s| **s).count())
        };
        assert_eq!(place(""), (0, 0));
        assert_eq!(place("anna pays you 24"), (3, 3));
        // What was passed over can still be said, and reading goes on from there.
        assert_eq!(place("apples: anna"), (1, 2));
        // A word is used up once it was said.
        assert_eq!(place("anna anna"), (1, 1));
    }

    #[test]
    fn tokens_get_the_nearest_relation() {
        let lexicon = lexicon();
        let r = reader("the a b 24", &[]);
        let at = |said: &str, token: &str| r.candidates(&lexicon, said).get(&id(token)).copied();
        assert_eq!((at("", " the"), at("", "The")), (Some(Class::Next(true)), Some(Class::Next(true))));
        assert_eq!(at("", "t"), Some(Class::Next(false)));
        assert_eq!(at("", " a"), Some(Class::Near(true)));
        assert_eq!(at("T", "he"), Some(Class::Continue(true)));
        // Behind a letter, a word cannot begin without a blank.
        assert_eq!((at("T", "a"), at("T (", "a")), (None, Some(Class::Near(true))));
        assert_eq!(at("The", " a"), Some(Class::Next(true)));
        assert_eq!(at("The", " the"), None);
        assert_eq!(at("a", " the"), Some(Class::Back(true)));
        // No token begins a number together with its blank.
        assert_eq!((at("The a b", " "), at("The a b", "2")), (Some(Class::Next(false)), None));
        assert_eq!((at("The a b ", " "), at("The a b ", "2")), (None, Some(Class::Next(false))));
        assert_eq!(at("The a b 2", "4"), Some(Class::Continue(true)));
        let end = |said: &str| r.candidates(&lexicon, said).get(&lexicon.ends[0]).copied();
        assert_eq!((end("The a"), end("The a b 24.")), (Some(Class::End(false)), Some(Class::End(true))));
    }
}
