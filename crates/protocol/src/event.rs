//! From the engine to the interface.

use serde::{Deserialize, Serialize};

use crate::check::{Check, CheckProgress, Way};
use crate::command::TrainSettings;

/// What an engine says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The engine runs; what earlier visits left is in the project.
    Ready {
        /// [`VERSION`](crate::VERSION) of the engine.
        version: u32,
        /// What is there already.
        project: Box<Project>,
    },
    /// The device was chosen and tested.
    DeviceReady(DeviceInfo),
    /// Bytes of the model that have arrived.
    ModelProgress {
        /// So far.
        bytes: u64,
        /// In all; 0 when not known.
        of: u64,
    },
    /// The model can be used.
    ModelReady(ModelInfo),
    /// The dataset was read.
    DataReady(DataInfo),
    /// The prompt as the model reads it.
    PromptPreview {
        /// Its tokens as text, in order; joined they are the prompt.
        tokens: Vec<String>,
        /// Most tokens the model reads.
        context: u32,
        /// Pairs that do not fit behind this prompt.
        too_long: u32,
    },
    /// What a run would take on, need and take.
    Estimated(Estimate),
    /// The memory grows.
    MemoryProgress(MemoryProgress),
    /// A training that was cut off goes on behind these steps.
    TrainResumed {
        /// Every step so far, for the chart.
        history: Vec<TrainProgress>,
    },
    /// A training step was done.
    TrainProgress(TrainProgress),
    /// The adapter is being checked on held-out pairs.
    CheckProgress(CheckProgress),
    /// There is an adapter.
    Trained(TrainInfo),
    /// A run was paused or goes on.
    Paused {
        /// Whether it stands still.
        paused: bool,
    },
    /// A token was written.
    Token {
        /// By whom.
        side: Side,
        /// The token.
        token: TokenView,
    },
    /// Both answers are there; a likelier one is now looked for among several versions of the adapted one.
    Searching,
    /// The likeliest of several versions of the adapted answer.
    Searched {
        /// The answer, which may be the one that was written token by token.
        answer: Answer,
    },
    /// Both answers are written.
    Wrote {
        /// Without the adapter.
        base: Answer,
        /// With it; `None` without an adapter.
        adapted: Option<Answer>,
    },
    /// The user's own examples nearest to a token.
    Neighbours {
        /// The token that was asked about.
        token: u32,
        /// Nearest first.
        rows: Vec<Neighbour>,
    },
    /// Test pairs that were measured.
    EvaluateProgress {
        /// So far, over all methods.
        done: u32,
        /// In all.
        of: u32,
    },
    /// The report is made.
    Reported(Report),
    /// A file to download.
    Exported {
        /// Suggested name.
        name: String,
        /// Media type.
        media: String,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// What is stored on this device.
    KeptList(Kept),
    /// Nothing is stored any more.
    Deleted,
    /// Something the engine fetched; the interface keeps a ledger of them.
    Fetched {
        /// The address.
        url: String,
        /// Bytes received.
        bytes: u64,
    },
    /// A command failed, or the engine did.
    Trouble(Trouble),
}

/// What earlier visits left.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Project {
    /// Name and bytes of the kept model.
    pub model: Option<KeptFile>,
    /// The dataset.
    pub data: Option<DataInfo>,
    /// The settings of the last run.
    pub settings: Option<TrainSettings>,
    /// A run that was cut off, in its check at the latest; `Train` with the same settings takes it up.
    pub unfinished: Option<MemoryProgress>,
    /// The adapter.
    pub trained: Option<TrainInfo>,
    /// The last report.
    pub report: Option<Report>,
}

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

/// What a run takes on, needs and takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Pairs to learn from, out of so many that are no demonstrations.
    pub pairs: [u32; 2],
    /// Bytes that memory, state of the training and adapter add to the store.
    pub bytes: u64,
    /// Bytes that the browser says it still gives; some say more than there is.
    pub free: Option<u64>,
}

impl Estimate {
    /// Whether the store can hold it.
    pub fn fits(&self) -> bool {
        self.free.is_none_or(|free| self.bytes <= free)
    }
}

/// The memory grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct MemoryProgress {
    /// Pairs read.
    pub examples: u32,
    /// Pairs in all.
    pub of: u32,
    /// Rows of the memory.
    pub rows: u32,
    /// Tokens a second, of this run.
    pub tokens_per_second: f32,
    /// Seconds left, when known.
    pub seconds_left: Option<f32>,
}

/// A training step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrainProgress {
    /// 1 or 2.
    pub stage: u32,
    /// From 1.
    pub step: u32,
    /// Steps at most.
    pub of: u32,
    /// L_rct
    pub rct: f32,
    /// L_pd, 0 in stage 1.
    pub pd: f32,
    /// Held-out NLL of the model, the adapter and the mixture, when they were measured.
    pub held_out: Option<[f32; 3]>,
    /// Seconds left at most.
    pub seconds_left: Option<f32>,
}

/// An adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainInfo {
    /// Rows it was trained on.
    pub rows: u32,
    /// r
    pub rank: u32,
    /// `residual` or `paper`
    pub form: String,
    /// Steps done and the best one.
    pub steps: [u32; 2],
    /// Weight under Gradual Unrolling.
    pub lambda_max: f32,
    /// Weight that is the same at every token.
    pub lambda_constant: f32,
    /// Held-out NLL of the model and of the mixture.
    pub held_out: Option<[f32; 2]>,
    /// Seconds for memory and training; 0 for an imported one.
    pub seconds: f32,
    /// Every step that was seen, for the chart.
    pub history: Vec<TrainProgress>,
    /// How it writes unless the user wants it otherwise.
    pub way: Way,
    /// How that was chosen.
    pub check: Check,
}

/// Who wrote a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// The model alone.
    Base,
    /// The model with the adapter.
    Adapted,
}

/// A token as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenView {
    /// Its text; empty where the token is only a part of a character.
    pub text: String,
    /// Whether it ends the text.
    pub end: bool,
    /// Weight of the adapter at this token.
    pub lambda: f32,
    /// Probability of this token: model, adapter, mixture.
    pub probabilities: [f32; 3],
    /// The likeliest tokens of the mixture.
    pub candidates: Vec<Candidate>,
}

/// A token that could have been written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its text.
    pub text: String,
    /// Model, adapter, mixture.
    pub probabilities: [f32; 3],
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Its text.
    pub text: String,
    /// Its tokens.
    pub tokens: u32,
    /// Whether it ended by itself.
    pub ended: bool,
}

/// A row of the user's memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Distance between the states.
    pub distance: f32,
    /// The input of the pair it comes from.
    pub input: String,
    /// The target up to the token.
    pub before: String,
    /// The token.
    pub token: String,
}

/// Quality on the test pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Pairs measured.
    pub pairs: u32,
    /// One row a method.
    pub methods: Vec<MethodScore>,
    /// The method of the adapter's own way: `base` where the model writes alone.
    pub chosen: String,
    /// Whether tuning helped, in a sentence.
    pub verdict: String,
    /// Warnings, such as too few pairs.
    pub warnings: Vec<String>,
    /// Input, base, adapted, wanted.
    pub examples: Vec<[String; 4]>,
    /// sacreBLEU-like signature.
    pub signature: String,
}

/// One method's scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodScore {
    /// `base`, `knn`, `pema`, `pema-gu`
    pub method: String,
    /// Mean -log P of target tokens.
    pub nll: f64,
    /// exp of it
    pub perplexity: f64,
    /// 0 to 100
    pub bleu: f64,
    /// 0 to 100
    pub chrf: f64,
    /// Share of answers equal to the target, 0 to 1.
    pub exact: f64,
}

/// What is stored on this device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its files.
    pub files: Vec<KeptFile>,
    /// Bytes the browser has given and the most it gives, when it says.
    pub used_of: Option<[u64; 2]>,
    /// Whether the browser promised not to clear it by itself.
    pub persisted: Option<bool>,
}

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// What it is, for people.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
}

/// Something went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What to do about it.
    pub kind: TroubleKind,
    /// What happened, where, why, what to do.
    pub text: String,
}

/// Kinds of trouble, by what the interface does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TroubleKind {
    /// The command was refused; nothing else changed.
    Refused,
    /// Another tab works on this project.
    OtherTab,
    /// No room is left on this device; what was written is kept.
    NoRoom,
    /// The page and the engine are of different versions.
    Version,
    /// The engine is gone; it must be started again.
    Dead,
}
