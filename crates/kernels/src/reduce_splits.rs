//! `C = alpha * sum_z parts[z] + beta * C`: adds the planes that a matmul split along K wrote.

use crate::kernel::wgsl;
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Rows of C.
    m: u32,
    /// Columns of C.
    n: u32,
    /// Planes.
    planes: u32,
    /// Row length of C.
    ldc: u32,
    /// First element of C.
    c_offset: u32,
    /// Factor of the sum.
    alpha: f32,
    /// Factor of the old C; with 0 it is not read.
    beta: f32,
    ; p => Grid::elements(p.m * p.n, 64)
}

/// Bindings: parts `[planes, m, n]`, c.
pub static KERNEL: Kernel = Kernel {
    id: Id::ReduceSplits,
    name: "reduce_splits",
    sources: &[wgsl!("reduce_splits.wgsl")],
    bindings: &[Binding::Read, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance { abs: 2e-6, rel: 2e-6, why: "an f32 sum of a few planes" },
};

/// The definition.
pub fn reference(p: &Params, parts: &[f32], c: &[f32]) -> Vec<f32> {
    let mut out = c.to_vec();
    for i in 0..p.m * p.n {
        let sum: f64 = (0..p.planes).map(|z| f64::from(parts[(z * p.m * p.n + i) as usize])).sum();
        let at = (p.c_offset + i / p.n * p.ldc + i % p.n) as usize;
        let old = if p.beta == 0.0 { 0.0 } else { f64::from(p.beta) * f64::from(c[at]) };
        out[at] = (f64::from(p.alpha) * sum + old) as f32;
    }
    out
}

/// One plane and several, into a part of C and over old values.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(4);
    let mut cases = Vec::new();
    let shapes = [(1, 1, 1, 1, 0, 0.0), (7, 65, 3, 65, 0, 1.0), (5, 7, 8, 9, 2, 0.5), (64, 257, 2, 257, 0, 0.0)];
    for (m, n, planes, ldc, c_offset, beta) in shapes {
        let p = Params { m, n, planes, ldc, c_offset, alpha: 0.5, beta };
        let parts = rng.floats((planes * m * n) as usize, 1.0);
        let c = rng.floats((c_offset + m * ldc) as usize, 1.0);
        let expected = reference(&p, &parts, &c);
        cases.push(
            Case::new(&KERNEL, format!("m={m} n={n} planes={planes}"), &p).floats(&parts).in_out_floats(&c, expected),
        );
    }
    cases
}
