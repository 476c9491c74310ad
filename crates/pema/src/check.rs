//! The check of an adapter: held-out pairs are written by the model alone and with the adapter in several
//! ways, one token of some texts a step, so that the caller owns the loop.

use std::collections::VecDeque;
use std::iter::once;

use pema_plm::source::ByteSource;

use crate::beam::BEAMS;
use crate::copying::{CopyBias, CopyRow, ENOUGH, ROWS, copy_rows_of, worth_copying};
use crate::dataset::Example;
use crate::decode::Batch;
use crate::demonstrations::enough_tokens;
use crate::generate::{Copying, Generator};
use crate::guard::{Mix, Tried, Verdict, decide};
use crate::memory::Memory;
use crate::prompt::{Encoded, PromptSetup, Prompter};
use crate::similar::{SIMILAR, Similar};
use crate::writing::Writing;
use crate::{Error, Result};

/// The held-out pairs as a check needs them, and what it tries.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Pairs the adapter learnt from: what they make of words is favoured together with words of the input.
    pub training: &'a [Example],
    /// All held-out pairs.
    pub all: &'a [Example],
    /// Their rows.
    pub memory: &'a Memory,
    /// Those of them that are written; all must fit the model.
    pub written: &'a [Example],
    /// Ways with the adapter.
    pub ways: Ways,
    /// Whether ways that favour words of the input are among them.
    pub copying: bool,
    /// Whether [`Ways::All`] has ways that show training pairs like the input.
    pub similar: bool,
}

/// Which ways with the adapter are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ways {
    /// All that are worth it.
    All,
    /// The one of the lowest held-out loss.
    Own,
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckProgress {
    /// The way that is tried.
    pub mix: Mix,
    /// Texts so far, over all ways.
    pub done: usize,
    /// Texts in all.
    pub of: usize,
    /// Share of the writing that is done, 0 to 1: a text of which several versions are kept takes so much longer.
    pub share: f64,
}

/// Tries ways to write with an adapter. Losses of the held-out rows are read first, then every way writes.
#[derive(Debug)]
pub struct Checker<'a, S> {
    generator: &'a Generator<'a, S>,
    held: Held<'a>,
    inputs: Vec<String>,
    /// Of the pairs that are written, plain and behind pairs like them, which are only there when this is to be tried.
    prompts: [Vec<Encoded>; 2],
    similar: Option<Similar>,
    max_tokens: usize,
    bias: CopyBias,
    rows: Vec<CopyRow>,
    /// The first ways with the adapter.
    ways: Vec<Mix>,
    round: usize,
    /// Ways of the round that have not begun.
    coming: VecDeque<Mix>,
    /// The way that is being tried, still without its texts, and texts of it that are done.
    now: Option<(Tried, Writing<'a, S>, usize)>,
    tried: Vec<Tried>,
    /// What the last way leaves for the next with the same prompts.
    batch: Option<Batch<'a, S>>,
}

/// Ways that are tried once more without copying.
const FINALISTS: usize = 2;
/// Rounds of a check; see [`Checker::coming`].
const ROUNDS: usize = 4;
/// Pairs to choose them from below which it is not tried.
const ENOUGH_PAIRS: usize = 4 * SIMILAR;

impl<'a, S: ByteSource> Checker<'a, S> {
    /// A check of the generator's adapter.
    ///
    /// # Errors
    /// [`Error::Needs`] when it has none.
    pub fn new(generator: &'a Generator<'a, S>, held: Held<'a>) -> Result<Checker<'a, S>> {
        let Some(adapter) = generator.adapter() else {
            return Err(Error::Needs { method: "the check", needs: "an adapter" });
        };
        let plm = generator.plm();
        let encode = |similar: Option<Similar>| -> Result<Vec<Encoded>> {
            let setup = PromptSetup { similar, ..adapter.meta.prompt.clone() };
            let prompter = Prompter::new(&plm.file, &setup)?;
            held.written.iter().map(|e| prompter.prompt(&e.input)).collect()
        };
        let similar = Some(Similar::among(held.training, &adapter.meta.prompt.demos, SIMILAR))
            .filter(|s| held.ways == Ways::All && held.similar && s.pool.len() >= ENOUGH_PAIRS);
        let behind = if similar.is_some() { encode(similar.clone())? } else { Vec::new() };
        let own = Mix { copying: false, beams: 1, similar: 0, ..Mix::of(adapter) };
        Ok(Checker {
            generator,
            held,
            inputs: held.all.iter().map(|e| e.input.clone()).collect(),
            prompts: [encode(None)?, behind],
            similar,
            max_tokens: enough_tokens(plm, held.written)?,
            bias: CopyBias::unfitted(held.training),
            rows: Vec::new(),
            ways: if held.ways == Ways::All { Mix::worth_trying(adapter) } else { vec![own] },
            round: 0,
            coming: VecDeque::new(),
            now: None,
            tried: Vec::new(),
            batch: None,
        })
    }

    /// Reads some rows, begins a way or writes a token of some of its texts; `None` when every way is tried.
    pub async fn step(&mut self) -> Result<Option<CheckProgress>> {
        if !self.knows_losses() {
            let some = self.rows.len()..self.most_rows().min(self.rows.len() + ROWS);
            let rows = copy_rows_of(self.generator, self.held.memory, &self.inputs, &self.bias, some).await?;
            self.rows.extend(rows);
            return Ok(Some(self.progress(Mix::BASE)));
        }
        if let Some((tried, mut writing, _)) = self.now.take() {
            let mix = tried.mix;
            match writing.step(|_, _| {}).await? {
                Some(done) => self.now = Some((tried, writing, done)),
                None => {
                    let (texts, batch) = writing.into_parts();
                    self.batch = Some(batch);
                    self.tried.push(Tried { texts: texts.into_iter().map(|w| w.text).collect(), ..tried });
                }
            }
            return Ok(Some(self.progress(mix)));
        }
        let Some(mix) = self.coming()? else { return Ok(None) };
        self.coming.pop_front();
        self.begin(mix)?;
        Ok(Some(self.progress(mix)))
    }

    /// Whether the losses of all rows are read, which [`Checker::by_loss`] needs.
    pub fn knows_losses(&self) -> bool {
        self.rows.len() == self.most_rows()
    }

    /// The way that is tried next, when none is being tried. First come the model alone and the ways of the
    /// first round, with words of the input favoured; then the best of these without; then the model alone and the
    /// best of all behind pairs like the input; then once more the best of either, keeping several versions of every text.
    pub fn coming(&mut self) -> Result<Option<Mix>> {
        if self.now.is_some() {
            return Ok(None);
        }
        while self.coming.is_empty() && self.round < ROUNDS {
            let best = self.ranked(|mix| mix.method.adapted())?;
            let copying = self.held.copying;
            self.coming = match self.round {
                0 => once(Mix::BASE).chain(self.ways.iter().map(|mix| Mix { copying, ..*mix })).collect(),
                1 if !copying => VecDeque::new(),
                1 => best.iter().take(FINALISTS).map(|mix| Mix { copying: false, ..*mix }).collect(),
                2 if self.similar.is_none() => VecDeque::new(),
                2 => once(Mix::BASE).chain(best.first().copied()).map(|mix| Mix { similar: SIMILAR, ..mix }).collect(),
                _ => {
                    let alone = self.ranked(|mix| !mix.method.adapted())?;
                    alone.into_iter().take(1).chain(best.first().copied()).map(|m| Mix { beams: BEAMS, ..m }).collect()
                }
            };
            self.round += 1;
        }
        Ok(self.coming.front().copied())
    }

    /// Every way that was tried so far.
    pub fn tried(&self) -> &[Tried] {
        &self.tried
    }

    /// Whether a way with the adapter and the model alone can be compared.
    pub fn comparable(&self) -> bool {
        let tried = |adapted: bool| self.tried.iter().any(|t| t.mix.method.adapted() == adapted);
        tried(false) && tried(true)
    }

    /// Whether the model alone and the adapter both kept several versions.
    pub fn searched(&self) -> bool {
        let tried = |adapted| self.tried.iter().any(|t| t.mix.beams > 1 && t.mix.method.adapted() == adapted);
        tried(false) && tried(true)
    }

    /// Whether the model alone and the adapter both wrote behind pairs like the input.
    fn both_behind_similar(&self) -> bool {
        let tried = |adapted| self.tried.iter().any(|t| t.mix.similar > 0 && t.mix.method.adapted() == adapted);
        tried(false) && tried(true)
    }

    /// Chooses among the ways that were tried, leaving out what only one side did. The adapter was trained on so many examples.
    ///
    /// # Errors
    /// [`Error::UnevenScoring`] unless they are [`comparable`](Checker::comparable).
    pub fn decide(&self, trained_on: usize) -> Result<Verdict> {
        let (inputs, targets): (Vec<String>, Vec<String>) =
            self.held.written.iter().map(|e| (e.input.clone(), e.target.clone())).unzip();
        let (searched, similar) = (self.searched(), self.both_behind_similar());
        let fair = |mix: &Mix| (searched || mix.beams == 1) && (similar || mix.similar == 0);
        let tried: Vec<Tried> = self.tried.iter().filter(|t| fair(&t.mix)).cloned().collect();
        decide(&tried, &inputs, &targets, trained_on)
    }

    /// The correction for the way of the lowest loss where that lowers the loss further: the choice of those
    /// who do not wait for texts.
    pub fn by_loss(&self) -> Option<CopyBias> {
        let own = self.generator.adapter().filter(|_| self.held.copying && self.knows_losses()).map(Mix::of)?;
        worth_copying(self.bias.clone(), &self.rows, self.held.memory, Mix { copying: true, ..own })
    }

    /// Every way that was tried, with its texts.
    pub fn finish(self) -> Vec<Tried> {
        self.tried
    }

    fn begin(&mut self, mix: Mix) -> Result<()> {
        let memory = self.held.memory;
        let weight = |row: usize| mix.weight(memory.position[row], memory.input_tokens[row]);
        let bias = mix.copying.then(|| {
            self.bias.fit(&self.rows, weight);
            self.bias.clone()
        });
        let losses = self.rows.iter().enumerate().map(|(i, row)| row.nll(bias.as_ref(), weight(i)));
        let nll = losses.sum::<f64>() / self.rows.len().max(1) as f64;
        let (prompts, similar) = match mix.similar {
            0 => (&self.prompts[0], None),
            _ => (&self.prompts[1], self.similar.clone()),
        };
        let batch = self.batch.take().filter(|_| self.tried.last().is_some_and(|last| last.mix.similar == mix.similar));
        let prompt = self.generator.adapter().map(|a| &a.meta.prompt);
        let Some(mut config) = prompt.map(|prompt| mix.config(prompt, self.max_tokens)) else { return Ok(()) };
        if let Some(bias) = &bias {
            config.copying = Copying::With(bias.clone());
        }
        let writing = Writing::behind(self.generator, prompts, &config, batch)?;
        self.now = Some((Tried { mix, texts: Vec::new(), nll, bias, similar }, writing, 0));
        Ok(())
    }

    /// Some of the ways that were tried, best first.
    fn ranked(&self, which: impl Fn(&Mix) -> bool) -> Result<Vec<Mix>> {
        let targets: Vec<&str> = self.held.written.iter().map(|e| e.target.as_str()).collect();
        let mut scored = Vec::new();
        for way in self.tried.iter().filter(|t| which(&t.mix)) {
            scored.push((way.score(&targets)?, way.mix));
        }
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        Ok(scored.into_iter().map(|(_, mix)| mix).collect())
    }

    fn most_rows(&self) -> usize {
        self.held.memory.rows().min(ENOUGH)
    }

    fn progress(&self, mix: Mix) -> CheckProgress {
        let pairs = self.prompts[0].len();
        let now = self.now.as_ref().map_or(0, |(_, _, done)| *done);
        let again = if self.held.copying { FINALISTS.min(self.ways.len()) } else { 0 };
        let similar = if self.similar.is_some() { 2 } else { 0 };
        let single = 1 + self.ways.len() + again + similar;
        let versions = self.tried.iter().map(|t| t.mix.beams * pairs).sum::<usize>() + mix.beams * now;
        CheckProgress {
            mix,
            done: self.tried.len() * pairs + now,
            of: (single + 2) * pairs,
            share: versions as f64 / ((single + 2 * BEAMS) * pairs).max(1) as f64,
        }
    }
}
