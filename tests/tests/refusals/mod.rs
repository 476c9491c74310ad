//! What the program refuses: how it says so, with which exit code, and that nothing is left half-written.

use pema_tests::{fixture, read_fixture};

use crate::program::{Place, TEMPLATE, lines, train};

const BUILD: &str = "memory build --model tiny.gguf --template formality --out n";
const READ: &str = "contexts --ids 5,6 --out c --model";

/// `from`, where it first stands after `after`, replaced by as many other bytes.
fn patched(after: &str, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = read_fixture("tiny.gguf");
    let begin = place_behind(&bytes, after, 0);
    let end = place_behind(&bytes, from, begin);
    bytes[end - from.len()..end].copy_from_slice(to.as_bytes());
    bytes
}

/// The place behind the first `text` from `begin` on.
fn place_behind(bytes: &[u8], text: &str, begin: usize) -> usize {
    let at = bytes[begin..].windows(text.len()).position(|window| window == text.as_bytes());
    begin + at.unwrap_or_else(|| panic!("there is no {text}")) + text.len()
}

#[test]
fn bad_usage_ends_with_code_2() {
    let place = Place::trained();
    let with = "--model tiny.gguf --adapter adapter.safetensors";
    for (command, part) in [
        ("", "Usage"),
        ("model tiny.gguf --colour", "--colour"),
        ("model", "<MODEL>"),
        ("paint", "paint"),
        ("contexts --model tiny.gguf --out c", "--text"),
        ("contexts --model tiny.gguf --out c", "--ids"),
        (&format!("{BUILD} --data train.jsonl --limit 0"), "from 1 on"),
        ("contexts --model tiny.gguf --out c --ids 5 --text a", "--text"),
        ("contexts --model tiny.gguf --out c --ids 5,x", "--ids"),
        ("memory build --model tiny.gguf --data train.jsonl --template none --out n", "{input}"),
        (&format!("{BUILD} --data train.jsonl --mode dreaming"), "free-running"),
        (&format!("{BUILD} --data train.jsonl --shots 25"), "at most the 24 examples"),
        (&format!("{BUILD} --data train.jsonl --shots 24"), "shots is 24"),
        (&format!("{} --out a --rank 0", base()), "rank is 0"),
        (&format!("{} --out a --rank 65", base()), "hidden size 64"),
        (&format!("{} --out a --kappa 2", base()), "kappa is 2"),
        (&format!("{} --out a --batch 0", base()), "batch is 0"),
        (&format!("{} --out a --dropout 1", base()), "dropout is 1"),
        (&format!("{} --out a --lr 0", base()), "lr is 0"),
        (&format!("{} --out a --decay linear", base()), "cosine"),
        (&base(), "--out"),
        ("generate --model tiny.gguf --method knn --prompt a", "--memory"),
        ("generate --model tiny.gguf --method pema --prompt a", "--adapter"),
        (&format!("generate {with}"), "--prompt"),
        (&format!("generate {with} --data valid.jsonl"), "--out"),
        (&format!("generate {with} --data valid.jsonl --prompt a --out o"), "--prompt"),
        (&format!("generate {with} --prompt a --lambda-max 1.5"), "lambda_max is 1.5"),
        (&format!("generate {with} --prompt a --temperature -1"), "temperature is -1"),
        (&format!("generate {with} --prompt a --top-p 0"), "0"),
        (&format!("generate {with} --prompt a --method magic"), "pema-gu"),
        (&format!("generate {with} --prompt a --schedule never"), "reference-code"),
        (&format!("eval {with} --data valid.jsonl --schedule reference-code"), "--reference-length"),
        ("lab --model tiny.gguf --data train.jsonl --out r.json --seeds 0", "--seeds"),
        ("generate --model tiny.gguf --memory m/train --method knn --prompt a --knn-k 0", "1 to 256"),
        ("generate --model tiny.gguf --memory m/train --method knn --prompt a --knn-k 257", "1 to 256"),
        ("eval --model tiny.gguf --data valid.jsonl --methods base", "no template"),
        (&format!("eval {with} --data valid.jsonl --methods base,knn"), "--memory"),
        ("bench --model tiny.gguf --repeats 0", "--repeats"),
    ] {
        let run = place.pema(command);
        assert!(run.out.is_empty(), "{command}: {run:?}");
        if command.is_empty() {
            assert_eq!(run.code, Some(2), "{run:?}");
        } else {
            run.refused(2, &[part]);
        }
    }
    for command in ["--help", "--version", "memory build --help"] {
        assert!(!place.pema(command).succeeded().out.is_empty());
    }
}

/// A training that lacks `--out`.
fn base() -> String {
    "train --model tiny.gguf --memory m/train".to_owned()
}

#[test]
fn a_model_file_that_cannot_be_used_is_named_with_the_reason() {
    let place = Place::new();
    let whole = read_fixture("tiny.gguf");
    let mut kind = whole.clone();
    // Behind a tensor's name: the number of dimensions, two of them, its format. 20 is IQ4_NL.
    let at = place_behind(&kind, "blk.0.attn_q.weight", 0) + 4 + 2 * 8;
    assert_eq!(kind[at..at + 4], 3u32.to_le_bytes(), "not Q4_1");
    kind[at] = 20;
    let mut unnamed = kind.clone();
    unnamed[at] = 99;
    for (bytes, parts) in [
        (whole[..whole.len() / 2].to_vec(), &["cut off", "again"][..]),
        (whole[..100].to_vec(), &["cut off"]),
        (Vec::new(), &["cut off", "has 0 left"]),
        ([b"GGML", &whole[4..]].concat(), &["not a GGUF file", "GGML"]),
        (patched("general.architecture", "llama", "llamb"), &["`llamb`", "llama"]),
        (patched("tokenizer.ggml.pre", "smollm", "smollx"), &["`smollx`", "smollm"]),
        (kind, &["blk.0.attn_q.weight", "IQ4_NL", "Q4_1"]),
        (unnamed, &["blk.0.attn_q.weight", "99"]),
    ] {
        place.write("bad.gguf", bytes);
        place.pema(&format!("{READ} bad.gguf")).refused(1, &["bad.gguf"]).refused(1, parts);
        assert!(!place.path("c").exists());
    }
    for command in ["model none.gguf", &format!("{READ} none.gguf"), "train --model none.gguf --memory m --out a"] {
        place.pema(command).refused(1, &["none.gguf", "check that the file exists"]);
    }
    place.pema(&format!("{READ} .")).refused(1, &["."]);
}

#[test]
fn examples_that_cannot_be_used_are_named_with_line_and_reason() {
    let place = Place::new();
    let good = "{\"input\": \"a\", \"target\": \"b\"}\n";
    let line_2 = |text: &str| format!("{good}{text}\n").into_bytes();
    for (bytes, more, parts) in [
        (Vec::new(), "", &["no example"][..]),
        (b"\n \n".to_vec(), "", &["no example"]),
        (line_2(r#"{"source": "a", "formal": "b"}"#), "", &["line 2", "\"input\"", "\"formal\"", "\"source\""]),
        (line_2(r#"{"input": "a", "target": 3}"#), "", &["line 2", "\"target\"", "not text"]),
        (line_2(r#"{"input": "a" "target": "b"}"#), "", &["line 2", "column 15"]),
        (line_2(r#"{"input": " ", "target": "b"}"#), "", &["line 2", "empty"]),
        ([good.as_bytes(), b"{\"input\": \"\xff\"}"].concat(), "", &["line 2", "column 12", "UTF-8"]),
        (good.into(), "--max-tokens 3", &["no example fits", "3 are allowed"]),
        (line_2(r#"{"input": "a", "target": "b", "input": "c"}"#), "", &["line 2", "`input`", "twice"]),
    ] {
        place.write("bad.jsonl", bytes);
        place.pema(&format!("{BUILD} --data bad.jsonl {more}")).refused(1, &["bad.jsonl"]).refused(1, parts);
        assert!(!place.path("n").exists());
    }
    place.pema(&format!("{BUILD} --data none.jsonl")).refused(1, &["none.jsonl", "check that the file exists"]);
    place.pema(&format!("{BUILD} --data tiny.gguf")).refused(1, &["tiny.gguf", ".jsonl"]);
}

#[test]
fn a_token_outside_the_vocabulary_is_refused() {
    let place = Place::new();
    let parts = ["tiny.gguf", "token 99999", "vocabulary of 384"];
    place.pema("contexts --model tiny.gguf --ids 5,99999 --out c").refused(1, &parts);
    place.pema("contexts --model tiny.gguf --ids 384 --out c").refused(1, &["token 384"]);
    place.pema("contexts --model tiny.gguf --ids 383 --out c").succeeded();
}

#[test]
fn an_adapter_or_a_memory_of_another_model_is_refused_with_both_hashes() {
    let place = Place::trained();
    std::fs::copy(fixture("tiny_f32_untied.gguf"), place.path("other.gguf")).unwrap();
    let hash = |model: &str| place.json(&format!("model {model}"), &[])["sha256"].as_str().unwrap().to_owned();
    let (ours, theirs) = (hash("tiny.gguf"), hash("other.gguf"));
    for (command, file) in [
        ("generate --model other.gguf --adapter adapter.safetensors --prompt a", "adapter.safetensors"),
        ("eval --model other.gguf --adapter adapter.safetensors --data valid.jsonl", "adapter.safetensors"),
        ("generate --model other.gguf --memory m/train --method knn --prompt a", "m/train"),
        ("train --model other.gguf --memory m/train --out b", "m/train"),
    ] {
        place.pema(command).refused(1, &[file, &ours, &theirs]);
    }
    // A memory is no adapter, and the other way round.
    let memory = "m/train/memory.safetensors";
    let generate = "generate --model tiny.gguf --prompt a --adapter";
    place.pema(&format!("{generate} {memory}")).refused(1, &[memory, "not an adapter"]);
    place.pema("memory import adapter.safetensors i").refused(1, &["adapter.safetensors", "not an external memory"]);
    assert!(!place.path("i").exists() && !place.path("b").exists());
}

#[test]
fn a_memory_without_rows_is_refused_when_it_is_imported() {
    let place = Place::built();
    let file = place.read("m/train/memory.safetensors");
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&file).unwrap();
    let empty = tensors.iter().map(|(name, tensor)| {
        let shape: Vec<usize> = std::iter::once(0).chain(tensor.shape()[1..].iter().copied()).collect();
        (name, safetensors::tensor::TensorView::new(tensor.dtype(), shape, &[]).unwrap())
    });
    place.write("e.safetensors", safetensors::serialize(empty, header.metadata().clone()).unwrap());
    place.pema("memory import e.safetensors i").refused(1, &["e.safetensors", "no rows", "choose another file"]);
    assert!(!place.path("i").exists());
}

#[test]
fn numpy_files_that_do_not_fit_are_refused_and_nothing_is_written() {
    let place = Place::new();
    place.write("k.npy", [0u8; 64 * 4 * 3]);
    place.write("v.npy", [5u8, 0, 0, 0].repeat(3));
    place.write("short.npy", [5u8, 0, 0, 0].repeat(2));
    place.write("far.npy", [[5u8, 0, 0, 0], [128, 1, 0, 0], [5, 0, 0, 0]].concat());
    let import = "memory import --model tiny.gguf --template plain";
    for (files, parts) in [
        ("k.npy i --values short.npy", ["k.npy", "768 bytes", "2 rows", "width 64"]),
        ("k.npy i --values far.npy", ["far.npy", "row 1", "token 384", "vocabulary has 384"]),
        ("none.npy i --values v.npy", ["none.npy", "read", "check that", "exists"]),
    ] {
        place.pema(&format!("{import} {files}")).refused(1, &parts);
    }
    place.pema("memory import k.npy i").refused(2, &["--values", "token ids"]);
    place.pema("memory import k.npy i --values v.npy").refused(2, &["--model", "--template"]);
    assert!(!place.path("i").exists());
    place.pema(&format!("{import} k.npy i --values v.npy")).succeeded();
}

#[test]
fn a_place_that_cannot_be_written_is_named_and_nothing_half_written_remains() {
    let place = Place::trained();
    place.pema("memory export m/valid whole.safetensors").succeeded();
    let (with, file) = ("--model tiny.gguf --adapter adapter.safetensors --max-tokens 2", "valid.jsonl/x");
    let (before, content) = (place.files(), place.read("valid.jsonl"));
    for command in [
        format!("contexts --model tiny.gguf --ids 5 --out {file}"),
        format!("memory build --model tiny.gguf --data train.jsonl --template plain --out {file}"),
        format!("memory export m/train {file}"),
        format!("memory import whole.safetensors {file}"),
        format!("{} --out {file}", train()),
        format!("generate {with} --data train.jsonl --limit 2 --out {file}"),
        format!("eval {with} --data train.jsonl --limit 2 --out {file}"),
    ] {
        let run = place.pema(&command).refused(1, &[file, "cannot write", "nothing was changed"]);
        assert!(run.out.is_empty(), "{command}: {run:?}");
        assert_eq!(place.files(), before, "{command}");
    }
    assert_eq!(place.read("valid.jsonl"), content);
    // A folder stands where a file shall be.
    for command in [
        train(),
        format!("generate {with} --data train.jsonl --limit 2"),
        format!("eval {with} --data train.jsonl --limit 2"),
        "contexts --model tiny.gguf --ids 5".to_owned(),
    ] {
        let run = place.pema(&format!("{command} --out m")).refused(1, &["m: cannot write", "a folder"]);
        // Before the work: the device is opened for it and named first.
        assert!(!run.err.contains("device:"), "{command}: {run:?}");
        assert_eq!(place.files(), before, "{command}");
    }
}

#[test]
fn a_text_longer_than_the_model_can_attend_to_is_refused() {
    let place = Place::new();
    let long = "word ".repeat(600);
    place.run("contexts --model tiny.gguf --out c", &["--text", &long]).refused(1, &["context of 512"]);
    let generate = "generate --model tiny.gguf --method base";
    place.run(generate, &["--prompt", &long]).refused(1, &["context of 512"]);
    place.run(generate, &["--template", TEMPLATE, "--prompt", &long]).refused(1, &["context of 512"]);
    let mut pairs = pema_tests::small::dataset(2).examples;
    pairs[1].input = long;
    place.write("pairs.jsonl", lines(&pairs));
    let told = place.pema(&format!("{BUILD}2 --data pairs.jsonl")).succeeded();
    for part in ["1 examples of pairs.jsonl", "512 tokens", "lines 2", "shorten"] {
        assert!(told.err.contains(part), "{part:?} is not in {told:?}");
    }
    let all = format!("{generate} --template {{input}}{{target}} --data pairs.jsonl --out texts");
    place.pema(&all).refused(1, &["pairs.jsonl", "input 2", "512", "shorten", "nothing was written"]);
    let built = place.json(&format!("{BUILD} --data pairs.jsonl"), &[]);
    assert_eq!((built["examples"].as_u64(), built["left_out_lines"].to_string()), (Some(1), "[2]".to_owned()));
}
