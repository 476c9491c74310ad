//! What is kept between visits: one log of small things, in which the last of each kind counts.

use pema::format;
use pema_protocol::{Check, KeptFile, Project, Report, TrainInfo, TrainSettings, TroubleKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::data::Data;
use crate::engine::closed;
use crate::fault::{Fault, Result};
use crate::opfs::{Folder, OpfsFile};
use crate::project_log::{ProjectLog, Records};
use crate::tune::imported;

const DATA: u8 = 1;
const RUN: u8 = 2;
const ADAPTER: u8 = 3;
const TRAINED: u8 = 4;
const REPORT: u8 = 5;
const MODEL: u8 = 6;
const PARTIAL: u8 = 7;
/// Files of the folder and what to call them.
pub(crate) const MODEL_FILE: &str = "model.gguf";
pub(crate) const MEMORY_FILE: &str = "memory.log";
pub(crate) const TRAINING_FILES: [&str; 2] = ["training-0.log", "training-1.log"];
/// The first of them is locked while a project is open, and the second as well.
const PROJECT_FILES: [&str; 2] = ["project.log", "project-1.log"];
const FILES: [(&[&str], &str); 4] = [
    (&[MODEL_FILE], "language model"),
    (&PROJECT_FILES, "your pairs, settings, adapter and report"),
    (&[MEMORY_FILE], "external memory"),
    (&TRAINING_FILES, "state of a training that is not done"),
];
/// An empty log still says that it is one.
const EMPTY: u64 = 8;

/// The open project. Its log is locked, so no other tab can open it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) folder: Folder,
    /// `None` only where tidying it failed half-way; then the page must be loaded again.
    log: Option<ProjectLog<OpfsFile>>,
    /// Name of the model whose file is complete.
    pub(crate) model: Option<String>,
    pub(crate) data: Option<Data>,
    /// A model that is being fetched.
    pub(crate) partial: Option<Partial>,
    /// The last run.
    pub(crate) run: Option<Run>,
    /// The adapter's file.
    pub(crate) adapter: Option<Vec<u8>>,
    pub(crate) trained: Option<TrainInfo>,
    pub(crate) report: Option<Report>,
}

/// What a run was begun with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) settings: TrainSettings,
    /// SHA-256 of its model.
    pub(crate) model: String,
}

/// Whose bytes lie in the model's file before it is complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Partial {
    pub(crate) url: String,
    /// What tells this file from another that the site may put in its place: its entity tag, or its date.
    pub(crate) validator: Option<String>,
}

impl Kept {
    /// Opens the project; a second tab is told so.
    pub(crate) async fn open() -> Result<Kept> {
        let folder = Folder::open().await?;
        let [first, second] = PROJECT_FILES;
        let files = [folder.file(first).await?, folder.file(second).await?];
        let (log, mut last) = ProjectLog::open(files)?;
        let adapter = last[usize::from(ADAPTER)].take();
        // An adapter is never thrown away because what was said of it cannot be read.
        let trained = read(&last, TRAINED).or_else(|| adapter.as_deref().and_then(of_unknown_origin));
        Ok(Kept {
            folder,
            log: Some(log),
            model: read(&last, MODEL),
            data: read(&last, DATA),
            partial: read(&last, PARTIAL),
            run: read(&last, RUN),
            adapter,
            trained,
            report: read(&last, REPORT),
        })
    }

    /// What the page is told at the beginning.
    pub(crate) async fn project(&self) -> Project {
        let bytes = self.folder.size(MODEL_FILE).await.unwrap_or(0);
        let begun = self.folder.size(MEMORY_FILE).await.is_some_and(|bytes| bytes > 0);
        let checked = self.trained.as_ref().is_some_and(|t| t.check != Check::Pending);
        Project {
            model: self.model.clone().map(|name| KeptFile { name, bytes }),
            data: self.data.as_ref().map(|d| d.info.clone()),
            settings: self.run.as_ref().map(|run| run.settings.clone()),
            unfinished: (begun && self.run.is_some() && !checked).then(Default::default),
            trained: self.trained.clone(),
            report: self.report.clone(),
        }
    }

    /// The stored files with their sizes.
    pub(crate) async fn files(&self) -> Vec<KeptFile> {
        let mut files = Vec::new();
        for (parts, name) in FILES {
            let mut bytes = 0;
            for part in parts {
                bytes += self.folder.size(part).await.filter(|b| *b > EMPTY).unwrap_or(0);
            }
            if bytes > 0 {
                files.push(KeptFile { name: name.to_owned(), bytes });
            }
        }
        files
    }

    /// The model's file is complete.
    pub(crate) fn set_model(&mut self, name: String) -> Result<()> {
        self.append(&[(MODEL, stored(&name)?), (PARTIAL, Vec::new())])?;
        (self.model, self.partial) = (Some(name), None);
        Ok(())
    }

    /// Bytes of no model lie in the file from now on, or those of one that is being fetched.
    pub(crate) fn forget_model(&mut self, partial: Option<Partial>) -> Result<()> {
        let kept = partial.as_ref().map(stored).transpose()?;
        self.append(&[(MODEL, Vec::new()), (PARTIAL, kept.unwrap_or_default())])?;
        (self.model, self.partial) = (None, partial);
        Ok(())
    }

    /// New pairs: what was learnt from others no longer belongs to them.
    pub(crate) fn set_data(&mut self, data: Data) -> Result<()> {
        let gone = [RUN, ADAPTER, TRAINED, REPORT].map(|kind| (kind, Vec::new()));
        self.append(&[&[(DATA, stored(&data)?)], &gone[..]].concat())?;
        (self.data, self.run) = (Some(data), None);
        (self.adapter, self.trained, self.report) = (None, None, None);
        Ok(())
    }

    /// A run begins: what an earlier one made no longer counts.
    pub(crate) fn begin(&mut self, run: Run) -> Result<()> {
        let gone = [ADAPTER, TRAINED, REPORT].map(|kind| (kind, Vec::new()));
        self.append(&[&[(RUN, stored(&run)?)], &gone[..]].concat())?;
        self.run = Some(run);
        (self.adapter, self.trained, self.report) = (None, None, None);
        Ok(())
    }

    /// The run ended without an adapter and is not to be gone on with.
    pub(crate) fn fail(&mut self) -> Result<()> {
        self.append(&[(RUN, Vec::new())])?;
        self.run = None;
        Ok(())
    }

    pub(crate) fn set_adapter(&mut self, bytes: Vec<u8>, info: TrainInfo) -> Result<()> {
        self.append(&[(REPORT, Vec::new()), (ADAPTER, bytes.clone()), (TRAINED, stored(&info)?)])?;
        (self.adapter, self.trained, self.report) = (Some(bytes), Some(info), None);
        Ok(())
    }

    /// As where what was said of an adapter cannot be read any more.
    #[cfg(test)]
    pub(crate) fn forget_trained(&mut self) -> Result<()> {
        self.append(&[(TRAINED, Vec::new())])
    }

    pub(crate) fn set_report(&mut self, report: Report) -> Result<()> {
        self.append(&[(REPORT, stored(&report)?)])?;
        self.report = Some(report);
        Ok(())
    }

    /// Adds records, all of them or none; an empty one takes the earlier ones of its kind back.
    fn append(&mut self, records: &[(u8, Vec<u8>)]) -> Result<()> {
        let log = self.log.as_mut().ok_or_else(closed)?;
        log.append(records)?;
        if log.untidy() {
            let files = self.log.take().ok_or_else(closed)?.into_storages();
            self.log = Some(ProjectLog::open(files)?.0);
        }
        Ok(())
    }
}

/// The form in which a thing is kept: JSON, because it names its fields, so that another version of the program never
/// takes one for another.
fn stored<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Fault::new(TroubleKind::Refused, format!("this cannot be stored: {e}")))
}

/// What can be said of an adapter that tells nothing but itself.
fn of_unknown_origin(bytes: &[u8]) -> Option<TrainInfo> {
    Some(imported(&format::adapter_from_bytes("the kept adapter", bytes).ok()?))
}

/// The last record of a kind. One that cannot be read counts as absent.
fn read<T: DeserializeOwned>(last: &Records, kind: u8) -> Option<T> {
    serde_json::from_slice(last[usize::from(kind)].as_deref()?).ok()
}
