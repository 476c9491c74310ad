//! What is taken where the user does not say it: fields, templates, methods.

use crate::program::{Place, TEMPLATE};

#[test]
fn fields_that_are_not_named_are_found_beside_those_that_are() {
    let place = Place::new();
    place.write(
        "d.csv",
        format!("reply, notes\n{}", (0..12).map(|i| format!("yes {i},case {i}\n")).collect::<String>()),
    );
    let tune = "tune --model tiny.gguf --data d.csv --out t --steps 1 --checked 0 --shots 0";
    for (named, template) in [
        ("--input-field notes", "Notes: {input}\nReply: {target}"),
        ("--target-field notes", "Reply: {input}\nNotes: {target}"),
        ("", "Reply: {input}\nNotes: {target}"),
    ] {
        assert_eq!(place.json(&format!("{tune} {named}"), &[])["template"], template, "{named}");
    }
    let twice = place.pema(&format!("{tune} --input-field notes --target-field notes"));
    twice.refused(1, &["d.csv", "\"notes\" is named as input and as target", "\"reply\""]);
}

#[test]
fn two_texts_are_tuned_on_like_any_pairs() {
    let place = Place::new();
    let side = |word: &str| (0..12).map(|i| format!("{word} {i}\n")).collect::<String>();
    place.write("en.txt", side("hello"));
    place.write("de.txt", side("hallo"));
    let tune = "tune --model tiny.gguf --data en.txt --out t --steps 1 --checked 0 --shots 0";
    let report = place.json(&format!("{tune} --targets de.txt"), &[]);
    assert_eq!(report["template"], "Input: {input}\nOutput: {target}");
    place.pema(tune).refused(1, &["en.txt", "--targets"]);
    place.pema(&format!("{tune} --targets de.txt --valid en.txt")).refused(1, &["en.txt", ".jsonl"]);
    place.pema("generate --model tiny.gguf --data en.txt --out o --max-tokens 2").succeeded();
    assert_eq!(place.read_lines("o").len(), 12);
}

#[test]
fn without_a_method_those_are_measured_whose_ingredients_are_there() {
    let place = Place::trained();
    let measured = |with: &str| -> Vec<String> {
        let eval = format!("eval --model tiny.gguf --data valid.jsonl --limit 2 --max-tokens 2 {with}");
        let scores = place.json(&eval, &["--template", TEMPLATE]);
        scores["methods"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(measured(""), ["base"]);
    assert_eq!(measured("--memory m/train"), ["base", "knn"]);
    assert_eq!(measured("--adapter adapter.safetensors"), ["base", "pema", "pema-gu"]);
    let text = |with: &str| place.json(&format!("generate --model tiny.gguf --prompt hey --max-tokens 3 {with}"), &[]);
    assert_eq!(text(""), text("--method base"));
    assert_eq!(text("--memory m/train"), text("--memory m/train --method knn"));
}
