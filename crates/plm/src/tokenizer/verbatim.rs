//! Tokens that are matched in text as they are written, before any merge.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of strings, each with its token id.
#[derive(Debug, Clone, Default)]
pub(super) struct Verbatim {
    /// By first byte; the longest first, because the longest match wins.
    by_first: BTreeMap<u8, Vec<(String, u32)>>,
}

impl Verbatim {
    pub(super) fn new<'a>(tokens: impl Iterator<Item = (&'a str, u32)>) -> Self {
        let mut by_first = BTreeMap::<u8, Vec<(String, u32)>>::new();
        for (text, id) in tokens {
            // An empty token would match everywhere and move nothing.
            if let Some(&first) = text.as_bytes().first() {
                by_first.entry(first).or_default().push((text.to_owned(), id));
            }
        }
        for tokens in by_first.values_mut() {
            tokens.sort_by_key(|token| std::cmp::Reverse(token.0.len()));
        }
        Self { by_first }
    }

    /// The leftmost match in `text`, the longest of those that begin there.
    pub(super) fn find(&self, text: &str) -> Option<(Range<usize>, u32)> {
        let mut places = text.bytes().enumerate();
        places.find_map(|(at, byte)| {
            let candidates = self.by_first.get(&byte)?;
            // A token begins with a whole character, so a place where its first byte stands does too.
            let rest = text.get(at..)?;
            let (token, id) = candidates.iter().find(|(token, _)| rest.starts_with(token.as_str()))?;
            Some((at..at + token.len(), *id))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftmost_then_longest() {
        let set = Verbatim::new([("<a", 1), ("<a>", 2), ("", 3), ("\u{e9}", 4), ("a>", 5)].into_iter());
        assert_eq!(set.find("x <a> y"), Some((2..5, 2)));
        assert_eq!(set.find("x <ab"), Some((2..4, 1)));
        assert_eq!(set.find("\u{e8}\u{e9}"), Some((2..4, 4)));
        assert_eq!(set.find("<<a>"), Some((1..4, 2)));
        assert_eq!(set.find(""), None);
        assert_eq!(set.find("\u{4e00}<"), None);
        assert_eq!(Verbatim::default().find("<a>"), None);
    }
}
