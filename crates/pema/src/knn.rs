//! kNN-LM over the same memory (Khandelwal et al. 2020): the exact nearest keys vote for their tokens.

use pema_device::{Buffer, Device, Gemm};
use pema_kernels::matmul::Orientation;
use pema_kernels::{axpby, sq_norm, top_k};
use serde::{Deserialize, Serialize};

use crate::{Error, Memory, Result};

/// How neighbours become a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KnnConfig {
    /// Neighbours, at most 256.
    pub k: usize,
    /// T of softmax(-distance^2 / T).
    pub temperature: f32,
    /// Weight of the neighbours in the mixture.
    pub lambda: f32,
}

impl Default for KnnConfig {
    /// What measures best on English-German pairs.
    fn default() -> KnnConfig {
        KnnConfig { k: 256, temperature: 100.0, lambda: 0.4 }
    }
}

/// The memory's keys on a device.
#[derive(Debug)]
pub struct Knn {
    shards: Vec<Shard>,
    values: Vec<u32>,
    hidden: usize,
    /// How neighbours become a distribution.
    pub config: KnnConfig,
}

#[derive(Debug)]
struct Shard {
    first: usize,
    rows: usize,
    keys: Buffer,
    norms: Buffer,
}

/// A token and its share of the neighbours' votes.
pub(crate) type Vote = (u32, f32);

/// Largest shard of keys and largest block of distances, in values.
const SHARD: usize = 24 << 20;
/// Queries at once.
const QUERIES: usize = 64;

impl Knn {
    /// Uploads the keys in single precision. Errors when the temperature cannot divide, and for no or too many neighbours.
    pub fn new(device: &Device, memory: &Memory, config: KnnConfig) -> Result<Knn> {
        if !(config.temperature > 0.0 && config.temperature.is_finite()) {
            let (value, range) = (config.temperature.to_string(), "above 0".to_owned());
            return Err(Error::BadSetting { setting: "kNN temperature", value, range });
        }
        if !(1..=top_k::MAX_K).contains(&config.k) {
            let (value, range) = (config.k.to_string(), format!("from 1 to {}", top_k::MAX_K));
            return Err(Error::BadSetting { setting: "number of neighbours", value, range });
        }
        let hidden = memory.hidden();
        let per_shard = (SHARD / hidden.max(1)).clamp(1, SHARD / QUERIES);
        let mut shards = Vec::new();
        for first in (0..memory.rows()).step_by(per_shard) {
            let rows = per_shard.min(memory.rows() - first);
            let keys = device.upload(&memory.gather(&(first..first + rows).collect::<Vec<_>>()), "keys")?;
            let norms = device.alloc(rows, "key norms")?;
            let p = sq_norm::Params { rows: rows as u32, cols: hidden as u32 };
            device.run(&sq_norm::KERNEL, &p, &[&keys, &norms])?;
            shards.push(Shard { first, rows, keys, norms });
        }
        Ok(Knn { shards, values: memory.values.clone(), hidden, config })
    }

    /// The neighbours' distribution over tokens for `n` rows of `contexts`, `[n, d]`: for each row the
    /// tokens with votes, which sum to one.
    pub(crate) async fn votes(&self, device: &Device, contexts: &Buffer, n: usize) -> Result<Vec<Vec<Vote>>> {
        let d = self.hidden;
        let norms = device.alloc(n, "query norms")?;
        device.run(&sq_norm::KERNEL, &sq_norm::Params { rows: n as u32, cols: d as u32 }, &[contexts, &norms])?;
        let norms = device.read::<f32>(&norms, 0, n).await?;
        // |q - x|^2 = |q|^2 - (2 q.x - |x|^2): the nearest have the largest score in parentheses.
        let mut best: Vec<Vec<(f32, u32)>> = vec![Vec::new(); n];
        for shard in &self.shards {
            let keep = self.config.k.min(shard.rows);
            let scores = device.alloc(QUERIES.min(n) * shard.rows, "scores")?;
            let (ids, values) = (device.alloc(QUERIES * keep, "ids")?, device.alloc(QUERIES * keep, "values")?);
            for begin in (0..n).step_by(QUERIES) {
                let m = QUERIES.min(n - begin);
                let bias =
                    axpby::Params { n: (m * shard.rows) as u32, period: shard.rows as u32, alpha: -1.0, beta: 0.0 };
                device.run(&axpby::KERNEL, &bias, &[&shard.norms, &scores])?;
                let g = Gemm { m, n: shard.rows, k: d, lda: d, ldb: d, ldc: shard.rows, ..Gemm::default() };
                let g = Gemm { a_offset: begin * d, alpha: 2.0, beta: 1.0, ..g };
                device.matmul(Orientation::Nt, &g, contexts, &shard.keys, &scores)?;
                let p = top_k::Params { rows: m as u32, cols: shard.rows as u32, k: keep as u32 };
                device.run(&top_k::KERNEL, &p, &[&scores, &ids, &values])?;
                let ids = device.read::<u32>(&ids, 0, m * keep).await?;
                let values = device.read::<f32>(&values, 0, m * keep).await?;
                for row in 0..m {
                    let found = row * keep..(row + 1) * keep;
                    let found = values[found.clone()].iter().zip(&ids[found]);
                    best[begin + row].extend(found.map(|(v, i)| (*v, i + shard.first as u32)));
                }
            }
        }
        Ok(best.into_iter().zip(norms).map(|(found, norm)| self.vote(found, norm)).collect())
    }

    fn vote(&self, mut found: Vec<(f32, u32)>, norm: f32) -> Vec<Vote> {
        found.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        found.truncate(self.config.k);
        let nearest = found.first().map_or(0.0, |f| norm - f.0);
        let mut votes: Vec<Vote> = found
            .iter()
            .map(|(score, row)| {
                (self.values[*row as usize], (-((norm - score) - nearest) / self.config.temperature).exp())
            })
            .collect();
        let sum: f32 = votes.iter().map(|v| v.1).sum();
        votes.sort_unstable_by_key(|v| v.0);
        votes.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        votes.iter_mut().for_each(|v| v.1 /= sum);
        votes
    }
}
