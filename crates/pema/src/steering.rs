//! What is done to a mixture before the next token is taken: words of the input are favoured, and nothing is said twice.

use pema_plm::source::ByteSource;
use pema_plm::tokenizer::Tokenizer;

use crate::Result;
use crate::copying::{CopyBias, Lexicon, Reader};
use crate::generate::{GenerateConfig, Generator};
use crate::repeats::{is_number, repeating};

/// Nats that make a token impossible, and yet a number that every device computes with.
const NEVER: f32 = -1e4;

/// What steers the texts of one way of writing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steering<'b> {
    copying: Option<(&'b CopyBias, &'b Lexicon)>,
    no_repeat: usize,
    tokenizer: &'b Tokenizer,
}

impl<'b> Steering<'b> {
    /// Follows how much of an input was said, where that matters.
    pub(crate) fn reader(&self, input: &str) -> Option<Reader> {
        self.copying.map(|(bias, _)| Reader::new(input, bias))
    }

    /// Whether anything is done at all.
    pub(crate) fn acts(&self) -> bool {
        self.copying.is_some() || self.no_repeat > 0
    }

    /// What to add to the log-probability of tokens behind the text `said`, which is spelt by `ids`; ascending tokens.
    pub(crate) fn bonus(&self, reader: Option<&Reader>, said: &str, ids: &[u32]) -> Vec<(u32, f32)> {
        let mut bonus = match (self.copying, reader) {
            (Some((bias, lexicon)), Some(reader)) => bias.bonus(reader, lexicon, said),
            _ => Vec::new(),
        };
        for id in repeating(ids, self.no_repeat, |id| is_number(self.tokenizer, id)) {
            match bonus.binary_search_by_key(&id, |b| b.0) {
                Ok(at) => bonus[at].1 = NEVER,
                Err(at) => bonus.insert(at, (id, NEVER)),
            }
        }
        bonus
    }
}

impl<S: ByteSource> Generator<'_, S> {
    /// What the adapter was told, whatever its own method.
    pub(crate) fn own_steering(&self) -> Result<Steering<'_>> {
        let meta = self.adapter().map(|a| &a.meta);
        let copying = match meta.and_then(|m| m.copying.as_ref()) {
            Some(bias) => Some((bias, self.lexicon()?)),
            None => None,
        };
        let tokenizer = &self.plm().file.tokenizer;
        Ok(Steering { copying, no_repeat: meta.map_or(0, |m| m.no_repeat), tokenizer })
    }

    /// What `config` asks for. The model alone is never steered.
    pub(crate) fn steering<'b>(&'b self, config: &'b GenerateConfig) -> Result<Steering<'b>> {
        let own = self.adapter().filter(|_| config.method.adapted()).map_or(0, |a| a.meta.no_repeat);
        let no_repeat = if config.method.adapted() { config.no_repeat.unwrap_or(own) } else { 0 };
        Ok(Steering { copying: self.copying(config)?, no_repeat, tokenizer: &self.plm().file.tokenizer })
    }
}
