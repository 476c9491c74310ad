//! Layer normalisation (Ba, Kiros and Hinton 2016), row by row:
//! `y[r,c] = (x[r,c] - mean_r) / sqrt(variance_r + eps) * w[c] + b[c]`.

use crate::kernel::wgsl;
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Rows of `x` and `y`.
    rows: u32,
    /// Columns.
    cols: u32,
    /// Added to the variance.
    eps: f32,
    ; p => Grid::linear(p.rows)
}

/// Bindings: x `[rows, cols]`, w `[cols]`, b `[cols]`, y `[rows, cols]`. One workgroup a row.
pub static KERNEL: Kernel = Kernel {
    id: Id::LayerNorm,
    name: "layer_norm",
    sources: &[wgsl!("shared/sum_workgroup.wgsl"), wgsl!("layer_norm.wgsl")],
    bindings: &[Binding::Read, Binding::Read, Binding::Read, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance {
        abs: 1e-5,
        rel: 2e-5,
        why: "two f32 sums over cols in tree order; x - mean cancels, so the error is absolute",
    },
};

/// The definition.
pub fn reference(p: &Params, x: &[f32], w: &[f32], b: &[f32]) -> Vec<f32> {
    let cols = p.cols as usize;
    let mut y = Vec::with_capacity(x.len());
    for row in x.chunks_exact(cols) {
        let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / cols as f64;
        let variance = row.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / cols as f64;
        let scale = 1.0 / (variance + f64::from(p.eps)).sqrt();
        for c in 0..cols {
            y.push(((f64::from(row[c]) - mean) * scale * f64::from(w[c]) + f64::from(b[c])) as f32);
        }
    }
    y
}

/// Rows and columns below, at and past a workgroup, about a mean that is not zero. One column has no
/// variance and leaves the bias.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(20);
    let mut cases = Vec::new();
    for (rows, cols) in [(1, 1), (3, 7), (2, 64), (5, 65), (2, 257)] {
        let p = Params { rows, cols, eps: 1e-5 };
        let x: Vec<f32> = (0..rows * cols).map(|_| 1.5 + rng.uniform(3.0)).collect();
        let (w, b) = (rng.floats(cols as usize, 1.5), rng.floats(cols as usize, 1.0));
        let y = reference(&p, &x, &w, &b);
        let case = Case::new(&KERNEL, format!("rows={rows} cols={cols}"), &p);
        cases.push(case.floats(&x).floats(&w).floats(&b).out_floats(y));
    }
    cases
}
