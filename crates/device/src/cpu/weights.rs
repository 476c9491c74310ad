//! Packed weights on the processor: widening, gathering and products with few vectors.

use bytemuck::cast_slice;
use pema_kernels::quant::{BLOCK, Format};
use pema_kernels::{embed as embed_kernel, matvec_weight};
use rayon::prelude::*;

use super::simd::{dot, vectorized};

/// Widens `rows` rows from `row0` on into `out`, `[rows, cols]`. `scales` is the word of the first scale.
pub(super) fn dequantize(
    format: Format,
    w: &[u32],
    scales: usize,
    cols: usize,
    row0: usize,
    rows: usize,
    out: &mut Vec<f32>,
) {
    out.resize(rows * cols, 0.0);
    let (begin, end) = (row0 * cols, (row0 + rows) * cols);
    match format {
        Format::F32 => out.copy_from_slice(cast_slice(&w[begin..end])),
        Format::F16 => half_to_float(cast_slice(&w[begin / 2..end / 2]), out),
        _ => {
            let quants = &w[format.quant_words(1, begin)..format.quant_words(1, end)];
            let s = format.scale_words();
            let scales: &[f32] = cast_slice(&w[scales + begin / BLOCK * s..scales + end / BLOCK * s]);
            match format {
                Format::Q8_0 => widen_q8_0(cast_slice(quants), scales, out),
                Format::Q4_0 => widen_q4_0(cast_slice(quants), scales, out),
                _ => widen_q4_1(cast_slice(quants), scales, out),
            }
        }
    }
}

fn half_to_float(halves: &[u16], out: &mut [f32]) {
    use half::slice::HalfFloatSliceExt;
    cast_slice::<u16, half::f16>(halves).convert_to_f32_slice(out);
}

vectorized! {
    fn widen_q8_0(quants: &[i8], scales: &[f32], out: &mut [f32]) {
        for ((out, q), d) in out.as_chunks_mut::<32>().0.iter_mut().zip(quants.as_chunks::<32>().0).zip(scales) {
            for i in 0..32 { out[i] = f32::from(q[i]) * d; }
        }
    }
}

vectorized! {
    fn widen_q4_0(quants: &[u8], scales: &[f32], out: &mut [f32]) {
        for ((out, q), d) in out.as_chunks_mut::<32>().0.iter_mut().zip(quants.as_chunks::<16>().0).zip(scales) {
            for i in 0..16 { out[i] = (f32::from(q[i] & 15) - 8.0) * d; }
            for i in 0..16 { out[16 + i] = (f32::from(q[i] >> 4) - 8.0) * d; }
        }
    }
}

vectorized! {
    fn widen_q4_1(quants: &[u8], scales: &[f32], out: &mut [f32]) {
        let scales = scales.as_chunks::<2>().0;
        for ((out, q), [d, m]) in out.as_chunks_mut::<32>().0.iter_mut().zip(quants.as_chunks::<16>().0).zip(scales) {
            for i in 0..16 { out[i] = f32::from(q[i] & 15) * d + m; }
            for i in 0..16 { out[16 + i] = f32::from(q[i] >> 4) * d + m; }
        }
    }
}

pub(super) fn embed(p: &embed_kernel::Params, format: Format, ids: &[u32], w: &[u32], out: &mut [f32]) {
    let cols = p.cols as usize;
    let mut wide = Vec::new();
    for (id, out) in ids[..p.tokens as usize].iter().zip(out.chunks_exact_mut(cols)) {
        if (p.row0..p.row0 + p.rows).contains(id) {
            dequantize(format, w, p.scales as usize, cols, (id - p.row0) as usize, 1, &mut wide);
            out.copy_from_slice(&wide);
        }
    }
}

/// Rows of W per task.
const ROWS: usize = 64;

pub(super) fn matvec(p: &matvec_weight::Params, format: Format, x: &[f32], w: &[u32], y: &mut [f32]) {
    let (batch, rows, cols) = (p.batch as usize, p.rows as usize, p.cols as usize);
    let scales = p.scales as usize;
    // Sums of x over each block: the minimum of Q4_1 and the 8 of Q4_0 then cost one product a block.
    let block_sums: Vec<f32> = x[..batch * cols].chunks(BLOCK).map(|b| b.iter().sum()).collect();
    let blocks = cols / BLOCK;
    let mut results = vec![0.0f32; rows * batch];
    results.par_chunks_mut(ROWS * batch).enumerate().for_each_init(Vec::new, |wide, (t, results)| {
        for (i, results) in results.chunks_exact_mut(batch).enumerate() {
            let row = t * ROWS + i;
            for (b, result) in results.iter_mut().enumerate() {
                let (x, sums) = (&x[b * cols..][..cols], &block_sums[b * blocks..]);
                let quants = |per_word: usize| &w[row * cols / per_word..(row + 1) * cols / per_word];
                let scale = |s: usize| -> &[f32] { cast_slice(&w[scales + row * blocks * s..][..blocks * s]) };
                *result = match format {
                    Format::F32 => dot(x, cast_slice(quants(1))),
                    Format::F16 => {
                        if b == 0 {
                            dequantize(format, w, scales, cols, row, 1, wide);
                        }
                        dot(x, wide)
                    }
                    Format::Q8_0 => dot_q8_0(cast_slice(quants(4)), scale(1), x),
                    Format::Q4_0 => dot_q4_0(cast_slice(quants(8)), scale(1), x, sums),
                    Format::Q4_1 => dot_q4_1(cast_slice(quants(8)), scale(2), x, sums),
                };
            }
        }
    });
    for (b, y) in (0..batch).zip(y[p.c_offset as usize..].chunks_mut(p.ldc as usize)) {
        for row in 0..rows {
            y[row] = results[row * batch + b];
        }
    }
}

#[inline(always)]
fn nibbles(q: &[u8; 16], x: &[f32; 32]) -> [f32; 16] {
    let mut lanes = [0.0f32; 16];
    for i in 0..16 {
        lanes[i] = f32::from(q[i] & 15) * x[i] + f32::from(q[i] >> 4) * x[16 + i];
    }
    lanes
}

vectorized! {
    fn dot_q8_0(quants: &[i8], scales: &[f32], x: &[f32]) -> f32 {
        let mut sum = [0.0f32; 16];
        for ((q, x), d) in quants.as_chunks::<32>().0.iter().zip(x.as_chunks::<32>().0).zip(scales) {
            for i in 0..16 { sum[i] += (f32::from(q[i]) * x[i] + f32::from(q[16 + i]) * x[16 + i]) * d; }
        }
        sum.iter().sum()
    }
}

vectorized! {
    fn dot_q4_0(quants: &[u8], scales: &[f32], x: &[f32], sums: &[f32]) -> f32 {
        let (mut sum, mut rest) = ([0.0f32; 16], 0.0f32);
        for (((q, x), d), s) in quants.as_chunks::<16>().0.iter().zip(x.as_chunks::<32>().0).zip(scales).zip(sums) {
            let lanes = nibbles(q, x);
            for i in 0..16 { sum[i] += lanes[i] * d; }
            rest -= 8.0 * d * s;
        }
        sum.iter().sum::<f32>() + rest
    }
}

vectorized! {
    fn dot_q4_1(quants: &[u8], scales: &[f32], x: &[f32], sums: &[f32]) -> f32 {
        let (mut sum, mut rest) = ([0.0f32; 16], 0.0f32);
        let blocks = quants.as_chunks::<16>().0.iter().zip(x.as_chunks::<32>().0);
        for (((q, x), [d, m]), s) in blocks.zip(scales.as_chunks::<2>().0).zip(sums) {
            let lanes = nibbles(q, x);
            for i in 0..16 { sum[i] += lanes[i] * d; }
            rest += m * s;
        }
        sum.iter().sum::<f32>() + rest
    }
}
