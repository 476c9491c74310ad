//! The Llama-architecture decoder: from token ids to context representations f(c).

use std::sync::{Arc, Mutex};

use pema_device::{Buffer, Device, Weight};
use pema_kernels::{attention, axpby, copy_rows, rms_norm, rope, swiglu};

use crate::cache::{KvCache, Slot};
use crate::head::LmHead;
use crate::model_file::{ModelConfig, ModelFile};
use crate::source::ByteSource;
use crate::{Error, Result};

/// The blocks between embedding and head.
#[derive(Debug)]
pub struct Body {
    config: ModelConfig,
    embedding: Arc<Weight>,
    layers: Vec<Layer>,
    final_norm: Buffer,
    rope_table: Buffer,
    workspace: Mutex<Option<Workspace>>,
}

#[derive(Debug)]
struct Layer {
    attn_norm: Buffer,
    q: Weight,
    k: Weight,
    v: Weight,
    o: Weight,
    ffn_norm: Buffer,
    gate: Weight,
    up: Weight,
    down: Weight,
}

/// Activations, kept between calls and grown when a batch needs more.
#[derive(Debug)]
struct Workspace {
    tokens: usize,
    ids: Buffer,
    positions: Buffer,
    spans: Buffer,
    cache_rows: Buffer,
    numbers: Buffer, // 0, 1, 2, ..
    x: Buffer,
    normed: Buffer,
    q: Buffer,
    k: Buffer,
    v: Buffer,
    attended: Buffer,
    gate: Buffer,
    up: Buffer,
    active: Buffer,
    delta: Buffer,
}

/// Tokens to append: to the prefix, or to sequences. `wanted` says of which tokens f(c) is returned.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// Number of a sequence of the cache; `None` appends to the shared prefix.
    pub sequence: Option<usize>,
    /// Tokens.
    pub ids: &'a [u32],
    /// f(c) is returned for the last this many of them.
    pub wanted: usize,
}

impl Body {
    /// Loads all blocks, and the head, which shares the embedding's memory when the two are tied.
    pub async fn load<S: ByteSource>(file: &ModelFile<S>, device: &Device) -> Result<(Body, LmHead)> {
        let c = &file.config;
        let (q_dim, kv_dim) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        let embedding = Arc::new(file.weight(device, "token_embd.weight", c.vocab, c.hidden).await?);
        let head = match file.gguf.has_tensor("output.weight") {
            true => LmHead::load(file, device).await?,
            false => LmHead::shared(embedding.clone()),
        };
        let mut layers = Vec::with_capacity(c.layers);
        for i in 0..c.layers {
            let name = |part: &str| format!("blk.{i}.{part}.weight");
            layers.push(Layer {
                attn_norm: file.vector(device, &name("attn_norm"), c.hidden).await?,
                q: file.weight(device, &name("attn_q"), q_dim, c.hidden).await?,
                k: file.weight(device, &name("attn_k"), kv_dim, c.hidden).await?,
                v: file.weight(device, &name("attn_v"), kv_dim, c.hidden).await?,
                o: file.weight(device, &name("attn_output"), c.hidden, q_dim).await?,
                ffn_norm: file.vector(device, &name("ffn_norm"), c.hidden).await?,
                gate: file.weight(device, &name("ffn_gate"), c.ffn, c.hidden).await?,
                up: file.weight(device, &name("ffn_up"), c.ffn, c.hidden).await?,
                down: file.weight(device, &name("ffn_down"), c.hidden, c.ffn).await?,
            });
        }
        let final_norm = file.vector(device, "output_norm.weight", c.hidden).await?;
        let table = rope::table(c.context, c.rope_dim, f64::from(c.rope_base));
        let rope_table = device.upload(&table, "rope table")?;
        let body = Body { config: c.clone(), embedding, layers, final_norm, rope_table, workspace: Mutex::default() };
        Ok((body, head))
    }

    /// Reads the pieces in one pass and returns f(c), `[sum of wanted, d]`, in the order of the pieces.
    /// All pieces go to sequences, or there is one that extends the prefix before any sequence is opened.
    /// Errors when an id is outside the vocabulary or a region is full; the cache is then not to be used again.
    pub fn forward(&self, device: &Device, cache: &mut KvCache, pieces: &[Piece<'_>]) -> Result<Buffer> {
        let (mut ids, mut slots, mut wanted) = (Vec::new(), Vec::<Slot>::new(), Vec::<u32>::new());
        let to_prefix = pieces.iter().any(|p| p.sequence.is_none());
        let prefix = if to_prefix { 0 } else { cache.prefix() };
        for piece in pieces {
            for &id in piece.ids {
                if id as usize >= self.config.vocab {
                    return Err(Error::TokenOutOfRange { id, vocab: self.config.vocab as u32 });
                }
                ids.push(id);
                slots.push(match piece.sequence {
                    Some(s) => cache.extend(s)?,
                    None => cache.extend_prefix()?,
                });
            }
            wanted.extend(ids.len() as u32 - piece.wanted.min(piece.ids.len()) as u32..ids.len() as u32);
        }
        let mut slot = self.workspace.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if slot.as_ref().is_none_or(|w| w.tokens < ids.len()) {
            *slot = None; // free before allocating: the new one is larger
            *slot = Some(Workspace::new(device, &self.config, ids.len())?);
        }
        let Some(w) = slot.as_ref() else { unreachable!("just made") };
        device.write(&w.ids, 0, &ids)?;
        device.write(&w.positions, 0, &slots.iter().map(|s| s.position).collect::<Vec<_>>())?;
        device.write(&w.cache_rows, 0, &slots.iter().map(|s| s.row).collect::<Vec<_>>())?;
        device.write(&w.spans, 0, &slots.iter().flat_map(|s| s.span).collect::<Vec<_>>())?;

        let tokens = ids.len();
        device.embed(&w.ids, tokens, &self.embedding, &w.x)?;
        for (layer, cache) in self.layers.iter().zip(&cache.layers) {
            self.attend(device, w, layer, cache, tokens, prefix)?;
            self.feed_forward(device, w, layer, tokens)?;
            device.flush()?; // the GPU starts on this layer while the next is recorded
        }
        let d = self.config.hidden;
        let rows = wanted.len();
        let picked = device.alloc(rows * d, "picked rows")?;
        let contexts = device.alloc(rows * d, "contexts")?;
        if rows > 0 {
            let from = device.upload(&wanted, "wanted rows")?;
            let p = copy_rows::Params { rows: rows as u32, cols: d as u32 };
            device.run(&copy_rows::KERNEL, &p, &[&from, &w.numbers, &w.x, &picked])?;
            self.norm(device, &picked, &self.final_norm, &contexts, rows)?;
        }
        Ok(contexts)
    }

    fn norm(&self, device: &Device, x: &Buffer, weight: &Buffer, y: &Buffer, rows: usize) -> Result<()> {
        let p = rms_norm::Params { rows: rows as u32, cols: self.config.hidden as u32, eps: self.config.eps };
        Ok(device.run(&rms_norm::KERNEL, &p, &[x, weight, y])?)
    }

    fn attend(
        &self,
        device: &Device,
        w: &Workspace,
        l: &Layer,
        cache: &[Buffer; 2],
        tokens: usize,
        prefix: usize,
    ) -> Result<()> {
        let c = &self.config;
        let t = tokens as u32;
        self.norm(device, &w.x, &l.attn_norm, &w.normed, tokens)?;
        device.linear(&w.normed, 0, tokens, &l.q, &w.q)?;
        device.linear(&w.normed, 0, tokens, &l.k, &w.k)?;
        device.linear(&w.normed, 0, tokens, &l.v, &w.v)?;
        for (x, heads) in [(&w.q, c.heads), (&w.k, c.kv_heads)] {
            let p = rope::Params {
                tokens: t,
                heads: heads as u32,
                head_dim: c.head_dim as u32,
                rot_dim: c.rope_dim as u32,
                interleaved: 1, // GGUF's llama family stores rotated pairs side by side
            };
            device.run(&rope::KERNEL, &p, &[&w.positions, &self.rope_table, x])?;
        }
        for (x, cache) in [(&w.k, &cache[0]), (&w.v, &cache[1])] {
            let p = copy_rows::Params { rows: t, cols: (c.kv_heads * c.head_dim) as u32 };
            device.run(&copy_rows::KERNEL, &p, &[&w.numbers, &w.cache_rows, x, cache])?;
        }
        let p = attention::Params {
            tokens: t,
            heads: c.heads as u32,
            kv_heads: c.kv_heads as u32,
            head_dim: c.head_dim as u32,
            prefix: prefix as u32,
            scale: 1.0 / (c.head_dim as f32).sqrt(),
        };
        device.run(&attention::KERNEL, &p, &[&w.q, &cache[0], &cache[1], &w.spans, &w.attended])?;
        device.linear(&w.attended, 0, tokens, &l.o, &w.delta)?;
        self.add(device, &w.delta, &w.x, tokens)
    }

    fn feed_forward(&self, device: &Device, w: &Workspace, l: &Layer, tokens: usize) -> Result<()> {
        self.norm(device, &w.x, &l.ffn_norm, &w.normed, tokens)?;
        device.linear(&w.normed, 0, tokens, &l.gate, &w.gate)?;
        device.linear(&w.normed, 0, tokens, &l.up, &w.up)?;
        let p = swiglu::Params { n: (tokens * self.config.ffn) as u32 };
        device.run(&swiglu::KERNEL, &p, &[&w.gate, &w.up, &w.active])?;
        device.linear(&w.active, 0, tokens, &l.down, &w.delta)?;
        self.add(device, &w.delta, &w.x, tokens)
    }

    fn add(&self, device: &Device, delta: &Buffer, x: &Buffer, tokens: usize) -> Result<()> {
        let n = (tokens * self.config.hidden) as u32;
        Ok(device.run(&axpby::KERNEL, &axpby::Params { n, period: n, alpha: 1.0, beta: 1.0 }, &[delta, x])?)
    }
}

impl Workspace {
    fn new(device: &Device, c: &ModelConfig, tokens: usize) -> Result<Workspace> {
        let (q, kv) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        let alloc = |width: usize, label: &str| device.alloc(tokens * width, label);
        Ok(Workspace {
            tokens,
            ids: alloc(1, "ids")?,
            positions: alloc(1, "positions")?,
            spans: alloc(2, "spans")?,
            cache_rows: alloc(1, "cache rows")?,
            numbers: device.upload(&(0..tokens as u32).collect::<Vec<_>>(), "numbers")?,
            x: alloc(c.hidden, "residual stream")?,
            normed: alloc(c.hidden, "normed")?,
            q: alloc(q, "queries")?,
            k: alloc(kv, "keys")?,
            v: alloc(kv, "values")?,
            attended: alloc(q, "attended")?,
            gate: alloc(c.ffn, "gate")?,
            up: alloc(c.ffn, "up")?,
            active: alloc(c.ffn, "active")?,
            delta: alloc(c.hidden, "delta")?,
        })
    }
}
