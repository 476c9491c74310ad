//! BLEU, chrF and exact match against the values of the Python package
//! sacreBLEU in `fixtures/metrics.json`.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be read must fail the test")]

use pema::metrics::{bleu, chrf, exact_match};
use serde_json::Value;

/// Scores run from 0 to 100 in f64; only the order of a few sums may differ.
const TOLERANCE: f64 = 1e-9;

#[test]
fn every_case_scores_as_in_sacrebleu() {
    let fixture = fixture();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() >= 20, "only {} cases were read", cases.len());
    let wrong: Vec<String> = cases.iter().flat_map(differences).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_signatures_are_sacrebleus() {
    let fixture = fixture();
    for (name, ours) in [("bleu_signature", bleu::signature()), ("chrf_signature", chrf::signature())] {
        let theirs = fixture[name].as_str().unwrap();
        let (without_version, _) = theirs.split_once("|version:").unwrap();
        assert_eq!(ours, without_version);
    }
}

#[test]
fn the_comparison_sees_a_nudged_value() {
    let case = &fixture()["cases"][0];
    assert!(differences(case).is_empty());
    for field in ["bleu", "bp", "hypothesis_length", "reference_length", "chrf", "exact"] {
        let mut nudged = case.clone();
        nudged[field] = Value::from(case[field].as_f64().unwrap() + 1e-6);
        assert_eq!(differences(&nudged).len(), 1, "{field} is not compared");
    }
    let mut nudged = case.clone();
    nudged["bleu_precisions"][3] = Value::from(case["bleu_precisions"][3].as_f64().unwrap() - 1e-6);
    assert_eq!(differences(&nudged).len(), 1);
    let mut lost = case.clone();
    lost["chrf"] = Value::Null;
    assert_eq!(differences(&lost).len(), 1);
}

/// Everything in which this library and the fixture disagree.
fn differences(case: &Value) -> Vec<String> {
    let hypotheses = texts(&case["hypotheses"]);
    let references = texts(&case["references"]);
    let bleu = bleu(&hypotheses, &references).unwrap();
    let chrf = chrf(&hypotheses, &references).unwrap();
    let exact = exact_match(&hypotheses, &references).unwrap();
    let mut compared = vec![
        ("bleu", bleu.value, &case["bleu"]),
        ("bp", bleu.brevity_penalty, &case["bp"]),
        ("hypothesis_length", bleu.hypothesis_tokens as f64, &case["hypothesis_length"]),
        ("reference_length", bleu.reference_tokens as f64, &case["reference_length"]),
        ("chrf", chrf.value, &case["chrf"]),
        ("exact", 100.0 * exact, &case["exact"]),
    ];
    for (order, &precision) in bleu.precisions.iter().enumerate() {
        compared.push(("precision", precision, &case["bleu_precisions"][order]));
    }
    // A value that is missing from the fixture is a difference too.
    compared.retain(|(_, ours, theirs)| !theirs.as_f64().is_some_and(|theirs| (ours - theirs).abs() <= TOLERANCE));
    let described = compared
        .iter()
        .map(|(name, ours, theirs)| format!("{}: {name} is {ours}, sacreBLEU has {theirs}", case["about"]));
    described.collect()
}

fn texts(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap();
    list.iter().map(|text| text.as_str().unwrap()).collect()
}

fn fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/metrics.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
