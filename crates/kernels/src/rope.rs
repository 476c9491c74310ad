//! Rotary position embedding (Su et al. 2021), in place: pair `i` of each head of the token at position `m`
//! turns by `m * base^(-2i / rot_dim)`. Dimensions from `rot_dim` on stay.
//!
//! The angles come from [`table`], made on the CPU in f64: WGSL's sine is inexact for large angles.

use crate::kernel::wgsl;
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Tokens.
    tokens: u32,
    /// Heads of each token.
    heads: u32,
    /// Dimensions of a head.
    head_dim: u32,
    /// How many of them turn; even, at most `head_dim`.
    rot_dim: u32,
    /// 1: the pairs are `(2i, 2i+1)`; 0: they are `(i, i + rot_dim/2)`.
    interleaved: u32,
    ; p => Grid::elements(p.tokens * p.heads * (p.rot_dim / 2), 64)
}

/// Bindings: positions u32 `[tokens]`, table `[max_pos, rot_dim/2, 2]`, x `[tokens, heads, head_dim]`.
/// Every position is below `max_pos`. One invocation a pair.
pub static KERNEL: Kernel = Kernel {
    id: Id::Rope,
    name: "rope",
    sources: &[wgsl!("rope.wgsl")],
    bindings: &[Binding::Read, Binding::Read, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance { abs: 2e-6, rel: 1e-6, why: "two products and a sum that may cancel, possibly fused" },
};

/// `(cos, sin)` of every angle, `[max_pos, rot_dim/2, 2]`.
pub fn table(max_pos: usize, rot_dim: usize, base: f64) -> Vec<f32> {
    let mut values = Vec::with_capacity(max_pos * rot_dim);
    for position in 0..max_pos {
        for i in 0..rot_dim / 2 {
            let angle = position as f64 * base.powf(-2.0 * i as f64 / rot_dim as f64);
            values.extend([angle.cos() as f32, angle.sin() as f32]);
        }
    }
    values
}

/// The definition.
pub fn reference(p: &Params, positions: &[u32], table: &[f32], x: &[f32]) -> Vec<f32> {
    let (head_dim, pairs) = (p.head_dim as usize, p.rot_dim as usize / 2);
    let mut y = x.to_vec();
    for (h, head) in y.chunks_exact_mut(head_dim).enumerate() {
        let position = positions[h / p.heads as usize] as usize;
        for i in 0..pairs {
            let at = (position * pairs + i) * 2;
            let (cos, sin) = (f64::from(table[at]), f64::from(table[at + 1]));
            let (a, b) = if p.interleaved != 0 { (2 * i, 2 * i + 1) } else { (i, i + pairs) };
            let (u, v) = (f64::from(head[a]), f64::from(head[b]));
            head[a] = (u * cos - v * sin) as f32;
            head[b] = (u * sin + v * cos) as f32;
        }
    }
    y
}

/// Both pairings, whole and partly turned heads, positions in any order.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(21);
    let mut cases = Vec::new();
    for (tokens, heads, head_dim, rot_dim, interleaved) in
        [(1, 1, 2, 2, 0), (3, 2, 7, 4, 1), (3, 2, 7, 6, 0), (5, 3, 64, 64, 0), (2, 1, 65, 64, 1), (257, 1, 4, 4, 1)]
    {
        let p = Params { tokens, heads, head_dim, rot_dim, interleaved };
        let positions: Vec<u32> = (0..tokens).map(|_| rng.below(300) as u32).collect();
        let table = table(300, rot_dim as usize, 10_000.0);
        let x = rng.floats((tokens * heads * head_dim) as usize, 2.0);
        let y = reference(&p, &positions, &table, &x);
        let label = format!("tokens={tokens} heads={heads} head_dim={rot_dim}/{head_dim} interleaved={interleaved}");
        cases.push(Case::new(&KERNEL, label, &p).words(&positions).floats(&table).in_out_floats(&x, y));
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_turned_vectors_depend_on_the_distance_alone() {
        let mut rng = Rng::new(1);
        for interleaved in [0, 1] {
            let p = Params { tokens: 2, heads: 1, head_dim: 16, rot_dim: 16, interleaved };
            let (table, x) = (table(2000, 16, 10_000.0), rng.floats(32, 1.0));
            let product = |positions: [u32; 2]| {
                let y = reference(&p, &positions, &table, &x);
                (0..16).map(|i| y[i] * y[16 + i]).sum::<f32>()
            };
            assert!((product([3, 10]) - product([1990, 1997])).abs() < 1e-5);
            assert!((product([3, 10]) - product([3, 11])).abs() > 1e-3);
            assert_eq!(reference(&p, &[0, 0], &table, &x), x);
        }
    }
}
