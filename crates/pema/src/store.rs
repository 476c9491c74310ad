//! A memory in a folder.

use std::path::{Path, PathBuf};

use crate::memory::Memory;
use crate::{Result, files, format};

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

    /// Replaces what is kept, wholly or not at all.
    pub fn save(&self, memory: &Memory) -> Result<()> {
        files::write(&self.file(), &format::memory_to_bytes(memory)?)
    }

    /// What is kept.
    pub fn load(&self) -> Result<Memory> {
        load_memory(&self.file())
    }
}

/// Reads a memory from its exchange format.
pub fn load_memory(path: &Path) -> Result<Memory> {
    format::memory_from_bytes(&path.display().to_string(), &files::read(path)?)
}
