//! Keys and values of what has been read: first the rows of a prefix that all sequences share, then
//! a region for each sequence.

use pema_device::{Buffer, Device};
use pema_kernels::copy_rows;

use crate::model_file::ModelConfig;
use crate::{Error, Result};

/// The cache of one batch of sequences.
#[derive(Debug)]
pub struct KvCache {
    pub(crate) layers: Vec<[Buffer; 2]>,
    /// Values of a row.
    cols: usize,
    rows: usize,
    context: usize,
    prefix: usize,
    sequences: Vec<Sequence>,
}

#[derive(Debug, Clone, Copy)]
struct Sequence {
    start: usize,
    len: usize,
    capacity: usize,
}

/// Where one token of a batch goes and what it may look at.
pub(crate) struct Slot {
    pub(crate) position: u32,
    pub(crate) row: u32,
    pub(crate) span: [u32; 2],
}

impl KvCache {
    /// Room for `rows` tokens in all: prefix and sequences together.
    pub fn new(device: &Device, config: &ModelConfig, rows: usize) -> Result<KvCache> {
        let cols = config.kv_heads * config.head_dim;
        let words = rows * cols;
        let mut layers = Vec::with_capacity(config.layers);
        for _ in 0..config.layers {
            layers.push([device.alloc(words, "key cache")?, device.alloc(words, "value cache")?]);
        }
        Ok(KvCache { layers, cols, rows, context: config.context, prefix: 0, sequences: Vec::new() })
    }

    /// Tokens of the shared prefix.
    pub fn prefix(&self) -> usize {
        self.prefix
    }

    /// Rows that are not given to the prefix or a sequence.
    pub fn free(&self) -> usize {
        self.rows - self.prefix - self.sequences.iter().map(|s| s.capacity).sum::<usize>()
    }

    /// Opens a region for at most `capacity` tokens and returns its number. Errors when prefix and
    /// sequence together exceed the model's context or the cache is full.
    pub fn add_sequence(&mut self, capacity: usize) -> Result<usize> {
        let tokens = self.prefix + capacity;
        if tokens > self.context || capacity > self.free() {
            return Err(Error::TooLong { tokens, context: self.context.min(self.prefix + self.free()) });
        }
        let start = self.rows - self.free();
        self.sequences.push(Sequence { start, len: 0, capacity });
        Ok(self.sequences.len() - 1)
    }

    /// Makes sequences what others are: of each pair `(from, to)`, `to` then holds what `from` held before
    /// the call. Errors when the region of `to` is too small or there is no such sequence.
    pub fn copy_sequences(&mut self, device: &Device, pairs: &[(usize, usize)]) -> Result<()> {
        let before = self.sequences.clone();
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for (source, target) in pairs {
            let (context, full) = (self.context, self.rows);
            let none = Error::TooLong { tokens: full + 1, context };
            let (Some(source), Some(target)) = (before.get(*source), self.sequences.get_mut(*target)) else {
                return Err(none);
            };
            if source.len > target.capacity {
                return Err(Error::TooLong { tokens: source.len, context: target.capacity });
            }
            target.len = source.len;
            from.extend((source.start..source.start + source.len).map(|row| row as u32));
            to.extend((target.start..target.start + source.len).map(|row| row as u32));
        }
        let n = from.len();
        if n == 0 {
            return Ok(());
        }
        // By way of a buffer of their own, since a target may be the source of another.
        let between = device.alloc(n * self.cols, "moving rows")?;
        let numbers = device.upload(&(0..n as u32).collect::<Vec<_>>(), "numbers")?;
        let (from, to) = (device.upload(&from, "from rows")?, device.upload(&to, "to rows")?);
        let p = copy_rows::Params { rows: n as u32, cols: self.cols as u32 };
        for part in self.layers.iter().flatten() {
            device.run(&copy_rows::KERNEL, &p, &[&from, &numbers, part, &between])?;
            device.run(&copy_rows::KERNEL, &p, &[&numbers, &to, &between, part])?;
        }
        Ok(())
    }

    /// Forgets the sequences and keeps the prefix.
    pub fn clear_sequences(&mut self) {
        self.sequences.clear();
    }

    pub(crate) fn extend_prefix(&mut self) -> Result<Slot> {
        if self.prefix >= self.rows.min(self.context) {
            return Err(Error::TooLong { tokens: self.prefix + 1, context: self.context.min(self.rows) });
        }
        let row = self.prefix as u32;
        self.prefix += 1;
        // While it is read, the prefix is a sequence of its own that starts at row 0.
        Ok(Slot { position: row, row, span: [0, row + 1] })
    }

    pub(crate) fn extend(&mut self, sequence: usize) -> Result<Slot> {
        let (prefix, context) = (self.prefix, self.context);
        let full = Error::TooLong { tokens: prefix + 1, context };
        let s = self.sequences.get_mut(sequence).ok_or(full)?;
        if s.len == s.capacity {
            return Err(Error::TooLong { tokens: prefix + s.len + 1, context: prefix + s.capacity });
        }
        let (row, start) = ((s.start + s.len) as u32, s.start as u32);
        s.len += 1;
        Ok(Slot { position: (prefix + s.len - 1) as u32, row, span: [start, s.len as u32] })
    }
}
