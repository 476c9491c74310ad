//! `pema generate`, `pema contexts` and `pema eval`: the texts and numbers they write.

use pema_tests::{assert_close, floats, ids, small};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

use crate::program::Place;
use crate::{number, tensors};

#[test]
fn the_same_seed_gives_the_same_text_and_another_seed_another() {
    let place = Place::trained();
    let with = "--model tiny.gguf --adapter adapter.safetensors --temperature 1 --max-tokens 24";
    let one = |seed: u32| place.pema(&format!("generate {with} --prompt hello --seed {seed}")).succeeded().out;
    assert_eq!(one(7), one(7));
    assert_ne!(one(7), one(8));
    let many = |seed: u32| {
        place.pema(&format!("generate {with} --data valid.jsonl --out o --seed {seed}")).succeeded();
        place.read("o")
    };
    assert!(many(7) == many(7) && many(7) != many(8));
}

#[test]
fn explain_shows_lambda_both_probabilities_and_their_mixture_of_every_token() {
    let place = Place::trained();
    let command = "generate --model tiny.gguf --adapter adapter.safetensors --method pema-gu --explain --lambda-max 0.5 --max-tokens 6";
    let text = place.json(command, &["--prompt", "hey, Anna"]);
    let tokens = text["explain"].as_array().unwrap();
    assert_eq!(text["tokens"], tokens.len());
    let length = place.json("contexts --model tiny.gguf --out c", &["--text", "hey, Anna"])["tokens"].clone();
    for (t, token) in tokens.iter().enumerate() {
        let (lambda, p) = (number(&token["lambda"]), &token["probabilities"]);
        let unrolled = (1.0 - t as f64 / number(&length)).max(0.0) * 0.5;
        assert!((lambda - unrolled).abs() < 1e-6, "lambda {lambda} at token {t} of {length}");
        let mix = lambda * number(&p["pema"]) + (1.0 - lambda) * number(&p["lm"]);
        assert!((mix - number(&p["mix"])).abs() < 1e-5, "{token}");
    }
    let table = place.run(command, &["--prompt", "hey, Anna"]).succeeded().out;
    let rows: Vec<&str> = table.lines().skip_while(|line| !line.starts_with("token")).collect();
    assert_eq!(rows[0].split_whitespace().collect::<Vec<_>>(), ["token", "lambda", "P_LM", "P_PEMA", "mix"]);
    assert_eq!(rows.len() - 1, tokens.len(), "{table}");
}

#[test]
fn a_prompt_and_a_file_of_the_same_inputs_give_the_same_texts() {
    let place = Place::trained();
    let with = "generate --model tiny.gguf --adapter adapter.safetensors --max-tokens 6";
    let inputs: Vec<String> = small::dataset(30).examples[24..].iter().map(|e| e.input.clone()).collect();
    place.write("inputs.txt", inputs.join("\n"));
    place.pema(&format!("{with} --data valid.jsonl --out a")).succeeded();
    place.pema(&format!("{with} --data inputs.txt --limit 3 --out b")).succeeded();
    let (whole, begun) = (place.read_lines("a"), place.read_lines("b"));
    assert_eq!((whole.len(), &whole[..3]), (6, &begun[..]));
    for (line, input) in whole.iter().zip(&inputs) {
        assert_eq!(line["input"], json!(input));
    }
    let alone = place.json(with, &["--prompt", &inputs[4]]);
    assert_eq!(alone["output"], whole[4]["output"]);
    // Without --json the text is shown as it is written.
    let shown = place.run(with, &["--prompt", &inputs[4]]).succeeded().out;
    assert_eq!(json!(shown.trim()), whole[4]["output"]);
}

#[test]
fn contexts_of_a_text_equal_those_of_its_ids() {
    let place = Place::new();
    let of_text = place.json("contexts --model tiny.gguf --out a", &["--text", "hey, Anna wants apples"]);
    let list: Vec<String> = of_text["ids"].as_array().unwrap().iter().map(Value::to_string).collect();
    assert!(list.len() > 3, "{of_text}");
    place.json("contexts --model tiny.gguf --out b", &["--ids", &list.join(",")]);
    let (a, b) = (place.read("a"), place.read("b"));
    tensors(&a, Dtype::F32, &["context"], &[list.len(), 64]);
    let (a, b) = (SafeTensors::deserialize(&a).unwrap(), SafeTensors::deserialize(&b).unwrap());
    assert_close("contexts", &floats(&a, "context"), &floats(&b, "context"), 0.0);
    assert_eq!((ids(&a, "ids"), json!(ids(&b, "ids"))), (ids(&b, "ids"), of_text["ids"].clone()));
}

#[test]
fn an_evaluation_pairs_its_texts_with_their_examples_when_one_is_too_long() {
    let place = Place::trained();
    let eval = "eval --model tiny.gguf --adapter adapter.safetensors --methods base --max-tokens 4 --out texts";
    let pairs = String::from_utf8(place.read("valid.jsonl")).unwrap();
    let report = |long: &str| {
        place.write("pairs.jsonl", format!("{long}{pairs}"));
        let report = place.json(&format!("{eval} --data pairs.jsonl"), &[]);
        (report["pairs"].clone(), report["left_out_lines"].clone(), place.read_lines("texts"))
    };
    let long = format!("{}\n", json!({"input": "word ".repeat(600), "target": "short"}));
    let (without, with) = (report(""), report(&long));
    assert_eq!((without.0, without.1), (json!(6), json!([])));
    assert_eq!((with.0, with.1), (json!(6), json!([1])));
    assert_eq!(without.2, with.2);
}
