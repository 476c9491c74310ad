//! Opening a device and a model.

use std::sync::Arc;

use js_sys::Date;
use pema::format;
use pema::log::Storage;
use pema_device::{Choice, Device, Gemm, Kind, self_test};
use pema_kernels::matmul::Orientation;
use pema_plm::{ModelFile, Plm};
use pema_protocol::{DeviceChoice, DeviceInfo, DeviceKind, Event, ModelInfo, ModelSource, RequestId};
use web_sys::File;

use crate::engine::Engine;
use crate::fault::{Fault, Result};
use crate::model::{self, FileBytes};
use crate::opfs::{OpfsFile, OpfsModel};
use crate::project::{MODEL_FILE, Partial};

impl Engine {
    pub(crate) async fn open_device(&mut self, id: RequestId, choice: DeviceChoice) -> Result<()> {
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

    pub(crate) async fn open_model(&mut self, id: RequestId, source: ModelSource, file: Option<File>) -> Result<()> {
        let device = self.device.clone().ok_or_else(|| Fault::refused("choose a device first"))?;
        let source = self.model_source(id, source, file).await?;
        let mut stored = self.kept()?.folder.file(MODEL_FILE).await?;
        let name = match source {
            Source::Kept(name) => name,
            Source::File(file) => {
                self.kept_mut()?.forget_model(None)?;
                model::copy(&self.link, id, &self.control, &file, &mut stored).await?;
                file.name()
            }
            Source::Address(url) => {
                self.fetch_model(id, &url, &mut stored).await?;
                name_of(&url)
            }
        };
        let bytes = stored.len()?;
        let opened = ModelFile::open(OpfsModel::new(stored, name.clone())?).await;
        let file = match opened {
            Ok(file) => file,
            // It may be good, and the reading have failed.
            Err(error @ pema_plm::Error::Io { .. }) => return Err(error.into()),
            Err(error) => {
                // It is of no use, and would be taken for the beginning of the next one.
                self.kept_mut()?.forget_model(None)?;
                self.kept()?.folder.file(MODEL_FILE).await?.truncate(0)?;
                return Err(error.into());
            }
        };
        let before = device.memory().current();
        let quantisation = file.head_tensor()?.kind.to_string();
        let plm = Plm::load(file, device.clone()).await?;
        // A device without room says so only now.
        let probe = device.upload(&[0.0_f32], "probe")?;
        device.read::<f32>(&probe, 0, 1).await?;
        // Only one that can be loaded is opened by itself at the next visit.
        self.kept_mut()?.set_model(name)?;
        let (identity, config) = (&plm.file.identity, &plm.file.config);
        // Another model's adapter, or one of another program's, stays where it is until there is a new one.
        let fitting = |bytes: &Vec<u8>| {
            let adapter = format::adapter_from_bytes("the kept adapter", bytes).ok()?;
            adapter.check_model("the kept adapter", identity).is_ok().then_some(adapter)
        };
        let kept = self.kept()?;
        let adapter = kept.adapter.as_ref().and_then(fitting);
        let begun = kept.run.as_ref().is_some_and(|run| run.model == identity.sha256);
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
            fits: kept.adapter.is_none() || adapter.is_some(),
            unfinished: begun && kept.project().await.unfinished.is_some(),
        };
        (self.adapter, self.plm) = (adapter, Some(plm));
        self.link.send(id, Event::ModelReady(info));
        Ok(())
    }

    /// Where the model comes from, once that is known to be worth closing the one that is open.
    async fn model_source(&mut self, id: RequestId, source: ModelSource, file: Option<File>) -> Result<Source> {
        let source = match (source, file) {
            (ModelSource::Kept, _) => {
                let name = self.kept()?.model.clone();
                Source::Kept(name.ok_or_else(|| Fault::refused("no model is kept"))?)
            }
            (ModelSource::Attached, Some(file)) => {
                ModelFile::check(FileBytes(&file, file.name())).await?;
                Source::File(file)
            }
            (ModelSource::Attached, None) => return Err(Fault::refused("no file came with the request")),
            (ModelSource::Address { url }, _) if self.kept()?.model.as_ref() == Some(&name_of(&url)) => {
                Source::Kept(name_of(&url))
            }
            (ModelSource::Address { url }, _) => Source::Address(url),
        };
        // Its file is locked while it is open, and nothing that was read with it is of use to another.
        (self.plm, self.adapter, self.memory) = (None, None, None);
        self.contexts.clear();
        self.link.send(id, Event::ModelProgress { bytes: 0, of: 0 });
        Ok(source)
    }

    /// Fetches a model, going on with what an earlier fetch of the same file left.
    async fn fetch_model(&mut self, id: RequestId, url: &str, into: &mut OpfsFile) -> Result<()> {
        let validator = self.kept()?.partial.clone().filter(|p| p.url == url).and_then(|p| p.validator);
        let (link, control) = (self.link.clone(), self.control.clone());
        let fetch = model::Fetch::begin(&control, url, into, validator).await?;
        // Whose bytes these are is known before the first of them is written.
        self.kept_mut()?.forget_model(Some(Partial { url: url.to_owned(), validator: fetch.validator.clone() }))?;
        fetch.finish(&link, id, &control, into).await
    }
}

/// A model's way into the store.
enum Source {
    /// It lies there under this name.
    Kept(String),
    File(File),
    Address(String),
}

/// What a fetched model is called.
fn name_of(url: &str) -> String {
    url.rsplit('/').next().unwrap_or(url).to_owned()
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
