//! Builds a [`Tokenizer`] from the `tokenizer.ggml.*` keys, checking what it is told.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokenizers::models::bpe::{BPE, Merges, Vocab};

use super::Tokenizer;
use super::pieces::{Pieces, alphabet, bytes_of};
use super::pre::{self, Pre};
use super::verbatim::Verbatim;
use crate::error::{Error, Result};
use crate::gguf::Metadata;
use crate::source::hex;

const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
const BOS: &str = "tokenizer.ggml.bos_token_id";
const EOS: &str = "tokenizer.ggml.eos_token_id";
const EOT: &str = "tokenizer.ggml.eot_token_id";
const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";

/// What a token is for. The numbers are those of the format; the fingerprint contains them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Text, reached by merges.
    Text = 1,
    /// No text: the beginning of a turn, the end of a document.
    Control = 3,
    /// Text, matched as written.
    UserDefined = 4,
    /// A number without a token, to fill the embedding up to a round size.
    Unused = 5,
}

/// The body of [`Tokenizer::from_gguf`].
pub(super) fn load(metadata: &Metadata) -> Result<Tokenizer> {
    let name = metadata.name();
    let model = metadata.str(MODEL)?;
    if model != "gpt2" {
        let (name, found, supported) = (name.to_owned(), model.to_owned(), "gpt2".to_owned());
        return Err(Error::UnknownTokenizer { name, found, supported });
    }
    let pre = metadata.str(PRE)?;
    let Some(pre) = Pre::from_name(pre) else {
        let (name, found, supported) = (name.to_owned(), pre.to_owned(), pre::SUPPORTED.to_owned());
        return Err(Error::UnknownPreTokenizer { name, found, supported });
    };

    let tokens = metadata.strings(TOKENS)?;
    if tokens.is_empty() {
        return Err(bad(name, "its vocabulary is empty".to_owned()));
    }
    let special = |key| special(metadata, key, tokens.len());
    let (bos, eos, eot) = (special(BOS)?, special(EOS)?, special(EOT)?);
    let mut roles = roles(metadata, tokens.len())?;
    // Some converters leave these three marked as text; a user's text must not contain them either.
    for id in [bos, eos, eot].into_iter().flatten() {
        roles[id as usize] = Role::Control;
    }

    let merges = metadata.strings(MERGES)?;
    let add_bos = metadata.optional(ADD_BOS, Metadata::bool)?.unwrap_or(pre.adds_bos());
    let (pieces, has_byte) = pieces(&tokens, &roles);
    let with = |wanted: &[Role]| {
        let numbered = tokens.iter().zip(&roles).zip(0u32..);
        Verbatim::new(numbered.filter(|((_, role), _)| wanted.contains(role)).map(|((text, _), id)| (*text, id)))
    };
    let mut eos_ids: Vec<u32> = [eos, eot].into_iter().flatten().collect();
    eos_ids.dedup();
    Ok(Tokenizer {
        name: name.to_owned(),
        bpe: Arc::new(bpe(name, &tokens, &roles, &merges, pre)?),
        pieces: Arc::new(pieces),
        special: with(&[Role::Control, Role::UserDefined]),
        user_defined: with(&[Role::UserDefined]),
        has_byte,
        bos,
        eos,
        eos_ids,
        add_bos: add_bos && bos.is_some(),
        fingerprint: fingerprint(pre, &tokens, &roles, &merges, [bos, eos, eot], add_bos),
    })
}

/// The id under `key`, which must be one of the vocabulary's.
fn special(metadata: &Metadata, key: &str, vocab: usize) -> Result<Option<u32>> {
    match metadata.optional(key, Metadata::u32)? {
        Some(id) if id as usize >= vocab => {
            Err(bad(metadata.name(), format!("`{key}` is {id}, the vocabulary has {vocab} tokens")))
        }
        id => Ok(id),
    }
}

fn roles(metadata: &Metadata, vocab: usize) -> Result<Vec<Role>> {
    let Some(types) = metadata.optional(TYPES, Metadata::i32s)? else {
        return Ok(vec![Role::Text; vocab]);
    };
    if types.len() != vocab {
        let cause = format!("`{TYPES}` has {} entries for {vocab} tokens", types.len());
        return Err(bad(metadata.name(), cause));
    }
    let role = |(id, &kind)| match kind {
        // Undefined, normal and byte.
        0 | 1 | 6 => Ok(Role::Text),
        // Unknown and control.
        2 | 3 => Ok(Role::Control),
        4 => Ok(Role::UserDefined),
        5 => Ok(Role::Unused),
        _ => Err(bad(metadata.name(), format!("token {id} has the unknown type {kind}"))),
    };
    types.iter().enumerate().map(role).collect()
}

/// The bytes of every token, and which bytes the merges can start from.
fn pieces(tokens: &[&str], roles: &[Role]) -> (Pieces, [bool; 256]) {
    let alphabet = alphabet();
    let mut pieces = Pieces::default();
    let mut has_byte = [false; 256];
    for (token, role) in tokens.iter().zip(roles) {
        match role {
            Role::Text => {
                let bytes = bytes_of(token, &alphabet);
                if let [byte] = bytes[..] {
                    has_byte[usize::from(byte)] = true;
                }
                pieces.push(&bytes, false);
            }
            Role::UserDefined => pieces.push(token.as_bytes(), false),
            Role::Control | Role::Unused => pieces.push(token.as_bytes(), true),
        }
    }
    (pieces, has_byte)
}

/// The merges over the tokens that are text. The crate looks tokens up and copies them into a buffer
/// without checking, so everything it relies on is checked here.
fn bpe(name: &str, tokens: &[&str], roles: &[Role], merges: &[&str], pre: Pre) -> Result<tokenizers::Tokenizer> {
    let mut ids = HashMap::with_capacity(tokens.len());
    for (id, token) in tokens.iter().enumerate() {
        if let Some(first) = ids.insert(*token, id) {
            return Err(bad(name, format!("tokens {first} and {id} are both {token:?}")));
        }
    }
    let is_text = |token: &str| {
        let role = ids.get(token).map(|&id| roles[id]);
        matches!(role, Some(Role::Text | Role::UserDefined))
    };
    let mut pairs = Merges::with_capacity(merges.len());
    let mut joined = String::new();
    for (number, merge) in merges.iter().enumerate() {
        let Some((left, right)) = merge.split_once(' ').filter(|(l, r)| !l.is_empty() && !r.is_empty()) else {
            return Err(bad(name, format!("merge {number} is {merge:?}, not two tokens")));
        };
        joined.clear();
        joined.extend([left, right]);
        for part in [left, right, joined.as_str()] {
            if !is_text(part) {
                let cause = format!("merge {number} ({merge:?}) needs {part:?}, which is no text token");
                return Err(bad(name, cause));
            }
        }
        pairs.push((left.to_owned(), right.to_owned()));
    }
    let text = tokens.iter().filter(|token| is_text(token));
    let vocab: Vocab = text.map(|token| ((*token).to_owned(), ids[token] as u32)).collect();
    let build = || {
        let model = BPE::builder().vocab_and_merges(vocab, pairs).ignore_merges(pre.ignores_merges()).build()?;
        let mut bpe = tokenizers::Tokenizer::new(model);
        pre.apply(&mut bpe)?;
        Ok(bpe)
    };
    build().map_err(|cause: tokenizers::Error| bad(name, cause.to_string()))
}

/// Hashes every field with its length in front, so that no two tokenizers give the same bytes.
fn fingerprint(
    pre: Pre,
    tokens: &[&str],
    roles: &[Role],
    merges: &[&str],
    special: [Option<u32>; 3],
    add_bos: bool,
) -> String {
    let mut hash = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    field(b"pema-tokenizer/1");
    field(pre.name().as_bytes());
    for list in [tokens, merges] {
        field(&(list.len() as u64).to_le_bytes());
        list.iter().for_each(|text| field(text.as_bytes()));
    }
    field(&roles.iter().map(|&role| role as u8).collect::<Vec<u8>>());
    for id in special {
        field(id.map(u32::to_le_bytes).as_ref().map_or(&[], |id| id.as_slice()));
    }
    field(&[add_bos.into()]);
    hex(&hash.finalize())
}

fn bad(name: &str, cause: String) -> Error {
    Error::Tokenizer { name: name.to_owned(), cause }
}
