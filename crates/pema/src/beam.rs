//! Beam search: several versions of a text grow side by side, and the most probable finished one is kept.
//!
//! What is favoured only shows its worth over whole texts: a version that begins with the likeliest word
//! and then has to leave half of the input out is less probable in the end than one that begins with the
//! second likeliest. Taking the best token each time never finds that one.

use pema_device::Buffer;
use pema_plm::source::ByteSource;

use crate::copying::Reader;
use crate::decode::Batch;
use crate::generate::{GenerateConfig, Generator, Written};
use crate::mixer::{Choice, Mixing, NO_NUMBER};
use crate::prompt::Encoded;
use crate::text::Text;
use crate::{Error, Result};

/// Most versions of one text.
pub const MOST_BEAMS: usize = 16;
/// Versions where searching is wanted and no number is said: twice as many find nothing more.
pub const BEAMS: usize = 4;

#[derive(Debug, Clone)]
struct Version {
    text: Text,
    /// Its sequence in the batch.
    sequence: usize,
    /// log P of its tokens.
    score: f64,
}

impl Version {
    /// Finished texts first, then by the mean log P of a token: the sum would prefer short texts.
    fn rank(&self) -> (bool, f64) {
        let written = self.text.written();
        (written.ended, self.score / written.tokens.len().max(1) as f64)
    }
}

/// The versions of one text.
#[derive(Debug)]
struct Search {
    beams: usize,
    /// Its first sequence; it has one for every beam.
    first: usize,
    live: Vec<Version>,
    /// Finished ones, best first, at most as many as beams.
    done: Vec<Version>,
    reader: Option<Reader>,
}

/// Searches for the texts of some prompts, one token of every version a step.
#[derive(Debug)]
pub(crate) struct Searches {
    all: Vec<Search>,
    /// f(c) of the versions that go on.
    parts: Vec<Buffer>,
}

impl Searches {
    /// Reads the prompts.
    pub(crate) fn begin<S: ByteSource>(
        generator: &Generator<'_, S>,
        batch: &mut Batch<'_, S>,
        prompts: &[Encoded],
        config: &GenerateConfig,
        beams: usize,
    ) -> Result<Searches> {
        let steering = generator.steering(config)?;
        let mut all = Vec::new();
        for (i, prompt) in prompts.iter().enumerate() {
            let text = generator.begin(prompt, config, 0, generator.room(prompt, config))?;
            let first = i * beams;
            let version = Version { text, sequence: first, score: 0.0 };
            let (live, done) = if version.text.finished() { (vec![], vec![version]) } else { (vec![version], vec![]) };
            all.push(Search { beams, first, live, done, reader: steering.reader(&prompt.input) });
        }
        let ids: Vec<&[u32]> = prompts.iter().map(|p| p.prompt.as_slice()).collect();
        let rooms: Vec<usize> = prompts.iter().map(|p| generator.room(p, config)).collect();
        let parts = batch.start_versions(&ids, &rooms, beams)?;
        Ok(Searches { all, parts })
    }

    /// Texts that are found.
    pub(crate) fn found(&self) -> usize {
        self.all.iter().filter(|search| search.live.is_empty()).count()
    }

    /// Every version gets a token and the best go on; false when there is nothing more to do.
    pub(crate) async fn step<S: ByteSource>(
        &mut self,
        generator: &Generator<'_, S>,
        batch: &mut Batch<'_, S>,
        config: &GenerateConfig,
    ) -> Result<bool> {
        let Some(beams) = self.all.iter().find(|s| !s.live.is_empty()).map(|s| s.beams) else { return Ok(false) };
        let found = generator.ask(&self.all, &self.parts, config, 2 * beams).await?;
        let (mut found, mut copies) = (found.into_iter(), Vec::new());
        for search in &mut self.all {
            let of: Vec<_> = found.by_ref().take(search.live.len()).collect();
            let push =
                |version: &mut Version, id| _ = version.text.push(generator.plm(), Choice { id, probabilities: None });
            copies.extend(search.extend(push, &of));
        }
        batch.copy(&copies)?;
        let versions = || self.all.iter().flat_map(|s| &s.live);
        let sequences: Vec<usize> = versions().map(|v| v.sequence).collect();
        let last: Vec<u32> = versions().filter_map(|v| v.text.written().tokens.last()).map(|t| t.id).collect();
        self.parts = if sequences.is_empty() { Vec::new() } else { vec![batch.step(&sequences, &last)?] };
        Ok(!sequences.is_empty())
    }

    /// The best version of each text.
    pub(crate) async fn end<S: ByteSource>(
        self,
        generator: &Generator<'_, S>,
        batch: &mut Batch<'_, S>,
        prompts: &[Encoded],
        config: &GenerateConfig,
    ) -> Result<Vec<Written>> {
        let mut written = Vec::new();
        for (search, prompt) in self.all.into_iter().zip(prompts) {
            // Every search ends with a finished version; a text that was left out would shift all others.
            let best = search.done.into_iter().next();
            let best = best
                .ok_or(Error::NotANumber { what: "the probability of every version of a text", advice: NO_NUMBER })?;
            let (_, mut text) = best.text.end();
            if config.explain {
                generator.explain(batch, prompt, config, search.reader.as_ref(), &mut text).await?;
            }
            written.push(text);
        }
        Ok(written)
    }
}

impl<S: ByteSource> Generator<'_, S> {
    /// The `k` likeliest next tokens of every live version.
    async fn ask(
        &self,
        searches: &[Search],
        parts: &[Buffer],
        config: &GenerateConfig,
        k: usize,
    ) -> Result<Vec<Vec<(u32, f32)>>> {
        let steering = self.steering(config)?;
        let (mut lambdas, mut bonuses) = (Vec::new(), Vec::new());
        for search in searches {
            for version in &search.live {
                lambdas.push(version.text.lambda());
                if steering.acts() {
                    bonuses.push(steering.bonus(search.reader.as_ref(), version.text.said(), &version.text.ids()));
                }
            }
        }
        let (mut found, hidden) = (Vec::with_capacity(lambdas.len()), self.plm().head.hidden());
        for contexts in parts {
            let n = contexts.words() / hidden;
            let of = found.len()..found.len() + n;
            let bonuses = if bonuses.is_empty() { &[][..] } else { &bonuses[of.clone()] };
            let how = Mixing { method: config.method, lambdas: &lambdas[of], bonuses, votes: 0.0 };
            found.extend(self.mixer().candidates(how, contexts, n, k).await?);
        }
        Ok(found)
    }

    /// Reads a finished text again and fills in what was asked for by `explain`.
    async fn explain(
        &self,
        batch: &mut Batch<'_, S>,
        prompt: &Encoded,
        config: &GenerateConfig,
        reader: Option<&Reader>,
        text: &mut Written,
    ) -> Result<()> {
        let ids: Vec<u32> = text.tokens.iter().map(|t| t.id).collect();
        let Some((_, before)) = ids.split_last() else { return Ok(()) };
        let mut decoder = self.plm().file.tokenizer.decoder();
        let (mut said, mut bonuses) = (String::new(), Vec::new());
        let steering = self.steering(config)?;
        for (i, id) in ids.iter().enumerate() {
            if steering.acts() {
                bonuses.push(steering.bonus(reader, &said, &ids[..i]));
            }
            said += &decoder.push(*id).unwrap_or_default();
        }
        let whole = [&prompt.prompt, before].concat();
        let lambdas: Vec<f32> = text.tokens.iter().map(|t| t.lambda).collect();
        let (mut at, hidden) = (0, self.plm().head.hidden());
        for contexts in batch.start(&[&whole], &[0], &[ids.len()])? {
            let of = at..at + contexts.words() / hidden;
            let bonuses = if bonuses.is_empty() { &[][..] } else { &bonuses[of.clone()] };
            let how = Mixing { method: config.method, lambdas: &lambdas[of.clone()], bonuses, votes: 0.0 };
            let told = self.mixer().probabilities(how, &contexts, &ids[of.clone()]).await?;
            for (token, probabilities) in text.tokens[of.clone()].iter_mut().zip(told) {
                token.probabilities = Some(probabilities);
            }
            at = of.end;
        }
        Ok(())
    }
}

impl Search {
    /// Takes the best continuations, given the likeliest next tokens of every live version. Returns which
    /// sequences become copies of which, as pairs (from, to).
    fn extend(&mut self, push: impl Fn(&mut Version, u32), found: &[Vec<(u32, f32)>]) -> Vec<(usize, usize)> {
        let mut all = Vec::new();
        for (parent, (version, found)) in self.live.iter().zip(found).enumerate() {
            all.extend(found.iter().map(|(id, log_p)| (version.score + f64::from(*log_p), parent, *id)));
        }
        // Stable, so that equals keep their order: the better parent, then the better token.
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let parents = std::mem::take(&mut self.live);
        let mut kept = Vec::new();
        for (place, (score, parent, id)) in all.into_iter().enumerate() {
            if self.live.len() == self.beams {
                break;
            }
            let mut version = Version { score, ..parents[parent].clone() };
            push(&mut version, id);
            if !version.text.finished() {
                kept.push(parent);
                self.live.push(version);
            } else if place < self.beams {
                self.done.push(version);
            }
        }
        self.done.sort_by(|a, b| b.rank().partial_cmp(&a.rank()).unwrap_or(std::cmp::Ordering::Equal));
        self.done.truncate(self.beams);
        let best = self.live.iter().map(|v| v.rank().1).fold(f64::NEG_INFINITY, f64::max);
        if self.done.len() == self.beams && self.done.last().is_some_and(|worst| worst.rank() >= (true, best)) {
            self.live.clear();
        }
        let mut free: Vec<usize> = (self.first..self.first + self.beams).rev().collect();
        free.retain(|s| !kept.iter().any(|parent| parents[*parent].sequence == *s));
        let mut copies = Vec::new();
        for (i, version) in self.live.iter_mut().enumerate() {
            if kept[..i].contains(&kept[i])
                && let Some(to) = free.pop()
            {
                copies.push((version.sequence, to));
                version.sequence = to;
            }
        }
        copies
    }
}
