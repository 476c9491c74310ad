//! Texts being written, one token of each a step, so that the caller owns the loop.

use pema_device::Buffer;
use pema_plm::source::ByteSource;

use crate::Result;
use crate::beam::Searches;
use crate::decode::Batch;
use crate::generate::{GenerateConfig, Generator, Written};
use crate::mixer::Mixing;
use crate::prompt::{Encoded, shared_prefix};
use crate::text::Text;

/// Sequences that are decoded in step at most.
const BATCH: usize = 32;
/// Rows of the KV cache that these take up at most, unless a single text needs more.
const ROWS: usize = 4096;

/// Texts that are being written with one generator in one way. To stop, drop it.
#[derive(Debug)]
pub struct Writing<'a, S> {
    generator: &'a Generator<'a, S>,
    prompts: Vec<Encoded>,
    config: GenerateConfig,
    /// Versions of a text that are kept.
    beams: usize,
    /// Texts that are decoded in step.
    at_once: usize,
    batch: Batch<'a, S>,
    /// The texts that are decoded in step now: they follow those that are written.
    chunk: Chunk,
    written: Vec<Written>,
}

/// Texts that are decoded in step.
#[derive(Debug)]
enum Chunk {
    /// The next ones have not begun.
    Waiting,
    /// The best token each time.
    Single(Singles),
    /// Several versions of each.
    Search(Searches),
}

/// Texts that take the best token, or a drawn one, each time.
#[derive(Debug)]
struct Singles {
    texts: Vec<Text>,
    /// Those that go on.
    active: Vec<usize>,
    /// f(c) of those.
    parts: Vec<Buffer>,
}

impl<'a, S: ByteSource> Writing<'a, S> {
    /// Checks the configuration and reads what all prompts begin with.
    pub fn new(
        generator: &'a Generator<'a, S>,
        prompts: &[Encoded],
        config: &GenerateConfig,
    ) -> Result<Writing<'a, S>> {
        Writing::behind(generator, prompts, config, None)
    }

    /// The same, taking over the `batch` of other texts for the same prompts, where it has room.
    pub(crate) fn behind(
        generator: &'a Generator<'a, S>,
        prompts: &[Encoded],
        config: &GenerateConfig,
        batch: Option<Batch<'a, S>>,
    ) -> Result<Writing<'a, S>> {
        config.sampling.check()?;
        generator.mixer().check(config.method, config.votes)?;
        generator.steering(config)?;
        let limit = generator.plm().file.config.context;
        if let Some(p) = prompts.iter().find(|p| p.prompt.len() >= limit) {
            return Err(pema_plm::Error::TooLong { tokens: p.prompt.len() + 1, context: limit }.into());
        }
        let beams = generator.beams(config)?.max(1);
        let prefix = shared_prefix(prompts.iter().map(|p| p.prompt.as_slice()));
        let rows = |p: &Encoded| beams * (p.prompt.len() - prefix + generator.room(p, config));
        let longest = prompts.iter().map(rows).max().unwrap_or(0);
        let at_once = (ROWS / longest.max(1)).min(BATCH / beams).max(1);
        let most = prompts.chunks(at_once).map(|c| c.iter().map(rows).sum()).max().unwrap_or(0);
        let batch = match batch.filter(|batch| batch.prefix() == prefix && batch.rows() >= most) {
            Some(batch) => batch,
            None => {
                let head = prompts.first().map_or(&[][..], |p| &p.prompt[..prefix]);
                Batch::new(generator.plm(), head, most)?
            }
        };
        let (prompts, config) = (prompts.to_vec(), config.clone());
        Ok(Writing { generator, prompts, config, beams, at_once, batch, chunk: Chunk::Waiting, written: Vec::new() })
    }

    /// One more token of every text that is decoded now, or the prompts of the next ones; how many texts are
    /// done, and `None` when all are. `on_text(i, piece)` hears of every piece of text as it is certain, of
    /// whole texts where several versions are kept.
    pub async fn step(&mut self, mut on_text: impl FnMut(usize, &str)) -> Result<Option<usize>> {
        let (first, beams) = (self.written.len(), self.beams);
        if first == self.prompts.len() {
            return Ok(None);
        }
        let last = self.prompts.len().min(first + self.at_once);
        let (generator, prompts, config) = (self.generator, &self.prompts[first..last], &self.config);
        let mut done = 0;
        match &mut self.chunk {
            Chunk::Waiting if beams == 1 => {
                self.chunk = Chunk::Single(Singles::begin(generator, &mut self.batch, prompts, config, first)?);
            }
            Chunk::Waiting => {
                self.chunk = Chunk::Search(Searches::begin(generator, &mut self.batch, prompts, config, beams)?);
            }
            Chunk::Single(singles) => {
                let goes_on =
                    singles.step(generator, &mut self.batch, config, |i, piece| on_text(first + i, piece)).await?;
                done = singles.texts.len() - singles.active.len();
                if !goes_on && let Chunk::Single(singles) = std::mem::replace(&mut self.chunk, Chunk::Waiting) {
                    for text in singles.texts {
                        let (piece, text) = text.end();
                        if !piece.is_empty() {
                            on_text(self.written.len(), &piece);
                        }
                        self.written.push(text);
                    }
                    done = 0;
                }
            }
            Chunk::Search(searches) => {
                let goes_on = searches.step(generator, &mut self.batch, config).await?;
                done = searches.found();
                if !goes_on && let Chunk::Search(searches) = std::mem::replace(&mut self.chunk, Chunk::Waiting) {
                    for text in searches.end(generator, &mut self.batch, prompts, config).await? {
                        on_text(self.written.len(), &text.text);
                        self.written.push(text);
                    }
                    done = 0;
                }
            }
        }
        Ok(Some(self.written.len() + done))
    }

    /// The texts that are done, in the order of the prompts.
    pub fn finish(self) -> Vec<Written> {
        self.written
    }

    /// The same, and what other texts for the same prompts can take over.
    pub(crate) fn into_parts(self) -> (Vec<Written>, Batch<'a, S>) {
        (self.written, self.batch)
    }
}

impl Singles {
    /// Reads the prompts, the first of which is number `first` of all.
    fn begin<S: ByteSource>(
        generator: &Generator<'_, S>,
        batch: &mut Batch<'_, S>,
        prompts: &[Encoded],
        config: &GenerateConfig,
        first: usize,
    ) -> Result<Singles> {
        let steering = generator.steering(config)?;
        let mut texts = Vec::new();
        for (i, prompt) in prompts.iter().enumerate() {
            let mut text = generator.begin(prompt, config, (first + i) as u64, generator.room(prompt, config))?;
            text.reader = steering.reader(&prompt.input);
            texts.push(text);
        }
        let ids: Vec<&[u32]> = prompts.iter().map(|p| p.prompt.as_slice()).collect();
        let rooms: Vec<usize> = prompts.iter().map(|p| generator.room(p, config)).collect();
        // All of them, or with a limit of no tokens none.
        let active: Vec<usize> = (0..prompts.len()).filter(|i| !texts[*i].finished()).collect();
        let parts = batch.start(&ids, &rooms, &vec![1; prompts.len()])?;
        Ok(Singles { texts, active, parts })
    }

    /// A token for every text that goes on; false when none does.
    async fn step<S: ByteSource>(
        &mut self,
        generator: &Generator<'_, S>,
        batch: &mut Batch<'_, S>,
        config: &GenerateConfig,
        mut on_text: impl FnMut(usize, &str),
    ) -> Result<bool> {
        let steering = generator.steering(config)?;
        let (active, texts) = (std::mem::take(&mut self.active), &mut self.texts);
        if active.is_empty() {
            return Ok(false);
        }
        let mut next = Vec::with_capacity(active.len());
        for contexts in &self.parts {
            let n = contexts.words() / generator.plm().head.hidden();
            let lambdas: Vec<f32> = active[next.len()..next.len() + n].iter().map(|i| texts[*i].lambda()).collect();
            let (mut samplers, mut bonuses) = (Vec::with_capacity(n), Vec::new());
            for i in &active[next.len()..next.len() + n] {
                samplers.push(texts[*i].sampler.clone());
                if steering.acts() {
                    bonuses.push(steering.bonus(texts[*i].reader.as_ref(), texts[*i].said(), &texts[*i].ids()));
                }
            }
            let votes = config.votes.unwrap_or(0.0);
            let how = Mixing { method: config.method, lambdas: &lambdas, bonuses: &bonuses, votes };
            let choices = generator.mixer().choose(how, contexts, n, &mut samplers, config.explain).await?;
            for (k, sampler) in samplers.into_iter().enumerate() {
                texts[active[next.len() + k]].sampler = sampler;
            }
            next.extend(choices);
        }
        let mut feed = Vec::new();
        for (i, choice) in active.into_iter().zip(next) {
            let id = choice.id;
            let piece = texts[i].push(generator.plm(), choice);
            if !piece.is_empty() {
                on_text(i, &piece);
            }
            if !texts[i].finished() {
                self.active.push(i);
                feed.push(id);
            }
        }
        self.parts = if feed.is_empty() { Vec::new() } else { vec![batch.step(&self.active, &feed)?] };
        Ok(!feed.is_empty())
    }
}
