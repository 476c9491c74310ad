//! What is kept between visits: one log of small things, in which the last of each kind counts.

use pema_protocol::{Check, KeptFile, Project, Report, TrainInfo, TrainSettings, TroubleKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::data::Data;
use crate::engine::closed;
use crate::fault::{Fault, Result};
use crate::opfs::{Folder, OpfsFile};
use crate::project_log::{ProjectLog, Records};

const DATA: u8 = 1;
const SETTINGS: u8 = 2;
const ADAPTER: u8 = 3;
const TRAINED: u8 = 4;
const REPORT: u8 = 5;
const MODEL: u8 = 6;
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
    pub(crate) settings: Option<TrainSettings>,
    /// The adapter's file.
    pub(crate) adapter: Option<Vec<u8>>,
    pub(crate) trained: Option<TrainInfo>,
    pub(crate) report: Option<Report>,
}

impl Kept {
    /// Opens the project; a second tab is told so.
    pub(crate) async fn open() -> Result<Kept> {
        let folder = Folder::open().await?;
        let [first, second] = PROJECT_FILES;
        let files = [folder.file(first).await?, folder.file(second).await?];
        let (log, mut last) = ProjectLog::open(files)?;
        let adapter = last[usize::from(ADAPTER)].take();
        Ok(Kept {
            folder,
            log: Some(log),
            model: read(&last, MODEL),
            data: read(&last, DATA),
            settings: read(&last, SETTINGS),
            adapter,
            trained: read(&last, TRAINED),
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
            settings: self.settings.clone(),
            unfinished: (begun && self.settings.is_some() && !checked).then(Default::default),
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

    pub(crate) fn set_model(&mut self, name: Option<String>) -> Result<()> {
        self.put(MODEL, name.as_ref())?;
        self.model = name;
        Ok(())
    }

    /// New pairs: what was learnt from others no longer belongs to them.
    pub(crate) fn set_data(&mut self, data: Data) -> Result<()> {
        self.put(DATA, Some(&data))?;
        self.append(SETTINGS, &[])?;
        (self.data, self.settings) = (Some(data), None);
        self.forget_adapter()
    }

    pub(crate) fn set_settings(&mut self, settings: &TrainSettings) -> Result<()> {
        self.put(SETTINGS, Some(settings))?;
        self.settings = Some(settings.clone());
        Ok(())
    }

    pub(crate) fn forget_adapter(&mut self) -> Result<()> {
        for kind in [ADAPTER, TRAINED, REPORT] {
            self.append(kind, &[])?;
        }
        (self.adapter, self.trained, self.report) = (None, None, None);
        Ok(())
    }

    pub(crate) fn set_adapter(&mut self, bytes: Vec<u8>, info: TrainInfo) -> Result<()> {
        self.append(REPORT, &[])?;
        self.append(ADAPTER, &bytes)?;
        self.put(TRAINED, Some(&info))?;
        (self.adapter, self.trained, self.report) = (Some(bytes), Some(info), None);
        Ok(())
    }

    pub(crate) fn set_report(&mut self, report: Report) -> Result<()> {
        self.put(REPORT, Some(&report))?;
        self.report = Some(report);
        Ok(())
    }

    fn append(&mut self, kind: u8, payload: &[u8]) -> Result<()> {
        let log = self.log.as_mut().ok_or_else(closed)?;
        log.append(kind, payload)?;
        if log.untidy() {
            let files = self.log.take().ok_or_else(closed)?.into_storages();
            self.log = Some(ProjectLog::open(files)?.0);
        }
        Ok(())
    }

    fn put<T: Serialize>(&mut self, kind: u8, value: Option<&T>) -> Result<()> {
        let bytes = value.map(postcard::to_stdvec).transpose();
        let bytes = bytes.map_err(|e| Fault::new(TroubleKind::Refused, format!("this cannot be stored: {e}")))?;
        self.append(kind, &bytes.unwrap_or_default())
    }
}

/// The last record of a kind. One of an earlier version of the program counts as absent.
fn read<T: DeserializeOwned>(last: &Records, kind: u8) -> Option<T> {
    postcard::from_bytes(last[usize::from(kind)].as_deref()?).ok()
}
