//! Losses without gradients: what held-out rows lose under the adapter and under the model alone.

use std::ops::Range;

use pema_kernels::cross_entropy;

use super::Network;
use crate::Result;

impl Network {
    /// -log P(y) of rows under the adapter, or under the model itself when `adapted` is false.
    pub async fn nll(
        &mut self,
        adapted: bool,
        targets: &[u32],
        mut rows: impl FnMut(Range<usize>) -> Vec<f32>,
    ) -> Result<Vec<f32>> {
        if adapted {
            self.project_decoder()?;
        }
        let mut nll = Vec::with_capacity(targets.len());
        for begin in (0..targets.len()).step_by(self.piece_rows()) {
            let end = targets.len().min(begin + self.piece_rows());
            let n = end - begin;
            self.device.write(&self.piece.f, 0, &rows(begin..end))?;
            self.device.write(&self.piece.targets, 0, &targets[begin..end])?;
            if adapted {
                self.encode(n, 0.0, 0)?;
            }
            for at in (0..n).step_by(self.chunk) {
                let c = self.chunk.min(n - at);
                if adapted {
                    self.chunk_logits(at, c)?;
                } else {
                    self.head.logits(&self.device, &self.piece.f, at, c, &self.logits)?;
                }
                let vocab = self.head.vocab() as u32;
                let p = cross_entropy::Params { rows: c as u32, vocab, first: at as u32, grad: 0, scale: 0.0 };
                let buffers = [&self.piece.targets, &self.logits, &self.piece.stats];
                self.device.run(&cross_entropy::KERNEL, &p, &buffers)?;
            }
            let stats = self.device.read::<f32>(&self.piece.stats, 0, 2 * n).await?;
            nll.extend(stats.iter().step_by(2));
        }
        Ok(nll)
    }
}
