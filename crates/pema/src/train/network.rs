//! The adapter on a device: parameters, losses, gradients, Adam. Each call is one formula.
//!
//! W_hd is frozen, so its gradient is never formed and no buffer of N x V exists: with
//! M^T = B_pd^T W_hd^T, `[r,V]`, once a step, rows go through in chunks of C, and a chunk's logits
//! become its gradient in place.
//!
//! | | paper form | residual form |
//! |---|---|---|
//! | logits `[C,V]` | S = z M^T | S = f W_hd^T + z M^T |
//! | their gradient | G = (softmax(S) - onehot(y)) (1 - kappa) / N | the same |
//! | back | dz = G M, dM^T += z^T G, then dB_pd^T = dM^T W_hd | the same |
//!
//! That is 6NVr + 4Vdr operations, and 2NVd more for the residual form, where materialised logits
//! cost 4NVd in both. B_pd and B_rct are kept transposed, `[r,d]`, so that every product walks memory
//! in order.

use std::sync::Arc;

use pema_device::{Buffer, Device, Gemm};
use pema_kernels::matmul::Orientation::{Nn, Nt, Tn};
use pema_kernels::{cross_entropy, dropout, mse};
use pema_plm::LmHead;

pub use self::parameters::{Gradients, Parameters};
use super::parameter::Parameter;
use crate::{Form, Result};

mod nll;
mod parameters;

/// Rows whose activations are on the device at once. Larger batches are summed up from pieces, so
/// device memory does not grow with the batch.
const PIECE: usize = 2048;
/// Bytes of logits at once: large on the processor, where widening W_hd is paid per chunk, small on a
/// GPU, where it is free and memory is short.
const LOGITS_CPU: usize = 96 << 20;
const LOGITS_GPU: usize = 24 << 20;

/// Losses of a batch, before the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Losses {
    /// L_rct = mean over rows and d of (B_rct A f - f)^2.
    pub rct: f64,
    /// L_pd = mean of -log P_PEMA(y); 0 in stage 1.
    pub pd: f64,
}

/// The adapter with everything that training needs on the device.
#[derive(Debug)]
pub struct Network {
    device: Arc<Device>,
    head: LmHead,
    form: Form,
    rank: usize,
    a: Parameter,
    bt_pd: Parameter,
    bt_rct: Parameter,
    /// M^T = B_pd^T W_hd^T, `[r, V]`, and its gradient.
    mt: Buffer,
    dmt: Buffer,
    piece: Piece,
    chunk: usize,
    logits: Buffer,
}

/// Activations of [`PIECE`] rows.
#[derive(Debug)]
struct Piece {
    f: Buffer,
    dropped: Buffer,
    z: Buffer,
    dz: Buffer,
    rct: Buffer,
    rct_loss: Buffer,
    targets: Buffer,
    stats: Buffer,
}

/// What a step minimises.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Objective {
    /// L_rct over A and B_rct.
    Stage1,
    /// kappa L_rct + (1 - kappa) L_pd over A and B_pd.
    Stage2 {
        /// Weight of the reconstruction.
        kappa: f32,
    },
}

impl Network {
    /// Uploads parameters for training against `head`; `batch` is the largest number of rows of a step.
    pub fn new(device: Arc<Device>, head: LmHead, form: Form, p: &Parameters, batch: usize) -> Result<Network> {
        let (d, vocab) = (head.hidden(), head.vocab());
        let rank = p.a.len() / d;
        let n = batch.clamp(1, PIECE);
        let budget = if device.is_gpu() { LOGITS_GPU } else { LOGITS_CPU };
        let chunk = (budget / (vocab * 4)).next_multiple_of(64).min(n);
        let piece = Piece {
            f: device.alloc(n * d, "f")?,
            dropped: device.alloc(n * d, "f after dropout")?,
            z: device.alloc(n * rank, "z")?,
            dz: device.alloc(n * rank, "dz")?,
            rct: device.alloc(n * d, "reconstruction")?,
            rct_loss: device.alloc(n, "reconstruction loss")?,
            targets: device.alloc(n, "targets")?,
            stats: device.alloc(2 * n, "losses")?,
        };
        Ok(Network {
            a: Parameter::new(&device, &p.a)?,
            bt_pd: Parameter::new(&device, &p.bt_pd)?,
            bt_rct: Parameter::new(&device, &p.bt_rct)?,
            mt: device.alloc(rank * vocab, "M")?,
            dmt: device.alloc(rank * vocab, "dM")?,
            logits: device.alloc(chunk * vocab, "logits")?,
            piece,
            chunk,
            form,
            rank,
            head,
            device,
        })
    }

    /// Rows of one piece; callers may pass any number to [`Network::step`] but see them cut so.
    pub fn piece_rows(&self) -> usize {
        self.piece.rct_loss.words()
    }

    /// Gradients of a batch and their Adam step. `rows(i)` gives f(c) `[n, d]` of the i-th piece of
    /// `targets`; `seed` makes the dropout mask.
    pub async fn step(
        &mut self,
        objective: Objective,
        targets: &[u32],
        rows: impl FnMut(std::ops::Range<usize>) -> Vec<f32>,
        rate: Rate,
        seed: u32,
    ) -> Result<Losses> {
        let losses = self.gradients(objective, targets, rows, rate.dropout, seed).await?;
        self.a.adam(&self.device, rate)?;
        match objective {
            Objective::Stage1 => self.bt_rct.adam(&self.device, rate)?,
            Objective::Stage2 { .. } => self.bt_pd.adam(&self.device, rate)?,
        }
        Ok(losses)
    }

    /// Losses and gradients of a batch, without a step.
    pub async fn gradients(
        &mut self,
        objective: Objective,
        targets: &[u32],
        mut rows: impl FnMut(std::ops::Range<usize>) -> Vec<f32>,
        dropout: f32,
        seed: u32,
    ) -> Result<Losses> {
        let (n, d) = (targets.len(), self.head.hidden());
        let kappa = match objective {
            Objective::Stage1 => 1.0,
            Objective::Stage2 { kappa } => kappa,
        };
        if kappa < 1.0 {
            self.project_decoder()?;
        }
        let (mut rct, mut pd) = (0.0f64, 0.0f64);
        for (i, begin) in (0..n).step_by(self.piece_rows()).enumerate() {
            let end = n.min(begin + self.piece_rows());
            let (count, first) = (end - begin, i == 0);
            self.device.write(&self.piece.f, 0, &rows(begin..end))?;
            self.device.write(&self.piece.targets, 0, &targets[begin..end])?;
            self.encode(count, dropout, seed.wrapping_add(i as u32))?;
            self.reconstruct(count, 2.0 * kappa / (n * d) as f32, objective, first)?;
            if kappa < 1.0 {
                self.predict(count, (1.0 - kappa) / n as f32, first)?;
            }
            // z = A f, so now: dA += dz^T f
            let x = if dropout > 0.0 { &self.piece.dropped } else { &self.piece.f };
            let g = self.gemm(self.rank, d, count, self.rank, d, d);
            self.device.matmul(Tn, &Gemm { beta: add(first), ..g }, &self.piece.dz, x, &self.a.gradient)?;
            let squares = self.device.read::<f32>(&self.piece.rct_loss, 0, count).await?;
            rct += squares.iter().map(|v| f64::from(*v)).sum::<f64>();
            if kappa < 1.0 {
                let stats = self.device.read::<f32>(&self.piece.stats, 0, 2 * count).await?;
                pd += stats.iter().step_by(2).map(|v| f64::from(*v)).sum::<f64>();
            }
        }
        if kappa < 1.0 {
            // M^T = B_pd^T W^T, so now: dB_pd^T = dM^T W
            self.device.linear_back(&self.dmt, self.rank, self.head.weight(), 0.0, &self.bt_pd.gradient)?;
        }
        Ok(Losses { rct: rct / (n * d) as f64, pd: pd / n as f64 })
    }

    /// M^T = B_pd^T W_hd^T
    fn project_decoder(&self) -> Result<()> {
        Ok(self.device.linear(&self.bt_pd.value, 0, self.rank, self.head.weight(), &self.mt)?)
    }

    /// z = A dropout(f)
    fn encode(&self, n: usize, probability: f32, seed: u32) -> Result<()> {
        let d = self.head.hidden();
        let mut x = &self.piece.f;
        if probability > 0.0 {
            let p = dropout::Params::new(n * d, seed, probability);
            self.device.run(&dropout::KERNEL, &p, &[x, &self.piece.dropped])?;
            x = &self.piece.dropped;
        }
        let g = self.gemm(n, self.rank, d, d, d, self.rank);
        Ok(self.device.matmul(Nt, &g, x, &self.a.value, &self.piece.z)?)
    }

    /// R = B_rct z - f, its loss, and dz = scale R B_rct; in stage 1 also dB_rct.
    fn reconstruct(&self, n: usize, scale: f32, objective: Objective, first: bool) -> Result<()> {
        let (d, r, p) = (self.head.hidden(), self.rank, &self.piece);
        self.device.matmul(Nn, &self.gemm(n, d, r, r, d, d), &p.z, &self.bt_rct.value, &p.rct)?;
        let params = mse::Params { rows: n as u32, cols: d as u32, scale };
        self.device.run(&mse::KERNEL, &params, &[&p.f, &p.rct, &p.rct_loss])?;
        self.device.matmul(Nt, &self.gemm(n, r, d, d, d, r), &p.rct, &self.bt_rct.value, &p.dz)?;
        if objective == Objective::Stage1 {
            let g = Gemm { beta: add(first), ..self.gemm(r, d, n, r, d, d) };
            self.device.matmul(Tn, &g, &p.z, &p.rct, &self.bt_rct.gradient)?;
        }
        Ok(())
    }

    /// Chunk by chunk: logits, loss, and in their place the gradient; dz += G M and dM^T += z^T G.
    fn predict(&self, n: usize, scale: f32, first: bool) -> Result<()> {
        let (r, vocab, p) = (self.rank, self.head.vocab(), &self.piece);
        for begin in (0..n).step_by(self.chunk) {
            let c = self.chunk.min(n - begin);
            self.chunk_logits(begin, c)?;
            let params =
                cross_entropy::Params { rows: c as u32, vocab: vocab as u32, first: begin as u32, grad: 1, scale };
            self.device.run(&cross_entropy::KERNEL, &params, &[&p.targets, &self.logits, &p.stats])?;
            let g = Gemm { c_offset: begin * r, beta: 1.0, ..self.gemm(c, r, vocab, vocab, vocab, r) };
            self.device.matmul(Nt, &g, &self.logits, &self.mt, &p.dz)?;
            let g =
                Gemm { a_offset: begin * r, beta: add(first && begin == 0), ..self.gemm(r, vocab, c, r, vocab, vocab) };
            self.device.matmul(Tn, &g, &p.z, &self.logits, &self.dmt)?;
        }
        Ok(())
    }

    /// S = z M^T, in the residual form on top of f W_hd^T, for `c` rows from `begin` on.
    fn chunk_logits(&self, begin: usize, c: usize) -> Result<()> {
        let (r, vocab) = (self.rank, self.head.vocab());
        let beta = match self.form {
            Form::Paper => 0.0,
            Form::Residual => {
                self.head.logits(&self.device, &self.piece.f, begin, c, &self.logits)?;
                1.0
            }
        };
        let g = Gemm { a_offset: begin * r, beta, ..self.gemm(c, vocab, r, r, vocab, vocab) };
        Ok(self.device.matmul(Nn, &g, &self.piece.z, &self.mt, &self.logits)?)
    }

    fn gemm(&self, m: usize, n: usize, k: usize, lda: usize, ldb: usize, ldc: usize) -> Gemm {
        Gemm { m, n, k, lda, ldb, ldc, ..Gemm::default() }
    }
}

/// The factor of what a gradient already holds: nothing before the first piece.
fn add(first: bool) -> f32 {
    if first { 0.0 } else { 1.0 }
}

/// Step size and regularisation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Learning rate.
    pub lr: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Share of the input of A that is dropped.
    pub dropout: f32,
}
