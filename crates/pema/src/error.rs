//! The library's one error type.

use crate::dataset::DataError;

/// What can go wrong between a user's file and a tuned model.
///
/// Every message names the file, the place in it, the cause, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A working file that holds something else.
    #[error("{file} is not a working file of this program, or of a newer one; move it away or delete it")]
    NotALog {
        /// The file.
        file: String,
    },
    /// A data file that cannot be used; its own message says where and why.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A template that cannot be used.
    #[error("the template cannot be used: {why}")]
    BadTemplate {
        /// What is wrong with it and how to mend it.
        why: String,
    },

    /// A name that is no schedule.
    #[error("unknown schedule \"{name}\"; choose paper, constant or reference-code")]
    UnknownSchedule {
        /// The name that was given.
        name: String,
    },

    /// A mixing weight outside the range [0, 1].
    #[error("lambda_max is {lambda_max}; give a number from 0 to 1")]
    BadLambda {
        /// The value that was given.
        lambda_max: f32,
    },

    /// A setting of the sampler out of its range.
    #[error("{setting} is {value}; give {range}")]
    BadSampling {
        /// Name of the setting.
        setting: &'static str,
        /// The value that was given.
        value: f32,
        /// The values that are allowed.
        range: &'static str,
    },

    /// Hypotheses and references that cannot be compared one to one.
    #[error(
        "{hypotheses} generated texts cannot be scored against {references} references; give as many of one as of the other, at least one"
    )]
    UnevenScoring {
        /// Number of generated texts.
        hypotheses: usize,
        /// Number of references.
        references: usize,
    },
    /// The model or the device refused; its own message says what to do.
    #[error(transparent)]
    Plm(#[from] pema_plm::Error),
    /// The device refused; its own message says what to do.
    #[error(transparent)]
    Device(#[from] pema_device::Error),
    /// The operating system did not do what was asked.
    #[error("{path}: cannot {action}: {cause}; {advice}")]
    File {
        /// The file or folder.
        path: String,
        /// What was tried, as a verb: `read`, `write`.
        action: &'static str,
        /// The system's own words.
        cause: std::io::Error,
        /// What the user can do.
        advice: &'static str,
    },
    /// A file is not what its name or its first bytes promise.
    #[error("{path} is not {expected}: {why}; {advice}")]
    BadFile {
        /// The file.
        path: String,
        /// What it should be.
        expected: &'static str,
        /// What is wrong, and where.
        why: String,
        /// What the user can do.
        advice: &'static str,
    },
    /// A memory or an adapter was made with another model.
    #[error(
        "{path} was made with another {what}: it names {theirs}, the model here is {ours}; use the model it was made with, or make it again"
    )]
    OtherModel {
        /// The memory or the adapter.
        path: String,
        /// `model`, `tokenizer`, `hidden size` or `vocabulary`.
        what: &'static str,
        /// What the file says.
        theirs: String,
        /// What the loaded model is.
        ours: String,
    },
    /// No example was left to build from.
    #[error(
        "{file}: no example fits: the shortest needs {tokens} tokens and {limit} are allowed; shorten the examples or use fewer demonstrations"
    )]
    AllTooLong {
        /// Name of the data.
        file: String,
        /// Tokens of the shortest example with its prompt.
        tokens: usize,
        /// Tokens allowed.
        limit: usize,
    },
    /// A setting is out of its range.
    #[error("{setting} is {value}; it must be {range}")]
    BadSetting {
        /// Name of the setting.
        setting: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        range: String,
    },
    /// The losses became infinite or no number.
    #[error("training diverged at step {step}: the loss is {loss}; lower the learning rate (now {lr}) and train again")]
    Diverged {
        /// Step at which it was noticed.
        step: usize,
        /// The loss.
        loss: f64,
        /// Learning rate in use.
        lr: f64,
    },
    /// A training that was cut off cannot go on with what is here.
    #[error("the kept training has other {what} than this one; begin the training anew")]
    OtherTraining {
        /// `settings` or `rows`.
        what: &'static str,
    },
    /// Something that computes nothing usable.
    #[error("{what} is infinite or no number; {advice}")]
    NotANumber {
        /// What.
        what: &'static str,
        /// What is likely at fault, and what to do.
        advice: &'static str,
    },
    /// Something needed for this method was not given.
    #[error("{method} needs {needs}; give one, or choose another method")]
    Needs {
        /// Name of the method.
        method: &'static str,
        /// What is missing.
        needs: &'static str,
    },
    /// The model has no chat template.
    #[error("{model} carries no chat template; use another template than `chat`")]
    NoChatTemplate {
        /// Name of the model.
        model: String,
    },
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
