//! The engine: one command after another.

use std::rc::Rc;
use std::sync::Arc;

use js_sys::{Array, Function, Reflect};
use pema::template::Template;
use pema::{Adapter, Memory, PromptSetup, Prompter, format};
use pema_device::Device;
use pema_plm::Plm;
use pema_protocol::{Command, Event, Export, Kept as KeptList, RequestId, TaskSettings, TroubleKind, VERSION};
use wasm_bindgen::{JsCast, JsValue};

use crate::control::Control;
use crate::data::Data;
use crate::fault::{Fault, Result};
use crate::link::{Call, Link};
use crate::opfs::{Folder, OpfsModel, persisted, used_of};
use crate::project::Kept;
use crate::{build, report, tune, write};

/// Everything that is open.
pub(crate) struct Engine {
    pub(crate) link: Link,
    pub(crate) control: Rc<Control>,
    pub(crate) kept: Option<Kept>,
    pub(crate) device: Option<Arc<Device>>,
    /// Operations a second.
    pub(crate) speed: f64,
    pub(crate) plm: Option<Plm<OpfsModel>>,
    pub(crate) adapter: Option<Adapter>,
    pub(crate) memory: Option<Memory>,
    /// f(c) behind every token of the last adapted answer.
    pub(crate) contexts: Vec<Vec<f32>>,
}

impl Engine {
    pub(crate) fn new(link: Link, control: Rc<Control>) -> Engine {
        Engine {
            link,
            control,
            kept: None,
            device: None,
            speed: 0.0,
            plm: None,
            adapter: None,
            memory: None,
            contexts: Vec::new(),
        }
    }

    pub(crate) async fn handle(&mut self, call: Call) -> Result<()> {
        self.control.begin();
        let id = call.id;
        match call.command {
            Command::Hello { version } => self.hello(id, version).await,
            // Whatever fails while it is opened: another can be chosen, and this engine can open it.
            Command::OpenDevice { choice } => {
                self.open_device(id, choice).await.map_err(|fault| Fault::refused(fault.0.text))
            }
            Command::OpenModel { source } => self.open_model(id, source, call.file).await,
            Command::OpenData { files, input_field, target_field } => {
                let data = Data::read(&files, input_field.as_deref(), target_field.as_deref())?;
                self.keep_data(id, data).await
            }
            Command::OpenExample => self.keep_data(id, Data::example()?).await,
            Command::PreviewPrompt { task, input } => write::preview(self, id, &task, &input),
            Command::Estimate { settings } => tune::estimate(self, id, &settings).await,
            Command::Train { settings, restart } => tune::run(self, id, &settings, restart).await,
            Command::Write { input, mix, max_tokens } => write::write(self, id, &input, mix, max_tokens).await,
            Command::WhyThisWord { token } => write::why(self, id, token).await,
            Command::Evaluate { limit } => report::evaluate(self, id, limit as usize).await,
            Command::Export { what } => self.export(id, what).await,
            Command::ImportAdapter { name, bytes } => tune::import(self, id, &name, bytes),
            Command::ListKept => self.list(id).await,
            Command::DeleteAll => self.delete_all(id).await,
            // Obeyed as they arrive.
            Command::Pause { .. } | Command::StopAndKeep | Command::Cancel | Command::SetMix { .. } => Ok(()),
        }
    }

    async fn hello(&mut self, id: RequestId, version: u32) -> Result<()> {
        if version != VERSION {
            let text = "the page and its engine are of different versions; load the page again";
            return Err(Fault::new(TroubleKind::Version, text));
        }
        if self.kept.is_none() {
            self.kept = Some(Kept::open().await?);
        }
        for (url, bytes) in loaded() {
            self.link.send(0, Event::Fetched { url, bytes });
        }
        let project = Box::new(self.kept()?.project().await);
        self.link.send(id, Event::Ready { version: VERSION, project });
        Ok(())
    }

    async fn keep_data(&mut self, id: RequestId, data: Data) -> Result<()> {
        let info = data.info.clone();
        self.kept_mut()?.set_data(data)?;
        (self.adapter, self.memory) = (None, None);
        self.link.send(id, Event::DataReady(info));
        Ok(())
    }

    async fn export(&mut self, id: RequestId, what: Export) -> Result<()> {
        let none = |what: &str| Fault::refused(format!("there is no {what} yet"));
        let (name, media, bytes) = match what {
            Export::Adapter => {
                let bytes = self.kept()?.adapter.clone().ok_or_else(|| none("adapter"))?;
                ("adapter.safetensors", "application/octet-stream", bytes)
            }
            Export::Report => {
                let report = self.kept()?.report.as_ref().ok_or_else(|| none("report"))?;
                let bytes = serde_json::to_vec_pretty(report).map_err(|e| Fault::refused(e.to_string()))?;
                ("report.json", "application/json", bytes)
            }
            Export::Memory => {
                build::open_memory(self).await?;
                let memory = self.memory.as_ref().ok_or_else(|| none("memory"))?;
                ("memory.safetensors", "application/octet-stream", format::memory_to_bytes(memory)?)
            }
        };
        self.link.send(id, Event::Exported { name: name.to_owned(), media: media.to_owned(), bytes });
        Ok(())
    }

    async fn list(&mut self, id: RequestId) -> Result<()> {
        let files = self.kept()?.files().await;
        let (used_of, persisted) = (used_of().await, persisted().await);
        self.link.send(id, Event::KeptList(KeptList { files, used_of, persisted }));
        Ok(())
    }

    async fn delete_all(&mut self, id: RequestId) -> Result<()> {
        // Open files cannot be deleted.
        (self.plm, self.kept, self.adapter, self.memory) = (None, None, None, None);
        self.contexts.clear();
        Folder::delete_all().await?;
        self.kept = Some(Kept::open().await?);
        self.link.send(id, Event::Deleted);
        Ok(())
    }

    pub(crate) fn kept(&self) -> Result<&Kept> {
        self.kept.as_ref().ok_or_else(closed)
    }

    pub(crate) fn kept_mut(&mut self) -> Result<&mut Kept> {
        self.kept.as_mut().ok_or_else(closed)
    }

    pub(crate) fn plm(&self) -> Result<&Plm<OpfsModel>> {
        self.plm.as_ref().ok_or_else(|| Fault::refused("open a model first"))
    }

    pub(crate) fn data(&self) -> Result<&Data> {
        self.kept()?.data.as_ref().ok_or_else(|| Fault::refused("open your pairs first"))
    }

    /// Template and demonstrations, as many as leave half of the model's context to the pair itself.
    pub(crate) fn prompt(&self, task: &TaskSettings) -> Result<PromptSetup> {
        let demos = self.data().map(|d| d.demos(task.shots as usize)).unwrap_or_default();
        let mut prompt = PromptSetup::new(Template::parse(&task.template)?, demos);
        if let Some(plm) = &self.plm {
            while !prompt.demos.is_empty()
                && 2 * Prompter::new(&plm.file, &prompt)?.prompt("")?.prompt.len() > plm.file.config.context
            {
                prompt.demos.pop();
            }
        }
        Ok(prompt)
    }
}

/// Addresses that the engine itself was loaded from, with the bytes that came over the network.
fn loaded() -> Vec<(String, u64)> {
    let field = |of: &JsValue, name: &str| Reflect::get(of, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let performance = field(&js_sys::global(), "performance");
    let Ok(list) = field(&performance, "getEntriesByType").dyn_into::<Function>() else { return Vec::new() };
    let Ok(entries) = list.call1(&performance, &"resource".into()) else { return Vec::new() };
    let row = |entry: JsValue| {
        let bytes = field(&entry, "transferSize").as_f64().unwrap_or(0.0) as u64;
        Some((field(&entry, "name").as_string()?, bytes))
    };
    Array::from(&entries).iter().filter_map(row).filter(|(url, _)| !url.starts_with("blob:")).collect()
}

pub(crate) fn closed() -> Fault {
    Fault::refused("the store is not open; load the page again")
}
