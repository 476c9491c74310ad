//! Byte ranges from wherever a model lies.
//!
//! A model is larger than a browser tab's memory, so nothing here ever holds a whole one: readers
//! ask for ranges. There is one async colour; the native sources are simply ready at once.

use std::future::Future;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Something that can be read in ranges: a file, memory, a network address, browser storage.
pub trait ByteSource {
    /// What error messages call it: a path or an address.
    fn name(&self) -> &str;

    /// Size in bytes, fixed for the life of the source.
    fn len(&self) -> u64;

    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    /// [`Error::Truncated`] when the range goes past the end, [`Error::Io`] when the bytes do not
    /// come. `buf` is then unspecified.
    fn read(&self, offset: u64, buf: &mut [u8]) -> impl Future<Output = Result<()>>;
}

/// A source the caller keeps, for reading the same bytes twice (a hash, then the model).
impl<S: ByteSource> ByteSource for &S {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn len(&self) -> u64 {
        (**self).len()
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        (**self).read(offset, buf).await
    }
}

/// Bytes that are in memory already: tests, and small files dropped on the page.
#[derive(Debug, Clone)]
pub struct MemorySource {
    name: String,
    bytes: Vec<u8>,
}

impl MemorySource {
    /// Wraps `bytes`; `name` is what messages call them.
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes }
    }
}

impl ByteSource for MemorySource {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self, offset, buf.len())?;
        // The range was checked, so the cast and the slice cannot fail.
        let from = offset as usize;
        buf.copy_from_slice(&self.bytes[from..from + buf.len()]);
        Ok(())
    }
}

#[cfg(not(target_family = "wasm"))]
pub use file::FileSource;

#[cfg(not(target_family = "wasm"))]
mod file {
    use std::fs::File;
    use std::path::Path;

    use super::{ByteSource, check_range};
    use crate::error::{Error, Result};

    /// A file on disk. Reads do not move a shared position, so one source may serve many readers.
    #[derive(Debug)]
    pub struct FileSource {
        name: String,
        len: u64,
        #[cfg(unix)]
        file: File,
        #[cfg(not(unix))]
        file: std::sync::Mutex<File>,
    }

    impl FileSource {
        /// Opens `path` for reading.
        ///
        /// # Errors
        /// [`Error::Io`] when the file is absent, unreadable or a folder.
        pub fn open(path: impl AsRef<Path>) -> Result<Self> {
            let name = path.as_ref().display().to_string();
            let open = || {
                let file = File::open(path.as_ref())?;
                let meta = file.metadata()?;
                // Opening a folder succeeds on some systems and then fails at the first read with
                // words that do not help.
                if meta.is_dir() {
                    return Err(std::io::Error::other("it is a folder, not a file"));
                }
                Ok((file, meta.len()))
            };
            match open() {
                #[cfg(unix)]
                Ok((file, len)) => Ok(Self { name, len, file }),
                #[cfg(not(unix))]
                Ok((file, len)) => Ok(Self { name, len, file: std::sync::Mutex::new(file) }),
                Err(cause) => Err(Error::Io { name, cause }),
            }
        }

        #[cfg(unix)]
        fn fill(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
            std::os::unix::fs::FileExt::read_exact_at(&self.file, buf, offset)
        }

        #[cfg(not(unix))]
        fn fill(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
            use std::io::{Read, Seek, SeekFrom};
            // A poisoned lock guards only a position, and that is set on the next line.
            let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(buf)
        }
    }

    impl ByteSource for FileSource {
        fn name(&self) -> &str {
            &self.name
        }

        fn len(&self) -> u64 {
            self.len
        }

        async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
            check_range(self, offset, buf.len())?;
            self.fill(offset, buf).map_err(|cause| Error::Io { name: self.name.clone(), cause })
        }
    }
}

/// SHA-256 of the whole source in lower-case hexadecimal, read in pieces of 1 MiB.
///
/// # Errors
/// Those of [`ByteSource::read`].
pub async fn sha256_hex<S: ByteSource>(source: &S) -> Result<String> {
    const PIECE: u64 = 1 << 20;
    let mut buf = vec![0; PIECE.min(source.len()) as usize];
    let mut hash = Sha256::new();
    let mut at = 0;
    while at < source.len() {
        let piece = &mut buf[..PIECE.min(source.len() - at) as usize];
        source.read(at, piece).await?;
        hash.update(&*piece);
        at += piece.len() as u64;
    }
    Ok(hex(&hash.finalize()))
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The check every source makes before it touches its bytes.
///
/// # Errors
/// [`Error::Truncated`] when the range goes past the end.
pub fn check_range<S: ByteSource>(source: &S, offset: u64, len: usize) -> Result<()> {
    let have = source.len().saturating_sub(offset);
    if len as u64 <= have {
        return Ok(());
    }
    Err(Error::Truncated { name: source.name().to_owned(), what: "a range".to_owned(), offset, need: len as u64, have })
}

/// Runs a future that never waits, which is all of them when the source is memory.
#[cfg(test)]
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("a memory source waited"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than one piece, so that the loop over pieces is walked.
    fn long() -> MemorySource {
        MemorySource::new("long", (0..(1 << 20) + 77).map(|i| (i * 7 % 251) as u8).collect())
    }

    #[test]
    fn hashes_like_everyone_else() {
        let abc = MemorySource::new("abc", b"abc".to_vec());
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(now(sha256_hex(&abc)).unwrap(), known);
        let empty = MemorySource::new("empty", Vec::new());
        assert!(now(sha256_hex(&empty)).unwrap().starts_with("e3b0c44298fc1c14"));
        assert_eq!(now(sha256_hex(&long())).unwrap(), hex(&Sha256::digest(&long().bytes)));
    }

    #[test]
    fn a_range_past_the_end_is_refused_with_numbers() {
        let mut buf = [0; 4];
        for offset in [u64::MAX, (1 << 20) + 74] {
            let err = now(long().read(offset, &mut buf)).unwrap_err().to_string();
            assert!(err.contains("long") && err.contains("needs 4 bytes"), "{err}");
        }
        now(long().read((1 << 20) + 73, &mut buf)).unwrap();
        now(long().read((1 << 20) + 77, &mut [])).unwrap();
    }

    #[cfg(not(target_family = "wasm"))]
    #[test]
    fn a_file_reads_like_memory() {
        let path = std::env::temp_dir().join(format!("pema-source-{}", std::process::id()));
        std::fs::write(&path, &long().bytes).unwrap();
        let file = FileSource::open(&path).unwrap();
        let mut buf = [0; 5];
        now(file.read(1 << 20, &mut buf)).unwrap();
        assert_eq!(buf, long().bytes[1 << 20..][..5]);
        assert_eq!(now(sha256_hex(&file)).unwrap(), now(sha256_hex(&long())).unwrap());
        assert!(matches!(now(file.read(file.len(), &mut buf)), Err(Error::Truncated { .. })));
        std::fs::remove_file(&path).unwrap();
        let err = FileSource::open(&path).unwrap_err().to_string();
        assert!(err.contains("pema-source-"), "{err}");
        let err = FileSource::open(std::env::temp_dir()).unwrap_err().to_string();
        assert!(err.contains("folder"), "{err}");
    }
}
