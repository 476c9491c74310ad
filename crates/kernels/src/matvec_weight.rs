//! `y[b, r] = sum_k x[b, k] W[r, k]` for a batch of at most 4: decoding, where each weight is used once
//! or twice and reading it is all the cost.

use crate::kernel::wgsl;
use crate::quant::{self, Format};
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

/// Largest batch.
pub const MAX_BATCH: usize = 4;

params! {
    /// Vectors, 1 to 4.
    batch: u32,
    /// Rows of W.
    rows: u32,
    /// Columns of W.
    cols: u32,
    /// Word of the first scale.
    scales: u32,
    /// Row length of y.
    ldc: u32,
    /// First element of y.
    c_offset: u32,
    ; p => Grid::linear(p.rows.div_ceil(16))
}

macro_rules! kernels {
    ($($format:ident $name:literal),*) => {
        static KERNELS: [Kernel; 5] = [$(Kernel {
            id: Id::MatvecWeight(Format::$format),
            name: concat!("matvec_weight.", $name),
            sources: &[Format::$format.part(), wgsl!("matvec_weight.wgsl")],
            bindings: &[Binding::Read, Binding::Read, Binding::ReadWrite],
            constants: &[],
            params: Params::LAYOUT,
            tolerance: Tolerance { abs: 2e-5, rel: 2e-5, why: "an f32 sum over cols <= 600 of products below 1" },
        }),*];
    };
}
kernels!(F32 "f32", F16 "f16", Q8_0 "q8_0", Q4_0 "q4_0", Q4_1 "q4_1");

/// The variant for `format`. Bindings: x `[batch, cols]`, weights, y.
pub fn kernel(format: Format) -> &'static Kernel {
    &KERNELS[format.index()]
}

/// The definition; `w` is dequantised.
pub fn reference(p: &Params, x: &[f32], w: &[f32]) -> Vec<f32> {
    let cols = p.cols as usize;
    let mut y = Vec::new();
    for x in x.chunks_exact(cols) {
        for w in w.chunks_exact(cols) {
            y.push((0..cols).map(|k| f64::from(x[k]) * f64::from(w[k])).sum::<f64>() as f32);
        }
    }
    y
}

/// Every format, batch size and some row counts around the sixteen of a workgroup.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(5);
    let mut cases = Vec::new();
    for format in Format::ALL {
        for (batch, rows, cols) in [(1, 1, 32), (2, 17, 96), (3, 65, 64), (4, 7, 576), (1, 64, 32), (2, 257, 32)] {
            let weights = quant::random(format, rows, cols, &mut rng);
            let x = rng.floats(batch * cols, 1.0);
            let scales = format.quant_words(rows, cols) as u32;
            let p = Params {
                batch: batch as u32,
                rows: rows as u32,
                cols: cols as u32,
                scales,
                ldc: rows as u32,
                c_offset: 0,
            };
            let y = reference(&p, &x, &quant::dequantize(format, &weights, rows, cols));
            let label = format!("batch={batch} rows={rows} cols={cols}");
            cases.push(Case::new(kernel(format), label, &p).floats(&x).words(&weights).out_floats(y));
        }
    }
    cases
}
