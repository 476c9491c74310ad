//! WHY: private adaptation of a language model without back-propagating through it. This is the
//! library's front door.
//!
//! [`Builder`] runs the model once over a [`Dataset`](dataset::Dataset) to fill a [`Memory`];
//! [`Trainer`] makes an [`Adapter`] of memory and LM head; [`Generator`] writes with both;
//! [`Evaluator`] says whether it helped. It knows no DOM, no terminal and no clock.

mod adapter;
mod beam;
mod build;
mod check;
mod copying;
pub mod dataset;
mod decode;
mod demonstrations;
mod duet;
mod error;
mod evaluate;
#[cfg(not(target_family = "wasm"))]
pub mod files;
pub mod format;
mod generate;
mod guard;
mod knn;
pub mod log;
mod memory;
mod memory_log;
pub mod metrics;
mod mixer;
mod neighbours;
pub mod numpy;
mod prompt;
mod repeats;
pub mod sampling;
pub mod schedule;
mod similar;
mod steering;
#[cfg(not(target_family = "wasm"))]
mod store;
pub mod template;
mod text;
pub mod train;
mod training_log;
mod tune;
mod writing;

pub use adapter::{Adapter, AdapterMeta, Form};
pub use beam::{BEAMS, MOST_BEAMS};
pub use build::{BuildConfig, BuildProgress, Builder};
pub use check::{CheckProgress, Checker, Held, Ways};
pub use copying::{CopyBias, fit_copying};
pub use demonstrations::{DemoSet, Shots, choose_demonstrations, enough_tokens};
pub use duet::{Duet, DuetToken, Voice};
pub use error::{Error, Result};
pub use evaluate::{Evaluation, Evaluator, MethodScore};
pub use generate::{Copying, GenerateConfig, Generator, Method, Probabilities, Token, Written};
pub use guard::{Finding, Mix, Reason, Tried, Verdict, decide, gained};
pub use knn::{Knn, KnnConfig};
pub use memory::{ContextMode, Keys, Memory, MemoryMeta};
pub use memory_log::{KeptRows, MemoryLog};
pub use neighbours::{Neighbours, choose_neighbours, neighbours_instead};
pub use prompt::{Encoded, PromptSetup, Prompter, shared_prefix};
pub use repeats::no_repeat;
pub use similar::{SIMILAR, Similar};
#[cfg(not(target_family = "wasm"))]
pub use store::{FolderStore, load_memory};
pub use train::{StepReport, Summary, TrainConfig, TrainState, Trainer};
pub use training_log::{KeptTraining, TrainingLog};
pub use tune::{TuneConfig, TuneProgress, Tuned, tune};
pub use writing::Writing;
