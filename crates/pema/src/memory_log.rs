//! A memory while it is being built: every batch is durable before the next one begins, so that a build
//! that was cut off, by a closed tab or a crash, goes on where it stopped.

use bytemuck::{cast_slice, pod_read_unaligned};
use half::f16;

use crate::log::{Log, Storage};
use crate::memory::{Keys, Memory, MemoryMeta};
use crate::{Error, Result};

/// Record: what is being built, as text.
const HEADER: u8 = 1;
/// Record: rows of part 0; part p is this kind + p.
const ROWS: u8 = 16;

/// Rows that were kept of one part.
#[derive(Debug)]
pub struct KeptRows {
    /// The rows.
    pub memory: Memory,
    /// Examples that were read for them: where [`Builder::resume`](crate::Builder::resume) goes on.
    pub examples: usize,
}

/// The log of a build. A build has parts, such as training and held-out examples.
#[derive(Debug)]
pub struct MemoryLog<T> {
    log: Log<T>,
}

impl<T: Storage> MemoryLog<T> {
    /// Opens the log of the build that `header` describes: model, data, template, mode, whatever must
    /// be the same for rows to be of use. The log of another build is thrown away.
    pub fn open(storage: T, header: &str, parts: &[MemoryMeta]) -> Result<(MemoryLog<T>, Vec<KeptRows>)> {
        let (mut log, mut kept, same) = Self::read(storage, header, parts)?;
        if !same {
            kept = empty(parts);
            log.log.clear()?;
            log.log.append(HEADER, header.as_bytes())?;
        }
        Ok((log, kept))
    }

    /// The rows that were kept of the build that `header` describes; `None` when the log is of another
    /// one, which is left alone.
    pub fn open_existing(storage: T, header: &str, parts: &[MemoryMeta]) -> Result<Option<Vec<KeptRows>>> {
        let (_, kept, same) = Self::read(storage, header, parts)?;
        Ok(same.then_some(kept))
    }

    fn read(storage: T, header: &str, parts: &[MemoryMeta]) -> Result<(MemoryLog<T>, Vec<KeptRows>, bool)> {
        let name = storage.name().to_owned();
        let mut kept = empty(parts);
        let mut same = None;
        let log = Log::open(storage, |kind, payload| {
            match (kind, same) {
                (HEADER, _) => same = Some(payload == header.as_bytes()),
                (kind, Some(true)) => {
                    let part = kind.checked_sub(ROWS).and_then(|p| kept.get_mut(usize::from(p)));
                    part.and_then(|part| unpack(payload, part)).ok_or_else(|| Error::NotALog { file: name.clone() })?;
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok((MemoryLog { log }, kept, same == Some(true)))
    }

    /// Keeps the rows of `memory` from `first_row` on, for which `examples` examples were read so far.
    pub fn append(&mut self, part: usize, memory: &Memory, first_row: usize, examples: usize) -> Result<()> {
        self.log.append(ROWS + part as u8, &pack(memory, first_row, examples))
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.log.bytes()
    }
}

fn empty(parts: &[MemoryMeta]) -> Vec<KeptRows> {
    parts.iter().map(|m| KeptRows { memory: Memory::new(m.clone(), true), examples: 0 }).collect()
}

/// `[examples u32][rows u32][halves u8][keys][values][sample][position][input_tokens]`, little-endian.
fn pack(memory: &Memory, first: usize, examples: usize) -> Vec<u8> {
    let (rows, d) = (memory.rows() - first, memory.hidden());
    let halves = matches!(memory.keys, Keys::F16(_));
    let mut bytes = Vec::with_capacity(9 + rows * (d * 4 + 16));
    bytes.extend((examples as u32).to_le_bytes());
    bytes.extend((rows as u32).to_le_bytes());
    bytes.push(u8::from(halves));
    match &memory.keys {
        Keys::F16(keys) => bytes.extend_from_slice(cast_slice(&keys[first * d..])),
        Keys::F32(keys) => bytes.extend_from_slice(cast_slice(&keys[first * d..])),
    }
    for column in [&memory.values, &memory.sample, &memory.position, &memory.input_tokens] {
        bytes.extend_from_slice(cast_slice(&column[first..]));
    }
    bytes
}

/// Appends a packed batch; `None` when its sizes do not add up.
fn unpack(bytes: &[u8], part: &mut KeptRows) -> Option<()> {
    let d = part.memory.hidden();
    let (head, rest) = bytes.split_at_checked(9)?;
    let word = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]) as usize;
    let (examples, rows, width) = (word(0), word(4), if head[8] == 1 { 2 } else { 4 });
    if rest.len() != rows.checked_mul(d * width + 16)? {
        return None;
    }
    let (keys, columns) = rest.split_at(rows * d * width);
    let keys: Vec<f32> = match width {
        2 => keys.chunks_exact(2).map(|c| pod_read_unaligned::<f16>(c).to_f32()).collect(),
        _ => keys.chunks_exact(4).map(pod_read_unaligned::<f32>).collect(),
    };
    let m = &mut part.memory;
    if m.rows() == 0 {
        // The first rows say how wide all of them are kept.
        *m = Memory::new(m.meta.clone(), width == 2);
    }
    m.keys.extend(&keys);
    let mut columns = columns.chunks_exact(4).map(pod_read_unaligned::<u32>);
    for column in [&mut m.values, &mut m.sample, &mut m.position, &mut m.input_tokens] {
        column.extend(columns.by_ref().take(rows));
    }
    part.examples = examples;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::MemoryStorage;
    use crate::{ContextMode, PromptSetup};
    use pema_plm::Identity;

    fn meta() -> MemoryMeta {
        let template = crate::template::Template::parse("plain").unwrap();
        let (name, sha256, tokenizer_sha256) = ("m".to_owned(), "1".to_owned(), "2".to_owned());
        let identity = Identity { name, sha256, tokenizer_sha256, hidden_size: 3, vocab_size: 9 };
        let prompt = PromptSetup::new(template, vec![]);
        MemoryMeta { identity, context_mode: ContextMode::TeacherForced, prompt, created: String::new() }
    }

    fn add(memory: &mut Memory, rows: usize) {
        for row in 0..rows {
            let x = (memory.rows() * 7 + row) as f32;
            memory.keys.extend(&[x, -x, 0.5]);
            memory.values.push(row as u32);
            memory.sample.push(1);
            memory.position.push(row as u32);
            memory.input_tokens.push(4);
        }
    }

    #[test]
    fn a_build_cut_off_anywhere_goes_on_with_whole_batches() {
        let (mut log, _) = MemoryLog::open(MemoryStorage::default(), "h", &[meta(), meta()]).unwrap();
        let mut memory = Memory::new(meta(), true);
        add(&mut memory, 4);
        log.append(0, &memory, 0, 2).unwrap();
        let first = log.bytes() as usize;
        let before = memory.clone();
        add(&mut memory, 3);
        log.append(0, &memory, 4, 5).unwrap();
        log.append(1, &before, 0, 2).unwrap();
        let bytes = log.log.into_storage().bytes;
        let (_, kept) = MemoryLog::open(MemoryStorage { bytes: bytes.clone() }, "h", &[meta(), meta()]).unwrap();
        assert_eq!((kept[0].memory.clone(), kept[0].examples), (memory, 5));
        assert_eq!((kept[1].memory.clone(), kept[1].examples), (before.clone(), 2));
        let cut = MemoryStorage { bytes: bytes[..first + 20].to_vec() };
        let (_, kept) = MemoryLog::open(cut, "h", &[meta(), meta()]).unwrap();
        assert_eq!((kept[0].memory.clone(), kept[0].examples), (before, 2));
        let mut wide = Memory::new(meta(), false);
        add(&mut wide, 2);
        let (mut log, _) = MemoryLog::open(MemoryStorage::default(), "h", &[meta()]).unwrap();
        log.append(0, &wide, 0, 1).unwrap();
        let (_, kept) = MemoryLog::open(log.log.into_storage(), "h", &[meta()]).unwrap();
        assert_eq!(kept[0].memory, wide, "single precision stays so");
        let other = MemoryLog::open_existing(MemoryStorage { bytes: bytes.clone() }, "another build", &[meta()]);
        assert!(other.unwrap().is_none());
        let (_, kept) = MemoryLog::open(MemoryStorage { bytes }, "another build", &[meta()]).unwrap();
        assert_eq!((kept[0].memory.rows(), kept[0].examples), (0, 0));
    }
}
