//! Whether an adapter helps, judged by texts: ways to use it are tried on held-out pairs, and the best
//! becomes the adapter's own. When none beats the model, the model alone does, and the reason is named.

use serde::Serialize;

pub use self::words::gained;
use crate::Result;
use crate::adapter::Adapter;
use crate::copying::CopyBias;
use crate::generate::{Copying, GenerateConfig, Method};
use crate::metrics::{Faults, Interval, chrf, chrf_gain, faults};
use crate::prompt::PromptSetup;
use crate::schedule::{Schedule, Unrolling};
use crate::similar::Similar;

/// A way to write with what was trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mix {
    /// Who has a say.
    pub method: Method,
    /// Weight of the adapter, at the first token under Gradual Unrolling; 0 for the model alone.
    pub lambda: f32,
    /// Whether words of the input are favoured.
    pub copying: bool,
    /// Versions of a text that are kept while it is written.
    pub beams: usize,
    /// Training pairs like the input that are shown right before it; see [`Similar`].
    pub similar: usize,
}

/// What a way of writing wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// The way.
    pub mix: Mix,
    /// Its texts, in the order of the pairs.
    pub texts: Vec<String>,
    /// Its mean -log P(y) over the tokens of held-out pairs.
    pub nll: f64,
    /// With which correction, under `mix.copying`.
    pub bias: Option<CopyBias>,
    /// Among which, under `mix.similar`.
    pub similar: Option<Similar>,
}

/// What the tries say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The way that wrote best.
    pub chosen: Mix,
    /// chrF2 that the best way with the adapter gains over the best of the model alone, same prompt.
    pub gain: Interval,
    /// Held-out pairs it was judged on.
    pub pairs: usize,
    /// Why the adapter does not help; `None` when it does.
    pub reason: Option<Reason>,
    /// The correction that goes with `chosen`.
    #[serde(skip)]
    pub copying: Option<CopyBias>,
    /// The pairs that `chosen.similar` are of.
    #[serde(skip)]
    pub similar: Option<Similar>,
}

/// Why an adapter does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It says the same again.
    Repetition,
    /// It loses words that should be copied.
    CopyingLost,
    /// The model itself writes far more or far less than the targets.
    TemplateMismatch,
    /// The model alone already writes nearly what is wanted.
    AlreadyRight,
    /// There were too few examples to learn from.
    TooFewExamples,
    /// None of these.
    NothingLearnt,
}

/// Examples below which little can be learnt.
const FEW: usize = 50;
/// Held-out pairs below which resampling them says nothing of other pairs.
const PROOF: usize = 8;
/// Worsening of a rate that is the likely cause.
const CLEARLY: f64 = 0.04;
/// chrF2 of texts in which little is left to better.
const RIGHT: f64 = 95.0;
/// Length of texts, against the references, at which the prompt is at fault.
const LENGTHS: std::ops::Range<f64> = 0.5..2.0;
/// A weight that is tried beside the one of the lowest loss.
const HALF: f32 = 0.5;
/// Weights nearer than this are one try.
const SAME: f32 = 0.15;

impl Mix {
    /// The model alone.
    pub const BASE: Mix = Mix { method: Method::Base, lambda: 0.0, copying: false, beams: 1, similar: 0 };

    /// An adapter's own way.
    pub fn of(adapter: &Adapter) -> Mix {
        let m = &adapter.meta;
        let lambda = match m.method {
            Method::PemaGu => m.lambda_max,
            Method::Pema => m.lambda_constant,
            Method::Base | Method::Knn => 0.0,
        };
        let similar = m.prompt.similar.as_ref().map_or(0, |s| s.count);
        Mix { method: m.method, lambda, copying: m.copying.is_some(), beams: m.beams, similar }
    }

    /// Ways worth trying beside the model alone: the adapter with the weights of the lowest held-out loss,
    /// with half, and in full.
    pub fn worth_trying(adapter: &Adapter) -> Vec<Mix> {
        let m = &adapter.meta;
        let mut all: Vec<Mix> = Vec::new();
        for (method, lambdas) in
            [(Method::Pema, [m.lambda_constant, HALF, 1.0]), (Method::PemaGu, [m.lambda_max, 1.0, 1.0])]
        {
            for lambda in lambdas {
                if !all.iter().any(|other| other.method == method && (other.lambda - lambda).abs() < SAME) {
                    all.push(Mix { method, lambda, copying: false, beams: 1, similar: 0 });
                }
            }
        }
        all
    }

    /// Weight of the adapter at token `position` of a text whose input has `input_tokens`.
    pub(crate) fn weight(&self, position: u32, input_tokens: u32) -> f32 {
        let schedule = if self.method == Method::PemaGu { Schedule::Paper } else { Schedule::Constant };
        Unrolling { schedule, lambda_max: self.lambda, length: input_tokens as usize }.lambda(position as usize)
    }

    /// Writing in this way, without copying.
    pub fn config(&self, prompt: &PromptSetup, max_tokens: usize) -> GenerateConfig {
        let lambda_max = self.method.adapted().then_some(self.lambda);
        // A correction is the caller's to add; the adapter's own is that of an earlier choice.
        let copying = Copying::Off;
        let beams = Some(self.beams);
        GenerateConfig { lambda_max, copying, beams, ..GenerateConfig::greedy(self.method, prompt, max_tokens) }
    }
}

/// chrF2 that a nat of loss is worth among ways to use one adapter, times the pairs that were written. A
/// nat over 40 pairs: 50 points, so that there both witnesses weigh about the same. Texts weigh more where there are more of them.
const NAT: f64 = 2000.0;

/// chrF2 that keeping several versions is given in advance: it gained five points on pairs that nothing was chosen on,
/// and a few dozen texts are wrong about two of them as often as not.
const SEARCH: f64 = 2.0;

/// chrF2 that showing similar pairs must gain, because every text then takes the time to read them.
const READING: f64 = 1.0;

impl Tried {
    /// What ways are compared by: chrF2 and loss together, since a few dozen texts alone tell ways of one
    /// adapter apart by chance, and the loss alone does not know how a text goes on behind a slip.
    pub(crate) fn score<R: AsRef<str>>(&self, references: &[R]) -> Result<f64> {
        let search = if self.mix.beams > 1 { SEARCH } else { 0.0 };
        let reading = if self.mix.similar > 0 { READING } else { 0.0 };
        Ok(chrf(&self.texts, references)?.value + search - reading - NAT / references.len().max(1) as f64 * self.nll)
    }
}

/// Chooses among ways that were tried, the model alone among them. `trained_on` examples.
///
/// # Errors
/// [`Error::UnevenScoring`](crate::Error::UnevenScoring) when texts are missing or nothing was tried.
pub fn decide(tried: &[Tried], inputs: &[String], references: &[String], trained_on: usize) -> Result<Verdict> {
    let mut alone: Option<(&Tried, f64)> = None;
    for way in tried.iter().filter(|t| t.mix.method == Method::Base) {
        let value = chrf(&way.texts, references)?.value;
        if alone.is_none_or(|(_, b)| value > b) {
            alone = Some((way, value));
        }
    }
    let missing = || crate::Error::UnevenScoring { hypotheses: tried.len(), references: references.len() };
    let (alone, alone_chrf) = alone.ok_or_else(missing)?;
    let base = &alone.texts[..];
    // Ways that gain come first, whatever the loss says of the others.
    let mut best: Option<(&Tried, Interval, (bool, f64))> = None;
    for way in tried.iter().filter(|t| t.mix.method.adapted()) {
        let gain = chrf_gain(base, &way.texts, references)?;
        let rank = (gain.value > 0.0, way.score(references)?);
        if best.as_ref().is_none_or(|(_, _, b)| rank > *b) {
            best = Some((way, gain, rank));
        }
    }
    let (best, gain, _) = best.ok_or_else(missing)?;
    // An adapter whose held-out loss was chosen the lowest has earned the benefit of the doubt: a loss
    // within half a standard error is chance, and the interval is four standard errors wide.
    // Where next to nothing is left to better, an adapter can do harm and hardly good: there it must prove itself.
    let needless = alone_chrf > RIGHT && gain.low <= 0.0;
    let helps = gain.value > 0.0 || gain.value > (gain.low - gain.high) / 8.0;
    let (chosen, reason) = match helps && !needless {
        true => (best, None),
        false => {
            let [before, after] = [faults(inputs, base, references)?, faults(inputs, &best.texts, references)?];
            let reason = if alone_chrf > RIGHT { Reason::AlreadyRight } else { reason(&before, &after, trained_on) };
            (alone, Some(reason))
        }
    };
    let (copying, similar) = (chosen.bias.clone(), chosen.similar.clone());
    Ok(Verdict { chosen: chosen.mix, gain, pairs: references.len(), reason, copying, similar })
}

fn reason(before: &Faults, after: &Faults, trained_on: usize) -> Reason {
    if after.repeated - before.repeated > CLEARLY {
        Reason::Repetition
    } else if after.dropped - before.dropped > CLEARLY {
        Reason::CopyingLost
    } else if trained_on < FEW {
        Reason::TooFewExamples
    } else if !LENGTHS.contains(&before.length_ratio) {
        Reason::TemplateMismatch
    } else {
        Reason::NothingLearnt
    }
}

/// What a verdict comes down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// It writes better than the model alone.
    Helps,
    /// So it seems, but the pairs are too few to rule out chance.
    SeemsToHelp,
    /// Neither better nor clearly worse; its lower loss decides for it.
    NoDifference,
    /// The model alone writes better, or no worse.
    DoesNotHelp,
}

impl Verdict {
    /// What it comes down to.
    pub fn finding(&self) -> Finding {
        match self.reason {
            Some(_) => Finding::DoesNotHelp,
            None if self.proves() && self.gain.above(0.0) => Finding::Helps,
            None if self.gain.value <= 0.0 => Finding::NoDifference,
            None => Finding::SeemsToHelp,
        }
    }

    /// Whether there were enough pairs for the interval of `gain` to say something.
    pub fn proves(&self) -> bool {
        self.pairs >= PROOF
    }

    /// Makes the chosen way the adapter's own.
    pub fn apply(&self, adapter: &mut Adapter) {
        let m = &mut adapter.meta;
        m.method = self.chosen.method;
        m.copying = self.copying.clone();
        m.prompt.similar = self.similar.clone();
        m.beams = self.chosen.beams;
        match self.chosen.method {
            Method::Pema => (m.lambda_constant, m.schedule) = (self.chosen.lambda, Schedule::Constant),
            Method::PemaGu => (m.lambda_max, m.schedule) = (self.chosen.lambda, Schedule::Paper),
            Method::Base | Method::Knn => {}
        }
    }
}

#[cfg(test)]
mod tests;
mod words;
