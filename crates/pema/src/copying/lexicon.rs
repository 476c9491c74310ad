//! Which tokens spell which letters.

use std::collections::HashMap;

use pema_plm::tokenizer::Tokenizer;

use crate::Result;

/// The tokens that are letters and digits only, by their text in lower case.
#[derive(Debug, Default)]
pub(crate) struct Lexicon {
    /// Tokens with a blank before the letters: they begin a word behind another.
    spaced: HashMap<String, Vec<u32>>,
    /// Tokens without: they go on with a word, or begin one behind a bracket or at the very start.
    bare: HashMap<String, Vec<u32>>,
    /// Tokens that are one blank: they stand before words that no token with a blank begins, such as numbers.
    pub(crate) blanks: Vec<u32>,
    /// Tokens that end a text.
    pub(crate) ends: Vec<u32>,
}

impl Lexicon {
    /// Reads a tokenizer's vocabulary.
    pub(crate) fn new(tokenizer: &Tokenizer) -> Result<Lexicon> {
        let mut lexicon = Lexicon { ends: tokenizer.eos_ids().to_vec(), ..Lexicon::default() };
        for id in 0..tokenizer.vocab_size() {
            lexicon.add(id, tokenizer.piece_bytes(id)?);
        }
        Ok(lexicon)
    }

    /// Takes up a token.
    pub(super) fn add(&mut self, id: u32, bytes: &[u8]) {
        // Parts of characters are no letters.
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        if text == " " {
            self.blanks.push(id);
        }
        let (map, letters) = match text.strip_prefix(' ') {
            Some(letters) => (&mut self.spaced, letters),
            None => (&mut self.bare, text),
        };
        if !letters.is_empty() && letters.chars().all(char::is_alphanumeric) {
            map.entry(letters.to_lowercase()).or_default().push(id);
        }
    }

    /// Tokens that spell `letters` (in lower case), in any case.
    pub(crate) fn spelling(&self, letters: &str, spaced: bool) -> &[u32] {
        let map = if spaced { &self.spaced } else { &self.bare };
        map.get(letters).map_or(&[], Vec::as_slice)
    }
}
