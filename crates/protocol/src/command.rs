//! From the interface to the engine.

use serde::{Deserialize, Serialize};

/// What an interface asks for. Every command but those that are said to a running one ([`StopAndKeep`](Command::StopAndKeep),
/// [`Cancel`](Command::Cancel), [`SetMix`](Command::SetMix)) is answered by at least one [`Event`](crate::Event) with
/// its request id; one that fails is answered by [`Event::Trouble`](crate::Event::Trouble).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// First of all. Answered by [`Event::Ready`](crate::Event::Ready).
    Hello {
        /// [`VERSION`](crate::VERSION) of the interface.
        version: u32,
    },
    /// Chooses and tests the device. Answered by `DeviceReady`. A model that was open is closed.
    OpenDevice {
        /// Which.
        choice: DeviceChoice,
    },
    /// Opens a model. Answered by `ModelProgress`, from when the model before is closed, and `ModelReady`.
    OpenModel {
        /// From where.
        source: ModelSource,
    },
    /// Reads a dataset and keeps it. Answered by `DataReady`.
    OpenData {
        /// One file, or two line-aligned text files.
        files: Vec<DataFile>,
        /// Field that holds the input; `None` guesses.
        input_field: Option<String>,
        /// Field that holds the target; `None` guesses.
        target_field: Option<String>,
    },
    /// The example pairs that come with the program. Answered by `DataReady`.
    OpenExample,
    /// Shows the prompt the model would read for an input. Answered by `PromptPreview`; needs a model.
    PreviewPrompt {
        /// Template and demonstrations.
        task: TaskSettings,
        /// The input; the first pair's for an empty one.
        input: String,
    },
    /// Asks what a `Train` with these settings would take on, need and take. Answered by `Estimated`; needs a
    /// model and a dataset.
    Estimate {
        /// How it would be trained.
        settings: TrainSettings,
    },
    /// Builds the memory, trains, and checks on held-out answers whether that helps; what an earlier run kept is
    /// taken up unless `restart`. Answered by `MemoryProgress`, `TrainProgress`, `CheckProgress`, `Trained`.
    Train {
        /// How.
        settings: TrainSettings,
        /// Throw away what was built for other settings or data.
        restart: bool,
    },
    /// Pauses a running `Train` or goes on with it. Answered by `Paused`.
    Pause {
        /// Pause, or go on.
        paused: bool,
    },
    /// Ends what a running `Train` does early, with what there is: the memory, the best adapter so far, or the
    /// check, in whose place the loss then decides.
    StopAndKeep,
    /// Stops what is running: writing and measuring after the next token, a download at once.
    Cancel,
    /// Writes with and without the adapter, side by side. Answered by `Token`, with an adapter that keeps several
    /// versions by `Searching` and `Searched`, and by `Wrote`.
    Write {
        /// The user's input.
        input: String,
        /// Weight of the adapter; also see [`Command::SetMix`].
        mix: MixSettings,
        /// Most tokens of an answer.
        max_tokens: u32,
    },
    /// Changes the mix of a running `Write` from its next token on.
    SetMix {
        /// The new mix.
        mix: MixSettings,
    },
    /// The user's own examples nearest to one token of the last adapted answer. Answered by `Neighbours`.
    WhyThisWord {
        /// Index of the token in the adapted answer.
        token: u32,
    },
    /// Measures the test pairs. Answered by `EvaluateProgress` and `Reported`.
    Evaluate {
        /// Test pairs at most.
        limit: u32,
    },
    /// Makes a file to download. Answered by `Exported`.
    Export {
        /// Which.
        what: Export,
    },
    /// Takes over an adapter made elsewhere for the open model. Answered by `Trained`.
    ImportAdapter {
        /// The file's name.
        name: String,
        /// The file.
        bytes: Vec<u8>,
    },
    /// What is stored on this device. Answered by `KeptList`.
    ListKept,
    /// Deletes everything that is stored on this device, the model too. Answered by `Deleted`.
    DeleteAll,
}

/// Which device the engine computes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceChoice {
    /// A real GPU that passes its self-test, or else the processor.
    Auto,
    /// WebGPU, software adapters too.
    Gpu,
    /// The processor.
    Cpu,
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelSource {
    /// An address, fetched in ranges and kept; what is there already is not fetched again.
    Address {
        /// Absolute address.
        url: String,
    },
    /// The file attached to the message; it is kept too.
    Attached,
    /// The model kept by an earlier visit.
    Kept,
}

/// A small file that crosses as bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Its name; the ending tells the format.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// How a prompt is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSettings {
    /// Name of a preset, or a template with `{input}` and `{target}`.
    pub template: String,
    /// Demonstrations in front of the input.
    pub shots: u32,
}

/// How to build and train; what is `None` is chosen by the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainSettings {
    /// Template and demonstrations.
    pub task: TaskSettings,
    /// Pairs to build the memory from at most; `None` for as many as the device has time for.
    pub limit: Option<u32>,
    /// Held-out pairs to choose lambda on at most; `None` for as many as the device has time for.
    pub held_out: Option<u32>,
    /// Rows a step; `None` for as many as the device has time for.
    pub batch: Option<u32>,
    /// The model's own words are the context, as in the paper, instead of the wanted ones.
    pub free_running: bool,
    /// The paper's recipe instead of the recommended one.
    pub paper_recipe: bool,
    /// Width of the bottleneck.
    pub rank: Option<u32>,
    /// Weight of the reconstruction loss in stage 2.
    pub kappa: Option<f32>,
    /// Most steps.
    pub steps: Option<u32>,
    /// Seed of everything random.
    pub seed: u64,
}

impl Default for TrainSettings {
    fn default() -> Self {
        let task = TaskSettings { template: "plain".to_owned(), shots: 0 };
        TrainSettings {
            task,
            limit: None,
            held_out: None,
            batch: None,
            free_running: false,
            paper_recipe: false,
            rank: None,
            kappa: None,
            steps: None,
            seed: 1,
        }
    }
}

/// Weight of the adapter while writing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MixSettings {
    /// lambda_max; `None` for the one chosen for the adapter.
    pub lambda_max: Option<f32>,
    /// How lambda moves from token to token; `None` as chosen for the adapter.
    pub schedule: Option<Schedule>,
}

/// How lambda moves from token to token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    /// Gradual Unrolling: down to 0 over the length of the input.
    GradualUnrolling,
    /// The same at every token.
    Constant,
}

/// What can be downloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Export {
    /// The adapter, safetensors.
    Adapter,
    /// The report, JSON.
    Report,
    /// The external memory, safetensors. Its states can be turned back into text.
    Memory,
}
