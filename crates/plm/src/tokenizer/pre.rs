//! How a text is cut into words before the merges, one recipe per `tokenizer.ggml.pre`.

use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{SplitDelimiterBehavior, Tokenizer};

/// The recipes known, as messages list them.
pub(super) const SUPPORTED: &str = "gpt-2, llama-bpe, qwen2, smollm";

/// How Llama 3 cuts: up to three digits together.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How Qwen 2 cuts: every digit alone.
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A recipe. Two are never close enough to stand in for one another: where they differ, text gets
/// other ids, the model still answers, and only its quality says that something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pre {
    Gpt2,
    Llama3,
    Qwen2,
    Smollm,
}

impl Pre {
    /// The recipe converters write as `name`.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "gpt-2" | "gpt2" => Some(Self::Gpt2),
            "llama-bpe" | "llama3" | "llama-v3" => Some(Self::Llama3),
            "qwen2" => Some(Self::Qwen2),
            "smollm" => Some(Self::Smollm),
            _ => None,
        }
    }

    /// One name for all spellings.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gpt2 => "gpt-2",
            Self::Llama3 => "llama-bpe",
            Self::Qwen2 => "qwen2",
            Self::Smollm => "smollm",
        }
    }

    /// Whether a word that is a token as a whole skips the merges.
    pub(super) fn ignores_merges(self) -> bool {
        self == Self::Llama3
    }

    /// Whether sequences begin with a BOS token where the file does not say.
    pub(super) fn adds_bos(self) -> bool {
        self == Self::Llama3
    }

    /// Sets up `bpe` to cut like this.
    pub(super) fn apply(self, bpe: &mut Tokenizer) -> tokenizers::Result<()> {
        let bytes = |use_regex| PreTokenizerWrapper::from(ByteLevel::new(false, false, use_regex));
        let split = |pattern: &str| {
            let pattern = SplitPattern::Regex(pattern.to_owned());
            Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map(PreTokenizerWrapper::from)
        };
        let steps = match self {
            Self::Gpt2 => vec![bytes(true)],
            Self::Llama3 => vec![split(LLAMA3)?, bytes(false)],
            Self::Qwen2 => vec![split(QWEN2)?, bytes(false)],
            Self::Smollm => vec![Digits::new(true).into(), bytes(true)],
        };
        bpe.with_pre_tokenizer(Some(Sequence::new(steps)));
        if self == Self::Qwen2 {
            bpe.with_normalizer(Some(NFC))?;
        }
        Ok(())
    }
}
