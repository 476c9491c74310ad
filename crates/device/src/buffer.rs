//! A piece of device memory, in words of 32 bits.

use std::sync::{Arc, Mutex, RwLock};

use crate::Memory;

/// Memory of one device. Cloning shares it; it is freed with the last clone.
#[derive(Debug, Clone)]
pub struct Buffer {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) words: usize,
    /// Unique within the process; names the buffer in the bind group cache.
    pub(crate) id: u64,
    memory: Arc<Memory>,
    /// Where the GPU wants to hear of freed buffers, so that cached bind groups let go of them.
    freed: Option<Arc<Mutex<Vec<u64>>>>,
}

#[derive(Debug)]
pub(crate) enum Store {
    Gpu(wgpu::Buffer),
    Cpu(RwLock<Vec<u32>>),
}

impl Buffer {
    pub(crate) fn new(store: Store, words: usize, memory: &Arc<Memory>, freed: Option<Arc<Mutex<Vec<u64>>>>) -> Buffer {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let id = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        memory.add(words as u64 * 4);
        Buffer { inner: Arc::new(Inner { store, words, id, memory: memory.clone(), freed }) }
    }

    /// Length in words of 4 bytes.
    pub fn words(&self) -> usize {
        self.inner.words
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.memory.sub(self.words as u64 * 4);
        if let Some(freed) = &self.freed
            && let Ok(mut freed) = freed.lock()
        {
            freed.push(self.id);
        }
    }
}
