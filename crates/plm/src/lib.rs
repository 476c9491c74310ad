//! The pre-trained language model (PLM): its file, its words, its body and its head. It turns text
//! into context representations f(c) and those into P_LM. It knows nothing of memories or adapters.

mod body;
mod cache;
pub mod chat;
mod error;
pub mod gguf;
mod head;
mod model_file;
mod plm;
pub mod source;
pub mod tokenizer;

pub use body::{Body, Piece};
pub use cache::KvCache;
pub use error::{Error, Result};
pub use head::LmHead;
pub use model_file::{Identity, MAX_CONTEXT, ModelConfig, ModelFile};
pub use plm::{BATCH_TOKENS, Plm};
