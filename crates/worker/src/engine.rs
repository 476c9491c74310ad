//! The engine: one command after another.

use std::rc::Rc;
use std::sync::Arc;

use js_sys::Date;
use pema::log::Storage;
use pema::template::Template;
use pema::{Adapter, Memory, PromptSetup, Prompter, format};
use pema_device::{Choice, Device, Gemm, Kind, self_test};
use pema_kernels::matmul::Orientation;
use pema_plm::{ModelFile, Plm};
use pema_protocol::{
    Command, DeviceChoice, DeviceInfo, DeviceKind, Event, Export, Kept as KeptList, ModelInfo, ModelSource, RequestId,
    TaskSettings, TroubleKind, VERSION,
};
use wasm_bindgen_futures::JsFuture;

use crate::control::Control;
use crate::data::Data;
use crate::fault::{Fault, Result};
use crate::link::{Call, Link};
use crate::opfs::{Folder, OpfsModel, storage, used_of};
use crate::project::{Kept, MODEL_FILE};
use crate::{build, model, report, tune, write};

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
    persisted: Option<bool>,
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
            persisted: None,
        }
    }

    pub(crate) async fn handle(&mut self, call: Call) -> Result<()> {
        self.control.begin();
        let id = call.id;
        match call.command {
            Command::Hello { version } => self.hello(id, version).await,
            Command::OpenDevice { choice } => self.open_device(id, choice).await,
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
        let project = Box::new(self.kept()?.project().await);
        self.link.send(id, Event::Ready { version: VERSION, project });
        Ok(())
    }

    async fn open_device(&mut self, id: RequestId, choice: DeviceChoice) -> Result<()> {
        self.plm = None;
        self.device = None;
        let wanted = match choice {
            DeviceChoice::Auto => Choice::Auto,
            DeviceChoice::Gpu => Choice::Gpu,
            DeviceChoice::Cpu => Choice::Cpu,
        };
        let offered = pema_device::adapters().await.first().map(|a| a.name.clone());
        let device = Device::open(&wanted).await?;
        let results = self_test(&device, true).await;
        let failed: Vec<&str> = results.iter().filter(|r| r.error.is_some()).map(|r| r.kernel).collect();
        let self_test = match failed.as_slice() {
            [] => format!("passed: all {} kinds of computation give the right result", results.len()),
            names => {
                let (wrong, all) = (names.len(), results.len());
                format!("failed: {wrong} of {all} kinds of computation give a wrong result ({})", names.join(", "))
            }
        };
        if !failed.is_empty() {
            return Err(Fault::refused(format!(
                "{}: self-test {self_test}; choose the processor instead",
                device.info().name
            )));
        }
        self.speed = speed(&device).await?;
        let info = device.info();
        let kind = match info.kind {
            Kind::Gpu => DeviceKind::Gpu,
            Kind::SoftwareGpu => DeviceKind::Software,
            Kind::Cpu => DeviceKind::Cpu,
        };
        let why = info.note.clone().unwrap_or_else(|| match choice {
            DeviceChoice::Auto => "a real GPU that computes correctly".to_owned(),
            _ => "as you chose".to_owned(),
        });
        let (name, gflops) = (info.name.clone(), (self.speed / 1e9) as f32);
        let offered = offered.filter(|o| *o != name);
        self.device = Some(Arc::new(device));
        self.link.send(
            id,
            Event::DeviceReady(DeviceInfo { kind, name, why, self_test, offered, memory_gb: memory_gb(), gflops }),
        );
        Ok(())
    }

    async fn open_model(&mut self, id: RequestId, source: ModelSource, file: Option<web_sys::File>) -> Result<()> {
        let device = self.device.clone().ok_or_else(|| Fault::refused("choose a device first"))?;
        // Its file is locked while it is open.
        self.plm = None;
        let (link, control) = (self.link.clone(), self.control.clone());
        let folder = self.kept()?.folder.clone();
        let mut stored = folder.file(MODEL_FILE).await?;
        let shown = match (&source, &file) {
            (ModelSource::Kept, _) => self.kept()?.model.clone().ok_or_else(|| Fault::refused("no model is kept"))?,
            (ModelSource::Attached, Some(file)) => {
                self.kept_mut()?.set_model(None)?;
                model::copy(&link, id, &control, file, &mut stored).await?;
                file.name()
            }
            (ModelSource::Attached, None) => return Err(Fault::refused("no file came with the request")),
            (ModelSource::Address { url }, _) => {
                let name = url.rsplit('/').next().unwrap_or(url).to_owned();
                if self.kept()?.model.as_ref().is_some_and(|kept| *kept != name) {
                    stored.truncate(0)?; // another model lies there
                }
                if self.kept()?.model.as_ref() != Some(&name) {
                    model::fetch(&link, id, &control, url, &mut stored).await?;
                }
                name
            }
        };
        let bytes = stored.len()?;
        let opened = ModelFile::open(OpfsModel::new(stored, shown.clone())?).await;
        let file = match opened {
            Ok(file) => file,
            Err(error) => {
                // It is of no use, and would be taken for the beginning of the next one.
                self.kept_mut()?.set_model(None)?;
                folder.file(MODEL_FILE).await?.truncate(0)?;
                return Err(error.into());
            }
        };
        self.kept_mut()?.set_model(Some(shown))?;
        let before = device.memory().current();
        let quantisation = file.head_tensor()?.kind.to_string();
        let plm = Plm::load(file, device.clone()).await?;
        device.flush()?;
        let (identity, config) = (&plm.file.identity, &plm.file.config);
        self.adapter = match &self.kept()?.adapter {
            Some(bytes) => {
                let adapter = format::adapter_from_bytes("the kept adapter", bytes)?;
                // Another model's adapter stays where it is until there is a new one.
                adapter.check_model("the kept adapter", identity).is_ok().then_some(adapter)
            }
            None => None,
        };
        let info = ModelInfo {
            name: identity.name.clone(),
            bytes,
            sha256: identity.sha256.clone(),
            hidden: config.hidden as u32,
            vocab: config.vocab as u32,
            context: config.context as u32,
            layers: config.layers as u32,
            quantisation,
            chat: plm.file.chat.is_some(),
            device_bytes: device.memory().current() - before,
            engine_bytes: engine_bytes(),
        };
        self.plm = Some(plm);
        self.link.send(id, Event::ModelReady(info));
        Ok(())
    }

    async fn keep_data(&mut self, id: RequestId, data: Data) -> Result<()> {
        let info = data.info.clone();
        // Asked at the first thing that is kept; the answer is shown with what is stored.
        if self.persisted.is_none()
            && let Ok(promise) = storage().persist()
        {
            self.persisted = JsFuture::from(promise).await.ok().and_then(|v| v.as_bool());
        }
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
        let used_of = used_of().await;
        self.link.send(id, Event::KeptList(KeptList { files, used_of, persisted: self.persisted }));
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
        let mut prompt = PromptSetup { template: Template::parse(&task.template)?, demos };
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

pub(crate) fn closed() -> Fault {
    Fault::refused("the store is not open; load the page again")
}

/// What the browser tells of the machine's memory: a rounded number, and none in some browsers.
fn memory_gb() -> Option<f32> {
    let scope = js_sys::global();
    let navigator = js_sys::Reflect::get(&scope, &"navigator".into()).ok()?;
    let told = js_sys::Reflect::get(&navigator, &"deviceMemory".into()).ok()?;
    Some(told.as_f64()? as f32)
}

/// Bytes of this instance's memory. It never shrinks, so this is also the most there was.
fn engine_bytes() -> u64 {
    const PAGE: u64 = 65_536;
    core::arch::wasm32::memory_size::<0>() as u64 * PAGE
}

/// Operations a second of a matrix product like those of the model.
async fn speed(device: &Device) -> Result<f64> {
    const N: usize = 512;
    const TIMES: usize = 3;
    let g = Gemm { m: N, n: N, k: N, lda: N, ldb: N, ldc: N, ..Gemm::default() };
    let values: Vec<f32> = (0..N * N).map(|i| (i % 17) as f32 / 17.0).collect();
    let (a, b, c) = (device.upload(&values, "a")?, device.upload(&values, "b")?, device.alloc(N * N, "c")?);
    let mut best = f64::INFINITY;
    for _ in 0..TIMES {
        let begun = Date::now();
        for _ in 0..4 {
            device.matmul(Orientation::Nt, &g, &a, &b, &c)?;
        }
        device.read::<f32>(&c, 0, 1).await?;
        best = best.min((Date::now() - begun).max(1.0) / 1e3);
    }
    Ok(4.0 * 2.0 * (N * N * N) as f64 / best)
}
