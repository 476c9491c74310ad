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
}

impl<'a, S: ByteSource> Batch<'a, S> {
    /// A batch with room for `rows` tokens behind `prefix`.
    pub(crate) fn new(plm: &'a Plm<S>, prefix: &[u32], rows: usize) -> Result<Batch<'a, S>> {
        let cache = plm.cache(prefix, prefix.len() + rows)?;
        Ok(Batch { plm, cache, prefix: prefix.len() })
    }

    /// Starts over with new sequences: `ids` are their tokens (the prefix included, which is skipped),
    /// `room` how many more each may get. Returns f(c) of the last `wanted` tokens of each, in order.
    pub(crate) fn start(&mut self, ids: &[&[u32]], room: &[usize], wanted: &[usize]) -> Result<Vec<Buffer>> {
        self.cache.clear_sequences();
        let mut contexts = Vec::new();
        let mut pieces: Vec<Piece<'_>> = Vec::new();
        for ((ids, room), wanted) in ids.iter().zip(room).zip(wanted) {
            let own = &ids[self.prefix..];
            if own.is_empty() {
                let why = "a prompt came out empty; write an instruction into the template or more into the input";
                return Err(Error::BadTemplate { why: why.to_owned() });
            }
            let sequence = Some(self.cache.add_sequence(own.len() + room)?);
            // A long sequence is read in pieces; only its end can be wanted.
            let mut end = 0;
            for piece in own.chunks(BATCH_TOKENS) {
                end += piece.len();
                let tokens: usize = pieces.iter().map(|p| p.ids.len()).sum();
                if tokens + piece.len() > BATCH_TOKENS {
                    contexts.push(self.plm.read(&mut self.cache, &pieces)?);
                    pieces.clear();
                }
                let wanted = wanted.saturating_sub(own.len() - end).min(piece.len());
                pieces.push(Piece { sequence, ids: piece, wanted });
            }
        }
        contexts.push(self.plm.read(&mut self.cache, &pieces)?);
        Ok(contexts)
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

    /// Tokens of the shared prefix.
    pub(crate) fn prefix(&self) -> usize {
        self.prefix
    }
}
