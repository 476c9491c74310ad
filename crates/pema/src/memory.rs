//! The external memory: rows of (context representation f(c), target token y).
//!
//! Last-layer states can be turned back into text, so a memory is as private as the text it was made of.

use half::f16;
use pema_plm::Identity;

use crate::prompt::PromptSetup;
use crate::{Error, Result};

/// N rows with what is needed to use them again.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// Where it comes from.
    pub meta: MemoryMeta,
    /// f(c), `[N, d]`.
    pub keys: Keys,
    /// y, `[N]`.
    pub values: Vec<u32>,
    /// Example of the row, `[N]`.
    pub sample: Vec<u32>,
    /// Position of y within its target, from 0, `[N]`.
    pub position: Vec<u32>,
    /// SL, tokens of the example's input, `[N]`: what Gradual Unrolling counts down from.
    pub input_tokens: Vec<u32>,
}

/// Context representations in storage.
#[derive(Debug, Clone, PartialEq)]
pub enum Keys {
    /// Half precision: half the space; enough for f(c), whose values are of unit size.
    F16(Vec<f16>),
    /// Single precision.
    F32(Vec<f32>),
}

/// What travels with a memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryMeta {
    /// The model it was built with.
    pub identity: Identity,
    /// How contexts were made.
    pub context_mode: ContextMode,
    /// Template and demonstrations behind which it was built.
    pub prompt: PromptSetup,
    /// Seconds since 1970, as the builder's clock said; text for the file's metadata.
    pub created: String,
}

/// How the context of a target token is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContextMode {
    /// The gold prefix is the context: one pass an example. The default on the device.
    #[default]
    TeacherForced,
    /// The model's own greedy tokens are the context, paired by position with the gold tokens (the
    /// paper's way): targets need never reach the owner of the model.
    FreeRunning,
}

impl std::fmt::Display for ContextMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ContextMode::TeacherForced => "teacher-forced",
            ContextMode::FreeRunning => "free-running",
        })
    }
}

impl std::str::FromStr for ContextMode {
    type Err = Error;
    fn from_str(s: &str) -> Result<ContextMode> {
        match s {
            "teacher-forced" => Ok(ContextMode::TeacherForced),
            "free-running" => Ok(ContextMode::FreeRunning),
            _ => Err(Error::BadSetting {
                setting: "context mode",
                value: s.to_owned(),
                range: "teacher-forced or free-running".into(),
            }),
        }
    }
}

impl Keys {
    /// An empty store for rows of width d.
    pub fn new(half: bool) -> Keys {
        if half { Keys::F16(Vec::new()) } else { Keys::F32(Vec::new()) }
    }

    /// Appends values. A value that half precision cannot hold turns the whole store to single precision.
    pub fn extend(&mut self, values: &[f32]) {
        if let Keys::F16(halves) = self {
            if values.iter().all(|v| v.abs() <= f32::from(f16::MAX)) {
                halves.extend(values.iter().map(|v| f16::from_f32(*v)));
                return;
            }
            *self = Keys::F32(halves.iter().map(|h| h.to_f32()).collect());
        }
        if let Keys::F32(floats) = self {
            floats.extend_from_slice(values);
        }
    }

    /// Values in all: N d.
    pub fn len(&self) -> usize {
        match self {
            Keys::F16(v) => v.len(),
            Keys::F32(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Index of the first value that is infinite or no number.
    pub(crate) fn first_not_finite(&self) -> Option<usize> {
        match self {
            Keys::F16(v) => v.iter().position(|v| !v.is_finite()),
            Keys::F32(v) => v.iter().position(|v| !v.is_finite()),
        }
    }

    /// Writes row `row` of width `out.len()` into `out`.
    pub fn copy_row(&self, row: usize, out: &mut [f32]) {
        let range = row * out.len()..(row + 1) * out.len();
        match self {
            Keys::F16(v) => half::slice::HalfFloatSliceExt::convert_to_f32_slice(&v[range], out),
            Keys::F32(v) => out.copy_from_slice(&v[range]),
        }
    }
}

impl Memory {
    /// A memory without rows.
    pub fn new(meta: MemoryMeta, half: bool) -> Memory {
        let keys = Keys::new(half);
        Memory { meta, keys, values: vec![], sample: vec![], position: vec![], input_tokens: vec![] }
    }

    /// N
    pub fn rows(&self) -> usize {
        self.values.len()
    }

    /// d
    pub fn hidden(&self) -> usize {
        self.meta.identity.hidden_size
    }

    /// Examples that have rows.
    pub fn examples(&self) -> usize {
        let mut samples = self.sample.clone();
        samples.sort_unstable();
        samples.dedup();
        samples.len()
    }

    /// f(c) of the given rows, `[rows, d]`, in single precision.
    pub fn gather(&self, rows: &[usize]) -> Vec<f32> {
        let mut out = vec![0.0; rows.len() * self.hidden()];
        for (row, out) in rows.iter().zip(out.chunks_exact_mut(self.hidden())) {
            self.keys.copy_row(*row, out);
        }
        out
    }

    /// The `k` rows whose keys are nearest to `context` ([d]), nearest first, with their distances. For
    /// single questions; kNN-LM searches on the device.
    pub fn nearest(&self, context: &[f32], k: usize) -> Vec<(usize, f32)> {
        let mut key = vec![0.0; context.len()];
        let mut found: Vec<(usize, f32)> = (0..self.rows())
            .map(|row| {
                self.keys.copy_row(row, &mut key);
                (row, key.iter().zip(context).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt())
            })
            .collect();
        found.sort_by(|a, b| a.1.total_cmp(&b.1));
        found.truncate(k);
        found
    }

    /// Refuses a memory of another model. `path` is for the message.
    pub fn check_model(&self, path: &str, model: &Identity) -> Result<()> {
        check_model(path, &self.meta.identity, model)
    }
}

/// Refuses a file of another model, naming what differs.
pub(crate) fn check_model(path: &str, theirs: &Identity, ours: &Identity) -> Result<()> {
    let size = |n: usize| n.to_string();
    let differences = [
        ("model", theirs.sha256.clone(), ours.sha256.clone()),
        ("tokenizer", theirs.tokenizer_sha256.clone(), ours.tokenizer_sha256.clone()),
        ("hidden size", size(theirs.hidden_size), size(ours.hidden_size)),
        ("vocabulary", size(theirs.vocab_size), size(ours.vocab_size)),
    ];
    for (what, theirs, ours) in differences {
        if theirs != ours {
            return Err(Error::OtherModel { path: path.to_owned(), what, theirs, ours });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_past_half_precision_widens_the_store_and_loses_nothing() {
        let mut keys = Keys::new(true);
        keys.extend(&[1.0, -2.5]);
        assert!(matches!(keys, Keys::F16(_)));
        keys.extend(&[1e6, 3.0]);
        let mut row = [0.0; 2];
        keys.copy_row(0, &mut row);
        assert_eq!(row, [1.0, -2.5]);
        keys.copy_row(1, &mut row);
        assert_eq!(row, [1e6, 3.0]);
    }
}
