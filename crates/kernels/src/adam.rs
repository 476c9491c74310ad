//! One step of Adam (Kingma and Ba 2015, with decoupled weight decay as in Loshchilov and Hutter 2019):
//!
//! ```text
//! m := beta1 m + (1 - beta1) g
//! v := beta2 v + (1 - beta2) g^2
//! w := decay w - step m / (root sqrt(v) + eps)
//! ```
//! with, at step t = 1, 2, ..: `step = lr / (1 - beta1^t)`, `root = 1 / sqrt(1 - beta2^t)`, `decay = 1 - lr * weight_decay`.

use crate::kernel::wgsl;
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Weights.
    n: u32,
    /// Bias-corrected learning rate.
    step: f32,
    /// Bias correction of the second moment.
    root: f32,
    /// Decay of the first moment.
    beta1: f32,
    /// Decay of the second moment.
    beta2: f32,
    /// Added to the denominator.
    eps: f32,
    /// Factor of the old weight.
    decay: f32,
    ; p => Grid::elements(p.n, 64)
}

impl Params {
    /// Step `t` (from 1) for `n` weights with PyTorch's defaults for the betas and eps.
    pub fn new(n: usize, t: u32, lr: f64, weight_decay: f64) -> Params {
        let (beta1, beta2) = (0.9f64, 0.999f64);
        Params {
            n: n as u32,
            step: (lr / (1.0 - beta1.powi(t as i32))) as f32,
            root: (1.0 / (1.0 - beta2.powi(t as i32)).sqrt()) as f32,
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            eps: 1e-8,
            decay: (1.0 - lr * weight_decay) as f32,
        }
    }
}

/// Bindings: g `[n]`, w `[n]`, m `[n]`, v `[n]`.
pub static KERNEL: Kernel = Kernel {
    id: Id::Adam,
    name: "adam",
    sources: &[wgsl!("adam.wgsl")],
    bindings: &[Binding::Read, Binding::ReadWrite, Binding::ReadWrite, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance { abs: 1e-7, rel: 5e-6, why: "a root and a quotient of the device" },
};

/// The definition: w, m and v afterwards.
pub fn reference(p: &Params, g: &[f32], w: &[f32], m: &[f32], v: &[f32]) -> [Vec<f32>; 3] {
    let [beta1, beta2] = [p.beta1, p.beta2].map(f64::from);
    let mut after = [w.to_vec(), m.to_vec(), v.to_vec()];
    for i in 0..p.n as usize {
        let g = f64::from(g[i]);
        let m = beta1 * f64::from(m[i]) + (1.0 - beta1) * g;
        let v = beta2 * f64::from(v[i]) + (1.0 - beta2) * g * g;
        let w = f64::from(p.decay) * f64::from(w[i])
            - f64::from(p.step) * m / (f64::from(p.root) * v.sqrt() + f64::from(p.eps));
        [after[0][i], after[1][i], after[2][i]] = [w as f32, m as f32, v as f32];
    }
    after
}

/// First and later steps, with and without decay.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(9);
    [(1, 1, 0.0), (65, 1, 0.1), (257, 40, 0.01)]
        .map(|(n, t, decay)| {
            let p = Params::new(n, t, 1e-3, decay);
            let (g, w, m) = (rng.floats(n, 0.5), rng.floats(n, 1.0), rng.floats(n, 0.5));
            let v: Vec<f32> = rng.floats(n, 0.5).iter().map(|v| v.abs()).collect();
            let [w1, m1, v1] = reference(&p, &g, &w, &m, &v);
            let case = Case::new(&KERNEL, format!("n={n} t={t}"), &p).floats(&g);
            case.in_out_floats(&w, w1).in_out_floats(&m, m1).in_out_floats(&v, v1)
        })
        .into()
}
