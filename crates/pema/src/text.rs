//! One text on its way from tokens to what is shown.

use pema_plm::Plm;
use pema_plm::source::ByteSource;
use pema_plm::tokenizer::Decoder;

use crate::copying::Reader;
use crate::generate::{Token, Written};
use crate::mixer::Choice;
use crate::sampling::{Sampler, StopStrings};
use crate::schedule::Unrolling;

/// A text being written.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    unrolling: Unrolling,
    pub(crate) sampler: Sampler,
    decoder: Decoder,
    stop: StopStrings,
    written: Written,
    room: usize,
    finished: bool,
    /// With copying: the input.
    pub(crate) reader: Option<Reader>,
    said: String,
}

impl Text {
    /// An empty text with room for so many tokens.
    pub(crate) fn new(
        unrolling: Unrolling,
        sampler: Sampler,
        decoder: Decoder,
        stop: StopStrings,
        room: usize,
    ) -> Text {
        let written = Written { text: String::new(), tokens: Vec::new(), ended: false };
        let (finished, reader, said) = (room == 0, None, String::new());
        Text { unrolling, sampler, decoder, stop, written, room, finished, reader, said }
    }

    /// What there is of it.
    pub(crate) fn written(&self) -> &Written {
        &self.written
    }

    /// Whether it ended, or there is no more room.
    pub(crate) fn finished(&self) -> bool {
        self.finished
    }

    /// The whole text, what stop strings hold back included.
    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    /// The tokens so far.
    pub(crate) fn ids(&self) -> Vec<u32> {
        self.written.tokens.iter().map(|t| t.id).collect()
    }

    /// Weight of the adapter at the next token.
    pub(crate) fn lambda(&self) -> f32 {
        self.unrolling.lambda(self.written.tokens.len())
    }

    /// Takes the next token; returns the text that is certain now.
    pub(crate) fn push<S: ByteSource>(&mut self, plm: &Plm<S>, choice: Choice) -> String {
        let tokenizer = &plm.file.tokenizer;
        let ended = tokenizer.eos_ids().contains(&choice.id);
        let text = if ended { String::new() } else { self.decoder.push(choice.id).unwrap_or_default() };
        self.said += &text;
        let lambda = self.lambda();
        let shown = if ended { String::new() } else { tokenizer.token_text(choice.id).unwrap_or_default() };
        self.written.tokens.push(Token { id: choice.id, text: shown, lambda, probabilities: choice.probabilities });
        let piece = self.stop.push(&text);
        self.written.text += &piece;
        self.written.ended = ended || self.stop.stopped();
        self.finished = self.written.ended || self.written.tokens.len() >= self.room;
        piece
    }

    /// What was held back, and the finished text.
    pub(crate) fn end(mut self) -> (String, Written) {
        let mut rest = String::new();
        if !self.stop.stopped() {
            rest = self.stop.push(&self.decoder.finish().unwrap_or_default());
            rest += &self.stop.finish();
        }
        self.written.text += &rest;
        self.written.text = self.written.text.trim().to_owned();
        (rest, self.written)
    }
}
