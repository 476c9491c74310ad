//! Plain tables for people.

use serde_json::{Map, Value, json};

use pema::Evaluation;
use pema::metrics::{bleu, chrf};

/// Scores, one method a line.
pub fn scores(evaluations: &[Evaluation]) -> String {
    let mut out =
        format!("{:10} {:>8} {:>11} {:>7} {:>7} {:>7}\n", "method", "NLL", "perplexity", "BLEU", "chrF", "exact");
    for e in evaluations {
        let s = &e.score;
        out += &format!(
            "{:10} {:8.4} {:11.3} {:7.2} {:7.2} {:6.1}%\n",
            e.method.name(),
            s.nll,
            s.perplexity,
            s.bleu,
            s.chrf,
            s.exact * 100.0
        );
    }
    out
}

/// The same as an object by method.
pub fn scores_json(evaluations: &[Evaluation]) -> Value {
    let methods: Map<String, Value> =
        evaluations.iter().map(|e| (e.method.name().to_owned(), json!(e.score))).collect();
    json!({ "methods": methods, "signature": { "bleu": bleu::signature(), "chrf": chrf::signature() } })
}

/// A number of bytes for people.
pub fn bytes(n: u64) -> String {
    match n {
        0..1_000_000 => format!("{:.1} kB", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", n as f64 / 1e6),
        _ => format!("{:.2} GB", n as f64 / 1e9),
    }
}
