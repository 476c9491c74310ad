//! The quality lab: every way to write with a model and somebody's pairs, measured on pairs that none of
//! them has seen, and written down so that a doubter can look.
//!
//! [`Lab::run`] measures what [`Records`] does not hold yet; [`html`] and [`json`] make the report. It
//! trains and writes through `pema` and has no method of its own.

mod measure;
mod record;
mod report;
mod score;
mod summary;
mod svg;
mod task;
mod tuned;
mod way;

pub use measure::{Lab, LabConfig, Step};
pub use record::{Record, Records, Seconds};
pub use report::{html, json};
pub use summary::{Line, first_sentence, lines};
pub use task::Task;
pub use way::Way;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine says why.
    #[error(transparent)]
    Pema(#[from] pema::Error),
    /// The file of records cannot be used.
    #[error("{path}: {why}; choose another --out, or move the file away to measure anew")]
    Records {
        /// The file.
        path: String,
        /// The cause.
        why: String,
    },
}

/// With [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
