//! The training loop, one step a call.

use std::sync::Arc;

use pema_device::Device;
use pema_kernels::random::Rng;
use pema_plm::LmHead;

use super::config::{Stage1, TrainConfig};
use super::held_out::{HeldOutScore, choose_lambda};
use super::network::{Network, Objective, Parameters, Rate};
use super::report::{StepReport, Summary};
use super::start::{HeldOut, initial, parted, pick};
use super::state::{Best, TrainState, fingerprint};
use crate::adapter::transpose;
use crate::{Adapter, AdapterMeta, Error, Memory, Method, Result};

/// Trains an adapter. The caller owns the loop: to pause it stops calling [`Trainer::step`], to stop
/// early it calls [`Trainer::finish`], to cancel it drops.
#[derive(Debug)]
pub struct Trainer<'a> {
    device: Arc<Device>,
    config: TrainConfig,
    /// Steps of stage 2 at most.
    steps: usize,
    memory: &'a Memory,
    network: Network,
    /// Rows that are trained on; the rest of the memory is held out when no other memory is.
    training: Vec<usize>,
    held_out: Option<HeldOut<'a>>,
    /// CRC-32 of the rows that are trained and judged on.
    rows: u32,
    rng: Rng,
    order: Vec<usize>,
    cursor: usize,
    step: usize,
    best: Option<Best>,
    stale: usize,
}

/// Held-out rows looked at during training; the last look takes all of them.
const LOOK_ROWS: usize = 2048;

impl<'a> Trainer<'a> {
    /// Prepares training on `memory`, judged on `valid`, or else on a tenth of the memory's examples.
    /// Stage 1 in closed form happens here.
    pub async fn new(
        device: Arc<Device>,
        head: LmHead,
        memory: &'a Memory,
        valid: Option<&'a Memory>,
        config: TrainConfig,
    ) -> Result<Trainer<'a>> {
        config.check(head.hidden())?;
        device.memory().reset_peak();
        let (held, training) = parted(memory, valid);
        let mut rng = Rng::new(config.seed);
        let parameters = initial(&device, memory, &training, &config, &mut rng).await?;
        let mut trainer = Trainer::with(device, head, memory, valid, config, [held, training], &parameters, rng)?;
        if let Some(h) = &mut trainer.held_out {
            let targets = pick(&h.memory.values, &h.rows);
            h.lm = trainer.network.nll(false, &targets, |r| h.memory.gather(&h.rows[r])).await?;
        }
        Ok(trainer)
    }

    /// Goes on with a training that was cut off, as if it had not been.
    ///
    /// # Errors
    /// [`Error::OtherTraining`] when `state` is of other settings or other rows.
    pub fn resume(
        device: Arc<Device>,
        head: LmHead,
        memory: &'a Memory,
        valid: Option<&'a Memory>,
        config: TrainConfig,
        state: TrainState,
    ) -> Result<Trainer<'a>> {
        config.check(head.hidden())?;
        device.memory().reset_peak();
        let (held, training) = parted(memory, valid);
        state.check(&config, memory, valid, &training, valid.map_or(held.len(), Memory::rows))?;
        let [a, bt_pd, bt_rct] = state.parameters.each_ref().map(|p| p.value().to_vec());
        let (parameters, rng) = (Parameters { a, bt_pd, bt_rct }, Rng::new(state.rng));
        let mut trainer = Trainer::with(device, head, memory, valid, config, [held, training], &parameters, rng)?;
        trainer.network.restore(&state.parameters)?;
        if let Some(h) = &mut trainer.held_out {
            h.lm = state.lm;
        }
        trainer.order = state.order.into_iter().map(|row| row as usize).collect();
        (trainer.cursor, trainer.step) = (state.cursor as usize, state.step as usize);
        (trainer.best, trainer.stale) = (state.best, state.stale as usize);
        Ok(trainer)
    }

    /// Before the first step, without the held-out rows' losses under the model.
    fn with(
        device: Arc<Device>,
        head: LmHead,
        memory: &'a Memory,
        valid: Option<&'a Memory>,
        config: TrainConfig,
        [held, training]: [Vec<usize>; 2],
        parameters: &Parameters,
        rng: Rng,
    ) -> Result<Trainer<'a>> {
        let largest = config.batch.max(if config.stage1 == Stage1::Descent { config.stage1_batch } else { 1 });
        let network = Network::new(device.clone(), head, config.form, parameters, largest.min(training.len()))?;
        let held_out = match valid {
            Some(memory) => Some(HeldOut { memory, rows: (0..memory.rows()).collect(), lm: Vec::new() }),
            None if !held.is_empty() => Some(HeldOut { memory, rows: held, lm: Vec::new() }),
            None => None,
        };
        Ok(Trainer {
            device,
            steps: config.steps_for(training.len()),
            config,
            memory,
            network,
            held_out,
            rows: fingerprint(memory, valid),
            rng,
            order: training.clone(),
            cursor: training.len(),
            training,
            step: 0,
            best: None,
            stale: 0,
        })
    }

    /// The training as it is between two steps, for [`Trainer::resume`].
    pub async fn state(&self) -> Result<TrainState> {
        Ok(TrainState {
            config: self.config.clone(),
            rows: self.rows,
            parameters: self.network.state().await?,
            rng: self.rng.state(),
            order: self.order.iter().map(|row| *row as u32).collect(),
            cursor: self.cursor as u32,
            step: self.step as u32,
            best: self.best.clone(),
            stale: self.stale as u32,
            lm: self.held_out.as_ref().map(|h| h.lm.clone()).unwrap_or_default(),
        })
    }

    /// Rows that are trained on.
    pub fn rows(&self) -> usize {
        self.training.len()
    }

    /// Most steps there will be, of both stages.
    pub fn most_steps(&self) -> usize {
        let stage1 = if self.config.stage1 == Stage1::Descent { self.config.stage1_steps } else { 0 };
        stage1 + self.steps
    }

    /// One step, of stage 1 first when it is gradient descent; `None` when training is over.
    pub async fn step(&mut self) -> Result<Option<StepReport>> {
        let of = self.most_steps();
        let stage1 = of - self.steps;
        let stopped = self.config.patience > 0 && self.stale >= self.config.patience;
        if self.step == of || stopped {
            return Ok(None);
        }
        let first = self.step < stage1;
        if self.step == stage1 && stage1 > 0 {
            // Another loss begins: its gradients are of another size.
            self.network.forget_moments()?;
        }
        let c = &self.config;
        let (objective, batch) =
            if first { (Objective::Stage1, c.stage1_batch) } else { (Objective::Stage2 { kappa: c.kappa }, c.batch) };
        let factor = if first { 1.0 } else { c.decay.factor(self.step - stage1, self.steps) };
        let rate = Rate { lr: c.lr * factor, weight_decay: c.weight_decay, dropout: c.dropout };
        let rows = self.next_batch(batch);
        let targets = pick(&self.memory.values, &rows);
        let seed = self.rng.next_u64() as u32;
        let memory = self.memory;
        let losses = self.network.step(objective, &targets, |r| memory.gather(&rows[r]), rate, seed).await?;
        self.step += 1;
        let total = losses.rct + losses.pd;
        if !total.is_finite() {
            return Err(Error::Diverged { step: self.step, loss: total, lr: self.config.lr });
        }
        let due = (self.step - stage1.min(self.step)).is_multiple_of(self.eval_every()) || self.step == of;
        let held_out = if !first && due { self.look(LOOK_ROWS).await? } else { None };
        Ok(Some(StepReport { stage: if first { 1 } else { 2 }, step: self.step, of, losses, held_out }))
    }

    /// The best parameters seen on held-out rows (the last ones without any), with lambda chosen on all of them.
    pub async fn finish(mut self, software: &str) -> Result<(Adapter, Summary)> {
        let (parameters, best_step) = match self.best.take() {
            Some(best) => (best.parameters, best.step),
            None => (self.network.parameters().await?, self.step),
        };
        self.network.set_prediction(&parameters)?;
        let score = self.score(usize::MAX).await?;
        let (d, rank) = (self.memory.hidden(), self.config.rank);
        let schedule = score.map_or_else(Default::default, |s| s.schedule());
        let meta = AdapterMeta {
            identity: self.memory.meta.identity.clone(),
            prompt: self.memory.meta.prompt.clone(),
            recipe: self.config.recipe.to_string(),
            kappa: self.config.kappa,
            lambda_max: score.map_or(DEFAULT_LAMBDA, |s| s.lambda_max),
            lambda_constant: score.map_or(DEFAULT_LAMBDA, |s| s.lambda_constant),
            method: Method::of(schedule),
            schedule,
            copying: None,
            beams: 1,
            no_repeat: 0,
            seed: self.config.seed,
            software: software.to_owned(),
        };
        let adapter = Adapter {
            rank,
            form: self.config.form,
            b_pd: transpose(&parameters.bt_pd, rank, d),
            b_rct: transpose(&parameters.bt_rct, rank, d),
            a: parameters.a,
            meta,
        };
        let (steps, rows, peak_bytes) = (self.step, self.training.len(), self.device.memory().peak());
        Ok((adapter, Summary { steps, best_step, held_out: score, rows, peak_bytes }))
    }

    /// The next rows of a shuffled pass over the training rows; a new pass begins when one is used up.
    fn next_batch(&mut self, batch: usize) -> Vec<usize> {
        let mut rows = Vec::with_capacity(batch.min(self.training.len()));
        while rows.len() < batch.min(self.training.len()) {
            if self.cursor == self.order.len() {
                self.rng.shuffle(&mut self.order);
                self.cursor = 0;
            }
            let take = (batch - rows.len()).min(self.order.len() - self.cursor);
            rows.extend_from_slice(&self.order[self.cursor..self.cursor + take]);
            self.cursor += take;
        }
        rows
    }

    fn eval_every(&self) -> usize {
        match self.config.eval_every {
            0 => self.training.len().div_ceil(self.config.batch).clamp(5, 25),
            n => n,
        }
    }

    /// Scores the held-out rows and keeps the parameters if they are the best so far.
    async fn look(&mut self, rows: usize) -> Result<Option<HeldOutScore>> {
        let Some(score) = self.score(rows).await? else { return Ok(None) };
        if self.best.as_ref().is_none_or(|b| score.mix_nll < b.score.mix_nll) {
            let parameters = self.network.parameters().await?;
            self.best = Some(Best { score, parameters, step: self.step });
            self.stale = 0;
        } else {
            self.stale += 1;
        }
        Ok(Some(score))
    }

    /// The adapter as it is, on at most `most` held-out rows spread evenly.
    async fn score(&mut self, most: usize) -> Result<Option<HeldOutScore>> {
        let Some(h) = &self.held_out else { return Ok(None) };
        let every = h.rows.len().div_ceil(most.max(1)).max(1);
        let at: Vec<usize> = (0..h.rows.len()).step_by(every).collect();
        let rows: Vec<usize> = at.iter().map(|i| h.rows[*i]).collect();
        let targets = pick(&h.memory.values, &rows);
        let pema = self.network.nll(true, &targets, |r| h.memory.gather(&rows[r])).await?;
        let lm: Vec<f32> = at.iter().map(|i| h.lm[*i]).collect();
        let (position, length) = (pick(&h.memory.position, &rows), pick(&h.memory.input_tokens, &rows));
        Ok(Some(choose_lambda(&lm, &pema, &position, &length)))
    }
}

/// Lambda when there is nothing to choose it on.
const DEFAULT_LAMBDA: f32 = 0.5;
