//! Where a text stands in its input, and which tokens would go on with it.

use std::collections::BTreeMap;

use super::{Class, CopyBias, Left, Lexicon, Spelling, Where};

/// The words of an input that may return in the target, in order and in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    slots: Vec<Slot>,
}

/// A word of the input, or two that are rewritten together: the ways to say it.
type Slot = Vec<Phrase>;

#[derive(Debug, Clone, PartialEq)]
struct Phrase {
    /// Never empty.
    words: Vec<String>,
    rewritten: bool,
}

/// Which slots were said.
struct Place<'a> {
    said: Vec<bool>,
    /// The slot behind the one said last.
    next: usize,
    /// Phrases that were begun, with what is left of their words.
    open: Vec<(&'a [String], bool)>,
}

/// Slots behind the next one that count as near.
const NEAR: usize = 2;
/// Slots left ahead that count as few.
const FEW: usize = 2;

/// Runs of letters and digits.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty())
}

impl Reader {
    /// Reads an input for texts that are written with a correction.
    pub(crate) fn new(input: &str, bias: &CopyBias) -> Reader {
        let input: Vec<String> = words(input).map(str::to_lowercase).collect();
        let mut slots = Vec::new();
        let mut at = 0;
        while at < input.len() {
            let both = input.get(at..at + 2).map(|both| both.join(" "));
            let known = |from: &str| bias.rewrites.get(from).map(|ways| slot(from, ways));
            let slot = match both.and_then(|both| known(&both)) {
                Some(slot) => {
                    at += 2;
                    slot
                }
                None => {
                    at += 1;
                    let word = &input[at - 1];
                    known(word).unwrap_or_else(|| vec![Phrase { words: vec![word.clone()], rewritten: false }])
                }
            };
            if !slot.is_empty() {
                slots.push(slot);
            }
        }
        Reader { slots }
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
            for (word, _, rewritten) in before.ahead(&self.slots).filter(|(_, at, _)| *at != Where::Again) {
                let rest = word.strip_prefix(begun).filter(|rest| !rest.is_empty());
                for part in rest.into_iter().flat_map(prefixes) {
                    let spelling = Spelling { rewritten, last: Some(part) == rest };
                    add(lexicon.spelling(part, false), Class::Continue(spelling));
                }
            }
        }
        let place = self.place(&lower);
        for (word, at, rewritten) in place.ahead(&self.slots) {
            let class = |last| Class::Begin(at, Spelling { rewritten, last });
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
        let left = match place.said[place.next..].iter().filter(|said| !**said).count() {
            0 => Left::Nothing,
            1..=FEW => Left::Few,
            _ => Left::Many,
        };
        add(&lexicon.ends, Class::End(left));
        found
    }

    /// Follows a text through the input: a slot is said where it stands next ahead, else where it was passed over.
    fn place(&self, text: &str) -> Place<'_> {
        let mut place = Place { said: vec![false; self.slots.len()], next: 0, open: Vec::new() };
        for word in words(text) {
            place.open.retain(|(rest, _)| rest[0] == word);
            if !place.open.is_empty() {
                place.open.iter_mut().for_each(|(rest, _)| *rest = &rest[1..]);
                place.open.retain(|(rest, _)| !rest.is_empty());
                continue;
            }
            let mut ahead = (place.next..self.slots.len()).chain(0..place.next);
            let says = |i: &usize| !place.said[*i] && self.slots[*i].iter().any(|way| way.words[0] == word);
            if let Some(i) = ahead.find(says) {
                place.said[i] = true;
                place.next = i + 1;
                let begun = self.slots[i].iter().filter(|way| way.words[0] == word && way.words.len() > 1);
                place.open = begun.map(|way| (&way.words[1..], way.rewritten)).collect();
            }
        }
        place
    }
}

impl<'a> Place<'a> {
    /// Words that may come, where they stand, and whether they are rewritten.
    fn ahead(&self, slots: &'a [Slot]) -> impl Iterator<Item = (&'a str, Where, bool)> {
        let at = |i: usize| match i.checked_sub(self.next) {
            Some(0) => Where::Next,
            Some(ahead) if ahead <= NEAR => Where::Near,
            Some(_) => Where::Far,
            None => Where::Back,
        };
        let at = move |i: usize| if self.said[i] { Where::Again } else { at(i) };
        let open = self.open.iter().map(|(rest, rewritten)| (rest[0].as_str(), Where::Next, *rewritten));
        open.chain(slots.iter().enumerate().flat_map(move |(i, slot)| {
            let at = at(i);
            slot.iter().map(move |way| (way.words[0].as_str(), at, way.rewritten))
        }))
    }
}

/// The ways to say `from`.
fn slot(from: &str, ways: &[String]) -> Slot {
    let phrase = |way: &String| Phrase { words: words(way).map(str::to_lowercase).collect(), rewritten: way != from };
    ways.iter().map(phrase).filter(|phrase| !phrase.words.is_empty()).collect()
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

    fn reader(input: &str, rewrites: &[(&str, &[&str])]) -> Reader {
        let own = |ways: &[&str]| ways.iter().map(|way| (*way).to_owned()).collect();
        let rewrites = rewrites.iter().map(|(from, ways)| ((*from).to_owned(), own(ways))).collect();
        Reader::new(input, &CopyBias { weights: [0.0; super::super::CLASSES], rewrites })
    }

    fn begin(place: Where, last: bool) -> Option<Class> {
        Some(Class::Begin(place, Spelling { rewritten: false, last }))
    }

    fn on(rewritten: bool, last: bool) -> Option<Class> {
        Some(Class::Continue(Spelling { rewritten, last }))
    }

    #[test]
    fn a_text_is_followed_through_its_input() {
        let r = reader("anna pays u 24 for apples", &[("u", &[])]);
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
    fn rewritten_words_are_followed_too() {
        let rewrites: &[(&str, &[&str])] = &[("u", &["you", "u"]), ("gonna", &["going to"]), ("can t", &["cannot"])];
        let r = reader("u can t say u re gonna", rewrites);
        assert_eq!(r.slots.len(), 6);
        let place = |text: &str| {
            let place = r.place(text);
            (place.next, place.open.iter().map(|(rest, _)| rest.join(" ")).collect::<Vec<_>>())
        };
        assert_eq!(place("You cannot say"), (3, vec![]));
        assert_eq!(place("u cannot say you re going"), (6, vec!["to".to_owned()]));
        assert_eq!(place("u cannot say you re going to"), (6, vec![]));
        // A phrase that is not gone on with is given up.
        assert_eq!(place("u cannot say you re going mad"), (6, vec![]));
        assert_eq!(place("can"), (0, vec![]));
    }

    #[test]
    fn tokens_get_the_nearest_relation() {
        let lexicon = lexicon();
        let r = reader("the a b 24", &[]);
        let at = |said: &str, token: &str| r.candidates(&lexicon, said).get(&id(token)).copied();
        assert_eq!((at("", " the"), at("", "The")), (begin(Where::Next, true), begin(Where::Next, true)));
        assert_eq!(at("", "t"), begin(Where::Next, false));
        assert_eq!(at("", " a"), begin(Where::Near, true));
        assert_eq!(at("T", "he"), on(false, true));
        // Behind a letter, a word cannot begin without a blank.
        assert_eq!((at("T", "a"), at("T (", "a")), (None, begin(Where::Near, true)));
        assert_eq!(at("The", " a"), begin(Where::Next, true));
        assert_eq!(at("The", " the"), begin(Where::Again, true));
        assert_eq!(at("a", " the"), begin(Where::Back, true));
        // No token begins a number together with its blank.
        assert_eq!((at("The a b", " "), at("The a b", "2")), (begin(Where::Next, false), None));
        assert_eq!((at("The a b ", " "), at("The a b ", "2")), (None, begin(Where::Next, false)));
        assert_eq!(at("The a b 2", "4"), on(false, true));
        let end = |said: &str| r.candidates(&lexicon, said).get(&lexicon.ends[0]).copied();
        assert_eq!((end("The a"), end("The a b 24.")), (Some(Class::End(Left::Few)), Some(Class::End(Left::Nothing))));
        assert_eq!(end(""), Some(Class::End(Left::Many)));
    }

    #[test]
    fn rewritten_tokens_are_told_from_the_inputs_own() {
        let (lexicon, r) = (lexicon(), reader("da b", &[("da", &["a the", "the"])]));
        let at = |said: &str, token: &str| r.candidates(&lexicon, said).get(&id(token)).copied();
        let rewritten = |last| Some(Class::Begin(Where::Next, Spelling { rewritten: true, last }));
        assert_eq!((at("", " the"), at("", " a"), at("", "t")), (rewritten(true), rewritten(true), rewritten(false)));
        assert_eq!(at("t", "he"), on(true, true));
        assert_eq!(at("a", " the"), rewritten(true));
        let again = Class::Begin(Where::Again, Spelling { rewritten: true, last: true });
        assert_eq!(at("the", " the"), Some(again));
    }
}
