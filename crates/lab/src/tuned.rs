//! The default way: what `pema tune` makes of a task's pairs, told nothing, and the same without its adapter.

use std::time::Instant;

use pema::train::TrainConfig;
use pema::{ContextMode, GenerateConfig, Method, Shots, TuneConfig, TuneProgress, Tuned, tune};
use pema_plm::Plm;
use pema_plm::source::ByteSource;

use crate::measure::LabConfig;
use crate::record::Seconds;
use crate::score::Measured;
use crate::{Result, Task, Way};

/// A task that was tuned on, and what that took.
pub(crate) struct TunedWay {
    tuned: Tuned,
    seconds: Seconds,
    /// Of `seconds.choose`, those for demonstrations.
    demonstrations: f64,
}

impl TunedWay {
    pub(crate) async fn new<S: ByteSource>(
        plm: &Plm<S>,
        lab: &LabConfig,
        task: &Task,
        seed: u64,
        say: &mut impl FnMut(&'static str),
    ) -> Result<TunedWay> {
        let config = TuneConfig {
            template: task.template.clone(),
            shots: Shots::Auto,
            train: TrainConfig { seed, ..TrainConfig::tuning().fitted(plm.head.hidden()) },
            mode: ContextMode::TeacherForced,
            checked: lab.checked,
            similar: true,
            created: String::new(),
            software: lab.software.clone(),
        };
        let (mut seconds, mut demonstrations) = (Seconds::default(), 0.0);
        let (mut last, mut since) = ("", Instant::now());
        let tuned = tune(plm, &task.train, &task.held_out, &config, |progress| {
            let spent = since.elapsed().as_secs_f64();
            since = Instant::now();
            let (doing, phase) = match progress {
                TuneProgress::Demonstrations { .. } => ("choosing demonstrations", &mut seconds.choose),
                TuneProgress::Memory { .. } => ("memory", &mut seconds.build),
                TuneProgress::Train(_) => ("training", &mut seconds.train),
                TuneProgress::Check { .. } => ("checking", &mut seconds.choose),
                TuneProgress::Neighbours => ("trying the nearest pairs", &mut seconds.choose),
            };
            *phase += spent;
            if let TuneProgress::Demonstrations { .. } = progress {
                demonstrations += spent;
            }
            if last != doing {
                say(doing);
                last = doing;
            }
        })
        .await?;
        seconds.choose += since.elapsed().as_secs_f64(); // of the last thing that was chosen
        Ok(TunedWay { tuned, seconds, demonstrations })
    }

    /// How it writes.
    pub(crate) fn config(&self, way: Way) -> impl Fn(usize) -> GenerateConfig {
        let meta = &self.tuned.adapter.meta;
        let (method, beams) = match way {
            Way::DefaultAlone => (Method::Base, Some(meta.beams)),
            _ => (meta.method, None),
        };
        let prompt = &self.tuned.prompt;
        move |max_tokens| GenerateConfig { beams, ..GenerateConfig::greedy(method, prompt, max_tokens) }
    }

    /// Ready to be measured.
    pub(crate) fn measured<'a>(&'a self, task: &'a Task, way: Way, seed: u64, key: String) -> Measured<'a> {
        let (tuned, prompt) = (&self.tuned, &self.tuned.prompt);
        let shown = format!("{} demonstrations", prompt.demos.len());
        let common = Measured {
            task,
            way,
            seed,
            key,
            prompt,
            adapter: None,
            knn: None,
            seconds: self.seconds,
            peak: 0,
            note: String::new(),
        };
        match way {
            Way::DefaultAlone => {
                let similar = prompt.similar.as_ref().map_or(0, |s| s.count);
                let note =
                    format!("{shown}, {similar} pairs like the input, versions kept: {}", tuned.adapter.meta.beams);
                let seconds = Seconds { choose: self.demonstrations, ..Seconds::default() };
                Measured { seconds, note, ..common }
            }
            _ => {
                let verdict = tuned.verdict.as_ref().map_or_else(String::new, ToString::to_string);
                let (adapter, peak) = (Some(&tuned.adapter), tuned.summary.peak_bytes);
                Measured { adapter, peak, note: format!("{shown}; {verdict}"), ..common }
            }
        }
    }
}
