//! One way of writing, measured on a task's test pairs.

use std::time::Instant;

use pema::metrics::{chrf_gain, chrf_interval, faults};
use pema::schedule::Schedule;
use pema::{Adapter, Evaluator, GenerateConfig, Knn, PromptSetup, enough_tokens};
use pema_plm::Plm;
use pema_plm::source::ByteSource;

use crate::record::{Record, Seconds};
use crate::{Result, Task, Way};

/// A way that is ready to write, and what making it took.
pub(crate) struct Measured<'a> {
    pub(crate) task: &'a Task,
    pub(crate) way: Way,
    pub(crate) seed: u64,
    pub(crate) key: String,
    pub(crate) prompt: &'a PromptSetup,
    pub(crate) adapter: Option<&'a Adapter>,
    pub(crate) knn: Option<&'a Knn>,
    pub(crate) seconds: Seconds,
    /// Most bytes on the device while it was trained.
    pub(crate) peak: u64,
    pub(crate) note: String,
}

impl Measured<'_> {
    /// Writes the test pairs and scores them; `base` is the model alone, which the texts are compared with, and
    /// `config` takes the most tokens of a text.
    pub(crate) async fn score<S: ByteSource>(
        self,
        plm: &Plm<S>,
        config: impl Fn(usize) -> GenerateConfig,
        base: Option<&Record>,
    ) -> Result<Record> {
        let task = self.task;
        let config = config(enough_tokens(plm, &task.test.examples)?);
        debug_assert_ne!(config.schedule, Some(Schedule::ReferenceCode), "no way takes the references' length");
        plm.device.memory().reset_peak();
        let mut evaluator = Evaluator::new(plm, &task.test, self.prompt, self.adapter, self.knn).await?;
        let begun = Instant::now();
        let evaluation = evaluator.run(&config, |_| {}).await?;
        let seconds = Seconds { write: begun.elapsed().as_secs_f64(), ..self.seconds };
        let left_out = evaluator.left_out();
        let kept = task.test.examples.iter().filter(|e| !left_out.contains(&e.line));
        let (inputs, targets): (Vec<&str>, Vec<&str>) = kept.map(|e| (e.input.as_str(), e.target.as_str())).unzip();
        let texts = &evaluation.texts;
        let asked = inputs.iter().zip(&targets).map(|(input, target)| [*input, *target]);
        let of_base = base.and_then(|base| base.texts_for(asked));
        let gain = of_base.map(|of_base| chrf_gain(&of_base, texts, &targets)).transpose()?;
        let triples =
            inputs.iter().zip(&targets).zip(texts).map(|((i, t), w)| [(*i).to_owned(), (*t).to_owned(), w.clone()]);
        Ok(Record {
            key: self.key,
            task: task.name.clone(),
            pairs: [task.train.examples.len(), task.held_out.examples.len(), texts.len()],
            way: self.way.to_string(),
            seed: self.seed,
            nll: evaluation.score.nll,
            bleu: evaluation.score.bleu,
            chrf: chrf_interval(texts, &targets)?,
            gain,
            exact: evaluation.score.exact,
            faults: faults(&inputs, texts, &targets)?,
            seconds,
            peak_bytes: [self.peak, plm.device.memory().peak()],
            note: self.note,
            texts: triples.collect(),
        })
    }
}
