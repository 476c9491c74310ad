//! The gated unit of Shazeer (2020): `out[i] = silu(gate[i]) * up[i]` with `silu(g) = g / (1 + exp(-g))`.

use crate::kernel::wgsl;
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Elements.
    n: u32,
    ; p => Grid::elements(p.n, 64)
}

/// Bindings: gate `[n]`, up `[n]`, out `[n]`.
pub static KERNEL: Kernel = Kernel {
    id: Id::Swiglu,
    name: "swiglu",
    sources: &[wgsl!("swiglu.wgsl")],
    bindings: &[Binding::Read, Binding::Read, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance { abs: 1e-6, rel: 1e-5, why: "exp is within 3 + 2|x| ulp, and past 80 it is cut off" },
};

/// The definition.
pub fn reference(p: &Params, gate: &[f32], up: &[f32]) -> Vec<f32> {
    (0..p.n as usize)
        .map(|i| {
            let g = f64::from(gate[i]);
            (g / (1.0 + (-g).exp()) * f64::from(up[i])) as f32
        })
        .collect()
}

/// Ordinary gates, and one of each sign for which exp overflows or vanishes.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(23);
    let mut cases = Vec::new();
    for n in [1, 7, 64, 65, 257] {
        let p = Params { n };
        let (mut gate, up) = (rng.floats(n as usize, 12.0), rng.floats(n as usize, 3.0));
        if let [_, a, b, ..] = &mut gate[..] {
            (*a, *b) = (-200.0, 200.0);
        }
        let out = reference(&p, &gate, &up);
        cases.push(Case::new(&KERNEL, format!("n={n}"), &p).floats(&gate).floats(&up).out_floats(out));
    }
    cases
}
