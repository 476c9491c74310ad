//! `y[i] = alpha * x[i % period] + beta * y[i]`: residual additions, biases, scaling, filling.
//!
//! With `beta == 0` the old `y` is not read, so it may hold anything.

use crate::kernel::wgsl;
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Elements of `y`.
    n: u32,
    /// Elements of `x`; `n` for a plain sum, the row length for a bias.
    period: u32,
    /// Factor of `x`.
    alpha: f32,
    /// Factor of the old `y`.
    beta: f32,
    ; p => Grid::elements(p.n, 64)
}

/// Bindings: x `[period]`, y `[n]`.
pub static KERNEL: Kernel = Kernel {
    id: Id::Axpby,
    name: "axpby",
    sources: &[wgsl!("axpby.wgsl")],
    bindings: &[Binding::Read, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance { abs: 1e-6, rel: 1e-6, why: "two products and a sum, possibly fused" },
};

/// The definition.
pub fn reference(p: &Params, x: &[f32], y: &[f32]) -> Vec<f32> {
    let old = |i: usize| if p.beta == 0.0 { 0.0 } else { f64::from(p.beta) * f64::from(y[i]) };
    (0..p.n as usize).map(|i| (f64::from(p.alpha) * f64::from(x[i % p.period as usize]) + old(i)) as f32).collect()
}

/// Sums, a bias row, a fill.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(1);
    let mut cases = Vec::new();
    for (n, period, alpha, beta) in [(1, 1, 1.0, 1.0), (257, 257, -0.5, 2.0), (130, 65, 1.0, 1.0), (64, 7, 3.0, 0.0)] {
        let p = Params { n, period, alpha, beta };
        let (x, y) = (rng.floats(period as usize, 2.0), rng.floats(n as usize, 2.0));
        let expected = reference(&p, &x, &y);
        let case = Case::new(&KERNEL, format!("n={n} period={period} beta={beta}"), &p).floats(&x);
        cases.push(if beta == 0.0 { case.out_floats(expected) } else { case.in_out_floats(&y, expected) });
    }
    cases
}
