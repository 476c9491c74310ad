//! A model as a file: what it is, before any weight is on a device.

use pema_device::{Device, Weight};
use pema_kernels::quant::Format;

use crate::chat::ChatTemplate;
use crate::gguf::{GgmlType, Gguf, TensorInfo};
use crate::source::{ByteSource, sha256_hex};
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};

/// A model file whose header, tokenizer and template have been read.
#[derive(Debug)]
pub struct ModelFile<S> {
    /// The reader, for weights.
    pub gguf: Gguf<S>,
    /// Sizes and constants.
    pub config: ModelConfig,
    /// The tokenizer that the file carries.
    pub tokenizer: Tokenizer,
    /// The chat template that the file carries, if any.
    pub chat: Option<ChatTemplate>,
    /// What memories and adapters remember of the model.
    pub identity: Identity,
}

/// What names a model in the files made with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `general.name`, or the file's name.
    pub name: String,
    /// SHA-256 of the whole file, in hexadecimal.
    pub sha256: String,
    /// Fingerprint of the tokenizer, in hexadecimal.
    pub tokenizer_sha256: String,
    /// d
    pub hidden_size: usize,
    /// V
    pub vocab_size: usize,
}

/// Sizes of a Llama-architecture decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Family, from `general.architecture`.
    pub architecture: String,
    /// d, the width of the residual stream and of f(c).
    pub hidden: usize,
    /// Blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width of the feed-forward layer.
    pub ffn: usize,
    /// V, rows of the LM head.
    pub vocab: usize,
    /// Positions that can be attended to: the model's own limit, at most [`MAX_CONTEXT`].
    pub context: usize,
    /// Columns of a head that are rotated.
    pub rope_dim: usize,
    /// Base of the rotary frequencies.
    pub rope_base: f32,
    /// Added to the mean square in the norms.
    pub eps: f32,
}

/// Longest context this program keeps tables for, in tokens.
pub const MAX_CONTEXT: usize = 8192;

const ARCHITECTURES: &str = "llama";

impl<S: ByteSource> ModelFile<S> {
    /// Whether [`ModelFile::open`] would take it, without the hash, for which the whole file is read.
    pub async fn check(source: S) -> Result<()> {
        Self::parts(source).await.map(drop)
    }

    /// Reads header, tokenizer and template, and hashes the file. Errors name what does not fit.
    pub async fn open(source: S) -> Result<ModelFile<S>> {
        let (gguf, config, tokenizer, chat) = Self::parts(source).await?;
        let name = gguf.metadata().optional("general.name", |m, k| m.str(k).map(str::to_owned))?;
        let identity = Identity {
            name: name.unwrap_or_else(|| gguf.name().to_owned()),
            sha256: sha256_hex(gguf.source()).await?,
            tokenizer_sha256: tokenizer.fingerprint().to_owned(),
            hidden_size: config.hidden,
            vocab_size: config.vocab,
        };
        Ok(ModelFile { gguf, config, tokenizer, chat, identity })
    }

    async fn parts(source: S) -> Result<(Gguf<S>, ModelConfig, Tokenizer, Option<ChatTemplate>)> {
        let gguf = Gguf::open(source).await?;
        let (config, tokenizer) = (ModelConfig::read(&gguf)?, Tokenizer::from_gguf(gguf.metadata())?);
        let chat = ChatTemplate::from_gguf(gguf.metadata(), &tokenizer)?;
        Ok((gguf, config, tokenizer, chat))
    }

    /// The tensor of the LM head: `output.weight`, or the token embedding when the two are tied.
    pub fn head_tensor(&self) -> Result<&TensorInfo> {
        let tied = !self.gguf.has_tensor("output.weight");
        self.gguf.tensor(if tied { "token_embd.weight" } else { "output.weight" })
    }

    /// Loads a matrix `[rows, cols]` shard by shard: never more than one shard in this process's memory.
    pub(crate) async fn weight(&self, device: &Device, name: &str, rows: usize, cols: usize) -> Result<Weight> {
        let info = self.expect(name, &[cols, rows])?.clone();
        let format = match info.kind {
            GgmlType::F32 | GgmlType::BF16 => Format::F32,
            GgmlType::F16 => Format::F16,
            GgmlType::Q8_0 => Format::Q8_0,
            GgmlType::Q4_0 => Format::Q4_0,
            GgmlType::Q4_1 => Format::Q4_1,
            // The reader names the supported ones and refuses the rest.
            _ => return self.gguf.read_tensor_rows(name, 0, 0).await.and(Err(self.wrong_shape(&info, &[cols, rows]))),
        };
        if !cols.is_multiple_of(format.column_multiple()) {
            return Err(self.wrong_shape(&info, &[cols.next_multiple_of(format.column_multiple()), rows]));
        }
        let mut weight = Weight::new(format, cols);
        let step = Weight::shard_rows(format, rows, cols);
        for row0 in (0..rows).step_by(step) {
            let n = step.min(rows - row0);
            let raw = self.gguf.read_tensor_rows(name, row0 as u64, n as u64).await?;
            let raw = if info.kind == GgmlType::BF16 { bf16_to_f32(&raw) } else { raw };
            weight.push(device, n, &raw, name)?;
        }
        Ok(weight)
    }

    /// Loads a small vector as f32.
    pub(crate) async fn vector(&self, device: &Device, name: &str, len: usize) -> Result<pema_device::Buffer> {
        let info = self.expect(name, &[len])?.clone();
        let (_, raw) = self.gguf.read_tensor(name).await?;
        let values: Vec<f32> = match info.kind {
            GgmlType::F32 => bytemuck::pod_collect_to_vec(&raw),
            GgmlType::BF16 => bytemuck::pod_collect_to_vec(&bf16_to_f32(&raw)),
            GgmlType::F16 => raw.as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
            _ => return Err(self.wrong_shape(&info, &[len])),
        };
        Ok(device.upload(&values, name)?)
    }

    fn expect(&self, name: &str, shape: &[usize]) -> Result<&TensorInfo> {
        let info = self.gguf.tensor(name)?;
        if info.shape.iter().copied().eq(shape.iter().map(|d| *d as u64)) {
            return Ok(info);
        }
        Err(self.wrong_shape(info, shape))
    }

    fn wrong_shape(&self, info: &TensorInfo, expected: &[usize]) -> Error {
        Error::WrongShape {
            name: self.gguf.name().to_owned(),
            tensor: info.name.clone(),
            expected: format!("{expected:?}"),
            found: format!("{:?} in {:?}", info.shape, info.kind),
        }
    }
}

/// Whether a model of so many blocks has a tensor of this name that the body or the head reads.
fn is_read(name: &str, layers: usize) -> bool {
    let Some((number, part)) = name.strip_prefix("blk.").and_then(|block| block.split_once('.')) else {
        return ["token_embd.weight", "output.weight", "output_norm.weight"].contains(&name);
    };
    // Numbers have one spelling: `blk.00` would be read by nobody.
    number.parse::<usize>().is_ok_and(|i| i < layers && i.to_string() == number)
        && part.strip_suffix(".weight").is_some_and(|part| BLOCK.contains(&part))
}

/// The matrices and vectors of a block.
const BLOCK: [&str; 9] =
    ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"];

/// bfloat16 is the upper half of f32, so this loses nothing.
fn bf16_to_f32(raw: &[u8]) -> Vec<u8> {
    raw.as_chunks::<2>().0.iter().flat_map(|b| [0, 0, b[0], b[1]]).collect()
}

impl ModelConfig {
    fn read<S: ByteSource>(gguf: &Gguf<S>) -> Result<ModelConfig> {
        let m = gguf.metadata();
        let name = || gguf.name().to_owned();
        let architecture = m.str("general.architecture")?.to_owned();
        let unknown =
            |found: String| Error::UnknownArchitecture { name: name(), found, supported: ARCHITECTURES.into() };
        if architecture != "llama" {
            return Err(unknown(architecture));
        }
        let key = |k: &str| format!("{architecture}.{k}");
        let size = |k: &str| m.u32(&key(k)).map(|v| v as usize);
        let optional = |k: &str| m.optional(&key(k), |m, k| m.u32(k).map(|v| v as usize));
        let (hidden, heads) = (size("embedding_length")?, size("attention.head_count")?);
        let kv_heads = optional("attention.head_count_kv")?.unwrap_or(heads);
        let head_dim = optional("attention.key_length")?.unwrap_or(hidden / heads.max(1));
        let rope_dim = optional("rope.dimension_count")?.unwrap_or(head_dim);
        let rope_base = m.optional(&key("rope.freq_base"), |m, k| m.f32(k))?.unwrap_or(10_000.0);
        let scaling = m.optional(&key("rope.scaling.type"), |m, k| m.str(k).map(str::to_owned))?;
        if let Some(scaling) = scaling.filter(|s| s != "none") {
            return Err(unknown(format!("llama with {scaling} rope scaling")));
        }
        if gguf.has_tensor("rope_freqs.weight") {
            return Err(unknown("llama with rope frequency factors".into()));
        }
        if optional("expert_count")?.unwrap_or(0) > 0 {
            return Err(unknown("llama with experts".into()));
        }
        // A layer is several tensors: a larger number is a lie, and memory is asked for by it.
        let (layers, tensors) = (size("block_count")?, gguf.tensors().len());
        if layers > tensors {
            return Err(unknown(format!("llama with {layers} blocks in {tensors} tensors")));
        }
        // A tensor that nobody reads, such as a bias, means that the model computes something else.
        if let Some(t) = gguf.tensors().iter().find(|t| !is_read(&t.name, layers)) {
            return Err(unknown(format!("llama with a tensor `{}` that this program would leave out", t.name)));
        }
        let config = ModelConfig {
            hidden,
            layers,
            heads,
            kv_heads,
            head_dim,
            ffn: size("feed_forward_length")?,
            vocab: gguf.tensor("token_embd.weight")?.rows() as usize,
            context: size("context_length")?.min(MAX_CONTEXT),
            rope_dim,
            rope_base,
            eps: m.f32(&key("attention.layer_norm_rms_epsilon"))?,
            architecture,
        };
        let fits = heads > 0
            && kv_heads > 0
            && heads.is_multiple_of(kv_heads)
            && (1..=pema_kernels::attention::MAX_HEAD_DIM).contains(&head_dim)
            && rope_dim <= head_dim
            && rope_dim.is_multiple_of(2)
            && config.context > 0
            && config.layers > 0;
        if !fits {
            return Err(unknown(format!("llama with {heads} heads of {head_dim}, {kv_heads} of them for keys")));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests;
