//! Choosing the largest of a row.

use std::cmp::Ordering;

use pema_kernels as k;
use rayon::prelude::*;

pub(super) fn argmax(p: &k::argmax::Params, x: &[f32], ids: &mut [u32]) {
    let cols = p.cols as usize;
    ids.par_iter_mut().zip(x.par_chunks(cols)).take(p.rows as usize).for_each(|(id, x)| {
        let top = super::simd::max(x);
        *id = x.iter().position(|v| *v == top).unwrap_or(0) as u32;
    });
}

pub(super) fn top_k(p: &k::top_k::Params, x: &[f32], ids: &mut [u32], values: &mut [f32]) {
    let (cols, keep) = (p.cols as usize, p.k as usize);
    let rows = x.par_chunks(cols).zip(ids.par_chunks_mut(keep)).zip(values.par_chunks_mut(keep));
    rows.take(p.rows as usize).for_each(|((x, ids), values)| {
        let best = largest(x, keep);
        for (i, (value, id)) in best.into_iter().enumerate() {
            (ids[i], values[i]) = (id, value);
        }
    });
}

/// The `keep` largest, largest first, ties by smaller index. Most elements cost one comparison: only
/// what beats the worst of the best so far is kept, and those are thinned out now and then.
fn largest(x: &[f32], keep: usize) -> Vec<(f32, u32)> {
    let order = |a: &(f32, u32), b: &(f32, u32)| b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal).then(a.1.cmp(&b.1));
    let mut best: Vec<(f32, u32)> = Vec::with_capacity(4 * keep);
    let mut worst = f32::NEG_INFINITY;
    for (i, &v) in x.iter().enumerate() {
        if v > worst || best.len() < keep {
            best.push((v, i as u32));
            if best.len() == 4 * keep {
                best.select_nth_unstable_by(keep - 1, order);
                best.truncate(keep);
                worst = best[keep - 1].0;
            }
        }
    }
    best.sort_unstable_by(order);
    best.truncate(keep);
    best
}
