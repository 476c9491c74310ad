//! The one door: allocate, write, run a kernel, read back.

use std::sync::{Arc, RwLock};

use bytemuck::Pod;
use pema_kernels::{Binding, Grid, Kernel, Params};

use crate::buffer::Store;
use crate::{Buffer, Choice, Error, Memory, Result, cpu, gpu::Gpu};

/// A device of either kind. The operations are those of `pema-kernels`; both kinds take the same calls.
#[derive(Debug)]
pub struct Device {
    pub(crate) backend: Backend,
    pub(crate) info: Info,
    memory: Arc<Memory>,
}

#[derive(Debug)]
pub(crate) enum Backend {
    Gpu(Box<Gpu>),
    Cpu,
}

/// The kind of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A graphics processor.
    Gpu,
    /// A GPU interface implemented on the processor (llvmpipe, SwiftShader): right but slow.
    SoftwareGpu,
    /// The processor itself.
    Cpu,
}

/// What a device is, for the user.
#[derive(Debug, Clone)]
pub struct Info {
    /// Kind of device.
    pub kind: Kind,
    /// Adapter or processor name.
    pub name: String,
    /// Interface and driver, or the number of threads.
    pub driver: String,
    /// Largest buffer that one kernel can see, in bytes.
    pub max_binding: u64,
    /// Other limits that kernels live by, named as in WebGPU; none on the processor.
    pub limits: Vec<(&'static str, u64)>,
    /// Why this device and not another, when that is worth saying.
    pub note: Option<String>,
}

impl Device {
    /// Opens the device that `choice` names. `Choice::Auto` takes a real GPU that passes a short
    /// self-test, else the processor; it never takes a software adapter.
    pub async fn open(choice: &Choice) -> Result<Device> {
        crate::choose::open(choice).await
    }

    /// The processor.
    pub fn cpu() -> Device {
        Device::new(Backend::Cpu, cpu::info())
    }

    pub(crate) fn new(backend: Backend, info: Info) -> Device {
        Device { backend, info, memory: Arc::default() }
    }

    /// What this device is.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Whether kernels run on a GPU interface, real or software.
    pub fn is_gpu(&self) -> bool {
        matches!(self.backend, Backend::Gpu(_))
    }

    /// Bytes held by buffers of this device.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Allocates `words` words. They hold zeros now, but callers must not rely on it: reused memory will not.
    pub fn alloc(&self, words: usize, label: &str) -> Result<Buffer> {
        let bytes = words as u64 * 4;
        if bytes > self.info.max_binding {
            let (label, device, limit) = (label.to_owned(), self.info.name.clone(), self.info.max_binding);
            return Err(Error::TooLarge { label, bytes, limit, device });
        }
        Ok(match &self.backend {
            Backend::Cpu => Buffer::new(Store::Cpu(RwLock::new(vec![0; words])), words, &self.memory, None),
            Backend::Gpu(gpu) => {
                Buffer::new(Store::Gpu(gpu.create_buffer(bytes, label)), words, &self.memory, Some(gpu.freed.clone()))
            }
        })
    }

    /// Allocates and fills.
    pub fn upload<T: Pod>(&self, values: &[T], label: &str) -> Result<Buffer> {
        let buffer = self.alloc(size_of_val(values) / 4, label)?;
        self.write(&buffer, 0, values)?;
        Ok(buffer)
    }

    /// Writes `values` at word `offset`. Kernels run before see the old contents, kernels run after the new.
    pub fn write<T: Pod>(&self, buffer: &Buffer, offset: usize, values: &[T]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        if !bytes.len().is_multiple_of(4) || offset + bytes.len() / 4 > buffer.words() {
            return Err(bad("write", format!("{} bytes at word {offset} of {} words", bytes.len(), buffer.words())));
        }
        match (&self.backend, &buffer.inner.store) {
            (Backend::Gpu(gpu), Store::Gpu(b)) => gpu.write(b, offset as u64 * 4, bytes),
            (Backend::Cpu, Store::Cpu(store)) => {
                let mut store = store.write().map_err(|_| bad("write", "a kernel panicked earlier".into()))?;
                bytemuck::cast_slice_mut::<u32, u8>(&mut store[offset..])[..bytes.len()].copy_from_slice(bytes);
                Ok(())
            }
            _ => Err(bad("write", "the buffer belongs to another device".into())),
        }
    }

    /// Runs a kernel on buffers given in binding order. On a GPU this only records; see [`Device::flush`].
    pub fn run<P: Params>(&self, kernel: &'static Kernel, params: &P, buffers: &[&Buffer]) -> Result<()> {
        self.run_raw(kernel, bytemuck::bytes_of(params), params.grid(), buffers)
    }

    pub(crate) fn run_raw(
        &self,
        kernel: &'static Kernel,
        params: &[u8],
        grid: Grid,
        buffers: &[&Buffer],
    ) -> Result<()> {
        if buffers.len() != kernel.bindings.len() || params.len() != kernel.params.size {
            return Err(bad(kernel.name, format!("{} buffers and {} bytes", buffers.len(), params.len())));
        }
        for (i, b) in buffers.iter().enumerate() {
            let written = kernel.bindings[i] == Binding::ReadWrite;
            let again = buffers.iter().enumerate().any(|(j, c)| {
                i != j && c.inner.id == b.inner.id && (written || kernel.bindings[j] == Binding::ReadWrite)
            });
            if again {
                return Err(bad(kernel.name, format!("binding {} is also bound elsewhere and written", i + 1)));
            }
        }
        if grid.is_empty() {
            return Ok(());
        }
        match &self.backend {
            Backend::Gpu(gpu) => gpu.run(kernel, params, grid, buffers),
            Backend::Cpu => cpu::run(kernel, params, buffers),
        }
    }

    /// Hands recorded work to the GPU without waiting; nothing on the processor.
    pub fn flush(&self) -> Result<()> {
        match &self.backend {
            Backend::Gpu(gpu) => gpu.flush(),
            Backend::Cpu => Ok(()),
        }
    }

    /// Waits for everything run so far and returns `len` elements from word `offset`. This is where
    /// device errors surface.
    pub async fn read<T: Pod>(&self, buffer: &Buffer, offset: usize, len: usize) -> Result<Vec<T>> {
        let words = len * size_of::<T>() / 4;
        if offset + words > buffer.words() {
            return Err(bad("read", format!("{words} words at {offset} of {}", buffer.words())));
        }
        match (&self.backend, &buffer.inner.store) {
            (Backend::Gpu(gpu), Store::Gpu(b)) => {
                let words = gpu.read(b, offset as u64 * 4, words as u64 * 4).await?;
                Ok(bytemuck::cast_slice(&words).to_vec())
            }
            (Backend::Cpu, Store::Cpu(store)) => {
                let store = store.read().map_err(|_| bad("read", "a kernel panicked earlier".into()))?;
                Ok(bytemuck::cast_slice(&store[offset..offset + words]).to_vec())
            }
            _ => Err(bad("read", "the buffer belongs to another device".into())),
        }
    }
}

pub(crate) fn bad(kernel: &'static str, why: String) -> Error {
    Error::BadCall { kernel, why }
}
