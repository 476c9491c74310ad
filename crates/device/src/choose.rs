//! Which device: what the machine offers and what the user asked for.

use std::fmt;
use std::str::FromStr;

use crate::device::Backend;
use crate::gpu::Gpu;
use crate::{Device, Error, Kind, Result, self_test};

/// The value of `--device`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Choice {
    /// A real GPU that passes its self-test, else the processor.
    #[default]
    Auto,
    /// A GPU adapter, real ones first, software ones too.
    Gpu,
    /// The processor.
    Cpu,
    /// The first adapter whose name contains this, in any case.
    Named(String),
}

impl FromStr for Choice {
    type Err = std::convert::Infallible;
    fn from_str(s: &str) -> std::result::Result<Choice, Self::Err> {
        Ok(match s.to_ascii_lowercase().as_str() {
            "auto" | "" => Choice::Auto,
            "gpu" => Choice::Gpu,
            "cpu" => Choice::Cpu,
            _ => Choice::Named(s.to_owned()),
        })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Choice::Auto => "auto",
            Choice::Gpu => "gpu",
            Choice::Cpu => "cpu",
            Choice::Named(name) => name,
        })
    }
}

/// An adapter as the driver describes it.
#[derive(Debug, Clone)]
pub struct AdapterInfo {
    /// Name.
    pub name: String,
    /// Interface, driver and its version.
    pub driver: String,
    /// Real or software.
    pub kind: Kind,
}

/// Every adapter of this machine, real ones first.
pub async fn adapters() -> Vec<AdapterInfo> {
    enumerate().await.iter().map(describe).collect()
}

pub(crate) async fn open(choice: &Choice) -> Result<Device> {
    match choice {
        Choice::Cpu => Ok(Device::cpu()),
        Choice::Auto => Ok(auto().await),
        Choice::Gpu => pick(|_| true, "gpu").await,
        Choice::Named(name) => {
            let wanted = name.to_lowercase();
            pick(|a| a.name.to_lowercase().contains(&wanted), name).await
        }
    }
}

async fn auto() -> Device {
    let cpu = |note: String| {
        let mut device = Device::cpu();
        device.info.note = Some(note);
        device
    };
    let device = match pick(|a| a.kind == Kind::Gpu, "a real GPU").await {
        Ok(device) => device,
        Err(Error::NoAdapter { found, .. }) if found != "none" => {
            return cpu(format!("no real GPU here, only {found}; the processor is faster than a software adapter"));
        }
        Err(Error::NoAdapter { .. }) => return cpu("no GPU was found".into()),
        Err(e) => return cpu(format!("the GPU cannot be used: {e}")),
    };
    let failed: Vec<String> = self_test(&device, true).await.into_iter().filter_map(|r| r.error).collect();
    match failed.first() {
        None => device,
        Some(why) => cpu(format!("{} computes wrongly ({why})", device.info.name)),
    }
}

async fn pick(wanted: impl Fn(&AdapterInfo) -> bool, said: &str) -> Result<Device> {
    let all = enumerate().await;
    let infos: Vec<AdapterInfo> = all.iter().map(describe).collect();
    let Some(i) = infos.iter().position(wanted) else {
        let names: Vec<String> = infos.into_iter().map(|i| i.name).collect();
        let found = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(Error::NoAdapter { wanted: said.to_owned(), found });
    };
    let (gpu, info) = Gpu::open(&all[i], &infos[i]).await?;
    Ok(Device::new(Backend::Gpu(Box::new(gpu)), info))
}

async fn enumerate() -> Vec<wgpu::Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    // A browser offers one adapter and does not list them.
    if cfg!(target_family = "wasm") {
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..wgpu::RequestAdapterOptions::default()
        };
        return instance.request_adapter(&options).await.into_iter().collect();
    }
    let mut all = instance.enumerate_adapters(wgpu::Backends::all()).await;
    all.sort_by_key(|a| match a.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    all
}

fn describe(adapter: &wgpu::Adapter) -> AdapterInfo {
    let info = adapter.get_info();
    let software = info.device_type == wgpu::DeviceType::Cpu || info.name.to_lowercase().contains("swiftshader");
    AdapterInfo {
        driver: format!("{} {} {}", info.backend, info.driver, info.driver_info).trim().to_owned(),
        // Browsers may keep the name to themselves.
        name: match info.name {
            name if !name.is_empty() => name,
            _ if software => "a software adapter".to_owned(),
            _ => "a GPU".to_owned(),
        },
        kind: if software { Kind::SoftwareGpu } else { Kind::Gpu },
    }
}
