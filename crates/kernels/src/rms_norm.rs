//! Root-mean-square normalisation (Zhang and Sennrich 2019), row by row:
//! `y[r,c] = x[r,c] / sqrt(mean_c x[r,c]^2 + eps) * w[c]`.

use crate::kernel::wgsl;
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Rows of `x` and `y`.
    rows: u32,
    /// Columns.
    cols: u32,
    /// Added to the mean square.
    eps: f32,
    ; p => Grid::linear(p.rows)
}

/// Bindings: x `[rows, cols]`, w `[cols]`, y `[rows, cols]`. One workgroup a row.
pub static KERNEL: Kernel = Kernel {
    id: Id::RmsNorm,
    name: "rms_norm",
    sources: &[wgsl!("shared/sum_workgroup.wgsl"), wgsl!("rms_norm.wgsl")],
    bindings: &[Binding::Read, Binding::Read, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance { abs: 1e-6, rel: 2e-5, why: "an f32 sum over cols in tree order and one inverse root" },
};

/// The definition.
pub fn reference(p: &Params, x: &[f32], w: &[f32]) -> Vec<f32> {
    let cols = p.cols as usize;
    let mut y = Vec::with_capacity(x.len());
    for row in x.chunks_exact(cols) {
        let square: f64 = row.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
        let scale = 1.0 / (square / cols as f64 + f64::from(p.eps)).sqrt();
        for c in 0..cols {
            y.push((f64::from(row[c]) * scale * f64::from(w[c])) as f32);
        }
    }
    y
}

/// Rows and columns below, at and past a workgroup.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(2);
    let mut cases = Vec::new();
    for (rows, cols) in [(1, 1), (3, 7), (2, 64), (5, 65), (2, 257)] {
        let p = Params { rows, cols, eps: 1e-5 };
        let (x, w) = (rng.floats((rows * cols) as usize, 3.0), rng.floats(cols as usize, 1.5));
        let y = reference(&p, &x, &w);
        cases.push(Case::new(&KERNEL, format!("rows={rows} cols={cols}"), &p).floats(&x).floats(&w).out_floats(y));
    }
    cases
}
