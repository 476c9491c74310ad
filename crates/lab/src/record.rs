//! What was measured, one JSON object a line, so that nothing is measured twice.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use pema::metrics::{Faults, Interval};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// One way on one task with one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Hash of everything the numbers depend on but the machine.
    pub key: String,
    /// Task.
    pub task: String,
    /// Pairs trained on, chosen on and measured on.
    pub pairs: [usize; 3],
    /// Way, see [`Way`](crate::Way).
    pub way: String,
    /// Seed of drawing, training and batches.
    pub seed: u64,
    /// Mean -log P per target token.
    pub nll: f64,
    /// Corpus BLEU.
    pub bleu: f64,
    /// Corpus chrF2 with its interval over the texts.
    pub chrf: Interval,
    /// Gain in chrF2 over the model alone without demonstrations, on the same resampled texts; `None`
    /// for that itself.
    pub gain: Option<Interval>,
    /// Share of texts that equal their reference.
    pub exact: f64,
    /// What is wrong with the texts.
    pub faults: Faults,
    /// Where the time went.
    pub seconds: Seconds,
    /// Most bytes on the device at once in training, and in writing.
    pub peak_bytes: [u64; 2],
    /// What was chosen: weights, demonstrations, the guard's sentence.
    pub note: String,
    /// Inputs, references and texts.
    pub texts: Vec<[String; 3]>,
}

impl Record {
    /// What was written for these inputs and references; `None` when one of them is not among the record's, because it does
    /// not fit the model behind every prompt.
    pub fn texts_for<'a>(&'a self, pairs: impl IntoIterator<Item = [&'a str; 2]>) -> Option<Vec<&'a str>> {
        let known: HashMap<[&str; 2], &str> =
            self.texts.iter().map(|[input, wanted, text]| ([input.as_str(), wanted.as_str()], text.as_str())).collect();
        pairs.into_iter().map(|pair| known.get(&pair).copied()).collect()
    }

    /// Inputs and references.
    pub fn asked(&self) -> impl Iterator<Item = [&str; 2]> {
        self.texts.iter().map(|[input, wanted, _]| [input.as_str(), wanted.as_str()])
    }
}

/// Seconds of the phases.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Seconds {
    /// Choosing demonstrations, and checking at the end.
    pub choose: f64,
    /// Building the memories.
    pub build: f64,
    /// Training.
    pub train: f64,
    /// Writing the test texts.
    pub write: f64,
}

/// The file of records.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    all: Vec<Record>,
}

impl Records {
    /// Reads what is there; a last line that was cut off is measured again.
    ///
    /// # Errors
    /// [`Error::Records`] for a file that cannot be read or that is of something else.
    pub fn open(path: &Path) -> Result<Records> {
        let bad = |why: String| Error::Records { path: path.display().to_string(), why };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(bad(e.to_string())),
        };
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let mut all = Vec::new();
        for (i, line) in text[..whole].lines().enumerate() {
            all.push(serde_json::from_str(line).map_err(|e| bad(format!("line {} is no record: {e}", i + 1)))?);
        }
        if whole < text.len() {
            let file = OpenOptions::new().write(true).open(path).map_err(|e| bad(e.to_string()))?;
            file.set_len(whole as u64).map_err(|e| bad(e.to_string()))?;
        }
        Ok(Records { path: path.to_owned(), all })
    }

    /// The record of a key.
    pub fn get(&self, key: &str) -> Option<&Record> {
        self.all.iter().find(|r| r.key == key)
    }

    /// Keeps one more.
    ///
    /// # Errors
    /// [`Error::Records`] when it cannot be written.
    pub fn push(&mut self, record: Record) -> Result<()> {
        let bad = |why: String| Error::Records { path: self.path.display().to_string(), why };
        let mut line = serde_json::to_string(&record).map_err(|e| bad(e.to_string()))?;
        line.push('\n');
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).map_err(|e| bad(e.to_string()))?;
        file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(|e| bad(e.to_string()))?;
        self.all.push(record);
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

    use super::*;

    pub(crate) fn record(task: &str, way: &str, seed: u64, chrf: f64) -> Record {
        let interval = |value: f64| Interval { value, low: value - 2.0, high: value + 2.0 };
        Record {
            key: format!("{task} {way} {seed}"),
            task: task.into(),
            pairs: [100, 20, 20],
            way: way.into(),
            seed,
            nll: 1.0,
            bleu: 30.0,
            chrf: interval(chrf),
            gain: (way != "base").then(|| interval(chrf - 50.0)),
            exact: 0.1,
            faults: Faults::default(),
            seconds: Seconds::default(),
            peak_bytes: [1, 2],
            note: "lambda <0.5>".into(),
            texts: vec![
                ["in <b>".into(), "wanted".into(), format!("{way} wrote")],
                ["x".into(), "y".into(), "z".into()],
            ],
        }
    }

    #[test]
    fn texts_are_found_by_their_pairs_and_not_by_their_places() {
        let all = record("a", "base", 1, 50.0);
        let last = Record { texts: all.texts[1..].to_vec(), ..all.clone() };
        assert_eq!(all.texts_for(last.asked()), Some(vec!["z"]));
        assert_eq!(last.texts_for(all.asked()), None);
    }

    #[test]
    fn what_was_measured_is_found_again_and_a_cut_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.jsonl");
        let mut records = Records::open(&path).unwrap();
        records.push(record("a", "base", 1, 50.0)).unwrap();
        records.push(record("a", "knn", 1, 55.0)).unwrap();
        let again = Records::open(&path).unwrap();
        assert_eq!(again.all, records.all);
        assert!(again.get("a knn 1").is_some() && again.get("b").is_none());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 5]).unwrap();
        let mut cut = Records::open(&path).unwrap();
        assert_eq!(cut.all.len(), 1);
        cut.push(record("a", "knn", 1, 55.0)).unwrap();
        assert_eq!(Records::open(&path).unwrap().all.len(), 2);
        std::fs::write(&path, "notes\n").unwrap();
        assert!(Records::open(&path).unwrap_err().to_string().contains("line 1"));
    }
}
