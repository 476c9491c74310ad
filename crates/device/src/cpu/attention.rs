//! Causal attention with grouped heads over a cache whose first rows every sequence shares.

use pema_kernels::attention::Params;
use rayon::prelude::*;

use super::gemm::{Target, View, gemm};
use super::simd::{exp_in_place, max, scale};

/// Tokens per task: enough rows for a matrix product, few enough for their scores to stay in cache.
const TOKENS: usize = 32;

pub(super) fn attention(p: &Params, q: &[f32], keys: &[f32], values: &[f32], spans: &[u32], out: &mut [f32]) {
    let (tokens, heads, kv_heads) = (p.tokens as usize, p.heads as usize, p.kv_heads as usize);
    let row = heads * p.head_dim as usize;
    let spans = spans.as_chunks::<2>().0;
    let out = Out(out.as_mut_ptr(), out.len());
    let blocks = tokens.div_ceil(TOKENS);
    (0..blocks * kv_heads).into_par_iter().for_each_init(Scratch::default, |scratch, task| {
        let (block, kv_head) = (task / kv_heads, task % kv_heads);
        let first = block * TOKENS;
        let spans = &spans[first..tokens.min(first + TOKENS)];
        let q = &q[first * row..(first + spans.len()) * row];
        scratch.run(p, kv_head, q, keys, values, spans);
        out.store(p, kv_head, first, &scratch.out);
    });
}

/// The output, of which each task owns the columns of its heads in the rows of its tokens.
struct Out(*mut f32, usize);

#[expect(unsafe_code, reason = "heads of one row are written by different threads")]
// SAFETY: tasks write disjoint elements, see `store`.
unsafe impl Sync for Out {}

impl Out {
    fn store(&self, p: &Params, kv_head: usize, first: usize, from: &[f32]) {
        let (heads, hd) = (p.heads as usize, p.head_dim as usize);
        let width = heads / p.kv_heads as usize * hd;
        for (t, from) in from.chunks_exact(width).enumerate() {
            let at = (first + t) * heads * hd + kv_head * width;
            assert!(at + width <= self.1, "attention output leaves its buffer");
            // SAFETY: in bounds as just checked; (token, kv head) is this task's alone.
            #[expect(unsafe_code, reason = "heads of one row are written by different threads")]
            unsafe {
                std::ptr::copy_nonoverlapping(from.as_ptr(), self.0.add(at), width);
            }
        }
    }
}

#[derive(Default)]
struct Scratch {
    q: Vec<f32>,
    scores: Vec<f32>,
    out: Vec<f32>,
}

impl Scratch {
    /// Attention of all query heads of one kv head, for a block of tokens. Rows are (token, head).
    fn run(&mut self, p: &Params, kv_head: usize, q: &[f32], keys: &[f32], values: &[f32], spans: &[[u32; 2]]) {
        let (heads, kv_heads, hd) = (p.heads as usize, p.kv_heads as usize, p.head_dim as usize);
        let (group, prefix, kv_row) = (heads / kv_heads, p.prefix as usize, kv_heads * hd);
        let rows = spans.len() * group;
        self.q.clear();
        for token in q.chunks_exact(heads * hd) {
            self.q.extend_from_slice(&token[kv_head * group * hd..][..group * hd]);
        }
        scale(&mut self.q, p.scale);
        let width = prefix + spans.iter().map(|s| s[1] as usize).max().unwrap_or(0);
        self.scores.resize(rows * width, 0.0);
        self.out.resize(rows * hd, 0.0);
        let cache = |data, first: usize, row, col| View { data, offset: first * kv_row + kv_head * hd, row, col };
        let q = View { data: &self.q, offset: 0, row: hd, col: 1 };

        let scores = Target::new(&mut self.scores, 0, width);
        gemm(rows, prefix, hd, q, cache(keys, 0, 1, kv_row), scores, 1.0, 0.0, false);
        for run in runs(spans) {
            let (first, n) = (run.first * group, run.tokens * group);
            let q = View { offset: first * hd, ..q };
            let scores = Target::new(&mut self.scores, first * width + prefix, width);
            gemm(n, run.length, hd, q, cache(keys, run.start, 1, kv_row), scores, 1.0, 0.0, false);
        }
        for (i, row) in self.scores.chunks_exact_mut(width).take(rows).enumerate() {
            let seen = prefix + spans[i / group][1] as usize;
            let top = max(&row[..seen]);
            let sum = exp_in_place(&mut row[..seen], top);
            scale(&mut row[..seen], (1.0 / sum) as f32);
            row[seen..].fill(0.0); // the future
        }
        let weights = |first: usize| View { data: &self.scores, offset: first, row: width, col: 1 };
        self.out.fill(0.0);
        let out = Target::new(&mut self.out, 0, hd);
        gemm(rows, hd, prefix, weights(0), cache(values, 0, kv_row, 1), out, 1.0, 1.0, false);
        for run in runs(spans) {
            let (first, n) = (run.first * group, run.tokens * group);
            let out = Target::new(&mut self.out, first * hd, hd);
            let w = weights(first * width + prefix);
            gemm(n, hd, run.length, w, cache(values, run.start, kv_row, 1), out, 1.0, 1.0, false);
        }
    }
}

/// Neighbouring tokens of one sequence.
struct Run {
    first: usize,
    tokens: usize,
    start: usize,
    length: usize,
}

fn runs(spans: &[[u32; 2]]) -> impl Iterator<Item = Run> {
    let mut first = 0;
    spans.chunk_by(|a, b| a[0] == b[0]).map(move |run| {
        let length = run.iter().map(|s| s[1] as usize).max().unwrap_or(0);
        let this = Run { first, tokens: run.len(), start: run[0][0] as usize, length };
        first += run.len();
        this
    })
}
