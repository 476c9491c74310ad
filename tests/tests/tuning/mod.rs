//! `pema tune` and `pema lab`: what they write, and that what was chosen is what is used.

use safetensors::SafeTensors;
use serde_json::{Value, json};

use crate::program::{Place, QUICK};

fn tune() -> String {
    format!("tune --model tiny.gguf --data train.jsonl --valid valid.jsonl --out t --checked 4 {QUICK}")
}

#[test]
fn tuning_keeps_everything_and_the_chosen_way_is_the_one_that_writes() {
    let place = Place::new();
    let report = place.json(&tune(), &[]);
    for name in ["t/memory/memory.safetensors", "t/held-out/memory.safetensors", "t/adapter.safetensors"] {
        assert!(place.path(name).exists(), "{name}");
    }
    let kept: Value = serde_json::from_slice(&place.read("t/report.json")).unwrap();
    assert_eq!((&kept["method"], &kept["sentence"]), (&report["method"], &report["sentence"]));
    let tried = report["tried"].as_array().unwrap();
    assert_eq!((tried[0]["method"].as_str(), tried[0]["lambda"].as_f64()), (Some("base"), Some(0.0)));
    assert!(tried.len() >= 4, "{report}");
    // The way with the best text is chosen, and the model alone when that is clearly it.
    let chrf = |way: &Value| way["chrf"].as_f64().unwrap();
    let best = tried[1..].iter().rev().max_by(|a, b| chrf(a).total_cmp(&chrf(b))).unwrap();
    let clearly_worse = chrf(best) < chrf(&tried[0]) - 3.0;
    let chosen = if report["verdict"]["reason"].is_null() { &best["method"] } else { &json!("base") };
    assert!(!(clearly_worse && chosen != "base") && (chrf(best) <= chrf(&tried[0]) || chosen != "base"), "{report}");
    assert_eq!(&report["method"], chosen, "{report}");
    // The way that is used is one of those that were tried.
    let way = &report["verdict"]["chosen"];
    assert_eq!(&way["method"], chosen, "{report}");
    let fields = ["method", "lambda", "copying", "beams", "similar"];
    assert!(tried.iter().any(|t| fields.iter().all(|f| t[f] == way[f])), "{report}");

    // What pairs do not say twice is not said twice; 0 would mean that there is no such rule.
    let (_, header) = SafeTensors::read_metadata(&place.read("t/adapter.safetensors")).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["no_repeat"], "4");

    let write = "generate --model tiny.gguf --adapter t/adapter.safetensors --max-tokens 8 --explain";
    let prompt = ["--prompt", "hey, Anna wants apples"];
    let named = place.json(&format!("{write} --method {}", chosen.as_str().unwrap()), &prompt);
    assert_eq!(place.json(write, &prompt), named, "unasked, the chosen way writes");
    let lambda = named["explain"][0]["lambda"].as_f64().unwrap();
    let wanted = way["lambda"].as_f64().unwrap();
    assert!((lambda - wanted).abs() < 1e-6, "{lambda} is not the chosen {wanted}");
}

#[test]
fn demonstrations_are_chosen_left_out_of_the_memory_and_the_same_for_the_same_seed() {
    let place = Place::new();
    let template = ["--template", "{input}={target}"];
    let report = place.json(&tune(), &template);
    let shots = report["shots"].as_u64().unwrap();
    assert!(shots <= 4, "at most a fifth of 24 pairs: {report}");
    let info = place.json("memory info t/memory", &[]);
    assert_eq!(info["examples"].as_u64(), Some(24 - shots));
    let again = place.json(&tune().replace("--out t ", "--out u "), &template);
    assert_eq!((&again["tried"], &again["shots"]), (&report["tried"], &report["shots"]));
    assert_eq!(place.read("t/memory/memory.safetensors").len(), place.read("u/memory/memory.safetensors").len());
    // What a person reads at the end of the choice is the set that was kept.
    let spoken = place.run(&tune().replace("--out t ", "--out v "), &template);
    assert!(spoken.err.contains(&format!("best: {shots} of them")), "{spoken:?}");
    let fixed = place.json(&format!("{} --shots 3", tune()), &template);
    assert_eq!(fixed["shots"], 3);
    let many = place.pema(&format!("{} --shots 24", tune()));
    many.refused(2, &["shots is 24", "fewer than the 24 examples"]);
}

#[test]
fn a_place_that_takes_nothing_is_refused_before_the_work() {
    let place = Place::new();
    place.write("t", "a file in the way");
    let run = place.pema(&tune()).refused(1, &["t/", "cannot write"]);
    assert!(!run.err.contains("memory "), "{run:?}");
}

#[test]
fn a_lab_measures_every_way_once_and_reports_it() {
    let place = Place::new();
    let lab = "lab --model tiny.gguf --data train.jsonl --shots 2 --methods base,knn,residual+shots,base+shots,base+similar,default,default-base";
    let report = place.json(&format!("{lab} --out r.json"), &[]);
    let lines = report["lines"].as_array().unwrap();
    let ways: Vec<&str> = lines.iter().map(|l| l["way"].as_str().unwrap()).collect();
    assert_eq!(ways, ["base", "knn", "base+shots", "residual+shots", "base+similar", "default-base", "default"]);
    for line in lines {
        let chrf = &line["chrf"];
        assert!(chrf["low"].as_f64() <= chrf["value"].as_f64() && chrf["value"].as_f64() <= chrf["high"].as_f64());
        assert_eq!(line["gain"].is_null(), line["way"] == "base", "{line}");
        let alone = line["way"].as_str().unwrap().contains("base");
        assert_eq!(line["own"].is_null(), alone, "what has the memory is compared with what has not: {line}");
    }
    let kept = place.read("r.json.records.jsonl");
    let again = place.json(&format!("{lab} --out r.json"), &[]);
    assert_eq!((&again["records"], place.read("r.json.records.jsonl")), (&report["records"], kept));

    // Other pairs under the same names: they are measured, and what is kept of the first ones is not mixed in.
    let fewer = place.json(&format!("{lab} --limit 12 --out r.json"), &[]);
    let of = |report: &Value| report["records"].as_array().unwrap().len();
    assert_eq!((of(&fewer), of(&report)), (7, 7));
    assert!(fewer["records"].as_array().unwrap().iter().all(|r| r["pairs"][0] == 12), "{fewer}");

    std::fs::rename(place.path("r.json.records.jsonl"), place.path("r.html.records.jsonl")).unwrap();
    place.pema(&format!("{lab} --out r.html")).succeeded();
    let page = String::from_utf8(place.read("r.html")).unwrap();
    assert!(page.contains(report["sentence"].as_str().unwrap()), "{page}");
    place.pema(&format!("{lab} --out r.txt")).refused(2, &["r.txt", ".html or .json"]);

    // Pairs under another name are the same pairs; two tasks are never one.
    let again = "lab --model tiny.gguf --methods base --out r.html --data";
    std::fs::create_dir(place.path("more")).unwrap();
    std::fs::copy(place.path("train.jsonl"), place.path("more/train.jsonl")).unwrap();
    let both = place.json(&format!("{again} train.jsonl more/train.jsonl"), &[]);
    let tasks: Vec<&str> = both["lines"].as_array().unwrap().iter().map(|l| l["task"].as_str().unwrap()).collect();
    assert!(tasks[0].ends_with("/train") && tasks[0].len() > 6 && tasks[1] == "more/train", "{tasks:?}");
    place.pema(&format!("{again} train.jsonl train.jsonl")).refused(1, &["two tasks are called"]);
    place.pema("lab --model tiny.gguf --data . --out r.html").refused(1, &["holds no test.jsonl"]);
}

#[test]
fn pairs_like_the_input_are_tried_and_never_kept_where_they_are_not_wanted() {
    let place = Place::new();
    let ways = |more: &str| {
        let report = place.json(&format!("{}{more}", tune()), &[]);
        report["tried"].as_array().unwrap().iter().filter(|t| t["similar"] == 4).count()
    };
    assert!(ways("") >= 2);
    assert_eq!(ways(" --no-similar"), 0);
    let (_, header) = SafeTensors::read_metadata(&place.read("t/adapter.safetensors")).unwrap();
    assert!(!header.metadata().as_ref().unwrap()["template"].contains("pool"));
}
