//! Causal attention with grouped heads over a cache of keys and values.
//!
//! The sequences of a batch share the cache rows `0..prefix` (instruction and demonstrations, computed
//! once); each goes on in rows of its own. The query of token `t` sees `0..prefix` and then
//! `start..start+length`, where `spans[t] = (start, length)` and the query's own row is the last. A query
//! that sees nothing (padding) gets zeros.

use crate::kernel::wgsl;
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Queries.
    tokens: u32,
    /// Heads of a query.
    heads: u32,
    /// Heads of a key; `heads` is a multiple, and neighbours share one.
    kv_heads: u32,
    /// Dimensions of a head, at most [`MAX_HEAD_DIM`].
    head_dim: u32,
    /// Cache rows that every query sees.
    prefix: u32,
    /// Factor of the products before the softmax, mostly `1 / sqrt(head_dim)`.
    scale: f32,
    ; p => Grid::linear(p.tokens * p.heads)
}

/// Each of the 64 lanes holds two dimensions of the output.
pub const MAX_HEAD_DIM: usize = 128;

/// Bindings: q `[tokens, heads*head_dim]`, keys and values `[rows, kv_heads*head_dim]`,
/// spans u32 `[tokens, 2]`, out `[tokens, heads*head_dim]`. One workgroup a query and head.
pub static KERNEL: Kernel = Kernel {
    id: Id::Attention,
    name: "attention",
    sources: &[wgsl!("shared/sum_workgroup.wgsl"), wgsl!("attention.wgsl")],
    bindings: &[Binding::Read, Binding::Read, Binding::Read, Binding::Read, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance {
        abs: 2e-5,
        rel: 2e-5,
        why: "an f32 product over head_dim becomes a relative error through exp, whose own is 3 + 2|x| ulp",
    },
};

/// The definition.
pub fn reference(p: &Params, q: &[f32], k_cache: &[f32], v_cache: &[f32], spans: &[u32]) -> Vec<f32> {
    let (heads, dim, prefix) = (p.heads as usize, p.head_dim as usize, p.prefix as usize);
    let width = p.kv_heads as usize * dim;
    let mut out = Vec::with_capacity(q.len());
    for (index, query) in q.chunks_exact(dim).enumerate() {
        let (token, column) = (index / heads, index % heads / (heads / p.kv_heads as usize) * dim);
        let (start, length) = (spans[2 * token] as usize, spans[2 * token + 1] as usize);
        let seen: Vec<usize> = (0..prefix).chain(start..start + length).collect();
        let head = |cache: &[f32], row: usize, d: usize| f64::from(cache[row * width + column + d]);
        let scores: Vec<f64> = seen
            .iter()
            .map(|&row| (0..dim).map(|d| f64::from(query[d]) * head(k_cache, row, d)).sum::<f64>() * f64::from(p.scale))
            .collect();
        let top = scores.iter().fold(f64::MIN, |a, b| a.max(*b));
        let weights: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
        let total: f64 = weights.iter().sum();
        for d in 0..dim {
            let sum: f64 = seen.iter().zip(&weights).map(|(&row, w)| w * head(v_cache, row, d)).sum();
            out.push(if seen.is_empty() { 0.0 } else { (sum / total) as f32 });
        }
    }
    out
}

/// With and without a prefix, spans from one key past two blocks, heads alone and in groups, head sizes to
/// the largest, one query that sees nothing, and scores that decide for single keys.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(22);
    let mut cases = Vec::new();
    for (heads, kv_heads, head_dim, prefix, scale, spans) in [
        (1, 1, 7, 0, 0.4, &[[0, 1]][..]),
        (1, 1, 1, 0, 1.0, &[[3, 0], [3, 65]]),
        (3, 1, 16, 5, 0.25, &[[5, 1], [6, 63], [20, 64]]),
        (4, 2, 65, 65, 0.12, &[[70, 1], [66, 65]]),
        (9, 3, 64, 0, 2.0, &[[2, 7], [0, 64]]),
        (1, 1, 128, 7, 0.09, &[[7, 130], [137, 257]]),
    ] {
        let p = Params { tokens: spans.len() as u32, heads, kv_heads, head_dim, prefix, scale };
        let rows = spans.iter().map(|s| s[0] + s[1]).max().unwrap_or(0).max(prefix) + 2;
        let q = rng.floats((p.tokens * heads * head_dim) as usize, 1.5);
        let cache = (rows * kv_heads * head_dim) as usize;
        let (k, v) = (rng.floats(cache, 1.5), rng.floats(cache, 2.0));
        let out = reference(&p, &q, &k, &v, spans.as_flattened());
        let label = format!("heads={heads}/{kv_heads} head_dim={head_dim} prefix={prefix} spans={spans:?}");
        let case = Case::new(&KERNEL, label, &p).floats(&q).floats(&k).floats(&v);
        cases.push(case.words(spans.as_flattened()).out_floats(out));
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_prefix_means_the_same_as_rows_of_ones_own() {
        let mut rng = Rng::new(1);
        let (q, k, v) = (rng.floats(12, 1.0), rng.floats(10 * 6, 1.0), rng.floats(10 * 6, 1.0));
        let p = |prefix| Params { tokens: 1, heads: 4, kv_heads: 2, head_dim: 3, prefix, scale: 0.5 };
        assert_eq!(reference(&p(6), &q, &k, &v, &[6, 4]), reference(&p(0), &q, &k, &v, &[0, 10]));
    }

    #[test]
    fn one_key_gives_its_value_to_every_head_of_its_group() {
        let p = Params { tokens: 1, heads: 4, kv_heads: 2, head_dim: 2, prefix: 0, scale: 1.0 };
        let v = [9.0, 9.0, 9.0, 9.0, 1.0, 2.0, 3.0, 4.0];
        let out = reference(&p, &[0.5; 8], &[0.25; 8], &v, &[1, 1]);
        assert_eq!(out, [1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0]);
    }
}
