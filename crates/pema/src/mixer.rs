//! One decoding step: from context representations to the next tokens.

use pema_device::{Buffer, Device, Gemm};
use pema_kernels::matmul::Orientation::{Nn, Nt};
use pema_kernels::{argmax, axpby, cross_entropy, mix, top_k};
use pema_plm::Plm;
use pema_plm::source::ByteSource;

use crate::adapter::transpose;
use crate::generate::{Method, Probabilities};
use crate::knn::{Knn, Vote};
use crate::sampling::Sampler;
use crate::schedule::{Schedule, Unrolling};
use crate::{Adapter, Error, Form, Result};

/// The next token of a sequence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) id: u32,
    pub(crate) probabilities: Option<Probabilities>,
}

/// How the next tokens are chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mixing<'a> {
    pub(crate) method: Method,
    /// Weight of the adapter or the memory, a row.
    pub(crate) lambdas: &'a [f32],
    /// What is added to the log-probability of some tokens, a row; empty when no row has any.
    pub(crate) bonuses: &'a [Vec<(u32, f32)>],
    /// Weight of the memory's votes on top of that.
    pub(crate) votes: f32,
}

/// Turns f(c) into tokens under a method.
#[derive(Debug)]
pub(crate) struct Mixer<'a, S> {
    plm: &'a Plm<S>,
    adapter: Option<OnDevice>,
    knn: Option<&'a Knn>,
}

/// An adapter on the device: A and M^T = B_pd^T W_hd^T, made once, so that a token costs r/d of the head.
#[derive(Debug)]
struct OnDevice {
    form: Form,
    rank: usize,
    a: Buffer,
    mt: Buffer,
}

/// Candidates that sampling draws from: the most probable tokens.
const CANDIDATES: usize = top_k::MAX_K;

impl<'a, S: ByteSource> Mixer<'a, S> {
    pub(crate) fn new(plm: &'a Plm<S>, adapter: Option<&Adapter>, knn: Option<&'a Knn>) -> Result<Mixer<'a, S>> {
        let device = &plm.device;
        let adapter = match adapter {
            None => None,
            Some(adapter) => {
                let (r, d) = (adapter.rank, plm.head.hidden());
                let bt = device.upload(&transpose(&adapter.b_pd, d, r), "B_pd")?;
                let mt = device.alloc(r * plm.head.vocab(), "M")?;
                device.linear(&bt, 0, r, plm.head.weight(), &mt)?;
                Some(OnDevice { form: adapter.form, rank: r, a: device.upload(&adapter.a, "A")?, mt })
            }
        };
        Ok(Mixer { plm, adapter, knn })
    }

    /// Refuses a method whose ingredients are missing.
    pub(crate) fn check(&self, method: Method, votes: Option<f32>) -> Result<()> {
        if let Some(weight) = votes {
            Unrolling::new(Schedule::Constant, weight, 0)?; // the range
        }
        match method {
            _ if votes.is_some() && self.knn.is_none() => {
                Err(Error::Needs { method: "votes beside an adapter", needs: "a memory (--memory DIR)" })
            }
            Method::Knn if self.knn.is_none() => Err(Error::Needs { method: "knn", needs: "a memory (--memory DIR)" }),
            m if m.adapted() && self.adapter.is_none() => {
                Err(Error::Needs { method: m.name(), needs: "an adapter (--adapter FILE)" })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn knn_lambda(&self) -> f32 {
        self.knn.map_or(0.0, |k| k.config.lambda)
    }

    /// The next token of each of `n` rows of `contexts`, `[n, d]`.
    pub(crate) async fn choose(
        &self,
        how: Mixing<'_>,
        contexts: &Buffer,
        n: usize,
        samplers: &mut [Sampler],
        explain: bool,
    ) -> Result<Vec<Choice>> {
        let Mixing { method, lambdas, bonuses, votes } = how;
        let device = &self.plm.device;
        let vocab = self.plm.head.vocab();
        let lm = device.alloc(n * vocab, "logits")?;
        self.plm.head.logits(device, contexts, 0, n, &lm)?;
        // When lambda has reached 0 the adapter has no say and is skipped, unless its opinion was asked for.
        let silent = !explain && lambdas.iter().all(|l| *l == 0.0);
        if method == Method::Knn && !silent {
            return self.with_votes(contexts, &lm, n, lambdas, samplers).await;
        }
        let pema = match (&self.adapter, method.adapted() && !silent) {
            (Some(adapter), true) => Some(self.adapted_logits(adapter, contexts, &lm, n)?),
            _ => None,
        };
        let greedy = samplers.iter().all(Sampler::is_greedy);
        let mixed = match &pema {
            None if greedy && !explain => None, // the largest logit is the most probable token
            other => {
                let zeros = vec![0.0f32; n];
                let lambda = device.upload(if other.is_some() { lambdas } else { &zeros }, "lambda")?;
                let out = device.alloc(n * vocab, "mixture")?;
                let p = mix::Params { rows: n as u32, cols: vocab as u32 };
                device.run(&mix::KERNEL, &p, &[&lm, other.as_ref().unwrap_or(&lm), &lambda, &out])?;
                Some(out)
            }
        };
        let scores = mixed.as_ref().unwrap_or(&lm);
        self.favour(scores, bonuses)?;
        if votes > 0.0 && method.adapted() {
            return self.with_votes(contexts, scores, n, &vec![votes; n], samplers).await;
        }
        let ids = if greedy { best(device, scores, n, vocab).await? } else { self.sample(scores, n, samplers).await? };
        let mut choices: Vec<Choice> = ids.iter().map(|id| Choice { id: *id, probabilities: None }).collect();
        if explain {
            let lm_nll = self.nll(&lm, &ids).await?;
            let pema_nll = match &pema {
                Some(pema) => self.nll(pema, &ids).await?,
                None => lm_nll.clone(),
            };
            let mix_nll = self.nll(scores, &ids).await?;
            for (i, choice) in choices.iter_mut().enumerate() {
                let (lm, pema) = ((-lm_nll[i]).exp(), (-pema_nll[i]).exp());
                let mix = (-mix_nll[i]).exp();
                choice.probabilities = Some(Probabilities { lm, pema, mix });
            }
        }
        Ok(choices)
    }

    /// Adds the bonuses of some tokens to the scores. What follows normalises them again, where it must.
    fn favour(&self, scores: &Buffer, bonuses: &[Vec<(u32, f32)>]) -> Result<()> {
        if bonuses.iter().all(Vec::is_empty) {
            return Ok(());
        }
        let (device, vocab) = (&self.plm.device, self.plm.head.vocab());
        let mut dense = vec![0.0f32; bonuses.len() * vocab];
        for (row, bonus) in dense.chunks_exact_mut(vocab).zip(bonuses) {
            for (id, more) in bonus {
                row[*id as usize] = *more;
            }
        }
        let n = dense.len() as u32;
        let dense = device.upload(&dense, "bonuses")?;
        Ok(device.run(&axpby::KERNEL, &axpby::Params { n, period: n, alpha: 1.0, beta: 1.0 }, &[&dense, scores])?)
    }

    /// Logits of both, on the host.
    pub(crate) async fn logits(&self, contexts: &Buffer, n: usize) -> Result<(Vec<f32>, Option<Vec<f32>>)> {
        let (device, all) = (&self.plm.device, n * self.plm.head.vocab());
        let lm = device.alloc(all, "logits")?;
        self.plm.head.logits(device, contexts, 0, n, &lm)?;
        let pema = match &self.adapter {
            Some(adapter) => {
                let logits = self.adapted_logits(adapter, contexts, &lm, n)?;
                Some(device.read::<f32>(&logits, 0, all).await?)
            }
            None => None,
        };
        Ok((device.read::<f32>(&lm, 0, all).await?, pema))
    }

    /// S = z M^T, in the residual form on top of the model's own logits.
    fn adapted_logits(&self, adapter: &OnDevice, contexts: &Buffer, lm: &Buffer, n: usize) -> Result<Buffer> {
        let device = &self.plm.device;
        let (r, d, vocab) = (adapter.rank, self.plm.head.hidden(), self.plm.head.vocab());
        let z = device.alloc(n * r, "z")?;
        let g = Gemm { m: n, n: r, k: d, lda: d, ldb: d, ldc: r, ..Gemm::default() };
        device.matmul(Nt, &g, contexts, &adapter.a, &z)?;
        let logits = device.alloc(n * vocab, "adapted logits")?;
        let beta = match adapter.form {
            Form::Paper => 0.0,
            Form::Residual => {
                let all = (n * vocab) as u32;
                let p = axpby::Params { n: all, period: all, alpha: 1.0, beta: 0.0 };
                device.run(&axpby::KERNEL, &p, &[lm, &logits])?;
                1.0
            }
        };
        let g = Gemm { m: n, n: vocab, k: r, lda: r, ldb: vocab, ldc: vocab, beta, ..Gemm::default() };
        device.matmul(Nn, &g, &z, &adapter.mt, &logits)?;
        Ok(logits)
    }

    async fn sample(&self, scores: &Buffer, n: usize, samplers: &mut [Sampler]) -> Result<Vec<u32>> {
        let (device, vocab) = (&self.plm.device, self.plm.head.vocab());
        let k = CANDIDATES.min(vocab);
        let (ids, values) = (device.alloc(n * k, "ids")?, device.alloc(n * k, "values")?);
        let p = top_k::Params { rows: n as u32, cols: vocab as u32, k: k as u32 };
        device.run(&top_k::KERNEL, &p, &[scores, &ids, &values])?;
        let ids = device.read::<u32>(&ids, 0, n * k).await?;
        let values = device.read::<f32>(&values, 0, n * k).await?;
        let rows = ids.chunks_exact(k).zip(values.chunks_exact(k)).zip(samplers);
        rows.map(|((ids, values), sampler)| {
            let candidates: Vec<(u32, f32)> = ids.iter().copied().zip(values.iter().copied()).collect();
            pick(sampler, &candidates)
        })
        .collect()
    }

    /// P = lambda P_kNN + (1 - lambda) P, where P is the model's or a mixture's (`scores`, of any sum), on the
    /// host: the votes are few, the vocabulary is read once.
    async fn with_votes(
        &self,
        contexts: &Buffer,
        scores: &Buffer,
        n: usize,
        lambdas: &[f32],
        samplers: &mut [Sampler],
    ) -> Result<Vec<Choice>> {
        let Some(knn) = self.knn else { return Err(Error::Needs { method: "knn", needs: "a memory (--memory DIR)" }) };
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

    async fn nll(&self, logits: &Buffer, ids: &[u32]) -> Result<Vec<f32>> {
        let device = &self.plm.device;
        let (targets, stats) = (device.upload(ids, "tokens")?, device.alloc(2 * ids.len(), "losses")?);
        let vocab = self.plm.head.vocab() as u32;
        let p = cross_entropy::Params { rows: ids.len() as u32, vocab, ..Default::default() };
        device.run(&cross_entropy::KERNEL, &p, &[&targets, logits, &stats])?;
        Ok(device.read::<f32>(&stats, 0, 2 * ids.len()).await?.into_iter().step_by(2).collect())
    }
}

async fn best(device: &Device, scores: &Buffer, n: usize, vocab: usize) -> Result<Vec<u32>> {
    let ids = device.alloc(n, "best tokens")?;
    device.run(&argmax::KERNEL, &argmax::Params { rows: n as u32, cols: vocab as u32 }, &[scores, &ids])?;
    Ok(device.read::<u32>(&ids, 0, n).await?)
}

fn pick(sampler: &mut Sampler, candidates: &[(u32, f32)]) -> Result<u32> {
    sampler.pick(candidates).ok_or(Error::Diverged { step: 0, loss: f64::NAN, lr: 0.0 })
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
