//! The language model before adaptation: its file, its words, its prompt.
pub mod chat;
pub mod error;
pub mod gguf;
pub mod source;
pub mod tokenizer;
