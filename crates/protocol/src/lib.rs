//! What a user interface and an engine say to each other: [`Command`] one way, [`Event`] the other,
//! as postcard bytes. It knows neither the DOM nor the engine, so both sides can be tested alone.
//!
//! Files do not travel as bytes of a command: an opened [`File`](https://w3c.github.io/FileAPI/) is
//! attached to the message beside them, so that a model is never copied between threads.

mod check;
mod command;
mod event;
mod frame;
mod opened;
mod report;
mod trained;
mod written;

pub use check::{Check, CheckProgress, Finding, Verdict, Way};
pub use command::{
    Command, DataFile, DeviceChoice, Export, MixSettings, ModelSource, Schedule, TaskSettings, TrainSettings,
};
pub use event::{Event, Kept, KeptFile, Project, Trouble, TroubleKind};
pub use frame::{FrameError, Message, RequestId, decode, encode};
pub use opened::{DataInfo, DeviceInfo, DeviceKind, ModelInfo};
pub use report::{MethodScore, Report};
pub use trained::{Estimate, MemoryProgress, TrainInfo, TrainProgress};
pub use written::{Answer, Candidate, Neighbour, Side, TokenView};

/// Version of the protocol: a number made of its source, so that it changes whenever a message may. Both sides say it
/// first; an interface that was left open while the site changed then hears that it must be loaded again.
pub const VERSION: u32 = match u32::from_str_radix(env!("PEMA_PROTOCOL"), 10) {
    Ok(version) => version,
    Err(_) => panic!("the build script writes a number"),
};
