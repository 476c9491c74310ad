//! Whether it helped: losses and texts of every method on held-out pairs.

use pema_plm::Plm;
use pema_plm::source::ByteSource;
use serde::Serialize;

use crate::adapter::transpose;
use crate::build::{BuildConfig, Builder};
use crate::copying::{CopyBias, CopyRow, copy_rows};
use crate::dataset::Dataset;
use crate::generate::{GenerateConfig, Generator, Method};
use crate::knn::Knn;
use crate::memory::{ContextMode, Memory};
use crate::metrics::{bleu, chrf, exact_match};
use crate::prompt::{Encoded, PromptSetup, Prompter};
use crate::schedule::{Schedule, Unrolling};
use crate::train::{Network, Parameters, mixture_nll};
use crate::writing::Writing;
use crate::{Adapter, Error, Result};

/// What one method reached.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodScore {
    /// Mean -log P(y) per target token, the end token included, behind gold prefixes.
    pub nll: f64,
    /// exp(nll)
    pub perplexity: f64,
    /// Corpus BLEU, 0 to 100.
    pub bleu: f64,
    /// chrF2, 0 to 100.
    pub chrf: f64,
    /// Share of texts that equal their reference, 0 to 1.
    pub exact: f64,
}

/// A method's score and the texts behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The method.
    pub method: Method,
    /// Its score.
    pub score: MethodScore,
    /// Its texts, in the order of the data.
    pub texts: Vec<String>,
}

/// Held-out pairs prepared once for any number of methods.
#[derive(Debug)]
pub struct Evaluator<'a, S> {
    plm: &'a Plm<S>,
    adapter: Option<&'a Adapter>,
    knn: Option<&'a Knn>,
    prompts: Vec<Encoded>,
    references: Vec<String>,
    /// Inputs of all examples, those left out included: rows name them by number.
    inputs: Vec<String>,
    left_out: Vec<usize>,
    rows: Memory,
    lm: Option<Vec<f32>>,
}

impl<'a, S: ByteSource> Evaluator<'a, S> {
    /// Reads the gold targets of `data` behind their prompts; examples that do not fit are left out.
    pub async fn new(
        plm: &'a Plm<S>,
        data: &Dataset,
        prompt: &PromptSetup,
        adapter: Option<&'a Adapter>,
        knn: Option<&'a Knn>,
    ) -> Result<Evaluator<'a, S>> {
        let mode = ContextMode::TeacherForced;
        let config =
            BuildConfig { prompt: prompt.clone(), mode, max_tokens: None, half: false, created: String::new() };
        let mut builder = Builder::new(plm, data, config)?;
        while builder.step().await?.is_some() {}
        let left_out = std::mem::take(&mut builder.too_long);
        let rows = builder.finish();
        let prompter = Prompter::new(&plm.file, prompt)?;
        let (mut prompts, mut references) = (Vec::new(), Vec::new());
        for example in data.examples.iter().filter(|e| !left_out.contains(&e.line)) {
            prompts.push(prompter.prompt(&example.input)?);
            references.push(example.target.clone());
        }
        let inputs = data.examples.iter().map(|e| e.input.clone()).collect();
        Ok(Evaluator { plm, adapter, knn, prompts, references, inputs, left_out, rows, lm: None })
    }

    /// Pairs that are evaluated.
    pub fn pairs(&self) -> usize {
        self.prompts.len()
    }

    /// Lines of pairs that do not fit the model and are left out.
    pub fn left_out(&self) -> &[usize] {
        &self.left_out
    }

    /// Losses and texts of one method; `config.method` says which. `on_text` hears how many texts have ended.
    pub async fn run(&mut self, config: &GenerateConfig, on_text: impl FnMut(usize)) -> Result<Evaluation> {
        let nll = self.nll(config).await?;
        let texts = self.texts(config, on_text).await?;
        self.evaluation(config.method, nll, texts)
    }

    /// The prompts of the pairs, for those who write the texts themselves; see [`Writing`].
    pub fn prompts(&self) -> &[Encoded] {
        &self.prompts
    }

    /// Scores of texts for these prompts, and of the loss that goes with them.
    pub fn evaluation(&self, method: Method, nll: f64, texts: Vec<String>) -> Result<Evaluation> {
        let score = MethodScore {
            nll,
            perplexity: nll.exp(),
            bleu: bleu(&texts, &self.references)?.value,
            chrf: chrf(&texts, &self.references)?.value,
            exact: exact_match(&texts, &self.references)?,
        };
        Ok(Evaluation { method, score, texts })
    }

    /// Texts of one method alone, in the order of the data.
    pub async fn texts(&self, config: &GenerateConfig, mut on_text: impl FnMut(usize)) -> Result<Vec<String>> {
        let generator = Generator::new(self.plm, self.adapter, self.knn)?;
        let mut writing = Writing::new(&generator, &self.prompts, config)?;
        while let Some(done) = writing.step(|_, _| {}).await? {
            on_text(done);
        }
        Ok(writing.finish().into_iter().map(|written| written.text).collect())
    }

    /// Mean -log P(y) under a method.
    pub async fn nll(&mut self, config: &GenerateConfig) -> Result<f64> {
        let lm = self.lm().await?;
        let losses: Vec<f64> = match config.method {
            Method::Base => lm.iter().map(|l| f64::from(*l)).collect(),
            Method::Knn => {
                let lambda = config.lambda_max.or(self.knn.map(|knn| knn.config.lambda));
                self.knn_losses(&lm.iter().map(|l| f64::from(*l)).collect::<Vec<_>>(), lambda).await?
            }
            Method::Pema | Method::PemaGu => {
                let losses = self.adapter_losses(&lm, config).await?;
                if config.votes.is_some() { self.knn_losses(&losses, config.votes).await? } else { losses }
            }
        };
        Ok(losses.iter().sum::<f64>() / losses.len().max(1) as f64)
    }

    async fn lm(&mut self) -> Result<Vec<f32>> {
        if self.lm.is_none() {
            // A network without an adapter to speak of: only its way from f to a loss is used.
            let zeros = vec![0.0; self.plm.head.hidden()];
            let p = Parameters { a: zeros.clone(), bt_pd: zeros.clone(), bt_rct: zeros };
            let mut network = Network::new(
                self.plm.device.clone(),
                self.plm.head.clone(),
                crate::Form::Residual,
                &p,
                self.rows.rows(),
            )?;
            self.lm = Some(network.nll(false, &self.rows.values, |r| self.rows.gather(&r.collect::<Vec<_>>())).await?);
        }
        Ok(self.lm.clone().unwrap_or_default())
    }

    async fn adapter_losses(&self, lm: &[f32], config: &GenerateConfig) -> Result<Vec<f64>> {
        let Some(adapter) = self.adapter else {
            return Err(Error::Needs { method: config.method.name(), needs: "an adapter" });
        };
        let (d, r) = (self.plm.head.hidden(), adapter.rank);
        let p = Parameters {
            a: adapter.a.clone(),
            bt_pd: transpose(&adapter.b_pd, d, r),
            bt_rct: transpose(&adapter.b_rct, d, r),
        };
        let (device, head) = (self.plm.device.clone(), self.plm.head.clone());
        let mut network = Network::new(device, head, adapter.form, &p, self.rows.rows())?;
        let rows = &self.rows;
        let pema = network.nll(true, &rows.values, |r| rows.gather(&r.collect::<Vec<_>>())).await?;
        let copying = self.copy_rows(adapter, config).await?;
        let (schedule, lambda) = match config.method {
            Method::PemaGu => (config.schedule.unwrap_or(Schedule::Paper), adapter.meta.lambda_max),
            _ => (Schedule::Constant, adapter.meta.lambda_constant),
        };
        let lambda_max = config.lambda_max.unwrap_or(lambda);
        Unrolling::new(schedule, lambda_max, 0)?; // the range
        let at = |i: usize| {
            let length = match (schedule, config.reference_length) {
                (Schedule::ReferenceCode, Some(length)) => length,
                _ => rows.input_tokens[i] as usize,
            };
            Unrolling { schedule, lambda_max, length }.lambda(rows.position[i] as usize)
        };
        let favoured = |i: usize| copying.as_ref().map_or(0.0, |(bias, rows)| rows[i].loss(bias, at(i)));
        Ok((0..lm.len()).map(|i| mixture_nll(lm[i], pema[i], at(i)) + favoured(i)).collect())
    }

    /// What copying changes at every row, when `config` asks for it.
    async fn copy_rows(&self, adapter: &Adapter, config: &GenerateConfig) -> Result<Option<(CopyBias, Vec<CopyRow>)>> {
        let generator = Generator::new(self.plm, Some(adapter), None)?;
        let Some(bias) = generator.copying(config)?.map(|(bias, _)| bias.clone()) else { return Ok(None) };
        let rows = copy_rows(&generator, &self.rows, &self.inputs, &bias, usize::MAX).await?;
        Ok(Some((bias, rows)))
    }

    /// Losses when the memory's votes get a say beside what has these `losses`.
    async fn knn_losses(&self, losses: &[f64], lambda: Option<f32>) -> Result<Vec<f64>> {
        const ROWS: usize = 1024;
        let Some(knn) = self.knn else { return Err(Error::Needs { method: "knn", needs: "a memory" }) };
        let lambda = lambda.unwrap_or(0.0);
        Unrolling::new(Schedule::Constant, lambda, 0)?; // the range
        let (device, lambda) = (&self.plm.device, f64::from(lambda));
        let mut mixed = Vec::with_capacity(losses.len());
        for begin in (0..losses.len()).step_by(ROWS) {
            let rows: Vec<usize> = (begin..losses.len().min(begin + ROWS)).collect();
            let contexts = device.upload(&self.rows.gather(&rows), "contexts")?;
            for (votes, row) in knn.votes(device, &contexts, rows.len()).await?.iter().zip(rows) {
                let y = self.rows.values[row];
                let vote = votes.iter().find(|v| v.0 == y).map_or(0.0, |v| f64::from(v.1));
                mixed.push(-(lambda * vote + (1.0 - lambda) * (-losses[row]).exp()).ln());
            }
        }
        Ok(mixed)
    }
}
