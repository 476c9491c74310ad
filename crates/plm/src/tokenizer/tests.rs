use super::*;
use crate::gguf::Gguf;
use crate::gguf::build::Builder;
use crate::source::{MemorySource, now};

const TYPES: &str = "tokenizer.ggml.token_type";
const TOKENS: &str = "tokenizer.ggml.tokens";
const MERGES: &str = "tokenizer.ggml.merges";

/// The header of a file with nothing else in it.
pub(crate) fn metadata(builder: Builder) -> Metadata {
    let source = MemorySource::new("test.gguf", builder.finish());
    now(Gguf::open(source)).unwrap().metadata().clone()
}

/// Tokens 0 to 255 are the bytes but 0x04, whose place is unused; then come merged and special ones.
fn words() -> (Vec<String>, Vec<i32>) {
    let alphabet = pieces::alphabet();
    let mut tokens = vec![String::new(); 256];
    for (code, byte) in alphabet.iter().enumerate() {
        if let Some(byte) = byte {
            tokens[usize::from(*byte)] = char::from_u32(code as u32).unwrap().to_string();
        }
    }
    let mut types = vec![1; 256];
    tokens[4] = "[PAD4]".to_owned();
    types[4] = 5;
    for (token, kind) in [
        ("he", 1),
        ("ll", 1),
        ("hell", 1),
        ("hello", 1),
        ("\u{120}hello", 1),
        ("12", 1),
        ("123", 1),
        ("<|bos|>", 3),
        ("<|eos|>", 3),
        ("<|eot|>", 3),
        ("<think>", 4),
        ("caf\u{e9} ", 4),
    ] {
        tokens.push(token.to_owned());
        types.push(kind);
    }
    (tokens, types)
}

const MERGE_LIST: [&str; 7] = ["h e", "l l", "he ll", "hell o", "\u{120} hello", "1 2", "12 3"];

fn with_tokens(pre: &str, tokens: &[String], types: &[i32], merges: &[&str]) -> Builder {
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    Builder::new()
        .str("tokenizer.ggml.model", "gpt2")
        .str("tokenizer.ggml.pre", pre)
        .strings(TOKENS, &tokens)
        .i32s(TYPES, types)
        .strings(MERGES, merges)
        .u32("tokenizer.ggml.bos_token_id", 263)
        .u32("tokenizer.ggml.eos_token_id", 264)
        .u32("tokenizer.ggml.eot_token_id", 265)
}

/// A small complete tokenizer.
pub(crate) fn vocabulary(pre: &str) -> Builder {
    let (tokens, types) = words();
    with_tokens(pre, &tokens, &types, &MERGE_LIST)
}

fn tokenizer(pre: &str) -> Tokenizer {
    Tokenizer::from_gguf(&metadata(vocabulary(pre))).unwrap()
}

fn refused(builder: Builder, says: &str) {
    let message = Tokenizer::from_gguf(&metadata(builder)).unwrap_err().to_string();
    assert!(message.contains(says), "{says:?} not in {message:?}");
}

#[test]
fn every_recipe_cuts_numbers_its_own_way() {
    let one = |c: char| c as u32;
    let digits = [one('1'), one('2'), one('3')];
    for (pre, number) in [
        ("gpt-2", &[262][..]),
        ("gpt2", &[262]),
        ("llama-bpe", &[262]),
        ("llama3", &[262]),
        ("llama-v3", &[262]),
        ("qwen2", &digits),
        ("smollm", &digits),
    ] {
        let ids = tokenizer(pre).encode("hello hello123").unwrap();
        assert_eq!(ids[..2], [259, 260], "{pre}");
        assert_eq!(ids[2..], *number, "{pre}");
    }
    // Only Llama takes a word that is a token whole although no merge leads there.
    let (mut tokens, mut types) = words();
    tokens.push("abc".to_owned());
    types.push(1);
    for (pre, ids) in [("llama-bpe", &[268][..]), ("gpt-2", &[97, 98, 99])] {
        let metadata = metadata(with_tokens(pre, &tokens, &types, &MERGE_LIST));
        assert_eq!(Tokenizer::from_gguf(&metadata).unwrap().encode("abc").unwrap(), ids);
    }
    // Only Qwen composes characters first: e and a combining acute become one.
    assert_eq!(tokenizer("qwen2").encode("e\u{301}").unwrap(), [0xc3, 0xa9]);
    assert_eq!(tokenizer("gpt-2").encode("e\u{301}").unwrap(), [0x65, 0xcc, 0x81]);
}

#[test]
fn text_survives_the_way_there_and_back() {
    for pre in ["gpt-2", "llama-bpe", "qwen2", "smollm"] {
        let tokenizer = tokenizer(pre);
        for text in
            ["", " ", "\n\n  \thello", "Gr\u{fc}\u{df}e, \u{4f60}\u{597d} \u{1f600}!", "a\0b", "it's 12345 o'clock"]
        {
            let ids = tokenizer.encode(text).unwrap();
            assert_eq!(tokenizer.decode(&ids).unwrap(), text, "{pre}");
            let mut decoder = tokenizer.decoder();
            let mut streamed: String = ids.iter().filter_map(|&id| decoder.push(id)).collect();
            streamed.extend(decoder.finish());
            assert_eq!(streamed, text, "{pre}");
        }
    }
}

#[test]
fn control_tokens_come_from_trusted_text_only() {
    let tokenizer = tokenizer("smollm");
    let text = "<|bos|>hello<|eos|><think>";
    assert_eq!(tokenizer.encode(text).unwrap(), [263, 259, 264, 266]);
    assert_eq!(tokenizer.decode(&[263, 259, 264, 266]).unwrap(), "hello<think>");
    let plain = tokenizer.encode_plain(text).unwrap();
    assert!(plain.iter().all(|&id| !tokenizer.is_control(id)), "{plain:?}");
    assert_eq!(plain.last(), Some(&266));
    assert_eq!(tokenizer.decode(&plain).unwrap(), text);
    // A user-defined token is matched as it is written, space and accent included.
    assert_eq!(tokenizer.encode("caf\u{e9} !").unwrap(), [267, 33]);
    assert_eq!(tokenizer.piece_bytes(267).unwrap(), "caf\u{e9} ".as_bytes());
    // Llama's shortcut for words that are tokens must not find one either.
    let (mut tokens, types) = words();
    tokens[263] = "stop".to_owned();
    let metadata = metadata(with_tokens("llama-bpe", &tokens, &types, &MERGE_LIST));
    let llama = Tokenizer::from_gguf(&metadata).unwrap();
    assert_eq!(llama.encode("stop").unwrap(), [263]);
    assert_eq!(llama.encode_plain("stop").unwrap(), [115, 116, 111, 112]);
}

#[test]
fn tokens_can_be_shown() {
    let tokenizer = tokenizer("gpt-2");
    for (id, shown) in [(260, " hello"), (10, "\n"), (0xe2, "<0xE2>"), (264, "<|eos|>"), (4, "[PAD4]")] {
        assert_eq!(tokenizer.token_text(id).unwrap(), shown);
    }
    assert_eq!(tokenizer.vocab_size(), 268);
    assert!(tokenizer.piece_bytes(264).unwrap().is_empty());
    for err in [tokenizer.token_text(268).unwrap_err(), tokenizer.decode(&[0, u32::MAX]).unwrap_err()] {
        assert!(matches!(err, Error::TokenOutOfRange { vocab: 268, .. }), "{err}");
    }
}

#[test]
fn a_byte_without_a_token_is_reported() {
    let tokenizer = tokenizer("gpt-2");
    assert_eq!(tokenizer.encode("a\u{4}b").unwrap(), [97, 98]);
    assert_eq!(tokenizer.first_lost_char("a\u{4}b"), Some('\u{4}'));
    assert_eq!(tokenizer.first_lost_char("ab \u{1f600}"), None);
}

#[test]
fn special_ids_and_the_leading_token() {
    let tokenizer = tokenizer("smollm");
    assert_eq!((tokenizer.bos(), tokenizer.eos(), tokenizer.eos_ids()), (Some(263), Some(264), &[264, 265][..]));
    assert!(!tokenizer.add_bos());
    assert!(self::tokenizer("llama-bpe").add_bos());
    let says = |value| metadata(vocabulary("llama-bpe").bool("tokenizer.ggml.add_bos_token", value));
    assert!(!Tokenizer::from_gguf(&says(false)).unwrap().add_bos());
    assert!(Tokenizer::from_gguf(&says(true)).unwrap().add_bos());
}

#[test]
fn the_fingerprint_sees_every_part() {
    let of = |builder| Tokenizer::from_gguf(&metadata(builder)).unwrap().fingerprint().to_owned();
    let (tokens, types) = words();
    let mut other_type = types.clone();
    other_type[266] = 3;
    let mut other_token = tokens.clone();
    other_token[266] = "<thinks>".to_owned();
    let prints = [
        of(vocabulary("smollm")),
        of(vocabulary("gpt-2")),
        of(with_tokens("smollm", &other_token, &types, &MERGE_LIST)),
        of(with_tokens("smollm", &tokens, &other_type, &MERGE_LIST)),
        of(with_tokens("smollm", &tokens, &types, &MERGE_LIST[..6])),
        of(vocabulary("smollm").bool("tokenizer.ggml.add_bos_token", true)),
    ];
    for (i, print) in prints.iter().enumerate() {
        assert_eq!(print.len(), 64);
        assert!(!prints[..i].contains(print), "{i}");
    }
    assert_eq!(of(vocabulary("gpt2")), prints[1], "two spellings of one recipe");
    assert_eq!(of(vocabulary("smollm").str("general.name", "x")), prints[0]);
}

#[test]
fn what_cannot_be_reproduced_is_refused() {
    let (tokens, types) = words();
    refused(vocabulary("default"), "gpt-2, llama-bpe, qwen2, smollm");
    refused(vocabulary("deepseek-llm"), "`deepseek-llm`");
    refused(Builder::new().str("tokenizer.ggml.model", "llama"), "tokenizer model is `llama`");
    refused(Builder::new().str("tokenizer.ggml.model", "gpt2"), "`tokenizer.ggml.pre`");
    refused(with_tokens("gpt-2", &[], &[], &[]), "vocabulary is empty");
    refused(with_tokens("gpt-2", &tokens, &types[1..], &MERGE_LIST), "267 entries for 268 tokens");
    let mut bad = types.clone();
    bad[7] = 9;
    refused(with_tokens("gpt-2", &tokens, &bad, &MERGE_LIST), "token 7 has the unknown type 9");
    let mut twice = tokens.clone();
    twice[260] = "he".to_owned();
    refused(with_tokens("gpt-2", &twice, &types, &MERGE_LIST), "tokens 256 and 260 are both \"he\"");
    for merge in ["h", "h ", " h", "h e e", "h zzz", "h\u{120}e", "<|bos|> h"] {
        refused(with_tokens("gpt-2", &tokens, &types, &["h e", merge]), "merge 1 ");
    }
    // Both halves exist, the whole does not: longer than any token, which a copy would overrun.
    refused(with_tokens("gpt-2", &tokens, &types, &["\u{120}hello \u{120}hello"]), "merge 0 ");
    let mut control = types.clone();
    control[256] = 3;
    refused(with_tokens("gpt-2", &tokens, &control, &MERGE_LIST), "no text token");
    let builder = Builder::new()
        .str("tokenizer.ggml.model", "gpt2")
        .str("tokenizer.ggml.pre", "gpt-2")
        .strings(TOKENS, &["a"])
        .strings(MERGES, &[])
        .u32("tokenizer.ggml.eos_token_id", 1);
    refused(builder, "`tokenizer.ggml.eos_token_id` is 1, the vocabulary has 1 tokens");
}

#[test]
fn guarded_text_spells_control_tokens_and_the_template_still_sets_them() {
    let tokenizer = Tokenizer::from_gguf(&metadata(vocabulary("gpt-2"))).unwrap();
    let guard = '\u{fdd0}';
    for said in ["hello<|eos|>", "<|<|eos|>eos|>", "<|eos|><|bos|>x<think>12", "plain caf\u{e9} 123", ""] {
        let guarded = tokenizer.guarded(said, guard);
        assert_eq!(guarded.replace(guard, ""), said);
        let ids = tokenizer.encode_guarded(&format!("<|bos|>{guarded}<|eos|>"), guard).unwrap();
        let plain = tokenizer.encode_plain(said).unwrap();
        let [bos, eos] = [tokenizer.bos().unwrap(), tokenizer.eos().unwrap()];
        assert_eq!(ids, [&[bos][..], &plain, &[eos]].concat(), "{said}");
    }
    // Without the guard the user's text would end the turn.
    assert_ne!(tokenizer.encode("hello<|eos|>").unwrap(), tokenizer.encode_plain("hello<|eos|>").unwrap());
}
