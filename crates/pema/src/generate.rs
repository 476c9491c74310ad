//! Writing: the model, the adapter and the memory mixed token by token.

use std::cell::OnceCell;

use pema_device::Buffer;
use pema_plm::source::ByteSource;
use serde::{Deserialize, Serialize};

use crate::beam::MOST_BEAMS;
use crate::copying::{CopyBias, Lexicon};
use crate::knn::Knn;
use crate::mixer::Mixer;
use crate::prompt::Encoded;
use crate::sampling::{Sampler, SamplingConfig, StopStrings};
use crate::schedule::{Schedule, Unrolling};
use crate::text::Text;
use crate::writing::Writing;
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
    /// Methods with an adapter never say a run of so many tokens twice; 0 for no such rule, the adapter's own when
    /// `None`. The memory's votes are not bound by it.
    pub no_repeat: Option<usize>,
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
    /// What was asked for by `explain`; always there where a memory votes.
    pub probabilities: Option<Probabilities>,
}

/// Probabilities of the token that was written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Probabilities {
    /// P_LM; where the memory votes beside an adapter, what model and adapter say together.
    pub lm: f32,
    /// P_PEMA, or that of the memory's votes wherever it votes.
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
        let mut writing = Writing::new(self, prompts, config)?;
        while writing.step(&mut on_text).await?.is_some() {}
        Ok(writing.finish())
    }

    /// How many versions of a text are kept.
    pub(crate) fn beams(&self, config: &GenerateConfig) -> Result<usize> {
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

    /// Most tokens of the text for a prompt.
    pub(crate) fn room(&self, prompt: &Encoded, config: &GenerateConfig) -> usize {
        config.max_tokens.min(self.plm.file.config.context - prompt.prompt.len())
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
