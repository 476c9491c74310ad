//! Kernels without sums across elements, and those too small to matter.

use pema_kernels as k;
use rayon::prelude::*;

use super::simd::{exp, vectorized};

/// Elements per task: long enough to pay for the hand-over.
const PIECE: usize = 1 << 14;

pub(super) fn axpby(p: &k::axpby::Params, x: &[f32], y: &mut [f32]) {
    let (n, period) = (p.n as usize, p.period as usize);
    let (alpha, beta) = (p.alpha, p.beta);
    let row = |y: &mut [f32], x: &[f32]| {
        if beta == 0.0 {
            y.iter_mut().zip(x).for_each(|(y, x)| *y = alpha * x);
        } else {
            y.iter_mut().zip(x).for_each(|(y, x)| *y = alpha * x + beta * *y);
        }
    };
    if period >= n {
        y[..n].par_chunks_mut(PIECE).zip(x[..n].par_chunks(PIECE)).for_each(|(y, x)| row(y, x));
    } else {
        y[..n].par_chunks_mut(period).with_min_len(PIECE.div_ceil(period)).for_each(|y| row(y, x));
    }
}

pub(super) fn adam(p: &k::adam::Params, g: &[f32], w: &mut [f32], m: &mut [f32], v: &mut [f32]) {
    for i in 0..p.n as usize {
        m[i] = p.beta1 * m[i] + (1.0 - p.beta1) * g[i];
        v[i] = p.beta2 * v[i] + (1.0 - p.beta2) * g[i] * g[i];
        w[i] = p.decay * w[i] - p.step * m[i] / (p.root * v[i].sqrt() + p.eps);
    }
}

pub(super) fn copy_rows(p: &k::copy_rows::Params, from: &[u32], to: &[u32], src: &[u32], dst: &mut [u32]) {
    let cols = p.cols as usize;
    for (from, to) in from.iter().zip(to).take(p.rows as usize) {
        let (from, to) = (*from as usize * cols, *to as usize * cols);
        dst[to..to + cols].copy_from_slice(&src[from..from + cols]);
    }
}

pub(super) fn dropout(p: &k::dropout::Params, x: &[f32], y: &mut [f32]) {
    let n = p.n as usize;
    let seed = k::random::pcg(p.seed);
    y[..n].par_chunks_mut(PIECE).zip(x[..n].par_chunks(PIECE)).enumerate().for_each(|(piece, (y, x))| {
        dropout_piece(y, x, (piece * PIECE) as u32, seed, p.threshold, p.scale);
    });
}

vectorized! {
    fn dropout_piece(y: &mut [f32], x: &[f32], first: u32, seed: u32, threshold: u32, scale: f32) {
        for (i, (y, x)) in y.iter_mut().zip(x).enumerate() {
            let hash = k::random::pcg((first + i as u32) ^ seed);
            *y = if hash >= threshold { *x * scale } else { 0.0 };
        }
    }
}

pub(super) fn swiglu(p: &k::swiglu::Params, gate: &[f32], up: &[f32], out: &mut [f32]) {
    let n = p.n as usize;
    let pieces = out[..n].par_chunks_mut(PIECE).zip(gate[..n].par_chunks(PIECE)).zip(up[..n].par_chunks(PIECE));
    pieces.for_each(|((out, gate), up)| swiglu_piece(out, gate, up));
}

vectorized! {
    fn swiglu_piece(out: &mut [f32], gate: &[f32], up: &[f32]) {
        for ((o, g), u) in out.iter_mut().zip(gate).zip(up) { *o = g / (1.0 + exp(-g)) * u; }
    }
}

pub(super) fn gelu(p: &k::gelu::Params, x: &[f32], out: &mut [f32]) {
    let n = p.n as usize;
    let exact = p.exact != 0;
    out[..n].par_chunks_mut(PIECE).zip(x[..n].par_chunks(PIECE)).for_each(|(out, x)| gelu_piece(out, x, exact));
}

vectorized! {
    fn gelu_piece(out: &mut [f32], x: &[f32], exact: bool) {
        for (o, &v) in out.iter_mut().zip(x) {
            *o = v * if exact { phi_exact(v) } else { phi_tanh(v) };
        }
    }
}

/// The normal distribution function, with 1 - erf from Abramowitz and Stegun 7.1.26.
#[inline(always)]
fn phi_exact(v: f32) -> f32 {
    let z = (v.abs() * std::f32::consts::FRAC_1_SQRT_2).min(9.0); // exp(-81) is 0 beside any tolerance
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let poly = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_8) * t - 0.284_496_74) * t + 0.254_829_6) * t;
    let tail = 0.5 * poly * exp(-z * z);
    if v < 0.0 { tail } else { 1.0 - tail }
}

/// GPT-2's approximation: (1 + tanh u) / 2 is 1 / (1 + exp(-2u)).
#[inline(always)]
fn phi_tanh(v: f32) -> f32 {
    let u = 0.797_884_6 * (v + 0.044_715 * v * v * v);
    1.0 / (1.0 + exp((-2.0 * u).min(80.0)))
}

pub(super) fn reduce_splits(p: &k::reduce_splits::Params, parts: &[f32], c: &mut [f32]) {
    let (n, size) = (p.n as usize, (p.m * p.n) as usize);
    for i in 0..size {
        let sum: f32 = (0..p.planes as usize).map(|z| parts[z * size + i]).sum();
        let at = p.c_offset as usize + i / n * p.ldc as usize + i % n;
        c[at] = p.alpha * sum + if p.beta == 0.0 { 0.0 } else { p.beta * c[at] };
    }
}

pub(super) fn rope(p: &k::rope::Params, positions: &[u32], table: &[f32], x: &mut [f32]) {
    let (heads, head_dim, half) = (p.heads as usize, p.head_dim as usize, p.rot_dim as usize / 2);
    let tokens = x.par_chunks_mut(heads * head_dim).zip(&positions[..p.tokens as usize]);
    tokens.for_each(|(x, position)| {
        let angles = &table[*position as usize * half * 2..][..half * 2];
        for head in x.chunks_exact_mut(head_dim) {
            for i in 0..half {
                let (a, b) = if p.interleaved == 1 { (2 * i, 2 * i + 1) } else { (i, i + half) };
                let (cos, sin) = (angles[2 * i], angles[2 * i + 1]);
                (head[a], head[b]) = (head[a] * cos - head[b] * sin, head[a] * sin + head[b] * cos);
            }
        }
    });
}
