//! Matrix products, f32 and quantised.

use pema_kernels::matmul::{Orientation, Params};
use pema_kernels::quant::Format;
use rayon::prelude::*;

use super::gemm::{Target, View, gemm};
use super::weights::dequantize;

pub(super) fn floats(p: &Params, orientation: Orientation, a: &[f32], b: &[f32], c: &mut [f32]) {
    let (m, n) = (p.m as usize, p.n as usize);
    let (lda, ldb) = (p.lda as usize, p.cols as usize);
    let a_strides = if orientation == Orientation::Tn { (1, lda) } else { (lda, 1) };
    let b_strides = if orientation == Orientation::Nt { (1, ldb) } else { (ldb, 1) };
    let split = p.split_k as usize;
    for (plane, k0) in (0..p.k as usize).step_by(split).enumerate() {
        let k = split.min(p.k as usize - k0);
        let a = View { data: a, offset: p.a_offset as usize + k0 * a_strides.1, row: a_strides.0, col: a_strides.1 };
        let b = View { data: b, offset: p.b_offset as usize + k0 * b_strides.0, row: b_strides.0, col: b_strides.1 };
        let c = Target::new(c, plane * m * n + p.c_offset as usize, p.ldc as usize);
        gemm(m, n, k, a, b, c, p.alpha, p.beta, true);
    }
}

/// Rows of weights widened at once: they and their product's tile stay in a core's cache.
const TILE: usize = 256;

pub(super) fn weights(p: &Params, orientation: Orientation, format: Format, a: &[f32], w: &[u32], c: &mut [f32]) {
    let (m, n, k, cols) = (p.m as usize, p.n as usize, p.k as usize, p.cols as usize);
    let threads = rayon::current_num_threads();
    let scales = p.scales as usize;
    let a = View { data: a, offset: p.a_offset as usize, row: p.lda as usize, col: 1 };
    let c = Target::new(c, p.c_offset as usize, p.ldc as usize);
    if orientation == Orientation::Nt {
        let tile = n.div_ceil(2 * threads).next_multiple_of(16).clamp(16, TILE);
        (0..n.div_ceil(tile)).into_par_iter().for_each_init(Vec::new, |wide, t| {
            let (row0, rows) = (t * tile, tile.min(n - t * tile));
            dequantize(format, w, scales, cols, row0, rows, wide);
            let b = View { data: wide, offset: 0, row: 1, col: cols };
            // Each tile owns the columns of its rows of W.
            gemm(m, rows, k, a, b, c.columns_from(row0), p.alpha, p.beta, false);
        });
        return;
    }
    // W itself: every row of W adds to all of C, so each thread sums its rows apart.
    let share = k.div_ceil(threads).max(1);
    let parts: Vec<Vec<f32>> = (0..k.div_ceil(share))
        .into_par_iter()
        .map(|t| {
            let (mut part, mut wide) = (vec![0.0f32; m * n], Vec::new());
            let end = k.min((t + 1) * share);
            for row0 in (t * share..end).step_by(TILE) {
                let rows = TILE.min(end - row0);
                dequantize(format, w, scales, cols, row0, rows, &mut wide);
                let b = View { data: &wide, offset: 0, row: cols, col: 1 };
                let a = View { offset: a.offset + row0, ..a };
                gemm(m, n, rows, a, b, Target::new(&mut part, 0, n), 1.0, 1.0, false);
            }
            part
        })
        .collect();
    let one = [1.0f32];
    for (i, part) in parts.iter().enumerate() {
        // C = beta C + alpha part, row by row, as a product with the number one.
        let beta = if i == 0 { p.beta } else { 1.0 };
        let identity = View { data: &one, offset: 0, row: 0, col: 0 };
        for r in 0..m {
            let row = View { data: part, offset: r * n, row: 0, col: 1 };
            gemm(1, n, 1, identity, row, c.columns_from(r * p.ldc as usize), p.alpha, beta, false);
        }
    }
}
