//! From the engine to the interface.

use serde::{Deserialize, Serialize};

use crate::check::CheckProgress;
use crate::command::TrainSettings;
use crate::opened::{DataInfo, DeviceInfo, ModelInfo};
use crate::report::Report;
use crate::trained::{Estimate, MemoryProgress, TrainInfo, TrainProgress};
use crate::written::{Answer, Neighbour, Side, TokenView};

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
    /// A run has begun: what an earlier one made is gone.
    TrainBegan,
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
