//! A training while it runs: its state is kept every so often, so that one that was cut off, by a closed
//! tab or a crash, goes on in the middle.

use crate::Result;
use crate::log::{Log, Storage};
use crate::train::TrainState;

/// Record: the caller's own words about the state that follows.
const NOTE: u8 = 1;
/// Record: a state.
const STATE: u8 = 2;

/// What was kept of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptTraining {
    /// Where it stood.
    pub state: TrainState,
    /// What the caller kept beside it.
    pub note: Vec<u8>,
}

/// Two files that take turns: while one is written the other holds the state before. So there is always a
/// whole one, and both together never hold more than two.
#[derive(Debug)]
pub struct TrainingLog<T> {
    files: [Log<T>; 2],
    /// The one to write next.
    next: usize,
}

impl<T: Storage> TrainingLog<T> {
    /// Opens both files and reads the later state; `None` when there is none that this version can read.
    pub fn open(files: [T; 2]) -> Result<(TrainingLog<T>, Option<KeptTraining>)> {
        let [first, second] = files.map(read);
        let ((first, one), (second, two)) = (first?, second?);
        let step = |kept: &Option<KeptTraining>| kept.as_ref().map(|k| k.state.step());
        let (next, kept) = if step(&one) >= step(&two) { (1, one) } else { (0, two) };
        Ok((TrainingLog { files: [first, second], next }, kept))
    }

    /// Keeps a state; it is durable when this returns. When there is no room, the one before stays.
    pub fn save(&mut self, state: &TrainState, note: &[u8]) -> Result<()> {
        let bytes = postcard::to_stdvec(state).map_err(|e| unwritable(&e))?;
        let file = &mut self.files[self.next];
        file.clear()?;
        file.append(NOTE, note)?;
        file.append(STATE, &bytes)?;
        self.next = 1 - self.next;
        Ok(())
    }

    /// Throws everything away: the training is over, or another begins.
    pub fn clear(&mut self) -> Result<()> {
        self.files.iter_mut().try_for_each(Log::clear)
    }

    /// Bytes of both files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(Log::bytes).sum()
    }

    /// The files.
    pub fn into_storages(self) -> [T; 2] {
        self.files.map(Log::into_storage)
    }
}

fn read<T: Storage>(storage: T) -> Result<(Log<T>, Option<KeptTraining>)> {
    let (mut note, mut kept) = (Vec::new(), None);
    let log = Log::open(storage, |kind, payload| {
        match kind {
            NOTE => note = payload.to_vec(),
            // One of another version of the program counts as absent.
            STATE => kept = postcard::from_bytes(payload).ok().map(|state| KeptTraining { state, note: note.clone() }),
            _ => {}
        }
        Ok(())
    })?;
    Ok((log, kept))
}

fn unwritable(e: &postcard::Error) -> crate::Error {
    let advice = "this is a bug in the program; please report it";
    let why = e.to_string();
    crate::Error::BadFile { path: "the state of the training".into(), expected: "writable", why, advice }
}
