//! An append-only log that survives being cut off at any byte.
//!
//! A record is `[payload bytes u32][CRC-32 u32][kind u8][payload]`, little-endian; the sum covers kind
//! and payload. What follows the last whole record is what a crash left, and is cut away on opening.
//! The same bytes on a disk and in a browser's private file system.

use crate::{Error, Result};

/// A file that can be written in place: one on disk, or one in a browser's private file system.
pub trait Storage {
    /// What messages call it.
    fn name(&self) -> &str;
    /// Size in bytes.
    fn len(&self) -> Result<u64>;
    /// Whether nothing is in it.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Fills `buf` from `offset` on; the range lies within the file.
    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<()>;
    /// Writes all of `bytes` at `offset`.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<()>;
    /// Cuts the file.
    fn truncate(&mut self, len: u64) -> Result<()>;
    /// Returns when what was written would survive a power cut.
    fn flush(&mut self) -> Result<()>;
}

/// First bytes of every log.
const MAGIC: &[u8; 8] = b"PEMALOG1";
/// Bytes in front of a payload.
const HEAD: usize = 9;

/// A log that is open for appending.
#[derive(Debug)]
pub struct Log<T> {
    storage: T,
    end: u64,
}

impl<T: Storage> Log<T> {
    /// Opens or begins a log and hands every whole record to `on_record(kind, payload)`. What a crash
    /// left behind them is cut away.
    ///
    /// # Errors
    /// [`Error::NotALog`] when the file holds something else, which is then left alone; whatever
    /// `on_record` returns.
    pub fn open(mut storage: T, mut on_record: impl FnMut(u8, &[u8]) -> Result<()>) -> Result<Log<T>> {
        let len = storage.len()?;
        let mut magic = [0u8; MAGIC.len()];
        let have = len.min(MAGIC.len() as u64) as usize;
        storage.read(0, &mut magic[..have])?;
        if magic[..have] != MAGIC[..have] {
            return Err(Error::NotALog { file: storage.name().to_owned() });
        }
        if have < MAGIC.len() {
            storage.truncate(0)?;
            storage.write(0, MAGIC)?;
            storage.flush()?;
            return Ok(Log { storage, end: MAGIC.len() as u64 });
        }
        let mut end = MAGIC.len() as u64;
        let mut payload = Vec::new();
        while let Some(kind) = read_record(&storage, end, len, &mut payload)? {
            on_record(kind, &payload)?;
            end += (HEAD + payload.len()) as u64;
        }
        if end < len {
            storage.truncate(end)?;
            storage.flush()?;
        }
        Ok(Log { storage, end })
    }

    /// Adds a record; it is durable when this returns. A record that could not be written whole is cut
    /// away, and the ones before it stay.
    pub fn append(&mut self, kind: u8, payload: &[u8]) -> Result<()> {
        let Ok(bytes) = u32::try_from(payload.len()) else {
            let cause = std::io::Error::other("a record of more than 4 GiB");
            let advice = "work with fewer examples";
            return Err(Error::File { path: self.storage.name().to_owned(), action: "write", cause, advice });
        };
        let mut record = Vec::with_capacity(HEAD + payload.len());
        record.extend(bytes.to_le_bytes());
        record.extend(sum(kind, payload).to_le_bytes());
        record.push(kind);
        record.extend(payload);
        let written = self.storage.write(self.end, &record).and_then(|()| self.storage.flush());
        if let Err(error) = written {
            // Best effort: opening cuts it away as well.
            self.storage.truncate(self.end).ok();
            return Err(error);
        }
        self.end += record.len() as u64;
        Ok(())
    }

    /// Throws all records away.
    pub fn clear(&mut self) -> Result<()> {
        self.end = MAGIC.len() as u64;
        self.storage.truncate(self.end)?;
        self.storage.flush()
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.end
    }

    /// The file.
    pub fn into_storage(self) -> T {
        self.storage
    }
}

/// The record at `at`; `None` when there is no whole one.
fn read_record<T: Storage>(storage: &T, at: u64, len: u64, payload: &mut Vec<u8>) -> Result<Option<u8>> {
    if len - at < HEAD as u64 {
        return Ok(None);
    }
    let mut head = [0u8; HEAD];
    storage.read(at, &mut head)?;
    let word = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
    let bytes = u64::from(word(0));
    // Checked against the file before anything is allocated.
    if bytes > len - at - HEAD as u64 {
        return Ok(None);
    }
    payload.clear();
    payload.resize(bytes as usize, 0);
    storage.read(at + HEAD as u64, payload)?;
    Ok((sum(head[8], payload) == word(4)).then_some(head[8]))
}

fn sum(kind: u8, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(payload);
    hasher.finalize()
}

/// A file in memory, for tests and for browsers without a private file system.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Storage for MemoryStorage {
    fn name(&self) -> &str {
        "memory"
    }

    fn len(&self) -> Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let from = offset as usize;
        buf.copy_from_slice(&self.bytes[from..from + buf.len()]);
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let from = offset as usize;
        self.bytes.resize(self.bytes.len().max(from + bytes.len()), 0);
        self.bytes[from..from + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> Result<()> {
        self.bytes.truncate(len as usize);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(bytes: &[u8]) -> (Vec<(u8, Vec<u8>)>, Log<MemoryStorage>) {
        let mut found = Vec::new();
        let storage = MemoryStorage { bytes: bytes.to_vec() };
        let log = Log::open(storage, |kind, payload| {
            found.push((kind, payload.to_vec()));
            Ok(())
        });
        (found, log.unwrap())
    }

    #[test]
    fn cut_at_any_byte_it_keeps_every_whole_record_and_goes_on() {
        let mut log = Log::open(MemoryStorage::default(), |_, _| Ok(())).unwrap();
        let payloads: [&[u8]; 4] = [b"first", b"", b"a longer third record", b"4"];
        let mut ends = vec![log.bytes() as usize];
        for (kind, payload) in payloads.iter().enumerate() {
            log.append(kind as u8, payload).unwrap();
            ends.push(log.bytes() as usize);
        }
        let bytes = log.into_storage().bytes;
        for cut in 0..=bytes.len() {
            let (found, mut log) = records(&bytes[..cut]);
            let whole = ends.iter().filter(|e| **e <= cut).count().saturating_sub(1);
            assert_eq!(found.len(), whole, "cut at {cut}");
            assert!(found.iter().zip(payloads).enumerate().all(|(i, (f, p))| *f == (i as u8, p.to_vec())));
            log.append(9, b"after").unwrap();
            let (found, _) = records(&log.into_storage().bytes);
            assert_eq!(found.last().unwrap(), &(9, b"after".to_vec()), "cut at {cut}");
            assert_eq!(found.len(), whole + 1);
        }
    }

    #[test]
    fn a_flipped_bit_ends_the_log_before_its_record() {
        let mut log = Log::open(MemoryStorage::default(), |_, _| Ok(())).unwrap();
        log.append(1, b"good").unwrap();
        let good = log.bytes() as usize;
        log.append(2, b"bad").unwrap();
        let bytes = log.into_storage().bytes;
        for at in good..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert_eq!(records(&damaged).0, [(1, b"good".to_vec())], "byte {at}");
        }
    }

    #[test]
    fn another_file_is_refused() {
        let error = Log::open(MemoryStorage { bytes: b"GGUFxxxxxxx".to_vec() }, |_, _| Ok(())).unwrap_err();
        assert!(error.to_string().contains("memory"), "{error}");
    }

    /// Room for so many bytes.
    struct Full(MemoryStorage, usize);

    impl Storage for Full {
        fn name(&self) -> &str {
            "full"
        }
        fn len(&self) -> Result<u64> {
            self.0.len()
        }
        fn read(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
            self.0.read(offset, buf)
        }
        fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
            let room = self.1.saturating_sub(offset as usize).min(bytes.len());
            self.0.write(offset, &bytes[..room])?;
            if room == bytes.len() {
                return Ok(());
            }
            let cause = std::io::Error::other("no room");
            Err(Error::File { path: "full".into(), action: "write", cause, advice: "free some space" })
        }
        fn truncate(&mut self, len: u64) -> Result<()> {
            self.0.truncate(len)
        }
        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn without_room_what_was_written_stays_and_the_log_goes_on_when_there_is_room() {
        let mut log = Log::open(Full(MemoryStorage::default(), 40), |_, _| Ok(())).unwrap();
        log.append(1, b"kept").unwrap();
        assert!(log.append(2, &[7; 64]).is_err());
        let mut storage = log.into_storage();
        storage.1 = 1000;
        let mut found = Vec::new();
        let mut log = Log::open(storage, |kind, _| {
            found.push(kind);
            Ok(())
        })
        .unwrap();
        log.append(3, b"more").unwrap();
        assert_eq!(found, [1]);
        assert_eq!(records(&log.into_storage().0.bytes).0.len(), 2);
    }
}
