//! The mixture of two next-token distributions, in logarithms:
//! `out[r,:] = log(lambda[r] * softmax(pema[r,:]) + (1 - lambda[r]) * softmax(lm[r,:]))`.
//!
//! `lambda` may be exactly 0 or 1; then `out` is the log-softmax of one side.

use crate::kernel::wgsl;
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Rows.
    rows: u32,
    /// Columns, the vocabulary.
    cols: u32,
    ; p => Grid::linear(p.rows)
}

/// Bindings: lm `[rows, cols]` logits, pema `[rows, cols]` logits, lambda `[rows]`, out `[rows, cols]`.
/// One workgroup a row.
pub static KERNEL: Kernel = Kernel {
    id: Id::Mix,
    name: "mix",
    sources: &[wgsl!("shared/sum_workgroup.wgsl"), wgsl!("mix.wgsl")],
    bindings: &[Binding::Read, Binding::Read, Binding::Read, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance {
        abs: 5e-6,
        rel: 2e-6,
        why: "f32 sums over cols, and logarithms that are within 2^-21 where their argument is near 1",
    },
};

/// The definition.
pub fn reference(p: &Params, lm: &[f32], pema: &[f32], lambda: &[f32]) -> Vec<f32> {
    let cols = p.cols as usize;
    let log_softmax = |row: &[f32], c: usize, total: f64, top: f64| f64::from(row[c]) - top - total.ln();
    let mut out = Vec::with_capacity(lm.len());
    for r in 0..p.rows as usize {
        let sides = [(pema, f64::from(lambda[r])), (lm, 1.0 - f64::from(lambda[r]))].map(|(logits, share)| {
            let row = &logits[r * cols..(r + 1) * cols];
            let top = row.iter().fold(f64::MIN, |a, b| a.max(f64::from(*b)));
            let total: f64 = row.iter().map(|v| (f64::from(*v) - top).exp()).sum();
            let log_share = if share > 0.0 { share.ln() } else { -1e30 };
            (0..cols).map(|c| log_share + log_softmax(row, c, total, top)).collect::<Vec<f64>>()
        });
        for c in 0..cols {
            let (a, b) = (sides[0][c].max(sides[1][c]), sides[0][c].min(sides[1][c]));
            out.push((a + (b - a).exp().ln_1p()) as f32);
        }
    }
    out
}

/// Mixing weights 0, 1 and between; logits near zero and so large that their exponentials overflow.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(28);
    let mut cases = Vec::new();
    for (rows, cols, offset) in [(1, 1, 0.0), (3, 7, 500.0), (5, 64, 0.0), (4, 65, -300.0), (7, 257, 100.0)] {
        let p = Params { rows, cols };
        let n = (rows * cols) as usize;
        let lm: Vec<f32> = (0..n).map(|_| offset + rng.uniform(15.0)).collect();
        let pema: Vec<f32> = (0..n).map(|_| rng.uniform(8.0) - offset).collect();
        let lambda: Vec<f32> = (0..rows as usize).map(|r| [rng.unit(), 0.0, 1.0, 1e-6, 0.999][r % 5]).collect();
        let out = reference(&p, &lm, &pema, &lambda);
        let case = Case::new(&KERNEL, format!("rows={rows} cols={cols} offset={offset}"), &p);
        cases.push(case.floats(&lm).floats(&pema).floats(&lambda).out_floats(out));
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixture_sums_to_one_and_its_ends_are_the_two_sides() {
        let p = Params { rows: 3, cols: 4 };
        let lm = [1.0, 2.0, 3.0, 4.0].repeat(3);
        let pema = [0.0, 0.0, 0.0, 800.0].repeat(3);
        let out = reference(&p, &lm, &pema, &[0.0, 0.25, 1.0]);
        for row in out.chunks(4) {
            let total: f64 = row.iter().map(|v| f64::from(*v).exp()).sum();
            assert!((total - 1.0).abs() < 1e-6, "{total}");
        }
        assert!((out[1] - out[0] - 1.0).abs() < 1e-6);
        assert!((out[8] + 800.0).abs() < 1e-3 && out[11].abs() < 1e-6);
    }
}
