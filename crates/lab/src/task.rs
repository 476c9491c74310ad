//! What is learnt: three parts of somebody's pairs.

use pema::dataset::Dataset;
use pema::template::Template;
use sha2::{Digest, Sha256};

/// A data set with its prompt.
#[derive(Debug, Clone)]
pub struct Task {
    /// Name in the report.
    pub name: String,
    /// Pairs to learn from.
    pub train: Dataset,
    /// Pairs to choose on.
    pub held_out: Dataset,
    /// Pairs to measure on, which nothing else sees.
    pub test: Dataset,
    /// How a prompt is written.
    pub template: Template,
}

/// Share of one file's pairs that is measured on.
const HELD_BACK: f64 = 0.12;
/// Seed of that split: the same for all seeds of training, so that they are measured on the same pairs.
const SPLIT: u64 = 1;

impl Task {
    /// A task from one list of pairs.
    ///
    /// # Errors
    /// Of [`Dataset::split`].
    pub fn split(name: String, data: &Dataset, template: Template) -> pema::Result<Task> {
        let (rest, test) = data.split(HELD_BACK, SPLIT)?;
        let (train, held_out) = rest.hold_out(SPLIT + 1)?;
        Ok(Task { name, train, held_out, test, template })
    }

    /// SHA-256 of pairs and template, hexadecimal.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        add(&self.template.to_string());
        for part in [&self.train, &self.held_out, &self.test] {
            add("part");
            part.examples.iter().for_each(|e| {
                add(&e.input);
                add(&e.target);
            });
        }
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }
}
