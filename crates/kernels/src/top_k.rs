//! The `k` largest values of every row and their columns, largest first, equal values in column order.
//!
//! Exact, by radix selection: the work grows with `cols`, hardly with `k`.

use crate::kernel::wgsl;
use crate::{Binding, Case, CaseBuffer, Expect, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Rows of `x`.
    rows: u32,
    /// Columns.
    cols: u32,
    /// Entries wanted of each row, at most [`MAX_K`].
    k: u32,
    ; p => Grid::linear(p.rows)
}

/// What one workgroup sorts.
pub const MAX_K: usize = 256;

/// Bindings: x `[rows, cols]` without NaN, ids u32 `[rows, k]`, values `[rows, k]`. With fewer columns than
/// `k` only the first `cols` entries of a row are written. One workgroup a row.
pub static KERNEL: Kernel = Kernel {
    id: Id::TopK,
    name: "top_k",
    sources: &[wgsl!("top_k.wgsl")],
    bindings: &[Binding::Read, Binding::ReadWrite, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance { abs: f32::MIN_POSITIVE, rel: 0.0, why: "the bits are copied, so nothing is rounded" },
};

/// The definition: ids and values, `[rows, min(k, cols)]`.
pub fn reference(p: &Params, x: &[f32]) -> (Vec<u32>, Vec<f32>) {
    let (mut ids, mut values) = (Vec::new(), Vec::new());
    for row in x.chunks_exact(p.cols as usize) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[b].partial_cmp(&row[a]).unwrap_or(std::cmp::Ordering::Equal)); // stable
        order.truncate(p.k as usize);
        ids.extend(order.iter().map(|c| *c as u32));
        values.extend(order.iter().map(|c| row[*c]));
    }
    (ids, values)
}

/// Distinct values, ties across the k-th place, rows of one value, both zeros, fewer columns than `k`, and a
/// long row of the values logits have.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(27);
    let mut cases = Vec::new();
    for (rows, cols, k) in [(1, 1, 1), (3, 7, 10), (3, 7, 3), (2, 64, 64), (65, 65, 1), (3, 257, 64), (2, 300, 256)] {
        let n = (rows * cols) as usize;
        let distinct = rng.floats(n, 50.0);
        let ties = (0..n).map(|_| [-1.5, -0.0, 0.0, 2.0, f32::MAX, f32::MIN][rng.below(6)]).collect();
        let constant = vec![-7.25; n];
        cases.extend([("distinct", distinct), ("ties", ties), ("constant", constant)].map(|x| (rows, cols, k, x)));
    }
    cases.push((1, 5003, 256, ("long", (0..5003).map(|_| (0..4).map(|_| rng.uniform(6.0)).sum()).collect())));
    cases
        .into_iter()
        .map(|(rows, cols, k, (kind, x))| {
            let p = Params { rows, cols, k };
            let (ids, values) = reference(&p, &x);
            let mut case = Case::new(&KERNEL, format!("rows={rows} cols={cols} k={k} {kind}"), &p).floats(&x);
            for packed in [ids, values.iter().map(|v| v.to_bits()).collect()] {
                let before = vec![0x4640_E6B7; (rows * k + 9) as usize];
                let mut after = before.clone();
                for (to, from) in after.chunks_exact_mut(k as usize).zip(packed.chunks_exact(k.min(cols) as usize)) {
                    to[..from.len()].copy_from_slice(from);
                }
                case.buffers.push(CaseBuffer { before, after: Expect::Words(after) });
            }
            case
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_keep_the_order_of_the_columns() {
        let x = [1.0, 3.0, 0.0, 3.0, -0.0, 2.0];
        let (ids, values) = reference(&Params { rows: 1, cols: 6, k: 5 }, &x);
        assert_eq!(ids, [1, 3, 5, 0, 2]);
        assert_eq!(values, [3.0, 3.0, 2.0, 1.0, 0.0]);
    }
}
