//! The smallest GGUF header a tokenizer can be read from, for tests that vary one.

use pema_plm::gguf::{Gguf, Metadata};
use pema_plm::source::MemorySource;

/// A header in the making: how many pairs, and their bytes.
#[derive(Default)]
pub(crate) struct Header(u64, Vec<u8>);

impl Header {
    /// A byte-level BPE tokenizer in which the tokens of `special` are control tokens, the first of
    /// them BOS and the last EOS.
    pub(crate) fn tokenizer(pre: &str, tokens: &[&str], merges: &[&str], special: &[&str]) -> Self {
        let types: Vec<u8> =
            tokens.iter().flat_map(|token| if special.contains(token) { 3i32 } else { 1 }.to_le_bytes()).collect();
        let id = |token: Option<&&str>| tokens.iter().position(|other| Some(other) == token).unwrap() as u32;
        Self::default()
            .text("tokenizer.ggml.model", "gpt2")
            .text("tokenizer.ggml.pre", pre)
            .array("tokenizer.ggml.tokens", 8, tokens.len(), &strings(tokens))
            .array("tokenizer.ggml.token_type", 5, tokens.len(), &types)
            .array("tokenizer.ggml.merges", 8, merges.len(), &strings(merges))
            .pair("tokenizer.ggml.bos_token_id", 4, &id(special.first()).to_le_bytes())
            .pair("tokenizer.ggml.eos_token_id", 4, &id(special.last()).to_le_bytes())
    }

    /// Adds a string.
    pub(crate) fn text(self, key: &str, value: &str) -> Self {
        self.pair(key, 8, &string(value))
    }

    fn array(self, key: &str, kind: u32, count: usize, elements: &[u8]) -> Self {
        let value = [&kind.to_le_bytes(), (count as u64).to_le_bytes().as_slice(), elements].concat();
        self.pair(key, 9, &value)
    }

    fn pair(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.0 += 1;
        self.1.extend([&string(key), kind.to_le_bytes().as_slice(), value].concat());
        self
    }

    /// The header as the reader sees it.
    pub(crate) fn metadata(self) -> Metadata {
        let file = [b"GGUF\x03\0\0\0", &[0; 8], self.0.to_le_bytes().as_slice(), &self.1].concat();
        let gguf = pema_tests::block_on(Gguf::open(MemorySource::new("header.gguf", file))).unwrap();
        gguf.metadata().clone()
    }
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn strings(texts: &[&str]) -> Vec<u8> {
    texts.iter().flat_map(|text| string(text)).collect()
}
