//! Inverted dropout: `y = x * scale` where a hash of seed and index says keep, else 0.
//!
//! The mask is integer arithmetic, so it is the same on every device and needs no storage: the
//! backward pass can compute it again.

use crate::kernel::wgsl;
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random};

params! {
    /// Elements.
    n: u32,
    /// Changes the mask; another for every batch.
    seed: u32,
    /// Elements whose hash is below this are dropped: `p * 2^32`.
    threshold: u32,
    /// `1 / (1 - p)`.
    scale: f32,
    ; p => Grid::elements(p.n, 64)
}

impl Params {
    /// Dropout of `n` elements with probability `p` in [0, 1).
    pub fn new(n: usize, seed: u32, p: f32) -> Params {
        let threshold = (f64::from(p) * 4_294_967_296.0) as u32;
        Params { n: n as u32, seed, threshold, scale: 1.0 / (1.0 - p) }
    }
}

/// Bindings: x `[n]`, y `[n]`.
pub static KERNEL: Kernel = Kernel {
    id: Id::Dropout,
    name: "dropout",
    sources: &[wgsl!("dropout.wgsl")],
    bindings: &[Binding::Read, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance { abs: f32::MIN_POSITIVE, rel: 1e-6, why: "one product; the mask is exact" },
};

/// Whether element `i` stays.
pub fn keep(p: &Params, i: u32) -> bool {
    random::pcg(i ^ random::pcg(p.seed)) >= p.threshold
}

/// The definition.
pub fn reference(p: &Params, x: &[f32]) -> Vec<f32> {
    (0..p.n).map(|i| if keep(p, i) { x[i as usize] * p.scale } else { 0.0 }).collect()
}

/// No dropout, some, most.
pub fn cases() -> Vec<Case> {
    let mut rng = random::Rng::new(8);
    [(1, 0.0), (257, 0.1), (1000, 0.9)]
        .map(|(n, probability)| {
            let p = Params::new(n, 77, probability);
            let x = rng.floats(n, 2.0);
            let y = reference(&p, &x);
            Case::new(&KERNEL, format!("n={n} p={probability}"), &p).floats(&x).out_floats(y)
        })
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_that_is_dropped_is_the_probability_and_the_seed_matters() {
        let p = Params::new(100_000, 5, 0.2);
        let kept = (0..p.n).filter(|i| keep(&p, *i)).count();
        assert!((79_000..81_000).contains(&kept), "{kept}");
        let q = Params { seed: 6, ..p };
        let same = (0..p.n).filter(|i| keep(&p, *i) == keep(&q, *i)).count();
        assert!((67_000..69_000).contains(&same), "{same}");
    }
}
