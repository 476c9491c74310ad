//! Reconstruction loss of the bottleneck and, in place, its gradient (PEMA, the L_rct of equation 3).
//!
//! ```text
//! loss[r] = sum_c (h - f)^2
//! h      := scale * (h - f)
//! ```

use crate::kernel::wgsl;
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Rows.
    rows: u32,
    /// Columns.
    cols: u32,
    /// Factor of the gradient: `2 kappa / (N d)`.
    scale: f32,
    ; p => Grid::linear(p.rows)
}

/// Bindings: f `[rows, cols]`, h `[rows, cols]`, loss `[rows]`. One workgroup a row.
pub static KERNEL: Kernel = Kernel {
    id: Id::Mse,
    name: "mse",
    sources: &[wgsl!("shared/sum_workgroup.wgsl"), wgsl!("mse.wgsl")],
    bindings: &[Binding::Read, Binding::ReadWrite, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance { abs: 2e-6, rel: 1e-5, why: "an f32 sum of squares over cols" },
};

/// The definition: h afterwards, and the losses.
pub fn reference(p: &Params, f: &[f32], h: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let difference: Vec<f64> = h.iter().zip(f).map(|(h, f)| f64::from(*h) - f64::from(*f)).collect();
    let loss = difference.chunks_exact(p.cols as usize).map(|row| row.iter().map(|d| d * d).sum::<f64>() as f32);
    let after = difference.iter().map(|d| (f64::from(p.scale) * d) as f32).collect();
    (after, loss.collect())
}

/// Rows and columns below, at and past a workgroup.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(7);
    let mut cases = Vec::new();
    for (rows, cols) in [(1, 1), (3, 7), (2, 64), (5, 65), (2, 257)] {
        let p = Params { rows, cols, scale: 0.3 };
        let (f, h) = (rng.floats((rows * cols) as usize, 2.0), rng.floats((rows * cols) as usize, 2.0));
        let (after, loss) = reference(&p, &f, &h);
        let case = Case::new(&KERNEL, format!("rows={rows} cols={cols}"), &p);
        cases.push(case.floats(&f).in_out_floats(&h, after).out_floats(loss));
    }
    cases
}
