//! Gathers rows of a packed weight matrix into f32, `out[t,:] = W[ids[t],:]`, from one shard of the
//! matrix: the rows `row0..row0+rows`. Tokens of other shards are left untouched, so one run per shard
//! fills `out`.

use crate::kernel::wgsl;
use crate::quant::{self, Format};
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Tokens.
    tokens: u32,
    /// Columns of the matrix, a multiple of [`Format::column_multiple`].
    cols: u32,
    /// [`Format::quant_words`] of the shard: where its scales begin.
    scales: u32,
    /// First row of the shard.
    row0: u32,
    /// Rows of the shard.
    rows: u32,
    ; p => Grid::elements(p.tokens * p.cols / 4, 64)
}

macro_rules! variant {
    ($format:ident, $name:literal) => {
        Kernel {
            id: Id::Embed(Format::$format),
            name: $name,
            sources: &[Format::$format.part(), wgsl!("embed.wgsl")],
            bindings: &[Binding::Read, Binding::Read, Binding::ReadWrite],
            constants: &[],
            params: Params::LAYOUT,
            tolerance: Tolerance { abs: 2e-6, rel: 1e-6, why: "a product and a sum that may cancel, possibly fused" },
        }
    };
}

static KERNELS: [Kernel; 5] = [
    variant!(F32, "embed.f32"),
    variant!(F16, "embed.f16"),
    variant!(Q8_0, "embed.q8_0"),
    variant!(Q4_0, "embed.q4_0"),
    variant!(Q4_1, "embed.q4_1"),
];

/// Bindings: ids u32 `[tokens]`, weights `[rows, cols]` packed as [`quant`] says, out `[tokens, cols]`.
/// One invocation for four columns.
pub fn kernel(format: Format) -> &'static Kernel {
    &KERNELS[format.index()]
}

/// The definition; `out` is what was there before.
pub fn reference(format: Format, p: &Params, ids: &[u32], weights: &[u32], out: &[f32]) -> Vec<f32> {
    let (rows, cols) = (p.rows as usize, p.cols as usize);
    let mut out = out.to_vec();
    for (id, row) in ids.iter().zip(out.chunks_exact_mut(cols)) {
        if (p.row0..p.row0 + p.rows).contains(id) {
            row.copy_from_slice(&quant::dequantize_row(format, weights, rows, cols, (id - p.row0) as usize));
        }
    }
    out
}

/// Every format; ids at both edges of the shard and outside it, one of them repeated.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(25);
    let mut cases = Vec::new();
    for format in Format::ALL {
        for (tokens, blocks, row0, rows) in [(1, 1, 0, 1), (7, 9, 65, 7), (65, 2, 0, 257)] {
            // A row is not a multiple of the block in the formats that have none.
            let cols = (blocks * quant::BLOCK + format.column_multiple() % quant::BLOCK) as u32;
            let scales = format.quant_words(rows, cols as usize) as u32;
            let p = Params { tokens, cols, scales, row0, rows: rows as u32 };
            let mut ids: Vec<u32> = (0..tokens).map(|_| row0 + rng.below(rows) as u32).collect();
            if let [a, b, c, d, e, f, ..] = &mut ids[..] {
                (*a, *b, *c, *d, *e) = (row0, row0 + p.rows - 1, row0 + p.rows, row0.wrapping_sub(1), u32::MAX);
                *f = *a;
            }
            let weights = quant::random(format, rows, cols as usize, &mut rng);
            let before = rng.floats((tokens * cols) as usize, 9.0);
            let out = reference(format, &p, &ids, &weights, &before);
            let label = format!("tokens={tokens} cols={cols} rows={row0}+{rows}");
            cases.push(Case::new(kernel(format), label, &p).words(&ids).words(&weights).in_out_floats(&before, out));
        }
    }
    cases
}
