//! What is open: the device, the model, the pairs.

use serde::{Deserialize, Serialize};

/// The device the engine computes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// What kind.
    pub kind: DeviceKind,
    /// Its name.
    pub name: String,
    /// Why it was taken, in a sentence.
    pub why: String,
    /// What the self-test said, in a sentence.
    pub self_test: String,
    /// The adapter that the browser offers, when it was not taken.
    pub offered: Option<String>,
    /// Memory of the machine in 10^9 bytes, as far as the browser tells.
    pub memory_gb: Option<f32>,
    /// Measured speed of a matrix product, 10^9 operations a second, for estimates of time.
    pub gflops: f32,
}

/// Kinds of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceKind {
    /// A graphics processor.
    Gpu,
    /// A graphics processor imitated by the processor.
    Software,
    /// The processor.
    Cpu,
}

/// The open model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// Bytes of its file.
    pub bytes: u64,
    /// SHA-256 of its file, hexadecimal.
    pub sha256: String,
    /// d
    pub hidden: u32,
    /// V
    pub vocab: u32,
    /// Most tokens it reads.
    pub context: u32,
    /// Blocks.
    pub layers: u32,
    /// How its weights are packed.
    pub quantisation: String,
    /// Whether it brings a chat template.
    pub chat: bool,
    /// Bytes on the device.
    pub device_bytes: u64,
    /// Bytes of the engine's own memory, which on the processor holds the model too.
    pub engine_bytes: u64,
    /// Whether the kept adapter, if there is one, was made with this model.
    pub fits: bool,
    /// Whether a run that was cut off goes on with this model.
    pub unfinished: bool,
}

/// A dataset that was read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DataInfo {
    /// Its name.
    pub name: String,
    /// Its fields.
    pub fields: Vec<String>,
    /// Field of the input.
    pub input_field: String,
    /// Field of the target.
    pub target_field: String,
    /// Pairs to learn from, to choose on, to test on.
    pub split: [u32; 3],
    /// Pairs that stood there more than once and were kept once.
    pub duplicates: u32,
    /// The first pairs, input and target.
    pub preview: Vec<(String, String)>,
    /// Template that suits it.
    pub template: String,
}

/// Demonstrations beyond which more were not found to help.
const MOST_SHOTS: usize = 12;

/// Characters that all demonstrations together may have: the model reads them before every answer.
const SHOTS_CHARACTERS: usize = 4000;

impl DataInfo {
    /// Demonstrations that suit it: up to a dozen, fewer of long pairs, and at most a tenth of the pairs
    /// to learn from.
    pub fn shots(&self) -> u32 {
        let characters: usize = self.preview.iter().map(|(input, target)| input.len() + target.len()).sum();
        let fit = SHOTS_CHARACTERS * self.preview.len() / characters.max(1);
        MOST_SHOTS.min(fit).min(self.split[0] as usize / 10) as u32
    }
}
