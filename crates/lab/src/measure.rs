//! Measures what is not yet in the records.

use std::time::Instant;

use pema::template::Demo;
use pema::train::{Recipe, TrainConfig};
use pema::{
    Adapter, BuildConfig, Builder, ContextMode, Form, GenerateConfig, Knn, Memory, Method, PromptSetup, SIMILAR,
    Similar, Trainer, choose_neighbours,
};
use pema_plm::Plm;
use pema_plm::source::ByteSource;
use sha2::{Digest, Sha256};

use crate::record::{Record, Records, Seconds};
use crate::score::Measured;
use crate::tuned::TunedWay;
use crate::way::{More, Shown};
use crate::{Result, Task, Way};

/// What to measure.
#[derive(Debug, Clone)]
pub struct LabConfig {
    /// Ways.
    pub ways: Vec<Way>,
    /// Seeds 1 to this.
    pub seeds: u64,
    /// Demonstrations of the ways that show some: the first so many training pairs.
    pub shots: usize,
    /// Held-out pairs that the default checks itself on.
    pub checked: usize,
    /// Name and version of the program.
    pub software: String,
    /// What changes when the program does: numbers of another build are measured again.
    pub build: String,
}

/// What is being done, for a progress line.
#[derive(Debug)]
pub struct Step<'a> {
    /// Task.
    pub task: &'a str,
    /// Way.
    pub way: Way,
    /// Seed.
    pub seed: u64,
    /// What.
    pub doing: &'static str,
}

/// Measures with one model.
#[derive(Debug)]
pub struct Lab<'a, S> {
    plm: &'a Plm<S>,
    config: &'a LabConfig,
}

/// What several ways of one task, seed and prompt share.
struct Ground {
    prompt: PromptSetup,
    memories: Option<[Memory; 2]>,
    adapters: Vec<Adapter>,
    build: f64,
    train: Vec<f64>,
    peak: u64,
}

impl<'a, S: ByteSource> Lab<'a, S> {
    /// A lab.
    pub fn new(plm: &'a Plm<S>, config: &'a LabConfig) -> Lab<'a, S> {
        Lab { plm, config }
    }

    /// Measures every way on every task with every seed, except what `records` holds. The model alone
    /// without demonstrations is always measured, since the others are compared with it. Gives the records
    /// that were asked for; `records` may hold others, of other settings or other builds of the program.
    ///
    /// # Errors
    /// Of the engine, and of the file of records; what was measured before stays.
    pub async fn run(
        &self,
        tasks: &[Task],
        records: &mut Records,
        mut on: impl FnMut(Step<'_>),
    ) -> Result<Vec<Record>> {
        let mut asked = Vec::new();
        let mut ways: Vec<Way> = Way::all();
        ways.retain(|w| *w == Way::BASE || self.config.ways.contains(w));
        for task in tasks {
            for seed in 1..=self.config.seeds {
                let mut grounds = [None, None, None];
                let mut tuned = None;
                for way in &ways {
                    let key = self.key(task, *way, seed);
                    if let Some(record) = records.get(&key) {
                        // The file may have been called otherwise then.
                        asked.push(Record { task: task.name.clone(), ..record.clone() });
                        continue;
                    }
                    let mut say = |doing| on(Step { task: &task.name, way: *way, seed, doing });
                    let base = records.get(&self.key(task, Way::BASE, seed)).cloned();
                    let record = match *way {
                        Way::Default | Way::DefaultAlone => {
                            let of = match tuned.take() {
                                Some(of) => of,
                                None => TunedWay::new(self.plm, self.config, task, seed, &mut say).await?,
                            };
                            say("writing");
                            let record =
                                of.measured(task, *way, seed, key).score(self.plm, of.config(*way), base.as_ref());
                            let record = record.await?;
                            tuned = Some(of);
                            record
                        }
                        Way::Plain { form, method, more, shown } => {
                            let ground = grounds[shown as usize].get_or_insert_with(|| self.ground(task, shown));
                            self.prepare(task, seed, form, method, ground, &mut say).await?;
                            let (adapter, knn, seconds, note) =
                                self.plain(task, form, method, more, ground, &mut say).await?;
                            let (prompt, adapter, knn, peak) =
                                (&ground.prompt, adapter.as_ref(), knn.as_ref(), ground.peak);
                            let votes = knn.map(|knn| knn.config.lambda).filter(|_| method.adapted());
                            let config = |n| GenerateConfig { votes, ..GenerateConfig::greedy(method, prompt, n) };
                            say("writing");
                            let measured =
                                Measured { task, way: *way, seed, key, prompt, adapter, knn, seconds, peak, note };
                            measured.score(self.plm, config, base.as_ref()).await?
                        }
                    };
                    asked.push(record.clone());
                    records.push(record)?;
                }
            }
        }
        Ok(asked)
    }

    /// Everything the numbers depend on. Ways that draw nothing are the same for every seed, and yet are
    /// measured for each: that costs little and keeps the table whole.
    fn key(&self, task: &Task, way: Way, seed: u64) -> String {
        let c = self.config;
        let mut hash = Sha256::new();
        let sizes = (c.shots, c.checked);
        let model = &self.plm.file.identity.sha256;
        let text = format!("{model} {} {way} {seed} {sizes:?} {} {}", task.hash(), c.software, c.build);
        hash.update(text.as_bytes());
        hash.finalize().iter().take(12).map(|b| format!("{b:02x}")).collect()
    }

    fn ground(&self, task: &Task, shown: Shown) -> Ground {
        let most = self.config.shots.min(task.train.examples.len() / 2);
        let most = if shown == Shown::Nothing { 0 } else { most };
        let demos: Vec<Demo> = task.train.examples.iter().take(most).map(Demo::from).collect();
        let similar = (shown == Shown::Similar).then(|| Similar::among(&task.train.examples, &demos, SIMILAR));
        let prompt = PromptSetup { similar, ..PromptSetup::new(task.template.clone(), demos) };
        Ground { prompt, memories: None, adapters: Vec::new(), build: 0.0, train: Vec::new(), peak: 0 }
    }

    /// Builds and trains what a method needs and the ground lacks.
    async fn prepare(
        &self,
        task: &Task,
        seed: u64,
        form: Form,
        method: Method,
        ground: &mut Ground,
        say: &mut impl FnMut(&'static str),
    ) -> Result<()> {
        if method == Method::Base {
            return Ok(());
        }
        if ground.memories.is_none() {
            say("memory");
            let begun = Instant::now();
            let mut rest = task.train.clone();
            rest.examples.drain(..ground.prompt.demos.len());
            ground.memories =
                Some([self.build(&rest, &ground.prompt).await?, self.build(&task.held_out, &ground.prompt).await?]);
            ground.build = begun.elapsed().as_secs_f64();
        }
        let known = ground.adapters.iter().any(|a| a.form == form);
        if let (true, false, Some([memory, held_out])) = (method.adapted(), known, &ground.memories) {
            say("training");
            let begun = Instant::now();
            let config = TrainConfig { seed, ..TrainConfig::of(Recipe::Recommended, Some(form)) };
            let (device, head) = (self.plm.device.clone(), self.plm.head.clone());
            let mut trainer = Trainer::new(device, head, memory, Some(held_out), config).await?;
            while trainer.step().await?.is_some() {}
            let (adapter, summary) = trainer.finish(&self.config.software).await?;
            ground.adapters.push(adapter);
            ground.train.push(begun.elapsed().as_secs_f64());
            ground.peak = ground.peak.max(summary.peak_bytes);
        }
        Ok(())
    }

    async fn build(&self, data: &pema::dataset::Dataset, prompt: &PromptSetup) -> Result<Memory> {
        let (mode, created) = (ContextMode::TeacherForced, String::new());
        let config = BuildConfig { prompt: prompt.clone(), mode, max_tokens: None, half: true, created };
        let mut builder = Builder::new(self.plm, data, config)?;
        while builder.step().await?.is_some() {}
        Ok(builder.finish())
    }

    /// Adapter and neighbours of a plain way, what making them took, and what was chosen, in words.
    async fn plain(
        &self,
        task: &Task,
        form: Form,
        method: Method,
        more: More,
        ground: &Ground,
        say: &mut impl FnMut(&'static str),
    ) -> Result<(Option<Adapter>, Option<Knn>, Seconds, String)> {
        let at = ground.adapters.iter().position(|a| a.form == form).filter(|_| method.adapted());
        let mut adapter = at.map(|at| ground.adapters[at].clone());
        let mut seconds = Seconds { train: at.map_or(0.0, |at| ground.train[at]), ..Seconds::default() };
        seconds.build = if method == Method::Base { 0.0 } else { ground.build };
        let mut note = format!("{} demonstrations", ground.prompt.demos.len());
        if let Some(similar) = &ground.prompt.similar {
            note += &format!(" and the {} pairs most like the input", similar.count);
        }
        let begun = Instant::now();
        let knn = match &ground.memories {
            Some([memory, _]) if method == Method::Knn || more == More::Votes => {
                say("choosing neighbours");
                let config =
                    choose_neighbours(self.plm, &task.held_out, &ground.prompt, memory, adapter.as_ref()).await?;
                note += &format!(", {} neighbours, temperature {}, ", config.k, config.temperature);
                note += &format!("their weight {}", config.lambda);
                Some(Knn::new(&self.plm.device, memory, config)?)
            }
            _ => None,
        };
        if let Some(a) = &mut adapter {
            let lambda = if method == Method::Pema { a.meta.lambda_constant } else { a.meta.lambda_max };
            note += &format!(", lambda {lambda}");
            a.meta.method = method;
            if let (More::Copying, Some([_, held_out])) = (more, &ground.memories) {
                say("fitting the favour of the input's words");
                let (train, valid) = (&task.train.examples, &task.held_out.examples);
                a.meta.copying = pema::fit_copying(self.plm, a, train, valid, held_out).await?;
                note += if a.meta.copying.is_some() { ", favouring words of the input" } else { ", favouring nothing" };
            }
        }
        seconds.choose = begun.elapsed().as_secs_f64();
        Ok((adapter, knn, seconds, note))
    }
}
