//! Where a memory lives while it is worked with. One trait, so that folders, browsers and tests can
//! each keep it their own way.

use std::path::{Path, PathBuf};

use crate::memory::Memory;
use crate::{Result, files, format};

/// Keeps one memory.
pub trait MemoryStore {
    /// Replaces what is kept, wholly or not at all.
    fn save(&mut self, memory: &Memory) -> Result<()>;
    /// What is kept.
    fn load(&self) -> Result<Memory>;
    /// Name for messages.
    fn name(&self) -> String;
}

/// A folder that holds the memory in its exchange format.
#[derive(Debug)]
pub struct FolderStore {
    folder: PathBuf,
}

impl FolderStore {
    /// The store in `folder`, which need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> FolderStore {
        FolderStore { folder: folder.into() }
    }

    /// The file inside the folder.
    pub fn file(&self) -> PathBuf {
        self.folder.join("memory.safetensors")
    }
}

impl MemoryStore for FolderStore {
    fn save(&mut self, memory: &Memory) -> Result<()> {
        files::write(&self.file(), &format::memory_to_bytes(memory)?)
    }

    fn load(&self) -> Result<Memory> {
        load_memory(&self.file())
    }

    fn name(&self) -> String {
        self.folder.display().to_string()
    }
}

/// Reads a memory from its exchange format.
pub fn load_memory(path: &Path) -> Result<Memory> {
    format::memory_from_bytes(&path.display().to_string(), &files::read(path)?)
}
