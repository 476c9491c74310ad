//! Many sequences decoded in step behind one shared prefix.

use pema_device::Buffer;
use pema_plm::source::ByteSource;
use pema_plm::{BATCH_TOKENS, KvCache, Piece, Plm};

use crate::{Error, Result};

/// Sequences of one batch, their shared prefix read once.
#[derive(Debug)]
pub(crate) struct Batch<'a, S> {
    plm: &'a Plm<S>,
    cache: KvCache,
    prefix: usize,
    rows: usize,
}

impl<'a, S: ByteSource> Batch<'a, S> {
    /// A batch with room for `rows` tokens behind `prefix`.
    pub(crate) fn new(plm: &'a Plm<S>, prefix: &[u32], rows: usize) -> Result<Batch<'a, S>> {
        let cache = plm.cache(prefix, prefix.len() + rows)?;
        Ok(Batch { plm, cache, prefix: prefix.len(), rows })
    }

    /// Starts over with new sequences: `ids` are their tokens (the prefix included, which is skipped),
    /// `room` how many more each may get. Returns f(c) of the last `wanted` tokens of each, in order.
    pub(crate) fn start(&mut self, ids: &[&[u32]], room: &[usize], wanted: &[usize]) -> Result<Vec<Buffer>> {
        let (mut contexts, mut pieces) = (Vec::new(), Vec::new());
        self.cache.clear_sequences();
        self.check_own(ids)?;
        for ((ids, room), wanted) in ids.iter().zip(room).zip(wanted) {
            let own = &ids[self.prefix..];
            let sequence = self.cache.add_sequence(own.len() + room)?;
            self.gather(sequence, own, *wanted, &mut pieces, &mut contexts)?;
        }
        contexts.push(self.plm.read(&mut self.cache, &pieces)?);
        Ok(contexts)
    }

    fn check_own(&self, ids: &[&[u32]]) -> Result<()> {
        if ids.iter().all(|ids| ids.len() > self.prefix) {
            return Ok(());
        }
        let why = "a prompt came out empty; write an instruction into the template or more into the input";
        Err(Error::BadTemplate { why: why.to_owned() })
    }

    /// Adds a sequence's own tokens to the pieces of the next pass, which is made when it is full. A long
    /// sequence is read in pieces; only its end can be wanted.
    fn gather<'t>(
        &mut self,
        sequence: usize,
        own: &'t [u32],
        wanted: usize,
        pieces: &mut Vec<Piece<'t>>,
        contexts: &mut Vec<Buffer>,
    ) -> Result<()> {
        let mut end = 0;
        for piece in own.chunks(BATCH_TOKENS) {
            end += piece.len();
            let tokens: usize = pieces.iter().map(|p| p.ids.len()).sum();
            if tokens + piece.len() > BATCH_TOKENS {
                contexts.push(self.plm.read(&mut self.cache, pieces)?);
                pieces.clear();
            }
            let wanted = wanted.saturating_sub(own.len() - end).min(piece.len());
            pieces.push(Piece { sequence: Some(sequence), ids: piece, wanted });
        }
        Ok(())
    }

    /// Starts over with `versions` sequences for each of `ids` (numbered one prompt after the other), of which the first is read.
    /// Returns f(c) of the last token of each prompt, in order.
    pub(crate) fn start_versions(&mut self, ids: &[&[u32]], room: &[usize], versions: usize) -> Result<Vec<Buffer>> {
        let (mut contexts, mut pieces) = (Vec::new(), Vec::new());
        self.cache.clear_sequences();
        self.check_own(ids)?;
        for (i, (ids, room)) in ids.iter().zip(room).enumerate() {
            let own = &ids[self.prefix..];
            for _ in 0..versions {
                self.cache.add_sequence(own.len() + room)?;
            }
            self.gather(i * versions, own, 1, &mut pieces, &mut contexts)?;
        }
        contexts.push(self.plm.read(&mut self.cache, &pieces)?);
        Ok(contexts)
    }

    /// Makes sequences what others are, by pairs (from, to).
    pub(crate) fn copy(&mut self, pairs: &[(usize, usize)]) -> Result<()> {
        Ok(self.cache.copy_sequences(&self.plm.device, pairs)?)
    }

    /// Appends one token to each of the given sequences; returns f(c) of those tokens, `[n, d]`.
    pub(crate) fn step(&mut self, sequences: &[usize], ids: &[u32]) -> Result<Buffer> {
        let pieces: Vec<Piece<'_>> = sequences
            .iter()
            .zip(ids)
            .map(|(s, id)| Piece { sequence: Some(*s), ids: std::slice::from_ref(id), wanted: 1 })
            .collect();
        Ok(self.plm.read(&mut self.cache, &pieces)?)
    }

    /// Tokens there is room for behind the prefix.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Tokens of the shared prefix.
    pub(crate) fn prefix(&self) -> usize {
        self.prefix
    }
}
