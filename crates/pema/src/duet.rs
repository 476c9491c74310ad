//! Writing the same prompt twice in step, with and without the adapter, and showing why.
//!
//! Both texts share one reading of the prompt and one body pass a token. Logits come to the host, so
//! that every candidate's probabilities can be shown and the mix can change between two tokens.

use pema_plm::Plm;
use pema_plm::source::ByteSource;
use pema_plm::tokenizer::Decoder;

use crate::copying::Reader;
use crate::decode::Batch;
use crate::generate::{Generator, Probabilities};
use crate::prompt::Encoded;
use crate::sampling::StopStrings;
use crate::schedule::{Schedule, Unrolling};
use crate::steering::Steering;
use crate::{Error, Result};

/// One of the two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// The model alone.
    Base,
    /// The model with the adapter.
    Adapted,
}

/// A token of a duet.
#[derive(Debug, Clone, PartialEq)]
pub struct DuetToken {
    /// Who wrote it.
    pub voice: Voice,
    /// Its id.
    pub id: u32,
    /// Text that is certain now.
    pub piece: String,
    /// Weight of the adapter.
    pub lambda: f32,
    /// Of this token.
    pub probabilities: Probabilities,
    /// The likeliest tokens of the mixture, best first.
    pub candidates: Vec<(u32, Probabilities)>,
    /// f(c) it was chosen from, [d]
    pub context: Vec<f32>,
}

/// Two texts being written.
#[derive(Debug)]
pub struct Duet<'a, S> {
    generator: &'a Generator<'a, S>,
    batch: Batch<'a, S>,
    prompt: Encoded,
    voices: Vec<VoiceState>,
    feed: Vec<(usize, u32)>,
    room: usize,
    /// What steers the adapted text, and the input it follows.
    steering: (Steering<'a>, Option<Reader>),
}

#[derive(Debug)]
struct VoiceState {
    voice: Voice,
    decoder: Decoder,
    stop: StopStrings,
    text: String,
    /// The whole text, what stop strings hold back included.
    said: String,
    ids: Vec<u32>,
    ended: bool,
}

/// Candidates shown a token.
const CANDIDATES: usize = 6;

impl<'a, S: ByteSource> Duet<'a, S> {
    /// Reads the prompt; without an adapter only the base writes.
    pub fn new(
        generator: &'a Generator<'a, S>,
        prompt: Encoded,
        stop: &[String],
        max_tokens: usize,
    ) -> Result<Duet<'a, S>> {
        let plm = generator.plm();
        let limit = plm.file.config.context;
        let Some(prefix) = prompt.prompt.len().checked_sub(1) else {
            let why = "a prompt came out empty; write an instruction into the template or more into the input";
            return Err(Error::BadTemplate { why: why.to_owned() });
        };
        if prefix + 1 >= limit {
            return Err(pema_plm::Error::TooLong { tokens: prefix + 2, context: limit }.into());
        }
        let room = max_tokens.min(limit - prefix - 1);
        let names = if generator.adapter().is_some() { &[Voice::Base, Voice::Adapted][..] } else { &[Voice::Base] };
        let voices = names.iter().map(|voice| VoiceState {
            voice: *voice,
            decoder: plm.file.tokenizer.decoder(),
            stop: StopStrings::new(stop.iter().cloned()),
            text: String::new(),
            said: String::new(),
            ids: Vec::new(),
            ended: false,
        });
        let voices: Vec<VoiceState> = voices.collect();
        let batch = Batch::new(plm, &prompt.prompt[..prefix], (room + 1) * voices.len())?;
        let steering = generator.own_steering()?;
        let steering = (steering, steering.reader(&prompt.input));
        Ok(Duet { generator, batch, prompt, voices, feed: Vec::new(), room, steering })
    }

    /// The next token of every text that goes on, under the given mix; `None` when both have ended.
    pub async fn step(&mut self, schedule: Schedule, lambda_max: f32) -> Result<Option<Vec<DuetToken>>> {
        let plm = self.generator.plm();
        let first = self.voices.iter().all(|v| v.ids.is_empty());
        if self.room == 0 || (!first && self.feed.is_empty()) {
            return Ok(None);
        }
        let (active, contexts) = if first {
            let n = self.voices.len();
            let ids = vec![self.prompt.prompt.as_slice(); n];
            let parts = self.batch.start(&ids, &vec![self.room; n], &vec![1; n])?;
            ((0..n).collect::<Vec<_>>(), parts)
        } else {
            let (active, ids): (Vec<usize>, Vec<u32>) = self.feed.iter().copied().unzip();
            let contexts = self.batch.step(&active, &ids)?;
            (active, vec![contexts])
        };
        let unrolling = Unrolling::new(schedule, lambda_max, self.prompt.input_tokens)?;
        let (d, vocab) = (plm.head.hidden(), plm.head.vocab());
        let mut tokens = Vec::new();
        self.feed.clear();
        for contexts in contexts {
            let n = contexts.words() / d;
            let states = plm.device.read::<f32>(&contexts, 0, n * d).await?;
            let (lm, pema) = self.generator.logits(&contexts, n).await?;
            for row in 0..n {
                let at = active[tokens.len()];
                let voice = &mut self.voices[at];
                let of = row * vocab..(row + 1) * vocab;
                let lambda = if voice.voice == Voice::Base { 0.0 } else { unrolling.lambda(voice.ids.len()) };
                let (steering, reader) = &self.steering;
                let bonus = match voice.voice {
                    Voice::Adapted => steering.bonus(reader.as_ref(), &voice.said, &voice.ids),
                    Voice::Base => Vec::new(),
                };
                let mut token = choose(&lm[of.clone()], pema.as_ref().map(|p| &p[of]), lambda, &bonus);
                token.voice = voice.voice;
                token.context = states[row * d..(row + 1) * d].to_vec();
                token.piece = voice.push(plm, token.id, self.room);
                if !voice.ended && voice.ids.len() < self.room {
                    self.feed.push((at, token.id));
                }
                tokens.push(token);
            }
        }
        Ok(Some(tokens))
    }

    /// The text of a voice so far, without surrounding blanks, its tokens, and whether it ended by itself.
    pub fn text(&self, voice: Voice) -> Option<(String, usize, bool)> {
        let v = self.voices.iter().find(|v| v.voice == voice)?;
        Some((v.text.trim().to_owned(), v.ids.len(), v.ended))
    }
}

impl VoiceState {
    /// Takes a token; returns the text that is certain now, all of it with the last of `room` tokens.
    fn push<S: ByteSource>(&mut self, plm: &Plm<S>, id: u32, room: usize) -> String {
        let tokenizer = &plm.file.tokenizer;
        let end = tokenizer.eos_ids().contains(&id);
        self.ids.push(id);
        let last = end || self.ids.len() == room;
        let mut text = if end { String::new() } else { self.decoder.push(id).unwrap_or_default() };
        if last {
            text += &self.decoder.finish().unwrap_or_default();
        }
        self.said += &text;
        let mut piece = self.stop.push(&text);
        self.ended = end || self.stop.stopped();
        if last && !self.stop.stopped() {
            piece += &self.stop.finish();
        }
        self.text += &piece;
        piece
    }
}

/// The likeliest token of lambda P_PEMA + (1 - lambda) P_LM, corrected by a bonus (in nats) for some, in
/// ascending order of tokens; the first of equals.
fn choose(lm: &[f32], pema: Option<&[f32]>, lambda: f32, bonus: &[(u32, f32)]) -> DuetToken {
    let (lm_log_sum, pema_log_sum) = (log_sum_exp(lm), pema.map_or(0.0, log_sum_exp));
    let at = |i: usize| {
        let p = f64::from(lm[i]) - lm_log_sum;
        let q = pema.map_or(p, |pema| f64::from(pema[i]) - pema_log_sum);
        let (p, q) = (p.exp(), q.exp());
        let mix = f64::from(lambda) * q + (1.0 - f64::from(lambda)) * p;
        (mix, p, q)
    };
    let factors: Vec<(usize, f64)> = bonus.iter().map(|(id, b)| (*id as usize, f64::from(*b).exp())).collect();
    let normaliser = 1.0 + factors.iter().map(|(i, factor)| at(*i).0 * (factor - 1.0)).sum::<f64>();
    let mut favoured = factors.iter().copied().peekable();
    let mut best: Vec<(f64, usize)> = Vec::with_capacity(CANDIDATES + 1);
    for i in 0..lm.len() {
        let factor = favoured.next_if(|f| f.0 == i).map_or(1.0, |f| f.1);
        let mix = at(i).0 * factor / normaliser;
        if best.len() < CANDIDATES || best.last().is_some_and(|b| mix > b.0) {
            let place = best.partition_point(|b| b.0 >= mix);
            best.insert(place, (mix, i));
            best.truncate(CANDIDATES);
        }
    }
    let of = |(mix, i): (f64, usize)| {
        let (_, lm, pema) = at(i);
        Probabilities { lm: lm as f32, pema: pema as f32, mix: mix as f32 }
    };
    let first = best.first().copied().unwrap_or((0.0, 0));
    DuetToken {
        voice: Voice::Base,
        id: first.1 as u32,
        piece: String::new(),
        lambda,
        probabilities: of(first),
        candidates: best.iter().map(|b| (b.1 as u32, of(*b))).collect(),
        context: Vec::new(),
    }
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = logits.iter().copied().fold(f32::MIN, f32::max);
    f64::from(max) + logits.iter().map(|l| f64::from(l - max).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixture_decides_and_the_first_of_equals_wins() {
        let (lm, pema) = ([0.0, 2.0, 2.0, -1.0], [0.0, 0.0, 0.0, 9.0]);
        let base = choose(&lm, Some(&pema), 0.0, &[]);
        assert_eq!((base.id, base.candidates.len()), (1, 4));
        let adapted = choose(&lm, Some(&pema), 0.9, &[]);
        assert_eq!(adapted.id, 3);
        let p = adapted.probabilities;
        assert!((p.mix - (0.9 * p.pema + 0.1 * p.lm)).abs() < 1e-6);
        let sum: f32 = adapted.candidates.iter().map(|c| c.1.mix).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        let favoured = choose(&lm, Some(&pema), 0.0, &[(2, 1.0)]);
        let sum: f32 = favoured.candidates.iter().map(|c| c.1.mix).sum();
        assert!(favoured.id == 2 && (sum - 1.0).abs() < 1e-5, "{favoured:?}");
    }
}
