//! The votes of a memory's nearest rows, mixed into what the model or a mixture says.

use pema_device::Buffer;
use pema_kernels::mix;
use pema_plm::source::ByteSource;

use super::{CANDIDATES, Choice, Mixer, pick};
use crate::generate::Probabilities;
use crate::knn::Vote;
use crate::sampling::Sampler;
use crate::{Error, Result};

impl<S: ByteSource> Mixer<'_, S> {
    /// P = lambda P_kNN + (1 - lambda) P, where P is the model's or a mixture's (`scores`, of any sum), on the
    /// host: the votes are few, the vocabulary is read once.
    pub(super) async fn with_votes(
        &self,
        contexts: &Buffer,
        scores: &Buffer,
        n: usize,
        lambdas: &[f32],
        samplers: &mut [Sampler],
    ) -> Result<Vec<Choice>> {
        let Some(knn) = self.knn else { return Err(Error::Needs { method: "knn", needs: "a memory" }) };
        let (device, vocab) = (&self.plm.device, self.plm.head.vocab());
        let votes = knn.votes(device, contexts, n).await?;
        let (zeros, logs) = (device.upload(&vec![0.0f32; n], "lambda")?, device.alloc(n * vocab, "log P")?);
        device.run(
            &mix::KERNEL,
            &mix::Params { rows: n as u32, cols: vocab as u32 },
            &[scores, scores, &zeros, &logs],
        )?;
        let logs = device.read::<f32>(&logs, 0, n * vocab).await?;
        let mut choices = Vec::with_capacity(n);
        for (i, logs) in logs.chunks_exact(vocab).enumerate() {
            let candidates = mix_votes(logs, &votes[i], lambdas[i]);
            let id = pick(&mut samplers[i], &candidates)?;
            let vote = votes[i].iter().find(|v| v.0 == id).map_or(0.0, |v| v.1);
            let p = logs[id as usize].exp();
            let mix = lambdas[i] * vote + (1.0 - lambdas[i]) * p;
            choices.push(Choice { id, probabilities: Some(Probabilities { lm: p, pema: vote, mix }) });
        }
        Ok(choices)
    }
}

/// The most probable tokens of the mixture, best first, as log-probabilities.
fn mix_votes(logs: &[f32], votes: &[Vote], lambda: f32) -> Vec<(u32, f32)> {
    let mut mixed: Vec<(u32, f32)> =
        logs.iter().map(|l| l + (1.0 - lambda).ln()).zip(0..).map(|(l, i)| (i, l)).collect();
    for (id, vote) in votes {
        let p = &mut mixed[*id as usize].1;
        *p = (p.exp() + lambda * vote).ln();
    }
    let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    let keep = CANDIDATES.min(mixed.len());
    mixed.select_nth_unstable_by(keep - 1, order);
    mixed.truncate(keep);
    mixed.sort_unstable_by(order);
    mixed
}
