//! Counts device memory, so that the program can say what it uses instead of guessing.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes held in buffers of one device, now and at most.
#[derive(Debug, Default)]
pub struct Memory {
    current: AtomicU64,
    peak: AtomicU64,
}

impl Memory {
    /// Bytes held now.
    pub fn current(&self) -> u64 {
        self.current.load(Relaxed)
    }

    /// Most bytes held at once since the last [`Memory::reset_peak`].
    pub fn peak(&self) -> u64 {
        self.peak.load(Relaxed)
    }

    /// Starts a new measurement of the peak.
    pub fn reset_peak(&self) {
        self.peak.store(self.current(), Relaxed);
    }

    pub(crate) fn add(&self, bytes: u64) {
        let now = self.current.fetch_add(bytes, Relaxed) + bytes;
        self.peak.fetch_max(now, Relaxed);
    }

    pub(crate) fn sub(&self, bytes: u64) {
        self.current.fetch_sub(bytes, Relaxed);
    }
}
