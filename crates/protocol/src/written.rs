//! Answers, their tokens, and why a word was written.

use serde::{Deserialize, Serialize};

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Its text.
    pub text: String,
    /// Its tokens.
    pub tokens: u32,
    /// Whether it ended by itself.
    pub ended: bool,
}

/// Who wrote a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// The model alone.
    Base,
    /// The model with the adapter.
    Adapted,
}

/// A token as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenView {
    /// Its text; empty where the token is only a part of a character.
    pub text: String,
    /// Whether it ends the text.
    pub end: bool,
    /// Weight of the adapter at this token.
    pub lambda: f32,
    /// Probability of this token: model, adapter, mixture.
    pub probabilities: [f32; 3],
    /// The likeliest tokens of the mixture.
    pub candidates: Vec<Candidate>,
}

/// A token that could have been written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its text.
    pub text: String,
    /// Model, adapter, mixture.
    pub probabilities: [f32; 3],
}

/// A row of the user's memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Distance between the states.
    pub distance: f32,
    /// The input of the pair it comes from.
    pub input: String,
    /// The target up to the token.
    pub before: String,
    /// The token.
    pub token: String,
}
