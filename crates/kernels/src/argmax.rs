//! The smallest index of the largest value of every row: greedy decoding.

use crate::kernel::wgsl;
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Rows of `x`.
    rows: u32,
    /// Columns, at least one.
    cols: u32,
    ; p => Grid::linear(p.rows)
}

/// Bindings: x `[rows, cols]` without NaN, y u32 `[rows]`. One workgroup a row.
pub static KERNEL: Kernel = Kernel {
    id: Id::Argmax,
    name: "argmax",
    sources: &[wgsl!("argmax.wgsl")],
    bindings: &[Binding::Read, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance { abs: f32::MIN_POSITIVE, rel: 0.0, why: "integers, compared exactly" },
};

/// The definition.
pub fn reference(p: &Params, x: &[f32]) -> Vec<u32> {
    x.chunks_exact(p.cols as usize)
        .map(|row| {
            let mut best = 0;
            for c in 0..row.len() {
                if row[c] > row[best] {
                    best = c;
                }
            }
            best as u32
        })
        .collect()
}

/// Rows of distinct values, of few values with many ties, and of values below every usual start.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(26);
    let mut cases = Vec::new();
    for (rows, cols) in [(1, 1), (3, 7), (2, 64), (65, 65), (7, 257)] {
        let p = Params { rows, cols };
        let n = (rows * cols) as usize;
        let distinct = rng.floats(n, 50.0);
        let ties = (0..n).map(|_| rng.below(4) as f32 - 3.0).collect();
        let mut low = vec![f32::MIN; n];
        low[n - 1] = -3.3e38;
        for (kind, x) in [("distinct", distinct), ("ties", ties), ("low", low)] {
            let y = reference(&p, &x);
            cases.push(Case::new(&KERNEL, format!("rows={rows} cols={cols} {kind}"), &p).floats(&x).out_words(y));
        }
    }
    cases
}
