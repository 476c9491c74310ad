//! `y[r] = sum_c x[r,c]^2`: gradient norms, one row at a time.

use crate::kernel::wgsl;
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Rows of `x`.
    rows: u32,
    /// Columns.
    cols: u32,
    ; p => Grid::linear(p.rows)
}

/// Bindings: x `[rows, cols]`, y `[rows]`. One workgroup a row.
pub static KERNEL: Kernel = Kernel {
    id: Id::SqNorm,
    name: "sq_norm",
    sources: &[wgsl!("shared/sum_workgroup.wgsl"), wgsl!("sq_norm.wgsl")],
    bindings: &[Binding::Read, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance { abs: 1e-6, rel: 1e-5, why: "an f32 sum over cols in tree order; all terms are positive" },
};

/// The definition.
pub fn reference(p: &Params, x: &[f32]) -> Vec<f32> {
    x.chunks_exact(p.cols as usize)
        .map(|row| row.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>() as f32)
        .collect()
}

/// Rows and columns below, at and past a workgroup.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(30);
    let mut cases = Vec::new();
    for (rows, cols) in [(1, 1), (3, 7), (2, 64), (65, 65), (2, 257), (1, 5000)] {
        let p = Params { rows, cols };
        let x = rng.floats((rows * cols) as usize, 3.0);
        let y = reference(&p, &x);
        cases.push(Case::new(&KERNEL, format!("rows={rows} cols={cols}"), &p).floats(&x).out_floats(y));
    }
    cases
}
