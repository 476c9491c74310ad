//! An adapter where the model is.

use pema_device::{Buffer, Device, Gemm};
use pema_kernels::axpby;
use pema_kernels::matmul::Orientation::{Nn, Nt};
use pema_plm::LmHead;

use crate::adapter::transpose;
use crate::{Adapter, Form, Result};

/// An adapter on the device: A and M^T = B_pd^T W_hd^T, made once, so that a token costs r/d of the head.
#[derive(Debug)]
pub(super) struct OnDevice {
    form: Form,
    rank: usize,
    hidden: usize,
    vocab: usize,
    a: Buffer,
    mt: Buffer,
}

impl OnDevice {
    pub(super) fn new(device: &Device, head: &LmHead, adapter: &Adapter) -> Result<OnDevice> {
        let (rank, hidden, vocab) = (adapter.rank, head.hidden(), head.vocab());
        let bt = device.upload(&transpose(&adapter.b_pd, hidden, rank), "B_pd")?;
        let mt = device.alloc(rank * vocab, "M")?;
        device.linear(&bt, 0, rank, head.weight(), &mt)?;
        Ok(OnDevice { form: adapter.form, rank, hidden, vocab, a: device.upload(&adapter.a, "A")?, mt })
    }

    /// S = z M^T, in the residual form on top of the model's own logits.
    pub(super) fn logits(&self, device: &Device, contexts: &Buffer, lm: &Buffer, n: usize) -> Result<Buffer> {
        let (r, d, vocab) = (self.rank, self.hidden, self.vocab);
        let z = device.alloc(n * r, "z")?;
        let g = Gemm { m: n, n: r, k: d, lda: d, ldb: d, ldc: r, ..Gemm::default() };
        device.matmul(Nt, &g, contexts, &self.a, &z)?;
        let logits = device.alloc(n * vocab, "adapted logits")?;
        let beta = match self.form {
            Form::Paper => 0.0,
            Form::Residual => {
                let all = (n * vocab) as u32;
                let p = axpby::Params { n: all, period: all, alpha: 1.0, beta: 0.0 };
                device.run(&axpby::KERNEL, &p, &[lm, &logits])?;
                1.0
            }
        };
        let g = Gemm { m: n, n: vocab, k: r, lda: r, ldb: vocab, ldc: vocab, beta, ..Gemm::default() };
        device.matmul(Nn, &g, &z, &self.mt, &logits)?;
        Ok(logits)
    }
}
