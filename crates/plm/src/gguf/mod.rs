//! GGUF, the one-file model format: metadata, a table of tensors, then their raw blocks.
//!
//! Only the header is ever held. It is read through a window that starts small and grows until the
//! header fits, and tensors are read by range when somebody asks for them.

mod cursor;
mod metadata;
mod parse;
mod tensor;
mod value;

#[cfg(test)]
pub(crate) mod build;
#[cfg(test)]
mod hostile;

use std::collections::HashMap;

pub use metadata::Metadata;
pub use tensor::{GgmlType, TensorInfo};

use crate::error::{Error, Result};
use crate::source::ByteSource;
use cursor::Stop;
use parse::Header;

/// First window, in bytes: most headers of small models need a few times this, tests far less.
const FIRST_WINDOW: u64 = 1 << 20;

/// The largest header believed, in bytes. Vocabularies of 256 thousand tokens with all their merges
/// take about 20 MiB; a header beyond this is an attack or damage, and would be read into memory.
const MAX_HEADER: u64 = 64 << 20;

/// An opened GGUF file: its header in memory, its tensors one range read away.
#[derive(Debug)]
pub struct Gguf<S> {
    source: S,
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
    index: HashMap<String, usize>,
}

impl<S: ByteSource> Gguf<S> {
    /// Reads and checks the header of `source`. Every tensor is known to lie within the file after.
    ///
    /// # Errors
    /// [`Error::NotGguf`], [`Error::BigEndian`], [`Error::UnsupportedVersion`],
    /// [`Error::Truncated`] or [`Error::Corrupt`] for a file that is not a whole little-endian GGUF
    /// file of version 2 or 3; [`Error::NoMemory`]; those of [`ByteSource::read`].
    pub async fn open(source: S) -> Result<Self> {
        let len = source.len();
        let mut window = Vec::new();
        let mut want = FIRST_WINDOW.min(len);
        let Header { metadata, tensors, index } = loop {
            grow(&source, &mut window, want).await?;
            match parse::header(source.name(), &window, len) {
                Ok(header) => break header,
                Err(Stop::Bad(error)) => return Err(error),
                Err(Stop::Short(need)) if need > MAX_HEADER => {
                    return Err(Error::Corrupt {
                        name: source.name().to_owned(),
                        what: "the header".to_owned(),
                        offset: 0,
                        why: format!("is larger than {MAX_HEADER} bytes"),
                    });
                }
                Err(Stop::Short(need)) => want = need.max(want * 2).min(len).min(MAX_HEADER),
            }
        };
        Ok(Self { source, metadata, tensors, index })
    }

    /// What messages call the file.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// Where the bytes come from.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// The key-value pairs of the header.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Every tensor, in file order.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// Whether the file has a tensor called `name`.
    pub fn has_tensor(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    /// Where and what the tensor `name` is, without reading it.
    ///
    /// # Errors
    /// [`Error::MissingTensor`].
    pub fn tensor(&self, name: &str) -> Result<&TensorInfo> {
        self.index
            .get(name)
            .map(|&at| &self.tensors[at])
            .ok_or_else(|| Error::MissingTensor { name: self.name().to_owned(), tensor: name.to_owned() })
    }

    /// The raw blocks of the whole tensor, `info.bytes` of them.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::UnknownQuantisation`], [`Error::NoMemory`]; those of
    /// [`ByteSource::read`].
    pub async fn read_tensor(&self, name: &str) -> Result<(TensorInfo, Vec<u8>)> {
        let info = self.tensor(name)?.clone();
        let bytes = self.read_tensor_rows(name, 0, info.rows()).await?;
        Ok((info, bytes))
    }

    /// The raw blocks of `count` rows from row `first` on: how a vocabulary shard is read.
    /// Rows are whole numbers of blocks, `info.row_bytes()` each.
    ///
    /// # Errors
    /// Those of [`Gguf::read_tensor`], and [`Error::RowsOutOfRange`].
    pub async fn read_tensor_rows(&self, name: &str, first: u64, count: u64) -> Result<Vec<u8>> {
        let info = self.tensor(name)?;
        if !info.kind.is_supported() {
            return Err(Error::UnknownQuantisation {
                name: self.name().to_owned(),
                tensor: name.to_owned(),
                kind: info.kind.to_string(),
                supported: GgmlType::supported_names(),
            });
        }
        if first.checked_add(count).is_none_or(|end| end > info.rows()) {
            return Err(Error::RowsOutOfRange {
                name: self.name().to_owned(),
                tensor: name.to_owned(),
                first,
                count,
                have: info.rows(),
            });
        }
        // Neither product can overflow: rows x row_bytes was checked to lie within the file.
        let mut bytes = zeros(self.name(), name, count * info.row_bytes())?;
        self.source.read(info.offset + first * info.row_bytes(), &mut bytes).await?;
        Ok(bytes)
    }
}

/// Extends `window` to the first `want` bytes of `source`, reading only the new ones.
async fn grow<S: ByteSource>(source: &S, window: &mut Vec<u8>, want: u64) -> Result<()> {
    let from = window.len();
    let mut more = zeros(source.name(), "the header", want - from as u64)?;
    source.read(from as u64, &mut more).await?;
    window.append(&mut more);
    Ok(())
}

/// A zeroed buffer, or an error where `vec!` would end the process.
fn zeros(name: &str, what: &str, bytes: u64) -> Result<Vec<u8>> {
    let mut buffer = Vec::new();
    let len = usize::try_from(bytes).unwrap_or(usize::MAX);
    buffer.try_reserve_exact(len).map_err(|_| Error::NoMemory {
        name: name.to_owned(),
        what: what.to_owned(),
        bytes,
    })?;
    buffer.resize(len, 0);
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::build::Builder;
    use super::*;
    use crate::source::{MemorySource, now};

    fn open(bytes: Vec<u8>) -> Result<Gguf<MemorySource>> {
        now(Gguf::open(MemorySource::new("test.gguf", bytes)))
    }

    #[test]
    fn reads_what_was_written() {
        let raw: Vec<u8> = (0..2 * 3 * 34).map(|i| i as u8).collect();
        let file = Builder::new()
            .str("general.architecture", "llama")
            .tensor("a", &[2], 0, &[0, 0, 128, 63, 0, 0, 0, 64])
            .tensor("w", &[64, 3], 8, &raw)
            .finish();
        let gguf = open(file).unwrap();
        assert_eq!(gguf.metadata().str("general.architecture").unwrap(), "llama");
        let (info, bytes) = now(gguf.read_tensor("w")).unwrap();
        assert_eq!((info.cols(), info.rows(), info.row_bytes(), info.bytes), (64, 3, 68, 204));
        assert_eq!((info.kind, bytes), (GgmlType::Q8_0, raw.clone()));
        let rows = now(gguf.read_tensor_rows("w", 1, 2)).unwrap();
        assert_eq!(rows, raw[68..]);
        assert!(now(gguf.read_tensor_rows("w", 3, 0)).unwrap().is_empty());
        for (first, count) in [(2, 2), (u64::MAX, 2), (4, 0)] {
            let err = now(gguf.read_tensor_rows("w", first, count)).unwrap_err();
            assert!(matches!(err, Error::RowsOutOfRange { have: 3, .. }), "{err}");
        }
        assert!(matches!(gguf.tensor("b"), Err(Error::MissingTensor { .. })));
        assert!(gguf.has_tensor("a") && !gguf.has_tensor("b"));
    }

    #[test]
    fn an_unknown_block_format_fails_only_when_read() {
        let file = Builder::new()
            .tensor("known", &[1], 0, &[0; 4])
            .tensor("k", &[256], 12, &[0; 144])
            .tensor("new", &[7], 999, &[0; 7])
            .finish();
        let gguf = open(file).unwrap();
        now(gguf.read_tensor("known")).unwrap();
        for (name, kind) in [("k", "Q4_K"), ("new", "type 999")] {
            let err = now(gguf.read_tensor(name)).unwrap_err().to_string();
            assert!(err.contains(name) && err.contains(kind) && err.contains("Q4_0, Q4_1"), "{err}");
        }
    }

    #[test]
    fn a_header_larger_than_the_first_window_is_read_whole() {
        let tokens: Vec<String> = (0..200_000).map(|i| format!("token {i}")).collect();
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let file = Builder::new().strings("t", &tokens).u32("after", 7).tensor("w", &[1], 0, &[1, 2, 3, 4]).finish();
        assert!(file.len() as u64 > 3 * FIRST_WINDOW);
        let gguf = open(file).unwrap();
        assert_eq!(gguf.metadata().strings("t").unwrap(), tokens);
        assert_eq!(gguf.metadata().u32("after").unwrap(), 7);
        assert_eq!(now(gguf.read_tensor("w")).unwrap().1, [1, 2, 3, 4]);
    }
}
