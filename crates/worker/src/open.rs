//! Opening a device and a model.

use std::sync::Arc;

use js_sys::Date;
use pema::format;
use pema::log::Storage;
use pema_device::{Choice, Device, Gemm, Kind, self_test};
use pema_kernels::matmul::Orientation;
use pema_plm::{ModelFile, Plm};
use pema_protocol::{DeviceChoice, DeviceInfo, DeviceKind, Event, ModelInfo, ModelSource, RequestId};

use crate::engine::Engine;
use crate::fault::{Fault, Result};
use crate::model;
use crate::opfs::OpfsModel;
use crate::project::MODEL_FILE;

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

    pub(crate) async fn open_model(
        &mut self,
        id: RequestId,
        source: ModelSource,
        file: Option<web_sys::File>,
    ) -> Result<()> {
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
