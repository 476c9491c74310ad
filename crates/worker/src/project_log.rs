//! A log of small things in which the last record of a kind counts, in two files of which one is live. When
//! most of it is outdated, what counts is written to the other file, whose last record then says that it is
//! the live one: cut off anywhere before that, the file before stays live.

use pema::Result;
use pema::log::{Log, Storage};

/// Kinds a caller may use: 1 up to this one, which is not his.
pub(crate) const KINDS: usize = 8;
/// Record: which writing of the project this file is; the whole file counts only with it.
const WRITING: u8 = KINDS as u8;
/// Record: several of these in one, so that they count together: `[kind u8][bytes u32][payload]` each.
const GROUP: u8 = KINDS as u8 + 1;
/// Bytes that are never worth tidying.
const SMALL: u64 = 1 << 20;
/// Bytes of a record beside its payload, and of an empty log.
const AROUND: u64 = 9;
const EMPTY: u64 = 8;

/// The last record of every kind; none where there was none or an empty one.
pub(crate) type Records = [Option<Vec<u8>>; KINDS];

/// Both files, open.
#[derive(Debug)]
pub(crate) struct ProjectLog<T> {
    live: Log<T>,
    spare: Log<T>,
    writing: u64,
    /// Bytes of the records that count.
    counts: [u64; KINDS],
}

/// A file as it was found.
struct Found<T> {
    log: Log<T>,
    records: Records,
    writing: u64,
}

impl<T: Storage> ProjectLog<T> {
    /// Opens both files and reads the live one; it is tidied first when most of it is outdated.
    pub(crate) fn open([first, second]: [T; 2]) -> Result<(ProjectLog<T>, Records)> {
        let (first, second) = (read(first)?, read(second)?);
        // A file that never was tidied is writing 0, and so is one that was not finished.
        let (live, spare) = if second.writing > first.writing { (second, first) } else { (first, second) };
        let counts = [0; KINDS];
        let mut log = ProjectLog { live: live.log, spare: spare.log, writing: live.writing, counts };
        for (kind, record) in live.records.iter().enumerate() {
            log.counts[kind] = record.as_ref().map_or(0, |r| size(r));
        }
        if log.untidy() {
            log.tidy(&live.records);
        }
        Ok((log, live.records))
    }

    /// Adds records, all of them or, where that is cut off, none; they are durable when this returns. An empty one takes
    /// the earlier ones of its kind back.
    pub(crate) fn append(&mut self, records: &[(u8, Vec<u8>)]) -> Result<()> {
        let counts = |(kind, payload): &&(u8, Vec<u8>)| !payload.is_empty() || self.counts[usize::from(*kind)] > 0;
        let new: Vec<&(u8, Vec<u8>)> = records.iter().filter(counts).collect();
        match new.as_slice() {
            [] => return Ok(()),
            [(kind, payload)] => self.live.append(*kind, payload)?,
            several => self.live.append(GROUP, &grouped(several))?,
        }
        for (kind, payload) in new {
            self.counts[usize::from(*kind)] = if payload.is_empty() { 0 } else { size(payload) };
        }
        Ok(())
    }

    /// Whether most of it is outdated and it is large enough for that to matter.
    pub(crate) fn untidy(&self) -> bool {
        self.live.bytes() > SMALL && self.live.bytes() > 2 * (EMPTY + self.counts.iter().sum::<u64>())
    }

    /// The files, to be opened again.
    pub(crate) fn into_storages(self) -> [T; 2] {
        [self.live.into_storage(), self.spare.into_storage()]
    }

    /// Writes what counts to the spare file and makes it the live one. Where that fails, for want of room
    /// above all, everything stays as it was: an untidy project is no reason to stop.
    fn tidy(&mut self, records: &Records) {
        if rewrite(&mut self.spare, records, self.writing + 1).is_err() {
            self.spare.clear().ok();
            return;
        }
        std::mem::swap(&mut self.live, &mut self.spare);
        self.writing += 1;
        // What stays behind has a lower number.
        self.spare.clear().ok();
    }
}

fn rewrite<T: Storage>(file: &mut Log<T>, records: &Records, writing: u64) -> Result<()> {
    file.clear()?;
    for (kind, record) in records.iter().enumerate() {
        if let Some(payload) = record {
            file.append(kind as u8, payload)?;
        }
    }
    file.append(WRITING, &writing.to_le_bytes())
}

fn read<T: Storage>(storage: T) -> Result<Found<T>> {
    let (mut records, mut writing) = (Records::default(), 0);
    let log = Log::open(storage, |kind, payload| {
        let mut take = |kind: u8, payload: &[u8]| {
            if let Some(slot) = records.get_mut(usize::from(kind)) {
                *slot = (!payload.is_empty()).then(|| payload.to_vec());
            }
        };
        match kind {
            WRITING => writing = payload.try_into().map_or(0, u64::from_le_bytes),
            GROUP => parts(payload).into_iter().for_each(|(kind, payload)| take(kind, payload)),
            kind => take(kind, payload),
        }
        Ok(())
    })?;
    Ok(Found { log, records, writing })
}

fn grouped(records: &[&(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, payload) in records {
        bytes.push(*kind);
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(payload);
    }
    bytes
}

/// The records of a group. The log has checked its bytes, so it ends where the last of them does.
fn parts(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut parts = Vec::new();
    while let Some(([kind, a, b, c, d], rest)) = bytes.split_first_chunk() {
        let Some((payload, rest)) = rest.split_at_checked(u32::from_le_bytes([*a, *b, *c, *d]) as usize) else { break };
        parts.push((*kind, payload));
        bytes = rest;
    }
    parts
}

fn size(payload: &[u8]) -> u64 {
    AROUND + payload.len() as u64
}

#[cfg(test)]
mod tests;
