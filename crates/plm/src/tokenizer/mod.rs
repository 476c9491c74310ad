//! Text to token ids and back, from the tokenizer stored in a GGUF file.
//!
//! The merges run in the `tokenizers` crate, set up to give the ids of the Hugging Face tokenizer of
//! the same model. Control tokens are kept out of it and matched here, so that
//! [`Tokenizer::encode_plain`] cannot produce one whatever the text says: private text with
//! `<|im_end|>` in it must not end the user's turn.

mod load;
mod pieces;
mod pre;
mod verbatim;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

pub use pieces::Decoder;

use crate::error::{Error, Result};
use crate::gguf::Metadata;
use pieces::Pieces;
use verbatim::Verbatim;

/// A byte-level BPE tokenizer with its special tokens. Clones share the vocabulary.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    name: String,
    bpe: Arc<tokenizers::Tokenizer>,
    pieces: Arc<Pieces>,
    /// Control and user-defined tokens, matched in trusted text.
    special: Verbatim,
    /// User-defined tokens alone, matched in any text.
    user_defined: Verbatim,
    /// By UTF-8 byte: whether the vocabulary has a token for it alone.
    has_byte: [bool; 256],
    bos: Option<u32>,
    eos: Option<u32>,
    eos_ids: Vec<u32>,
    add_bos: bool,
    fingerprint: String,
}

impl Tokenizer {
    /// Builds the tokenizer a GGUF header describes.
    ///
    /// # Errors
    /// [`Error::UnknownTokenizer`] and [`Error::UnknownPreTokenizer`] where its ids could not be
    /// reproduced exactly; [`Error::MissingKey`], [`Error::WrongType`] and [`Error::Tokenizer`] for
    /// a header that contradicts itself.
    pub fn from_gguf(metadata: &Metadata) -> Result<Self> {
        load::load(metadata)
    }

    /// Ids of text that may name control tokens, such as a rendered prompt: `<|im_end|>` in it
    /// becomes that token. Nothing is put in front; see [`Tokenizer::add_bos`]. Equal to the Hugging
    /// Face tokenizer with `add_special_tokens=False`, which leaves out a byte that no token has
    /// ([`Tokenizer::first_lost_char`]).
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the BPE gives up, which no text is known to cause.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_around(text, &self.special)
    }

    /// Ids of text that is nothing but text, such as a user's own: no control token comes out of it.
    ///
    /// # Errors
    /// Those of [`Tokenizer::encode`].
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_around(text, &self.user_defined)
    }

    /// `text` with `guard` put into every control token's name, so that [`Tokenizer::encode_guarded`] reads it as text.
    pub fn guarded(&self, text: &str, guard: char) -> String {
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some((range, _)) = self.special.find(rest) {
            let first = rest[range.start..].chars().next().map_or(0, char::len_utf8);
            out.push_str(&rest[..range.start + first]);
            out.push(guard);
            rest = &rest[range.start + first..];
        }
        out + rest
    }

    /// Ids of text with control tokens, from which `guard` is taken out once they are found.
    ///
    /// # Errors
    /// Those of [`Tokenizer::encode`].
    pub fn encode_guarded(&self, text: &str, guard: char) -> Result<Vec<u32>> {
        let (mut ids, mut rest) = (Vec::new(), text);
        while let Some((range, id)) = self.special.find(rest) {
            ids.extend(self.encode_plain(&rest[..range.start].replace(guard, ""))?);
            ids.push(id);
            rest = &rest[range.end..];
        }
        ids.extend(self.encode_plain(&rest.replace(guard, ""))?);
        Ok(ids)
    }

    /// Ids of `text` with every match of `verbatim` taken out first.
    fn encode_around(&self, text: &str, verbatim: &Verbatim) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        let mut rest = text;
        while let Some((range, id)) = verbatim.find(rest) {
            self.merge(&rest[..range.start], &mut ids)?;
            ids.push(id);
            rest = &rest[range.end..];
        }
        self.merge(rest, &mut ids)?;
        Ok(ids)
    }

    fn merge(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        if !text.is_empty() {
            let encoding = self.bpe.encode_fast(text, false).map_err(|cause| self.bad(cause.to_string()))?;
            ids.extend_from_slice(encoding.get_ids());
        }
        Ok(())
    }

    /// The first character of `text` that is lost because the vocabulary lacks a byte of it. Rare
    /// control characters are the usual case.
    pub fn first_lost_char(&self, text: &str) -> Option<char> {
        text.chars().find(|c| {
            let mut utf8 = [0; 4];
            c.encode_utf8(&mut utf8).bytes().any(|byte| !self.has_byte[usize::from(byte)])
        })
    }

    /// The text of `ids` without control tokens. Bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`].
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let mut bytes = Vec::new();
        for &id in ids {
            bytes.extend_from_slice(self.piece_bytes(id)?);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A decoder for ids that come one at a time.
    pub fn decoder(&self) -> Decoder {
        Decoder::new(Arc::clone(&self.pieces))
    }

    /// The bytes a token adds to decoded text: none for a control token, possibly part of a
    /// character for another.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`].
    pub fn piece_bytes(&self, id: u32) -> Result<&[u8]> {
        self.pieces.spoken(id).ok_or_else(|| self.out_of_range(id))
    }

    /// A token for display, control tokens by name, bytes that are no whole character as `<0xE2>`.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`].
    pub fn token_text(&self, id: u32) -> Result<String> {
        let bytes = self.pieces.bytes(id).ok_or_else(|| self.out_of_range(id))?;
        let mut text = String::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|byte| format!("<0x{byte:02X}>")));
        }
        Ok(text)
    }

    /// Whether `id` is a control token: never text, skipped by [`Tokenizer::decode`].
    pub fn is_control(&self, id: u32) -> bool {
        self.pieces.is_silent(id)
    }

    /// The token that begins a sequence, where the model has one.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The token that ends a sequence, where the model has one.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// Every token at which generation stops: the end of the sequence and the end of a turn.
    pub fn eos_ids(&self) -> &[u32] {
        &self.eos_ids
    }

    /// Whether the model was trained with [`Tokenizer::bos`] in front of every sequence. The caller
    /// puts it there; a chat template writes its own.
    pub fn add_bos(&self) -> bool {
        self.add_bos
    }

    /// Number of token ids, from 0 on.
    pub fn vocab_size(&self) -> u32 {
        self.pieces.len()
    }

    /// SHA-256, in hexadecimal, of all that decides the ids of a text: the same for two files of one
    /// model in different quantisations, different for two tokenizers.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn out_of_range(&self, id: u32) -> Error {
        Error::TokenOutOfRange { id, vocab: self.vocab_size() }
    }

    fn bad(&self, cause: String) -> Error {
        Error::Tokenizer { name: self.name.clone(), cause }
    }
}
