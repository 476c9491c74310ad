//! Fills the external memory: the model's body runs once over the examples.

use pema_kernels::argmax;
use pema_plm::source::ByteSource;
use pema_plm::{BATCH_TOKENS, Plm};

use crate::dataset::{DataError, Dataset};
use crate::decode::Batch;
use crate::memory::{ContextMode, Memory, MemoryMeta};
use crate::prompt::{Encoded, PromptSetup, Prompter, shared_prefix};
use crate::{Error, Result};

/// What to build.
#[derive(Debug, Clone)]
pub struct BuildConfig {
    /// Template and demonstrations.
    pub prompt: PromptSetup,
    /// How contexts are made.
    pub mode: ContextMode,
    /// Examples with more tokens than this, prompt and target together, are left out; `None` for the
    /// model's own limit.
    pub max_tokens: Option<usize>,
    /// Store keys in half precision.
    pub half: bool,
    /// Text for the memory's `created`.
    pub created: String,
}

/// Progress of a build.
#[derive(Debug, Clone, Copy)]
pub struct BuildProgress {
    /// Examples read so far.
    pub examples: usize,
    /// Examples in all.
    pub of: usize,
    /// Rows so far.
    pub rows: usize,
    /// Tokens the body has read so far, the shared prefix once.
    pub tokens: usize,
}

/// Builds a memory batch by batch: the caller owns the loop, to pause it stops calling, to cancel it drops.
#[derive(Debug)]
pub struct Builder<'a, S> {
    plm: &'a Plm<S>,
    config: BuildConfig,
    encoded: Vec<(u32, Encoded)>,
    next: usize,
    batch: Batch<'a, S>,
    memory: Memory,
    tokens: usize,
    /// Lines of examples that were left out because they are too long.
    pub too_long: Vec<usize>,
}

/// Sequences that run in step in free-running mode.
const FREE_RUNNING: usize = 32;

impl<'a, S: ByteSource> Builder<'a, S> {
    /// Encodes the examples and reads the shared prefix. Errors when no example fits.
    pub fn new(plm: &'a Plm<S>, data: &Dataset, config: BuildConfig) -> Result<Builder<'a, S>> {
        if data.examples.is_empty() {
            return Err(DataError::Empty { file: data.name.clone() }.into());
        }
        let prompter = Prompter::new(&plm.file, &config.prompt)?;
        let limit = config.max_tokens.unwrap_or(usize::MAX).min(plm.file.config.context);
        let (mut encoded, mut too_long, mut shortest) = (Vec::new(), Vec::new(), usize::MAX);
        for (i, example) in data.examples.iter().enumerate() {
            let e = prompter.example(example)?;
            let tokens = e.prompt.len() + e.target.len();
            shortest = shortest.min(tokens);
            if tokens > limit {
                too_long.push(example.line);
            } else {
                encoded.push((i as u32, e));
            }
        }
        if encoded.is_empty() {
            return Err(Error::AllTooLong { file: data.name.clone(), tokens: shortest, limit });
        }
        let prefix = shared_prefix(encoded.iter().map(|(_, e)| e.prompt.as_slice()));
        let longest = encoded.iter().map(|(_, e)| e.prompt.len() + e.target.len()).max().unwrap_or(0) - prefix;
        let rows = match config.mode {
            ContextMode::TeacherForced => BATCH_TOKENS.max(longest),
            ContextMode::FreeRunning => FREE_RUNNING * longest,
        };
        let batch = Batch::new(plm, &encoded[0].1.prompt[..prefix], rows)?;
        let meta = MemoryMeta {
            identity: plm.file.identity.clone(),
            context_mode: config.mode,
            prompt: config.prompt.clone(),
            created: config.created.clone(),
        };
        let memory = Memory::new(meta, config.half);
        Ok(Builder { plm, config, encoded, next: 0, batch, memory, tokens: prefix, too_long })
    }

    /// Reads the next batch of examples; `None` when all are read.
    pub async fn step(&mut self) -> Result<Option<BuildProgress>> {
        if self.next == self.encoded.len() {
            return Ok(None);
        }
        match self.config.mode {
            ContextMode::TeacherForced => self.teacher_forced().await?,
            ContextMode::FreeRunning => self.free_running().await?,
        }
        Ok(Some(self.progress()))
    }

    /// Goes on with rows that an earlier build of the same examples kept; `examples` were read for them.
    pub fn resume(&mut self, memory: Memory, examples: usize) {
        self.next = examples.min(self.encoded.len());
        self.memory = memory;
    }

    /// Progress so far, as after the last step.
    pub fn progress(&self) -> BuildProgress {
        BuildProgress { examples: self.next, of: self.encoded.len(), rows: self.memory.rows(), tokens: self.tokens }
    }

    /// The memory as far as it was built.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The memory as far as it was built, for good.
    pub fn finish(self) -> Memory {
        self.memory
    }

    /// One pass over as many examples as fit: the gold prefix is the context.
    async fn teacher_forced(&mut self) -> Result<()> {
        let prefix = self.tokens_of_prefix();
        let first = self.next;
        let (mut sequences, mut wanted, mut tokens) = (Vec::new(), Vec::new(), 0);
        while let Some((_, e)) = self.encoded.get(self.next) {
            // The last target token is predicted, never read.
            let ids = [&e.prompt[..], &e.target[..e.target.len() - 1]].concat();
            let own = ids.len() - prefix;
            if !sequences.is_empty() && tokens + own > BATCH_TOKENS {
                break;
            }
            tokens += own;
            wanted.push(e.target.len());
            sequences.push(ids);
            self.next += 1;
        }
        let ids: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
        for contexts in self.batch.start(&ids, &vec![0; ids.len()], &wanted)? {
            let contexts = self.plm.device.read::<f32>(&contexts, 0, contexts.words()).await?;
            self.memory.keys.extend(&contexts);
        }
        self.tokens += tokens;
        for (sample, e) in &self.encoded[first..self.next] {
            push_targets(&mut self.memory, *sample, e);
        }
        Ok(())
    }

    /// The model writes on its own, many sequences in step; its states are paired by position with the gold tokens.
    async fn free_running(&mut self) -> Result<()> {
        let (plm, device) = (self.plm, &self.plm.device);
        let first = self.next;
        self.next = (first + FREE_RUNNING).min(self.encoded.len());
        let examples = &self.encoded[first..self.next];
        let ids: Vec<&[u32]> = examples.iter().map(|(_, e)| e.prompt.as_slice()).collect();
        let room: Vec<usize> = examples.iter().map(|(_, e)| e.target.len() - 1).collect();
        let mut keys: Vec<Vec<f32>> = vec![Vec::new(); examples.len()];
        let d = plm.head.hidden();
        let logits = device.alloc(examples.len() * plm.head.vocab(), "logits")?;
        let best = device.alloc(examples.len(), "best tokens")?;
        let mut active: Vec<usize> = (0..examples.len()).collect();
        let mut parts = self.batch.start(&ids, &room, &vec![1; ids.len()])?;
        self.tokens += ids.iter().map(|i| i.len()).sum::<usize>() - ids.len() * self.tokens_of_prefix();
        loop {
            let mut next = Vec::with_capacity(active.len());
            let mut at = 0;
            for contexts in &parts {
                let rows = contexts.words() / d;
                for (i, row) in device.read::<f32>(contexts, 0, rows * d).await?.chunks_exact(d).enumerate() {
                    keys[active[at + i]].extend_from_slice(row);
                }
                plm.head.logits(device, contexts, 0, rows, &logits)?;
                let p = argmax::Params { rows: rows as u32, cols: plm.head.vocab() as u32 };
                device.run(&argmax::KERNEL, &p, &[&logits, &best])?;
                next.extend(device.read::<u32>(&best, 0, rows).await?);
                at += rows;
            }
            let goes_on = |s: &usize| keys[*s].len() / d < examples[*s].1.target.len();
            let (still, next): (Vec<usize>, Vec<u32>) =
                active.iter().copied().zip(next).filter(|(s, _)| goes_on(s)).unzip();
            active = still;
            if active.is_empty() {
                break;
            }
            self.tokens += active.len();
            parts = vec![self.batch.step(&active, &next)?];
        }
        for (keys, (sample, e)) in keys.iter().zip(examples) {
            self.memory.keys.extend(keys);
            push_targets(&mut self.memory, *sample, e);
        }
        Ok(())
    }

    fn tokens_of_prefix(&self) -> usize {
        self.batch.prefix()
    }
}

fn push_targets(memory: &mut Memory, sample: u32, e: &Encoded) {
    for (position, id) in e.target.iter().enumerate() {
        memory.values.push(*id);
        memory.sample.push(sample);
        memory.position.push(position as u32);
        memory.input_tokens.push(e.input_tokens as u32);
    }
}
