//! The browser's private file system (WHATWG File System, OPFS) through synchronous access handles,
//! which exist in dedicated workers only. A handle locks its file against other tabs.

use std::io;

use js_sys::Promise;
use pema::log::Storage;
use pema_plm::source::ByteSource;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DedicatedWorkerGlobalScope, File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemReadWriteOptions, FileSystemRemoveOptions, FileSystemSyncAccessHandle,
    StorageEstimate, StorageManager,
};

use crate::fault::{Fault, Result, described};

/// Everything this program stores lies in one folder of this name.
const FOLDER: &str = "pema";

/// The program's folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder(FileSystemDirectoryHandle);

fn storage() -> StorageManager {
    js_sys::global().unchecked_into::<DedicatedWorkerGlobalScope>().navigator().storage()
}

/// Bytes used and bytes the browser gives in all, when it says.
pub(crate) async fn used_of() -> Option<[u64; 2]> {
    let estimate: StorageEstimate = JsFuture::from(storage().estimate().ok()?).await.ok()?.into();
    estimate.get_usage().zip(estimate.get_quota()).map(|(used, of)| [used as u64, of as u64])
}

/// Whether the browser promised not to clear what is stored, when it says.
pub(crate) async fn persisted() -> Option<bool> {
    JsFuture::from(storage().persisted().ok()?).await.ok()?.as_bool()
}

async fn wait<T: JsCast>(what: &str, promise: Promise) -> Result<T> {
    Ok(JsFuture::from(promise).await.map_err(|e| Fault::browser(what, &e))?.unchecked_into())
}

impl Folder {
    /// Opens the folder, making it if need be.
    pub(crate) async fn open() -> Result<Folder> {
        let root: FileSystemDirectoryHandle = wait("open its private storage", storage().get_directory()).await?;
        let options = FileSystemGetDirectoryOptions::new();
        options.set_create(true);
        wait("open its private storage", root.get_directory_handle_with_options(FOLDER, &options)).await.map(Folder)
    }

    /// Opens a file for reading and writing, making it if need be; no other tab can then open it.
    pub(crate) async fn file(&self, name: &str) -> Result<OpfsFile> {
        let what = format!("open the stored file {name}");
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let file: FileSystemFileHandle = wait(&what, self.0.get_file_handle_with_options(name, &options)).await?;
        let handle: FileSystemSyncAccessHandle = wait(&what, file.create_sync_access_handle()).await?;
        Ok(OpfsFile { name: name.to_owned(), handle })
    }

    /// Size of a file; `None` when there is none.
    pub(crate) async fn size(&self, name: &str) -> Option<u64> {
        let file: FileSystemFileHandle = wait("look", self.0.get_file_handle(name)).await.ok()?;
        let file: File = wait("look", file.get_file()).await.ok()?;
        Some(file.size() as u64)
    }

    /// Deletes everything.
    pub(crate) async fn delete_all() -> Result<()> {
        let root: FileSystemDirectoryHandle = wait("open its private storage", storage().get_directory()).await?;
        let options = FileSystemRemoveOptions::new();
        options.set_recursive(true);
        wait::<JsValue>("delete the stored files", root.remove_entry_with_options(FOLDER, &options)).await?;
        Ok(())
    }
}

/// An open file.
#[derive(Debug)]
pub(crate) struct OpfsFile {
    name: String,
    handle: FileSystemSyncAccessHandle,
}

impl Drop for OpfsFile {
    fn drop(&mut self) {
        self.handle.close();
    }
}

fn at(offset: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(offset as f64);
    options
}

impl OpfsFile {
    fn failed(&self, action: &'static str, value: &JsValue) -> pema::Error {
        let (name, said) = described(value);
        let full = name == "QuotaExceededError";
        let kind = if full { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
        let advice = if full {
            "free some space on this device and try again; what was written before is kept"
        } else {
            "load the page again"
        };
        pema::Error::File { path: self.name.clone(), action, cause: io::Error::new(kind, said), advice }
    }

    fn fill(&self, offset: u64, buf: &mut [u8]) -> pema::Result<()> {
        let read = self.handle.read_with_u8_array_and_options(buf, &at(offset)).map_err(|e| self.failed("read", &e))?;
        if read as usize == buf.len() { Ok(()) } else { Err(self.failed("read", &"it is shorter than it was".into())) }
    }
}

impl Storage for OpfsFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> pema::Result<u64> {
        Ok(self.handle.get_size().map_err(|e| self.failed("read", &e))? as u64)
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> pema::Result<()> {
        self.fill(offset, buf)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> pema::Result<()> {
        let written = self.handle.write_with_u8_array_and_options(bytes, &at(offset));
        let written = written.map_err(|e| self.failed("write", &e))?;
        if written as usize == bytes.len() {
            return Ok(());
        }
        let cause = io::Error::new(io::ErrorKind::StorageFull, "only a part was written");
        let advice = "free some space on this device and try again; what was written before is kept";
        Err(pema::Error::File { path: self.name.clone(), action: "write", cause, advice })
    }

    fn truncate(&mut self, len: u64) -> pema::Result<()> {
        self.handle.truncate_with_f64(len as f64).map_err(|e| self.failed("write", &e))
    }

    fn flush(&mut self) -> pema::Result<()> {
        self.handle.flush().map_err(|e| self.failed("write", &e))
    }
}

/// The model's weights are read in ranges, straight from here to the device.
#[derive(Debug)]
pub(crate) struct OpfsModel {
    file: OpfsFile,
    shown: String,
    len: u64,
}

impl OpfsModel {
    /// `shown` is what messages call the model.
    pub(crate) fn new(file: OpfsFile, shown: String) -> Result<OpfsModel> {
        let len = file.len()?;
        Ok(OpfsModel { file, shown, len })
    }
}

impl ByteSource for OpfsModel {
    fn name(&self) -> &str {
        &self.shown
    }

    fn len(&self) -> u64 {
        self.len
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> pema_plm::Result<()> {
        pema_plm::source::check_range(self, offset, buf.len())?;
        self.file
            .fill(offset, buf)
            .map_err(|e| pema_plm::Error::Io { name: self.shown.clone(), cause: io::Error::other(e.to_string()) })
    }
}
