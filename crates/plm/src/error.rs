//! What can go wrong between a model file and its logits, and what to do about it.

/// Result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything this crate refuses. Messages name the file, the place, the cause and the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system or the network did not deliver the bytes.
    #[error("cannot read {name}: {cause}; check that the file exists and may be read")]
    Io {
        /// File or address.
        name: String,
        /// The system's own words.
        cause: std::io::Error,
    },
    /// The file does not begin as a GGUF file does.
    #[error("{name} is not a GGUF file: it begins with {found}; choose a file ending in .gguf")]
    NotGguf {
        /// File or address.
        name: String,
        /// The first bytes, described.
        found: String,
    },
    /// A GGUF file written for big-endian machines.
    #[error("{name} is a big-endian GGUF file; convert it with `gguf-convert-endian {name} little`")]
    BigEndian {
        /// File or address.
        name: String,
    },
    /// A GGUF version this reader does not know.
    #[error(
        "{name} is GGUF version {found}, this program reads 2 and 3; \
         convert the model again with a current converter, or update this program"
    )]
    UnsupportedVersion {
        /// File or address.
        name: String,
        /// Version in the file.
        found: u32,
    },
    /// The file ends before something it announces.
    #[error(
        "{name} is cut off: {what} at byte {offset} needs {need} bytes, the file has {have} left; \
         download or copy it again"
    )]
    Truncated {
        /// File or address.
        name: String,
        /// What was being read.
        what: String,
        /// Where it begins, in bytes from the start of the file.
        offset: u64,
        /// Bytes it takes.
        need: u64,
        /// Bytes the file still holds from there.
        have: u64,
    },
    /// The file contradicts its own format.
    #[error("{name} is damaged: {what} (at byte {offset}) {why}; get the file again from its source")]
    Corrupt {
        /// File or address.
        name: String,
        /// What was being read.
        what: String,
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The machine (or the 32-bit address space of a browser) has no room for this much at once.
    #[error("no memory for {bytes} bytes of {what} of {name}; close other programs or choose a smaller model")]
    NoMemory {
        /// File or address.
        name: String,
        /// What was to be held.
        what: String,
        /// Its size.
        bytes: u64,
    },
    /// A metadata key that is needed is absent.
    #[error("{name} has no metadata key `{key}`; convert the model again with a current converter")]
    MissingKey {
        /// File or address.
        name: String,
        /// The key.
        key: String,
    },
    /// A metadata key holds another type than it must.
    #[error("{name}: metadata key `{key}` must be {expected} but is {found}; convert the model again")]
    WrongType {
        /// File or address.
        name: String,
        /// The key.
        key: String,
        /// What is needed.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A model family this program cannot run.
    #[error("{name} is a `{found}` model, this program runs: {supported}; choose one of those")]
    UnknownArchitecture {
        /// File or address.
        name: String,
        /// `general.architecture` of the file.
        found: String,
        /// The families that work, separated by commas.
        supported: String,
    },
    /// A tensor is stored in a block format this program does not decode.
    #[error(
        "{name}: tensor `{tensor}` is quantised as {kind}, this program reads: {supported}; \
         choose a file of the same model in one of those"
    )]
    UnknownQuantisation {
        /// File or address.
        name: String,
        /// The tensor.
        tensor: String,
        /// Its block format.
        kind: String,
        /// The formats that work, separated by commas.
        supported: String,
    },
    /// The tokenizer's algorithm is not known.
    #[error("{name}: tokenizer model is `{found}`, this program knows: {supported}; choose another model")]
    UnknownTokenizer {
        /// File or address.
        name: String,
        /// `tokenizer.ggml.model` of the file.
        found: String,
        /// The ones that work, separated by commas.
        supported: String,
    },
    /// How text is cut before the merges is not known; a guess would give wrong tokens silently.
    #[error("{name}: text is pre-tokenised as `{found}`, this program knows: {supported}; choose another model")]
    UnknownPreTokenizer {
        /// File or address.
        name: String,
        /// `tokenizer.ggml.pre` of the file.
        found: String,
        /// The ones that work, separated by commas.
        supported: String,
    },
    /// The tokenizer in the file is inconsistent, or refused a text.
    #[error("the tokenizer of {name} cannot be used: {cause}; get the file again or choose another model")]
    Tokenizer {
        /// File or address.
        name: String,
        /// What is wrong.
        cause: String,
    },
    /// The chat template does not compile, or refused the conversation.
    #[error("the chat template of {name} failed: {cause}; use another prompt preset or change the messages")]
    ChatTemplate {
        /// File or address.
        name: String,
        /// The template engine's own words, with the line where it knows it.
        cause: String,
    },
    /// A tensor the model needs is absent.
    #[error("{name} has no tensor `{tensor}`; the model is incomplete or of another family")]
    MissingTensor {
        /// File or address.
        name: String,
        /// The tensor.
        tensor: String,
    },
    /// A tensor has another shape than the rest of the model asks for.
    #[error("{name}: tensor `{tensor}` must be {expected} but is {found}; the file mixes two models")]
    WrongShape {
        /// File or address.
        name: String,
        /// The tensor.
        tensor: String,
        /// Shape needed, innermost dimension first.
        expected: String,
        /// Shape in the file, innermost dimension first.
        found: String,
    },
    /// Rows were asked for that the tensor does not have: a mistake of the caller.
    #[error("{name}: rows {first} to {first} + {count} of tensor `{tensor}` were asked for, it has {have}")]
    RowsOutOfRange {
        /// File or address.
        name: String,
        /// The tensor.
        tensor: String,
        /// First row asked for.
        first: u64,
        /// Number of rows asked for.
        count: u64,
        /// Rows there are.
        have: u64,
    },
    /// A token id from outside the vocabulary, for instance from another model's memory.
    #[error("token {id} is outside the vocabulary of {vocab} tokens; was it made with another model?")]
    TokenOutOfRange {
        /// The id.
        id: u32,
        /// Size of the vocabulary.
        vocab: u32,
    },
    /// More tokens than the model can attend to.
    #[error("{tokens} tokens do not fit the model's context of {context}; shorten the text or the demonstrations")]
    TooLong {
        /// Tokens there are.
        tokens: usize,
        /// Tokens that fit.
        context: usize,
    },
    /// The device failed; its own message says what to do.
    #[error(transparent)]
    Device(#[from] pema_device::Error),
}
