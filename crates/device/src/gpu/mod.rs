//! The wgpu side: records kernel launches and hands them over in bounded batches.

mod pipeline;

use std::sync::{Arc, Mutex};

use pema_kernels::{Grid, Kernel};
use wgpu::PollType;

use self::pipeline::Pipelines;
use crate::{AdapterInfo, Buffer, Error, Info, Result, buffer::Store, device::bad};

/// A uniform slot; WebGPU's guaranteed alignment of dynamic offsets.
const SLOT: usize = 256;
/// Launches per submit at most: the uniform ring's length.
const SLOTS: usize = 512;
/// Workgroup-lanes times their loop length would be better; this many workgroups keep a submit of the
/// heaviest kernel near 100 ms on a slow GPU, so that no watchdog fires and cancelling is quick.
const WORKGROUPS_PER_SUBMIT: u64 = 1 << 20;
/// Uploads go in pieces of this size, so that staging memory stays small.
const UPLOAD_PIECE: usize = 16 << 20;

#[derive(Debug)]
pub(crate) struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    name: String,
    uniforms: wgpu::Buffer,
    pending: Mutex<Pending>,
    pipelines: Mutex<Pipelines>,
    failure: Arc<Mutex<Option<String>>>,
    /// Ids of buffers that were dropped and may still sit in cached bind groups.
    pub(crate) freed: Arc<Mutex<Vec<u64>>>,
}

/// Launches recorded and not yet submitted.
#[derive(Debug, Default)]
struct Pending {
    launches: Vec<Launch>,
    params: Vec<u8>,
    workgroups: u64,
}

#[derive(Debug)]
struct Launch {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    grid: Grid,
}

impl Gpu {
    pub(crate) async fn open(adapter: &wgpu::Adapter, described: &AdapterInfo) -> Result<(Gpu, Info)> {
        let limits = adapter.limits();
        let max_binding = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let kept = vec![
            ("maxComputeWorkgroupStorageSize", u64::from(limits.max_compute_workgroup_storage_size)),
            ("maxStorageBuffersPerShaderStage", u64::from(limits.max_storage_buffers_per_shader_stage)),
            ("maxComputeWorkgroupsPerDimension", u64::from(limits.max_compute_workgroups_per_dimension)),
        ];
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("pema"),
            required_limits: limits,
            ..wgpu::DeviceDescriptor::default()
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|e| Error::Refused { adapter: described.name.clone(), why: e.to_string() })?;
        let failure: Arc<Mutex<Option<String>>> = Arc::default();
        let first = |slot: &Arc<Mutex<Option<String>>>, why: String| {
            if let Ok(mut slot) = slot.lock() {
                slot.get_or_insert(why);
            }
        };
        let slot = failure.clone();
        device.on_uncaptured_error(Arc::new(move |e| first(&slot, e.to_string())));
        let slot = failure.clone();
        device.set_device_lost_callback(move |reason, why| {
            // Dropping a device is reported here too; that is not a failure.
            if reason != wgpu::DeviceLostReason::Destroyed {
                first(&slot, format!("device lost: {why}"));
            }
        });
        let uniforms = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("uniforms"),
            size: (SLOT * SLOTS) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let info = Info {
            kind: described.kind,
            name: described.name.clone(),
            driver: described.driver.clone(),
            max_binding,
            limits: kept,
            note: None,
        };
        let gpu = Gpu {
            device,
            queue,
            name: described.name.clone(),
            uniforms,
            pending: Mutex::default(),
            pipelines: Mutex::default(),
            failure,
            freed: Arc::default(),
        };
        Ok((gpu, info))
    }

    pub(crate) fn create_buffer(&self, bytes: u64, label: &str) -> wgpu::Buffer {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let size = bytes.max(4); // an empty binding is not allowed
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        })
    }

    pub(crate) fn write(&self, buffer: &wgpu::Buffer, offset: u64, bytes: &[u8]) -> Result<()> {
        self.flush()?; // what was recorded before must see the old contents
        for (i, piece) in bytes.chunks(UPLOAD_PIECE).enumerate() {
            self.queue.write_buffer(buffer, offset + (i * UPLOAD_PIECE) as u64, piece);
            if bytes.len() > UPLOAD_PIECE {
                self.queue.submit([]);
                self.wait()?;
            }
        }
        Ok(())
    }

    pub(crate) fn run(&self, kernel: &'static Kernel, params: &[u8], grid: Grid, buffers: &[&Buffer]) -> Result<()> {
        let mut stores = Vec::with_capacity(buffers.len());
        for b in buffers {
            match &b.inner.store {
                Store::Gpu(store) => stores.push((b.inner.id, store)),
                Store::Cpu(_) => return Err(bad(kernel.name, "a buffer belongs to another device".into())),
            }
        }
        let (pipeline, bind_group) = {
            let mut pipelines = self.pipelines.lock().map_err(|_| self.poisoned())?;
            let pipeline = pipelines.get(&self.device, kernel).clone();
            let group = pipelines.bind_group(&self.device, kernel, &self.uniforms, &stores);
            (pipeline, group)
        };
        let full = {
            let mut pending = self.pending.lock().map_err(|_| self.poisoned())?;
            let slot = pending.launches.len() * SLOT;
            pending.params.resize(slot, 0);
            pending.params.extend_from_slice(params);
            pending.launches.push(Launch { pipeline, bind_group, grid });
            pending.workgroups += u64::from(grid.x) * u64::from(grid.y) * u64::from(grid.z);
            pending.launches.len() == SLOTS || pending.workgroups >= WORKGROUPS_PER_SUBMIT
        };
        if full { self.flush() } else { Ok(()) }
    }

    pub(crate) fn flush(&self) -> Result<()> {
        let mut pending = std::mem::take(&mut *self.pending.lock().map_err(|_| self.poisoned())?);
        if !pending.launches.is_empty() {
            pending.params.resize(pending.params.len().next_multiple_of(16), 0);
            self.queue.write_buffer(&self.uniforms, 0, &pending.params);
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                for (i, launch) in pending.launches.iter().enumerate() {
                    pass.set_pipeline(&launch.pipeline);
                    pass.set_bind_group(0, &launch.bind_group, &[(i * SLOT) as u32]);
                    pass.dispatch_workgroups(launch.grid.x, launch.grid.y, launch.grid.z);
                }
            }
            self.queue.submit([encoder.finish()]);
        }
        if let (Ok(mut freed), Ok(mut pipelines)) = (self.freed.lock(), self.pipelines.lock()) {
            pipelines.forget(&freed);
            freed.clear();
        }
        Ok(())
    }

    pub(crate) async fn read(&self, buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> Result<Vec<u32>> {
        self.flush()?;
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read back"),
            size: bytes.max(4),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, bytes);
        self.queue.submit([encoder.finish()]);
        let (send, receive) = futures_channel::oneshot::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |mapped| {
            // The receiver is gone only if the caller dropped the future, that is, cancelled.
            let _ = send.send(mapped);
        });
        self.wait()?;
        let mapped = receive.await.map_err(|_| self.failed("the read was dropped by the driver".into()))?;
        mapped.map_err(|e| self.failed(e.to_string()))?;
        self.check()?;
        let view = staging.get_mapped_range(..).map_err(|e| self.failed(e.to_string()))?;
        let mut words = vec![0u32; bytes as usize / 4];
        bytemuck::cast_slice_mut::<u32, u8>(&mut words).copy_from_slice(&view[..bytes as usize]);
        Ok(words)
    }

    /// Natively this waits for the GPU; in a browser it returns at once and the await of the mapping waits.
    fn wait(&self) -> Result<()> {
        match self.device.poll(PollType::wait_indefinitely()) {
            Ok(_) => Ok(()),
            Err(e) => Err(self.failed(e.to_string())),
        }
    }

    fn check(&self) -> Result<()> {
        let failure = self.failure.lock().ok().and_then(|f| f.clone());
        failure.map_or(Ok(()), |why| Err(self.failed(why)))
    }

    fn failed(&self, why: String) -> Error {
        let first = self.failure.lock().ok().and_then(|f| f.clone());
        Error::Failed { device: self.name.clone(), why: first.unwrap_or(why) }
    }

    fn poisoned(&self) -> Error {
        self.failed("an earlier panic left the queue in an unknown state".into())
    }
}
