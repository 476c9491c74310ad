//! Kernels that reduce rows: norms, softmaxes, losses. Rows are shared out among threads.

use pema_kernels as k;
use rayon::prelude::*;

use super::simd::{dot, exp, exp_in_place, max, scale, sum_exp, vectorized};

pub(super) fn rms_norm(p: &k::rms_norm::Params, x: &[f32], w: &[f32], y: &mut [f32]) {
    let cols = p.cols as usize;
    let rows = y.par_chunks_mut(cols).zip(x.par_chunks(cols)).take(p.rows as usize).with_min_len(16);
    rows.for_each(|(y, x)| {
        let s = 1.0 / (dot(x, x) / cols as f32 + p.eps).sqrt();
        for c in 0..cols {
            y[c] = x[c] * s * w[c];
        }
    });
}

pub(super) fn layer_norm(p: &k::layer_norm::Params, x: &[f32], w: &[f32], b: &[f32], y: &mut [f32]) {
    let cols = p.cols as usize;
    let rows = y.par_chunks_mut(cols).zip(x.par_chunks(cols)).take(p.rows as usize).with_min_len(16);
    rows.for_each(|(y, x)| {
        let mean = x.iter().sum::<f32>() / cols as f32;
        let variance = x.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / cols as f32;
        let s = 1.0 / (variance + p.eps).sqrt();
        for c in 0..cols {
            y[c] = (x[c] - mean) * s * w[c] + b[c];
        }
    });
}

pub(super) fn sq_norm(p: &k::sq_norm::Params, x: &[f32], y: &mut [f32]) {
    let cols = p.cols as usize;
    y.par_iter_mut().zip(x.par_chunks(cols)).take(p.rows as usize).with_min_len(64).for_each(|(y, x)| *y = dot(x, x));
}

pub(super) fn mse(p: &k::mse::Params, f: &[f32], h: &mut [f32], loss: &mut [f32]) {
    let cols = p.cols as usize;
    let rows = h.par_chunks_mut(cols).zip(f.par_chunks(cols)).zip(loss.par_iter_mut());
    rows.take(p.rows as usize).with_min_len(64).for_each(|((h, f), loss)| {
        h.iter_mut().zip(f).for_each(|(h, f)| *h -= f);
        *loss = dot(h, h);
        scale(h, p.scale);
    });
}

pub(super) fn cross_entropy(p: &k::cross_entropy::Params, targets: &[u32], logits: &mut [f32], stats: &mut [f32]) {
    let (vocab, first) = (p.vocab as usize, p.first as usize);
    let rows = logits.par_chunks_mut(vocab).zip(stats[2 * first..].par_chunks_mut(2)).zip(&targets[first..]);
    rows.take(p.rows as usize).for_each(|((row, stats), target)| {
        let target = *target as usize;
        let (hit, top) = (row[target], max(row));
        let sum = if p.grad == 1 { exp_in_place(row, top) } else { sum_exp(row, top) };
        let lse = f64::from(top) + sum.ln();
        (stats[0], stats[1]) = ((lse - f64::from(hit)) as f32, lse as f32);
        if p.grad == 1 {
            scale(row, (f64::from(p.scale) / sum) as f32);
            row[target] -= p.scale;
        }
    });
}

pub(super) fn mix(p: &k::mix::Params, lm: &[f32], pema: &[f32], lambda: &[f32], out: &mut [f32]) {
    let cols = p.cols as usize;
    let rows = out.par_chunks_mut(cols).zip(lm.par_chunks(cols)).zip(pema.par_chunks(cols)).zip(lambda);
    rows.take(p.rows as usize).for_each(|(((out, lm), pema), lambda)| {
        let log = |v: f32| if v > 0.0 { f64::from(v).ln() } else { -1e30 };
        let normaliser = |x: &[f32], top: f32| sum_exp(x, top).ln();
        let (top_lm, top_pema) = (max(lm), max(pema));
        let shift_lm = (log(1.0 - lambda) - normaliser(lm, top_lm)) as f32;
        let shift_pema = (log(*lambda) - normaliser(pema, top_pema)) as f32;
        mix_row(out, lm, pema, [top_lm, top_pema], [shift_lm, shift_pema]);
    });
}

vectorized! {
    /// The largest logit goes first: next to it the shift is small and nothing cancels.
    fn mix_row(out: &mut [f32], lm: &[f32], pema: &[f32], tops: [f32; 2], shifts: [f32; 2]) {
        for ((o, a), b) in out.iter_mut().zip(lm).zip(pema) {
            let (a, b) = ((a - tops[0]) + shifts[0], (b - tops[1]) + shifts[1]);
            let top = if a > b { a } else { b };
            *o = exp(a - top) + exp(b - top);
            *o = top + o.ln();
        }
    }
}
