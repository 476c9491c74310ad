//! The bytes behind every token id, and how they become text one token at a time.

use std::sync::Arc;

/// The bytes of every token of a vocabulary, one after the other.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    bytes: Vec<u8>,
    /// Where each token ends in `bytes`.
    ends: Vec<u32>,
    /// Tokens that are no text.
    silent: Vec<bool>,
}

impl Pieces {
    /// Adds the next token: its bytes, or for a silent one its name.
    pub(super) fn push(&mut self, bytes: &[u8], silent: bool) {
        self.bytes.extend_from_slice(bytes);
        // A vocabulary comes from a header of at most 64 MiB.
        self.ends.push(self.bytes.len() as u32);
        self.silent.push(silent);
    }

    pub(super) fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    /// The bytes of token `id`, a silent one's name included.
    pub(super) fn bytes(&self, id: u32) -> Option<&[u8]> {
        let id = id as usize;
        let end = *self.ends.get(id)? as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] as usize };
        Some(&self.bytes[start..end])
    }

    /// The bytes token `id` adds to text.
    pub(super) fn spoken(&self, id: u32) -> Option<&[u8]> {
        if self.is_silent(id) { Some(&[]) } else { self.bytes(id) }
    }

    pub(super) fn is_silent(&self, id: u32) -> bool {
        self.silent.get(id as usize).copied().unwrap_or(false)
    }
}

/// Turns ids into text as they come, holding back a character until its last byte is there. All
/// pieces together are exactly what [`super::Tokenizer::decode`] gives for all ids.
#[derive(Debug, Clone)]
pub struct Decoder {
    pieces: Arc<Pieces>,
    /// The beginning of a character.
    pending: Vec<u8>,
}

impl Decoder {
    pub(super) fn new(pieces: Arc<Pieces>) -> Self {
        Self { pieces, pending: Vec::new() }
    }

    /// Takes the next id and gives the text that is certain now, if any. An id outside the
    /// vocabulary shows as U+FFFD: it has no text, and a running generation is not worth ending.
    pub fn push(&mut self, id: u32) -> Option<String> {
        match self.pieces.spoken(id) {
            Some(bytes) => self.pending.extend_from_slice(bytes),
            // No UTF-8 text has this byte, so it becomes the replacement character below.
            None => self.pending.push(0xff),
        }
        let mut text = String::new();
        loop {
            let error = match std::str::from_utf8(&self.pending) {
                Ok(all) => {
                    text.push_str(all);
                    self.pending.clear();
                    break;
                }
                Err(error) => error,
            };
            let (whole, rest) = self.pending.split_at(error.valid_up_to());
            text.push_str(&String::from_utf8_lossy(whole));
            match error.error_len() {
                Some(wrong) => {
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.pending = rest[wrong..].to_vec();
                }
                None => {
                    self.pending = rest.to_vec();
                    break;
                }
            }
        }
        (!text.is_empty()).then_some(text)
    }

    /// Ends the text: U+FFFD where a character was begun and never finished.
    pub fn finish(&mut self) -> Option<String> {
        let begun = !std::mem::take(&mut self.pending).is_empty();
        begun.then(|| char::REPLACEMENT_CHARACTER.to_string())
    }
}

/// The byte a character of a byte-level token stands for. Printable Latin-1 stands for itself, the
/// other 68 bytes, in order, for the characters from U+0100 on.
pub(super) fn byte_of(c: char) -> Option<u8> {
    let code = u32::from(c);
    if code < 256 {
        return u8::try_from(code).ok().filter(|&byte| is_itself(byte));
    }
    (0..=255u8).filter(|&byte| !is_itself(byte)).nth((code - 256) as usize)
}

fn is_itself(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

/// The bytes of a byte-level token. One with a character outside the alphabet is taken as it is
/// written, as the reference does.
pub(super) fn bytes_of(token: &str, alphabet: &[Option<u8>]) -> Vec<u8> {
    let byte = |c: char| alphabet.get(c as usize).copied().flatten();
    token.chars().map(byte).collect::<Option<Vec<u8>>>().unwrap_or_else(|| token.as_bytes().to_vec())
}

/// [`byte_of`] for every character it can answer, as a table.
pub(super) fn alphabet() -> Vec<Option<u8>> {
    (0..256 + 68).map(|code| char::from_u32(code).and_then(byte_of)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_that_of_gpt_2() {
        let table = alphabet();
        let mut bytes: Vec<u8> = table.iter().copied().flatten().collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
        assert_eq!(bytes_of("\u{120}t\u{10a}\u{e4}", &table), b" t\n\xe4");
        assert_eq!(byte_of('\u{143}'), Some(0xad));
        assert_eq!(byte_of('\u{144}'), None);
        assert_eq!(bytes_of("a b", &table), b"a b");
    }

    #[test]
    fn streaming_agrees_with_all_at_once_on_every_cut() {
        // A euro sign, an emoji, a lone continuation byte, an unfinished sequence before text.
        let bytes = b"a\xe2\x82\xac\xf0\x9f\x98\x80\x80b\xe2\x82c\xf0\x9f\x98";
        for cut in 1..bytes.len() {
            let mut pieces = Pieces::default();
            bytes.chunks(cut).for_each(|chunk| pieces.push(chunk, false));
            let mut decoder = Decoder::new(Arc::new(pieces));
            let ids = 0..bytes.chunks(cut).len() as u32;
            let mut text: String = ids.filter_map(|id| decoder.push(id)).collect();
            text.extend(decoder.finish());
            assert_eq!(text, String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_character_waits_for_its_last_byte() {
        let mut pieces = Pieces::default();
        pieces.push(b"\xe2\x82", false);
        pieces.push(b"<|end|>", true);
        pieces.push(b"\xac!", false);
        let mut decoder = Decoder::new(Arc::new(pieces));
        assert_eq!(decoder.push(0), None);
        assert_eq!(decoder.push(1), None);
        assert_eq!(decoder.push(2).as_deref(), Some("\u{20ac}!"));
        assert_eq!(decoder.push(9).as_deref(), Some("\u{fffd}"));
        assert_eq!(decoder.finish(), None);
    }
}
