//! The whole model on a device: tokens in, context representations out, logits from those.

use std::sync::Arc;

use pema_device::{Buffer, Device};

use crate::body::{Body, Piece};
use crate::cache::KvCache;
use crate::head::LmHead;
use crate::model_file::ModelFile;
use crate::source::ByteSource;
use crate::{Error, Result};

/// A loaded model: body and head on one device, and the file they came from.
#[derive(Debug)]
pub struct Plm<S> {
    /// Tokenizer, template, sizes, identity.
    pub file: ModelFile<S>,
    /// Where the weights are.
    pub device: Arc<Device>,
    /// From f(c) to logits.
    pub head: LmHead,
    body: Body,
}

/// Tokens read at once: enough to fill the machine, few enough to bound the activations.
pub const BATCH_TOKENS: usize = 1024;

impl<S: ByteSource> Plm<S> {
    /// Loads all weights.
    pub async fn load(file: ModelFile<S>, device: Arc<Device>) -> Result<Plm<S>> {
        let (body, head) = Body::load(&file, &device).await?;
        Ok(Plm { file, device, head, body })
    }

    /// A cache for `rows` tokens whose shared prefix is `prefix`, already read.
    pub fn cache(&self, prefix: &[u32], rows: usize) -> Result<KvCache> {
        let context = self.file.config.context;
        if prefix.len() > context {
            return Err(Error::TooLong { tokens: prefix.len(), context });
        }
        let mut cache = KvCache::new(&self.device, &self.file.config, rows)?;
        for ids in prefix.chunks(BATCH_TOKENS) {
            self.body.forward(&self.device, &mut cache, &[Piece { sequence: None, ids, wanted: 0 }])?;
        }
        Ok(cache)
    }

    /// Reads pieces of any number of sequences in one pass; returns f(c) of the wanted tokens, `[n, d]`.
    pub fn read(&self, cache: &mut KvCache, pieces: &[Piece<'_>]) -> Result<Buffer> {
        self.body.forward(&self.device, cache, pieces)
    }

    /// f(c) at every position of `ids`, `[T, d]`.
    pub async fn contexts(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let mut cache = self.cache(&[], ids.len())?;
        let sequence = cache.add_sequence(ids.len())?;
        let mut contexts = Vec::with_capacity(ids.len() * self.file.config.hidden);
        for ids in ids.chunks(BATCH_TOKENS) {
            let buffer = self.read(&mut cache, &[Piece { sequence: Some(sequence), ids, wanted: ids.len() }])?;
            contexts.extend(self.device.read::<f32>(&buffer, 0, buffer.words()).await?);
        }
        Ok(contexts)
    }
}
