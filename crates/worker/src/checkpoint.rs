//! The state of a running training in the store.

use pema::{KeptTraining, TrainState, TrainingLog};
use pema_protocol::{TrainProgress, TroubleKind};
use serde::{Deserialize, Serialize};

use crate::fault::{Fault, Result};
use crate::opfs::{Folder, OpfsFile};
use crate::project::TRAINING_FILES;

/// The open files of the state.
#[derive(Debug)]
pub(crate) struct Checkpoint(TrainingLog<OpfsFile>);

/// What is kept beside a state.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Every step so far, for the chart.
    pub(crate) history: Vec<TrainProgress>,
    /// Seconds so far.
    pub(crate) seconds: f64,
}

impl Note {
    /// An earlier version's counts as empty: only the chart's beginning is lost.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Note {
        postcard::from_bytes(bytes).unwrap_or_default()
    }
}

impl Checkpoint {
    /// Opens it, with what was kept of a training that was cut off.
    pub(crate) async fn open(folder: &Folder) -> Result<(Checkpoint, Option<KeptTraining>)> {
        let [first, second] = TRAINING_FILES;
        let (log, kept) = TrainingLog::open([folder.file(first).await?, folder.file(second).await?])?;
        Ok((Checkpoint(log), kept))
    }

    /// Keeps a state. Without room for it the training goes on all the same, and the state before stays: being
    /// cut off then costs some steps more.
    pub(crate) fn save(&mut self, state: &TrainState, note: &Note) -> Result<()> {
        let note = postcard::to_stdvec(note).map_err(|e| Fault::refused(format!("this cannot be stored: {e}")))?;
        match self.0.save(state, &note).map_err(Fault::from) {
            Err(fault) if fault.0.kind == TroubleKind::NoRoom => Ok(()),
            result => result,
        }
    }

    /// Throws it away.
    pub(crate) fn forget(&mut self) -> Result<()> {
        Ok(self.0.clear()?)
    }
}
