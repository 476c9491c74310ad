//! Writing: the model, the adapter and the memory mixed token by token.

use std::cell::OnceCell;

use pema_device::Buffer;
use pema_plm::source::ByteSource;
use serde::{Deserialize, Serialize};

use crate::beam::MOST_BEAMS;
use crate::copying::{CopyBias, Lexicon, Reader};
use crate::decode::Batch;
use crate::knn::Knn;
use crate::mixer::{Mixer, Mixing};
use crate::prompt::{Encoded, shared_prefix};
use crate::sampling::{Sampler, SamplingConfig, StopStrings};
use crate::schedule::{Schedule, Unrolling};
use crate::text::Text;
use crate::{Adapter, Error, Result};
use pema_plm::Plm;

/// Who has a say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The model alone.
    Base,
    /// The model and the memory's nearest rows.
    Knn,
    /// The model and the adapter, lambda the same at every token.
    Pema,
    /// The model and the adapter under Gradual Unrolling.
    PemaGu,
}

impl Method {
    /// All methods, in the order of reports.
    pub const ALL: [Method; 4] = [Method::Base, Method::Knn, Method::Pema, Method::PemaGu];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        ["base", "knn", "pema", "pema-gu"][self as usize]
    }

    /// The method that writes with an adapter under a schedule.
    pub fn of(schedule: Schedule) -> Method {
        if schedule == Schedule::Constant { Method::Pema } else { Method::PemaGu }
    }

    /// Whether it needs an adapter.
    pub fn adapted(self) -> bool {
        matches!(self, Method::Pema | Method::PemaGu)
    }
}

impl std::str::FromStr for Method {
    type Err = Error;
    fn from_str(s: &str) -> Result<Method> {
        Method::ALL.into_iter().find(|m| m.name() == s).ok_or_else(|| Error::BadSetting {
            setting: "method",
            value: s.to_owned(),
            range: "base, knn, pema or pema-gu".to_owned(),
        })
    }
}

/// How to write.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateConfig {
    /// Who has a say.
    pub method: Method,
    /// lambda_max instead of the adapter's own.
    pub lambda_max: Option<f32>,
    /// Schedule for [`Method::PemaGu`]; its own for `None`: Gradual Unrolling.
    pub schedule: Option<Schedule>,
    /// Length for [`Schedule::ReferenceCode`], which the released program takes from the reference text.
    pub reference_length: Option<usize>,
    /// Most tokens of a text.
    pub max_tokens: usize,
    /// How tokens are drawn.
    pub sampling: SamplingConfig,
    /// Where a text ends although the model would go on.
    pub stop: Vec<String>,
    /// Whether methods with an adapter favour the input's words.
    pub copying: Copying,
    /// Weight of the memory's votes on top of a method with an adapter; [`Method::Knn`] has its own.
    pub votes: Option<f32>,
    /// Versions of a text that are kept while it is written, of which the most probable is the result; 1
    /// takes the best token each time, as sampling and the memory's votes always do. The adapter's own number when `None`, 1 without an adapter.
    pub beams: Option<usize>,
    /// Fill in the probabilities of [`Token`].
    pub explain: bool,
}

/// Whether words of the input are favoured.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Copying {
    /// As the adapter was told to, if it was.
    #[default]
    Adapters,
    /// No: the mixture as it is.
    Off,
    /// With this correction.
    With(CopyBias),
}

/// A token that was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Token {
    /// Its id.
    pub id: u32,
    /// Its text; empty for control tokens.
    pub text: String,
    /// Weight of the adapter or the memory.
    pub lambda: f32,
    /// What was asked for by `explain`.
    pub probabilities: Option<Probabilities>,
}

/// Probabilities of the token that was written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Probabilities {
    /// P_LM
    pub lm: f32,
    /// P_PEMA, or that of the memory's votes.
    pub pema: f32,
    /// The mixture.
    pub mix: f32,
}

/// A text that was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Written {
    /// The text, without surrounding blanks and without the stop string.
    pub text: String,
    /// Its tokens, the end token included.
    pub tokens: Vec<Token>,
    /// Whether it ended by itself and not at the limit.
    pub ended: bool,
}

/// Writes with one model and, as the method asks, an adapter or a memory.
#[derive(Debug)]
pub struct Generator<'a, S> {
    plm: &'a Plm<S>,
    mixer: Mixer<'a, S>,
    adapter: Option<&'a Adapter>,
    /// Read when copying is first asked for.
    lexicon: OnceCell<Lexicon>,
}

/// Texts written in step.
pub(crate) const BATCH: usize = 32;

impl<'a, S: ByteSource> Generator<'a, S> {
    /// Uploads the adapter.
    pub fn new(plm: &'a Plm<S>, adapter: Option<&'a Adapter>, knn: Option<&'a Knn>) -> Result<Generator<'a, S>> {
        Ok(Generator { plm, mixer: Mixer::new(plm, adapter, knn)?, adapter, lexicon: OnceCell::new() })
    }

    pub(crate) fn mixer(&self) -> &Mixer<'a, S> {
        &self.mixer
    }

    /// The model it writes with.
    pub fn plm(&self) -> &'a Plm<S> {
        self.plm
    }

    /// The adapter it writes with.
    pub fn adapter(&self) -> Option<&'a Adapter> {
        self.adapter
    }

    /// Logits of the model and, with an adapter, of P_PEMA for `n` rows of `contexts`, `[n, V]` each.
    pub(crate) async fn logits(&self, contexts: &Buffer, n: usize) -> Result<(Vec<f32>, Option<Vec<f32>>)> {
        self.mixer.logits(contexts, n).await
    }

    /// The correction that `config` asks for, with the words of this tokenizer.
    pub(crate) fn copying<'b>(&'b self, config: &'b GenerateConfig) -> Result<Option<(&'b CopyBias, &'b Lexicon)>> {
        let bias = match &config.copying {
            _ if !config.method.adapted() => None,
            Copying::Off => None,
            Copying::Adapters => self.adapter.and_then(|a| a.meta.copying.as_ref()),
            Copying::With(bias) => Some(bias),
        };
        let Some(bias) = bias else { return Ok(None) };
        Ok(Some((bias, self.lexicon()?)))
    }

    /// The words of this tokenizer.
    pub(crate) fn lexicon(&self) -> Result<&Lexicon> {
        if let Some(lexicon) = self.lexicon.get() {
            return Ok(lexicon);
        }
        let lexicon = Lexicon::new(&self.plm.file.tokenizer)?;
        Ok(self.lexicon.get_or_init(|| lexicon))
    }

    /// Writes a text for every prompt. `on_text(i, piece)` hears of every piece of text as it is certain.
    pub async fn write(
        &self,
        prompts: &[Encoded],
        config: &GenerateConfig,
        mut on_text: impl FnMut(usize, &str),
    ) -> Result<Vec<Written>> {
        config.sampling.check()?;
        self.mixer.check(config.method, config.votes)?;
        let copying = self.copying(config)?;
        let limit = self.plm.file.config.context;
        if let Some(p) = prompts.iter().find(|p| p.prompt.len() >= limit) {
            return Err(pema_plm::Error::TooLong { tokens: p.prompt.len() + 1, context: limit }.into());
        }
        match self.beams(config)? {
            0 | 1 => {}
            beams => return self.search(prompts, config, beams, on_text).await,
        }
        let prefix = shared_prefix(prompts.iter().map(|p| p.prompt.as_slice()));
        let room = |p: &Encoded| config.max_tokens.min(limit - p.prompt.len());
        let rows = prompts.chunks(BATCH).map(|c| c.iter().map(|p| p.prompt.len() - prefix + room(p)).sum()).max();
        let head = prompts.first().map_or(&[][..], |p| &p.prompt[..prefix]);
        let mut batch = Batch::new(self.plm, head, rows.unwrap_or(0))?;
        let mut written = Vec::new();
        for (c, chunk) in prompts.chunks(BATCH).enumerate() {
            let mut texts = Vec::new();
            for (i, prompt) in chunk.iter().enumerate() {
                let mut text = self.begin(prompt, config, (c * BATCH + i) as u64, room(prompt))?;
                text.reader = copying.map(|(bias, _)| Reader::new(&prompt.input, bias));
                texts.push(text);
            }
            let ids: Vec<&[u32]> = chunk.iter().map(|p| p.prompt.as_slice()).collect();
            let rooms: Vec<usize> = chunk.iter().map(room).collect();
            // All of them, or with a limit of no tokens none.
            let mut active: Vec<usize> = (0..chunk.len()).filter(|i| !texts[*i].finished()).collect();
            let mut parts = batch.start(&ids, &rooms, &vec![1; chunk.len()])?;
            while !active.is_empty() {
                let mut next = Vec::with_capacity(active.len());
                for contexts in &parts {
                    let n = contexts.words() / self.plm.head.hidden();
                    let lambdas: Vec<f32> =
                        active[next.len()..next.len() + n].iter().map(|i| texts[*i].lambda()).collect();
                    let (mut samplers, mut bonuses) = (Vec::with_capacity(n), Vec::new());
                    for i in &active[next.len()..next.len() + n] {
                        samplers.push(texts[*i].sampler.clone());
                        if let (Some((bias, lexicon)), Some(reader)) = (copying, &texts[*i].reader) {
                            bonuses.push(bias.bonus(reader, lexicon, texts[*i].said()));
                        }
                    }
                    let votes = config.votes.unwrap_or(0.0);
                    let how = Mixing { method: config.method, lambdas: &lambdas, bonuses: &bonuses, votes };
                    let choices = self.mixer.choose(how, contexts, n, &mut samplers, config.explain).await?;
                    for (k, sampler) in samplers.into_iter().enumerate() {
                        texts[active[next.len() + k]].sampler = sampler;
                    }
                    next.extend(choices);
                }
                let mut feed = Vec::new();
                let mut still = Vec::new();
                for (i, choice) in active.iter().copied().zip(next) {
                    let id = choice.id;
                    let piece = texts[i].push(self.plm, choice);
                    if !piece.is_empty() {
                        on_text(c * BATCH + i, &piece);
                    }
                    if !texts[i].finished() {
                        still.push(i);
                        feed.push(id);
                    }
                }
                active = still;
                if active.is_empty() {
                    break;
                }
                parts = vec![batch.step(&active, &feed)?];
            }
            for (i, text) in texts.into_iter().enumerate() {
                let (piece, done) = text.end();
                if !piece.is_empty() {
                    on_text(c * BATCH + i, &piece);
                }
                written.push(done);
            }
        }
        Ok(written)
    }

    /// How many versions of a text are kept.
    fn beams(&self, config: &GenerateConfig) -> Result<usize> {
        let asked = |a: &&Adapter| config.method.adapted() || config.method == a.meta.method;
        let own = self.adapter.filter(asked).map_or(1, |a| a.meta.beams);
        let beams = config.beams.unwrap_or(own);
        if !(1..=MOST_BEAMS).contains(&beams) {
            let (value, range) = (beams.to_string(), format!("1 to {MOST_BEAMS}"));
            return Err(Error::BadSetting { setting: "beams", value, range });
        }
        let votes = config.method == Method::Knn || config.votes.is_some();
        let single = votes || !Sampler::new(config.sampling).is_greedy();
        if single && config.beams.is_some_and(|beams| beams > 1) {
            let (value, range) = (beams.to_string(), "1 when tokens are drawn or a memory votes".to_owned());
            return Err(Error::BadSetting { setting: "beams", value, range });
        }
        Ok(if single { 1 } else { beams })
    }

    pub(crate) fn begin(&self, prompt: &Encoded, config: &GenerateConfig, index: u64, room: usize) -> Result<Text> {
        let unrolling = self.unrolling(prompt.input_tokens, config)?;
        let sampler = Sampler::for_sequence(config.sampling, index);
        let decoder = self.plm.file.tokenizer.decoder();
        Ok(Text::new(unrolling, sampler, decoder, StopStrings::new(config.stop.iter().cloned()), room))
    }

    fn unrolling(&self, input_tokens: usize, config: &GenerateConfig) -> Result<Unrolling> {
        let meta = self.adapter.map(|a| &a.meta);
        let (schedule, chosen) = match config.method {
            Method::Base => (Schedule::Constant, 0.0),
            Method::Knn => (Schedule::Constant, self.mixer.knn_lambda()),
            Method::Pema => (Schedule::Constant, meta.map_or(0.5, |m| m.lambda_constant)),
            Method::PemaGu => (config.schedule.unwrap_or(Schedule::Paper), meta.map_or(0.5, |m| m.lambda_max)),
        };
        let lambda_max = if config.method == Method::Base { 0.0 } else { config.lambda_max.unwrap_or(chosen) };
        let length = match schedule {
            Schedule::ReferenceCode => config.reference_length.unwrap_or(input_tokens),
            _ => input_tokens,
        };
        Unrolling::new(schedule, lambda_max, length)
    }
}
