//! One decoding step: from context representations to the next tokens.

use pema_device::{Buffer, Device};
use pema_kernels::{argmax, axpby, cross_entropy, mix, top_k};
use pema_plm::Plm;
use pema_plm::source::ByteSource;

use self::on_device::OnDevice;
use crate::generate::{Method, Probabilities};
use crate::knn::Knn;
use crate::sampling::Sampler;

use crate::{Adapter, Error, Result};

mod on_device;
mod votes;

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

/// What is said of every next token, `[n, V]` each.
#[derive(Debug)]
struct Scores {
    lm: Buffer,
    pema: Option<Buffer>,
    /// Log-probabilities of the mixture, up to a constant a row; none where it is the model's own.
    mixed: Option<Buffer>,
}

impl Scores {
    fn scores(&self) -> &Buffer {
        self.mixed.as_ref().unwrap_or(&self.lm)
    }
}

/// Candidates that sampling draws from: the most probable tokens.
const CANDIDATES: usize = top_k::MAX_K;

impl<'a, S: ByteSource> Mixer<'a, S> {
    pub(crate) fn new(plm: &'a Plm<S>, adapter: Option<&Adapter>, knn: Option<&'a Knn>) -> Result<Mixer<'a, S>> {
        let adapter = match adapter {
            None => None,
            Some(adapter) => Some(OnDevice::new(&plm.device, &plm.head, adapter)?),
        };
        Ok(Mixer { plm, adapter, knn })
    }

    /// Refuses a method whose ingredients are missing.
    pub(crate) fn check(&self, method: Method, votes: Option<f32>) -> Result<()> {
        if let Some(weight) = votes.filter(|weight| !(0.0..=1.0).contains(weight)) {
            let (value, range) = (weight.to_string(), "from 0 to 1".to_owned());
            return Err(Error::BadSetting { setting: "the weight of the memory's votes", value, range });
        }
        match method {
            _ if votes.is_some() && self.knn.is_none() => {
                Err(Error::Needs { method: "votes beside an adapter", needs: "a memory" })
            }
            Method::Knn if self.knn.is_none() => Err(Error::Needs { method: "knn", needs: "a memory" }),
            m if m.adapted() && self.adapter.is_none() => Err(Error::Needs { method: m.name(), needs: "an adapter" }),
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
        let device = &self.plm.device;
        let vocab = self.plm.head.vocab();
        if how.method == Method::Knn && (explain || how.lambdas.iter().any(|l| *l != 0.0)) {
            let lm = device.alloc(n * vocab, "logits")?;
            self.plm.head.logits(device, contexts, 0, n, &lm)?;
            return self.with_votes(contexts, &lm, n, how.lambdas, samplers).await;
        }
        let greedy = samplers.iter().all(Sampler::is_greedy);
        let all = self.scores(how, contexts, n, explain, explain || !greedy)?;
        let scores = all.scores();
        if how.votes > 0.0 && how.method.adapted() {
            return self.with_votes(contexts, scores, n, &vec![how.votes; n], samplers).await;
        }
        let ids = if greedy { best(device, scores, n, vocab).await? } else { self.sample(scores, n, samplers).await? };
        if explain {
            let told = self.explain(&all, &ids).await?;
            return Ok(ids.iter().zip(told).map(|(id, p)| Choice { id: *id, probabilities: Some(p) }).collect());
        }
        Ok(ids.iter().map(|id| Choice { id: *id, probabilities: None }).collect())
    }

    /// The `k` most probable tokens of each of `n` rows with their log-probabilities, best first.
    pub(crate) async fn candidates(
        &self,
        how: Mixing<'_>,
        contexts: &Buffer,
        n: usize,
        k: usize,
    ) -> Result<Vec<Vec<(u32, f32)>>> {
        let (device, vocab) = (&self.plm.device, self.plm.head.vocab());
        let all = self.scores(how, contexts, n, false, false)?;
        // Normalised: a mixture that was corrected, and the model's logits, are not.
        let (zeros, logs) = (device.upload(&vec![0.0f32; n], "lambda")?, device.alloc(n * vocab, "log P")?);
        let p = mix::Params { rows: n as u32, cols: vocab as u32 };
        device.run(&mix::KERNEL, &p, &[all.scores(), all.scores(), &zeros, &logs])?;
        self.top(&logs, n, k).await
    }

    /// What model, adapter and mixture say of given next tokens, one for each of `n` rows.
    pub(crate) async fn probabilities(
        &self,
        how: Mixing<'_>,
        contexts: &Buffer,
        ids: &[u32],
    ) -> Result<Vec<Probabilities>> {
        let all = self.scores(how, contexts, ids.len(), true, true)?;
        self.explain(&all, ids).await
    }

    /// Model, adapter and mixture. The adapter is skipped when lambda has reached 0, unless its opinion was
    /// `asked` for; without it the mixture is left out unless it is `wanted`: the largest logit is the most
    /// probable token.
    fn scores(&self, how: Mixing<'_>, contexts: &Buffer, n: usize, asked: bool, wanted: bool) -> Result<Scores> {
        let Mixing { method, lambdas, bonuses, .. } = how;
        let (device, vocab) = (&self.plm.device, self.plm.head.vocab());
        let lm = device.alloc(n * vocab, "logits")?;
        self.plm.head.logits(device, contexts, 0, n, &lm)?;
        let silent = !asked && lambdas.iter().all(|l| *l == 0.0);
        let pema = match (&self.adapter, method.adapted() && !silent) {
            (Some(adapter), true) => Some(adapter.logits(&self.plm.device, contexts, &lm, n)?),
            _ => None,
        };
        let mixed = match &pema {
            None if !wanted => None,
            other => {
                let zeros = vec![0.0f32; n];
                let lambda = device.upload(if other.is_some() { lambdas } else { &zeros }, "lambda")?;
                let out = device.alloc(n * vocab, "mixture")?;
                let p = mix::Params { rows: n as u32, cols: vocab as u32 };
                device.run(&mix::KERNEL, &p, &[&lm, other.as_ref().unwrap_or(&lm), &lambda, &out])?;
                Some(out)
            }
        };
        let all = Scores { lm, pema, mixed };
        self.favour(all.scores(), bonuses)?;
        Ok(all)
    }

    async fn explain(&self, all: &Scores, ids: &[u32]) -> Result<Vec<Probabilities>> {
        let lm = self.nll(&all.lm, ids).await?;
        let pema = match &all.pema {
            Some(pema) => self.nll(pema, ids).await?,
            None => lm.clone(),
        };
        let mix = self.nll(all.scores(), ids).await?;
        let of = |i: usize| Probabilities { lm: (-lm[i]).exp(), pema: (-pema[i]).exp(), mix: (-mix[i]).exp() };
        Ok((0..ids.len()).map(of).collect())
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
                let logits = adapter.logits(&self.plm.device, contexts, &lm, n)?;
                Some(device.read::<f32>(&logits, 0, all).await?)
            }
            None => None,
        };
        Ok((device.read::<f32>(&lm, 0, all).await?, pema))
    }

    async fn sample(&self, scores: &Buffer, n: usize, samplers: &mut [Sampler]) -> Result<Vec<u32>> {
        let rows = self.top(scores, n, CANDIDATES).await?;
        rows.iter().zip(samplers).map(|(candidates, sampler)| pick(sampler, candidates)).collect()
    }

    /// The `k` tokens of the highest scores a row, best first.
    async fn top(&self, scores: &Buffer, n: usize, k: usize) -> Result<Vec<Vec<(u32, f32)>>> {
        let (device, vocab) = (&self.plm.device, self.plm.head.vocab());
        let k = k.min(vocab);
        let (ids, values) = (device.alloc(n * k, "ids")?, device.alloc(n * k, "values")?);
        let p = top_k::Params { rows: n as u32, cols: vocab as u32, k: k as u32 };
        device.run(&top_k::KERNEL, &p, &[scores, &ids, &values])?;
        let ids = device.read::<u32>(&ids, 0, n * k).await?;
        let values = device.read::<f32>(&values, 0, n * k).await?;
        let rows = ids.chunks_exact(k).zip(values.chunks_exact(k));
        Ok(rows.map(|(ids, values)| ids.iter().copied().zip(values.iter().copied()).collect()).collect())
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

/// What to do when a distribution is none.
pub(crate) const NO_NUMBER: &str = "the model or the adapter is damaged, or the adapter was trained too fast: train it again with a lower learning rate";

fn pick(sampler: &mut Sampler, candidates: &[(u32, f32)]) -> Result<u32> {
    sampler.pick(candidates).ok_or(Error::NotANumber { what: "the probability of the next token", advice: NO_NUMBER })
}
