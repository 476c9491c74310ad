//! What the program `pema` promises: the journey, `--json`, exit codes, and messages instead of panics.
//! The real program is run as a user runs it.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

mod program;
mod refusals;
mod tuning;
mod unsaid;
mod writing;

use pema_tests::{gpu, small};
use program::{Place, TEMPLATE, train};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn assert_equal(what: &str, a: &Value, b: &Value, limit: f64) {
    let (a, b) = (number(a), number(b));
    assert!((a - b).abs() <= limit * b.abs(), "{what}: {a} and {b}");
}

#[test]
fn json_is_one_object_on_standard_output_for_every_command() {
    let place = Place::trained();
    let with = "--model tiny.gguf --adapter adapter.safetensors --max-tokens 4";
    for (command, keys) in [
        ("model tiny.gguf", "name architecture sha256 hidden_size vocab_size quantisation tokenizer head"),
        ("contexts --model tiny.gguf --ids 5,6 --out c", "out tokens hidden_size ids"),
        (
            "memory build --model tiny.gguf --data train.jsonl --template plain --out n",
            "place rows examples tokens seconds tokens_per_second left_out_lines template",
        ),
        ("memory info m/train", "place rows examples keys bytes model_sha256 context_mode template shots created"),
        ("memory export m/train e.safetensors", "place rows bytes"),
        ("memory import e.safetensors i", "place rows bytes"),
        (&format!("{} --out b.safetensors", train()), "out history summary"),
        (&format!("generate {with} --prompt hi"), "input output ended tokens"),
        (&format!("generate {with} --data valid.jsonl --out g.jsonl"), "out texts"),
        (&format!("eval {with} --data valid.jsonl"), "methods signature pairs left_out_lines"),
        (
            "tune --model tiny.gguf --data train.jsonl --out t --steps 2 --checked 2",
            "method shots template sentence verdict tried seconds peak_device_bytes left_out_lines",
        ),
        ("lab --model tiny.gguf --data train.jsonl --methods base --out l.json", "sentence lines records signature"),
        ("demo --model tiny.gguf --shots 1", "methods signature summary base_without_demonstrations seconds"),
        ("doctor", "device kind adapters kernels ok verdict"),
        ("bench --model tiny.gguf --rows 8 --rank 2 --repeats 1", "train_step_paper prefill decode peak_rss_bytes"),
    ] {
        let object = place.json(command, &[]);
        for key in keys.split(' ') {
            assert!(object.get(key).is_some(), "{command}: no {key} in {object}");
        }
    }
}

#[test]
fn the_whole_journey_leaves_the_documented_files_and_reports_that_agree() {
    let place = Place::built();
    let info = place.json("memory info m/train", &[]);
    let (rows, model) = (info["rows"].as_u64().unwrap() as usize, place.json("model tiny.gguf", &[]));
    assert_eq!((info["examples"].as_u64(), info["model_sha256"].clone()), (Some(24), model["sha256"].clone()));
    let bytes = place.read("m/train/memory.safetensors");
    tensors(&bytes, Dtype::U32, &["values", "sample", "position", "input_tokens"], &[rows]);
    tensors(&bytes, Dtype::F16, &["keys"], &[rows, 64]);
    let own = "format=pema-memory/1 hidden_size=64 vocab_size=384 context_mode=teacher-forced created";
    metadata(&bytes, &format!("{own} normalization=post-final-norm template model_sha256 tokenizer_sha256"));

    let report = place.json(&format!("{} --kappa 0.3 --seed 5 --out adapter.safetensors", train()), &[]);
    let bytes = place.read("adapter.safetensors");
    tensors(&bytes, Dtype::F32, &["A"], &[4, 64]);
    tensors(&bytes, Dtype::F32, &["B_pd", "B_rct"], &[64, 4]);
    let own = "format=pema-adapter/1 rank=4 form=residual recipe=recommended kappa=0.3 seed=5 software lambda_max";
    metadata(&bytes, &format!("{own} lambda_constant schedule template model_sha256 tokenizer_sha256"));
    let (history, summary) = (report["history"].as_array().unwrap(), &report["summary"]);
    assert!((4..=12).contains(&history.len()), "{report}");
    for (i, entry) in history.iter().enumerate() {
        assert_eq!(entry["step"], i + 1);
        assert!(number(&entry["rct"]) > 0.0 && number(&entry["pd"]) > 0.0, "{entry}");
        let looked = (i + 1) % 4 == 0;
        for key in ["valid_nll", "valid_mix_nll", "lambda"] {
            assert_eq!(entry.get(key).map(Value::is_number), Some(looked), "{key} of {entry}");
        }
        assert!(!looked || (0.0..=1.0).contains(&number(&entry["lambda"])), "{entry}");
    }
    assert!(number(&summary["valid_nll"]) < number(&summary["base_nll"]), "nothing was learnt: {summary}");

    let with = "--model tiny.gguf --adapter adapter.safetensors --memory m/train --max-tokens 6";
    let text = place.json(&format!("generate {with}"), &["--prompt", "hey, Anna wants apples"]);
    assert!(text["output"].is_string() && text["tokens"].as_u64() > Some(0), "{text}");
    let scores = place.json(&format!("eval {with} --data valid.jsonl --methods base,knn,pema,pema-gu"), &[]);
    let methods = scores["methods"].as_object().unwrap();
    for name in ["base", "knn", "pema", "pema-gu"] {
        let score = &methods[name];
        assert_equal(name, &score["perplexity"], &json!(number(&score["nll"]).exp()), 1e-9);
        for key in ["bleu", "chrf", "exact"] {
            assert!((0.0..=100.0).contains(&number(&score[key])), "{key} of {name}: {score}");
        }
    }
    assert!(methods.len() == 4 && scores["signature"]["bleu"].is_string() && scores["signature"]["chrf"].is_string());
    // The held-out memory in half precision and the same pairs read again in single precision.
    assert_equal("model alone", &methods["base"]["nll"], &summary["base_nll"], 1e-3);
    assert_equal("adapter", &methods["pema"]["nll"], &summary["valid_mix_nll"], 1e-3);
    assert_equal("unrolled", &methods["pema-gu"]["nll"], &summary["valid_unrolled_nll"], 1e-3);
}

fn tensors(bytes: &[u8], dtype: Dtype, names: &[&str], shape: &[usize]) {
    let file = SafeTensors::deserialize(bytes).unwrap();
    for name in names {
        let tensor = file.tensor(name).unwrap();
        assert_eq!((tensor.dtype(), tensor.shape()), (dtype, shape), "{name}");
    }
}

/// The metadata holds every `key=value`, and every `key` with some value.
fn metadata(bytes: &[u8], expected: &str) {
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let found = header.metadata().clone().unwrap();
    for word in expected.split(' ') {
        let (key, value) = word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value)));
        let text = found.get(key).unwrap_or_else(|| panic!("no {key} in {found:?}"));
        assert!(value.is_none_or(|value| value == text) && !text.is_empty(), "{key} is {text}");
    }
}

#[test]
fn exporting_importing_and_training_gives_the_identical_adapter() {
    let place = Place::trained();
    for part in ["train", "valid"] {
        place.pema(&format!("memory export m/{part} {part}.safetensors")).succeeded();
        place.pema(&format!("memory import {part}.safetensors copy/{part}")).succeeded();
    }
    assert_eq!(place.read("m/train/memory.safetensors"), place.read("copy/train/memory.safetensors"));
    std::fs::remove_dir_all(place.path("m")).unwrap();
    place.pema(&format!("{} --out again.safetensors", train().replace("m/", "copy/"))).succeeded();
    assert!(place.read("adapter.safetensors") == place.read("again.safetensors"), "the adapters differ");
}

#[test]
fn a_memory_comes_back_from_numpy_files_with_and_without_header() {
    let place = Place::new();
    place.run("memory build --model tiny.gguf --data train.jsonl --f32 --out m", &["--template", TEMPLATE]).succeeded();
    let file = place.read("m/memory.safetensors");
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let [keys, values] = ["keys", "values"].map(|name| tensors.tensor(name).unwrap());
    let rows = values.shape()[0];
    let npy = |kind: &str, shape: String, numbers: &[u8]| {
        let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
        header += &" ".repeat(64 - (11 + header.len()) % 64);
        header.push('\n');
        [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), numbers].concat()
    };
    place.write("dstore_keys.npy", keys.data());
    place.write("dstore_vals.npy", values.data());
    place.write("k.npy", npy("<f4", format!("({rows}, 64)"), keys.data()));
    place.write("v.npy", npy("<i4", format!("({rows},)"), values.data()));
    for (k, v) in [("dstore_keys.npy", "dstore_vals.npy"), ("k.npy", "v.npy"), ("dstore_keys.npy", "v.npy")] {
        let import = format!("memory import {k} copy --values {v} --model tiny.gguf");
        let info = place.json(&import, &["--template", TEMPLATE]);
        assert_eq!((number(&info["rows"]) as usize, &info["context_mode"]), (rows, &json!("free-running")), "{info}");
        let copy = place.read("copy/memory.safetensors");
        let copy = SafeTensors::deserialize(&copy).unwrap();
        assert!(copy.tensor("keys").unwrap() == keys && copy.tensor("values").unwrap() == values, "{import}");
    }
    // It trains like any other memory of this model.
    place.pema("train --model tiny.gguf --memory copy --rank 4 --steps 2 --out a.safetensors").succeeded();
}

#[test]
fn template_and_demonstrations_travel_in_the_adapter_and_in_the_memory() {
    let place = Place::new();
    let build = "memory build --model tiny.gguf --data train.jsonl --shots 2 --out m/train";
    place.run(build, &["--template", TEMPLATE]).succeeded();
    assert_eq!(place.json("memory info m/train", &[])["shots"], 2);
    place.pema(&format!("{} --out adapter.safetensors", train().replace("--valid m/valid", ""))).succeeded();
    let first = |with: &str, more: &[&str]| {
        let generate = "generate --model tiny.gguf --method base --explain --max-tokens 1";
        let text = place.json(&format!("{generate} {with}"), more);
        let token = &text["explain"][0];
        (token["id"].as_u64().unwrap(), number(&token["probabilities"]["lm"]))
    };
    let shots: String =
        small::dataset(2).examples.iter().map(|e| format!("Informal: {}\nFormal: {}\n\n", e.input, e.target)).collect();
    let whole = format!("Be formal.\n{shots}Informal: hey Anna\nFormal:");
    let (token, probability) = first("", &["--prompt", &whole]);
    for with in ["--adapter adapter.safetensors", "--memory m/train"] {
        let travelled = first(with, &["--prompt", "hey Anna"]);
        assert_eq!(travelled.0, token, "{with}");
        assert!((travelled.1 - probability).abs() < 1e-4, "{with}: {} and {probability}", travelled.1);
        // A template that is typed has the last word, and no demonstrations.
        let typed = first(with, &["--template", TEMPLATE, "--prompt", "hey Anna"]);
        let bare = first("", &["--prompt", "Be formal.\nInformal: hey Anna\nFormal:"]);
        assert!(typed.0 == bare.0 && (typed.1 - bare.1).abs() < 1e-4, "{with}: {typed:?} and {bare:?}");
        assert!((typed.1 - probability).abs() > 1e-3, "the prompts cannot be told apart");
    }
}

#[test]
fn targets_of_several_lines_get_a_template_that_can_write_them_or_a_note() {
    let place = Place::new();
    let pairs = |target: &str| -> String {
        (0..12).map(|i| json!({"notes": format!("case {i}"), "reply": target}).to_string() + "\n").collect()
    };
    for (target, end) in [("Dear A,\n\nyes.", "\n###"), ("Yes.", "")] {
        place.write("replies.jsonl", pairs(target));
        let tuned = place.json("tune --model tiny.gguf --data replies.jsonl --out t --steps 1 --checked 0", &[]);
        assert_eq!(tuned["template"].as_str().unwrap(), format!("Notes: {{input}}\nReply: {{target}}{end}"));
        let build = place.pema("memory build --model tiny.gguf --data replies.jsonl --template plain --out m");
        assert_eq!(build.succeeded().err.contains("inside of 12 of 12 targets"), !end.is_empty());
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_ends_the_program_without_a_panic() {
    use std::process::Stdio;
    let place = Place::new();
    for command in
        ["model tiny.gguf", "--json model tiny.gguf", "generate --model tiny.gguf --method base --prompt hello"]
    {
        // The reader is gone before the program begins: it cannot have written everything by then.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command_line = place.command(command, &[]);
        let child = command_line.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(141), "{command}: {err}");
        assert!(!err.contains("panicked") && !err.contains("error:"), "{command}: {err}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_printed_is_a_failure_with_a_message() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Place::new().command("model tiny.gguf", &[]).stdout(full).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.starts_with("error: cannot write to stdout") && !err.contains("panicked"), "{err}");
}

#[test]
fn a_gpu_adapter_passes_the_doctor() {
    if gpu().is_none() {
        return;
    }
    let report = Place::new().json("--device gpu doctor", &[]);
    assert!(report["ok"] == true && report["kind"] != "Cpu", "{report}");
    assert!(report["kernels"].as_array().unwrap().len() > 30, "{report}");
    // What baseline WebGPU promises is the least there may be.
    for (limit, least) in [
        ("maxComputeWorkgroupStorageSize", 16_384),
        ("maxStorageBuffersPerShaderStage", 8),
        ("maxComputeWorkgroupsPerDimension", 65_535),
    ] {
        assert!(report["limits"][limit].as_u64().is_some_and(|n| n >= least), "{limit}: {report}");
    }
}
