//! Every knob of training, in one struct that is command line, saved file and form at once.

use serde::{Deserialize, Serialize};

use crate::{Error, Form, Result};

/// How an adapter is trained. [`TrainConfig::recommended`] and [`TrainConfig::paper`] are the two starting points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// The starting point, kept for the adapter's metadata.
    pub recipe: Recipe,
    /// How h_pd is made.
    pub form: Form,
    /// r, width of the bottleneck; at most d.
    pub rank: usize,
    /// Weight of the reconstruction loss in stage 2, 0 to 1.
    pub kappa: f32,
    /// Most steps of stage 2; early stopping may end it before. `None` chooses five passes over the
    /// rows, at least 25 and at most 60 steps.
    pub steps: Option<usize>,
    /// Rows per step.
    pub batch: usize,
    /// Adam's learning rate.
    pub lr: f64,
    /// How the learning rate of stage 2 moves.
    pub decay: Decay,
    /// Share of the input of A that is dropped, 0 to below 1.
    pub dropout: f32,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Seed of initialisation, batches and dropout.
    pub seed: u64,
    /// How stage 1 finds A and B_rct.
    pub stage1: Stage1,
    /// Steps of stage 1 when it is gradient descent.
    pub stage1_steps: usize,
    /// Rows per step of stage 1.
    pub stage1_batch: usize,
    /// Steps between looks at the held-out rows; 0 chooses once an epoch, every 5 to 25 steps.
    pub eval_every: usize,
    /// Looks without improvement before training stops; 0 never stops early.
    pub patience: usize,
}

/// The two starting points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// What measures best.
    Recommended,
    /// What the paper describes.
    Paper,
}

/// Ways to minimise L_rct over A and B_rct.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage1 {
    /// The exact minimiser: A and B_rct are the top r eigenvectors of the memory's second-moment matrix.
    ClosedForm,
    /// Adam from a random A and B_rct = 0, as in the paper.
    Descent,
}

/// The learning rate over the steps of stage 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// The same at every step, as in the paper.
    Constant,
    /// Half a cosine from `lr` down to 0 at the last step: the end of training then averages out the
    /// noise of single batches.
    Cosine,
}

impl Decay {
    /// Factor of the learning rate at step `step` (from 0) of `of`.
    pub fn factor(self, step: usize, of: usize) -> f64 {
        match self {
            Decay::Constant => 1.0,
            Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / of.max(1) as f64).cos()),
        }
    }
}

impl TrainConfig {
    /// Residual form, stage 1 in closed form, light dropout, early stopping.
    pub fn recommended() -> TrainConfig {
        TrainConfig {
            recipe: Recipe::Recommended,
            form: Form::Residual,
            rank: 64,
            kappa: 0.2,
            steps: None,
            batch: 1024,
            lr: 1e-3,
            decay: Decay::Cosine,
            dropout: 0.1,
            weight_decay: 0.0,
            seed: 1,
            stage1: Stage1::ClosedForm,
            stage1_steps: 0,
            stage1_batch: 20_480,
            eval_every: 0,
            patience: 4,
        }
    }

    /// What the whole job trains with: twice the width of [`TrainConfig::recommended`], and 50 steps however few the rows.
    /// The texts that it writes, where words of the input are favoured and several versions are kept, gain from
    /// both; one token at a time and without the favour they do not, so training by itself keeps to the narrower.
    pub fn tuning() -> TrainConfig {
        TrainConfig { rank: 128, steps: Some(50), ..TrainConfig::recommended() }
    }

    /// The same for a model of width d `hidden`, which bounds the rank.
    pub fn fitted(self, hidden: usize) -> TrainConfig {
        TrainConfig { rank: self.rank.min(hidden), ..self }
    }

    /// The paper's method with the released program's learning rate, dropout, kappa and batches.
    pub fn paper() -> TrainConfig {
        TrainConfig {
            recipe: Recipe::Paper,
            form: Form::Paper,
            dropout: 0.2,
            decay: Decay::Constant,
            stage1: Stage1::Descent,
            stage1_steps: 200,
            batch: 2048,
            steps: Some(200),
            ..TrainConfig::recommended()
        }
    }

    /// The starting point named `recipe` for a form; `None` for the recipe's own form. The paper form
    /// must learn the whole prediction anew, so it takes larger batches and more steps than the residual
    /// form, which starts at the model, and its narrow bottleneck needs no dropout.
    pub fn of(recipe: Recipe, form: Option<Form>) -> TrainConfig {
        match (recipe, form) {
            (Recipe::Paper, form) => TrainConfig { form: form.unwrap_or(Form::Paper), ..TrainConfig::paper() },
            (Recipe::Recommended, Some(Form::Paper)) => {
                let (batch, steps, decay) = (2048, Some(100), Decay::Constant);
                TrainConfig { form: Form::Paper, batch, steps, decay, dropout: 0.0, ..TrainConfig::recommended() }
            }
            (Recipe::Recommended, _) => TrainConfig::recommended(),
        }
    }

    /// Most steps of stage 2 on `rows` rows.
    pub fn steps_for(&self, rows: usize) -> usize {
        self.steps.unwrap_or((5 * rows).div_ceil(self.batch.max(1)).clamp(25, 60))
    }

    /// Refuses values that cannot work, naming the range; `hidden` is d.
    pub fn check(&self, hidden: usize) -> Result<()> {
        let bad =
            |setting, value: String, range: &str| Err(Error::BadSetting { setting, value, range: range.to_owned() });
        if self.rank == 0 || self.rank > hidden {
            return bad("rank", self.rank.to_string(), &format!("1 to the model's hidden size {hidden}"));
        }
        if !(0.0..=1.0).contains(&self.kappa) {
            return bad("kappa", self.kappa.to_string(), "0 to 1");
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return bad("dropout", self.dropout.to_string(), "0 up to, not including, 1");
        }
        if !(self.lr > 0.0 && self.lr <= 1.0) {
            return bad("lr", self.lr.to_string(), "above 0 and at most 1");
        }
        if !(0.0..=1.0).contains(&self.weight_decay) {
            return bad("weight decay", self.weight_decay.to_string(), "0 to 1");
        }
        if self.batch == 0 || self.stage1_batch == 0 {
            return bad("batch", "0".to_owned(), "at least 1");
        }
        Ok(())
    }
}

impl std::fmt::Display for Recipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Recipe::Recommended => "recommended",
            Recipe::Paper => "paper",
        })
    }
}

impl std::str::FromStr for Recipe {
    type Err = Error;
    fn from_str(s: &str) -> Result<Recipe> {
        match s {
            "recommended" => Ok(Recipe::Recommended),
            "paper" => Ok(Recipe::Paper),
            _ => Err(Error::BadSetting { setting: "recipe", value: s.into(), range: "recommended or paper".into() }),
        }
    }
}

impl std::str::FromStr for Decay {
    type Err = Error;
    fn from_str(s: &str) -> Result<Decay> {
        match s {
            "constant" => Ok(Decay::Constant),
            "cosine" => Ok(Decay::Cosine),
            _ => Err(Error::BadSetting { setting: "decay", value: s.into(), range: "constant or cosine".into() }),
        }
    }
}
