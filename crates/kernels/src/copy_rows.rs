//! `dst[to[i],:] = src[from[i],:]`: gathers, scatters and moves of whole rows of any 4-byte elements.
//!
//! `to` names no row twice, and `src` and `dst` are different buffers; the other rows of `dst` stay.

use crate::kernel::wgsl;
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Rows to copy.
    rows: u32,
    /// Columns of `src` and `dst`.
    cols: u32,
    ; p => Grid::elements(p.rows * p.cols, 64)
}

/// Bindings: from u32 `[rows]`, to u32 `[rows]`, src `[.., cols]`, dst `[.., cols]`.
pub static KERNEL: Kernel = Kernel {
    id: Id::CopyRows,
    name: "copy_rows",
    sources: &[wgsl!("copy_rows.wgsl")],
    bindings: &[Binding::Read, Binding::Read, Binding::Read, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance { abs: f32::MIN_POSITIVE, rel: 0.0, why: "the bits are copied, so nothing is rounded" },
};

/// The definition; `dst` is what was there before.
pub fn reference(p: &Params, from: &[u32], to: &[u32], src: &[f32], dst: &[f32]) -> Vec<f32> {
    let cols = p.cols as usize;
    let mut dst = dst.to_vec();
    for (from, to) in from.iter().zip(to).take(p.rows as usize) {
        let (from, to) = (*from as usize * cols, *to as usize * cols);
        dst[to..to + cols].copy_from_slice(&src[from..from + cols]);
    }
    dst
}

/// Source rows in any order and repeated, target rows shuffled, some of them not named.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(29);
    let mut cases = Vec::new();
    for (rows, cols, src_rows, dst_rows) in [(1, 1, 1, 1), (7, 7, 3, 9), (2, 64, 5, 2), (5, 65, 64, 7), (3, 257, 3, 65)]
    {
        let p = Params { rows, cols };
        let from: Vec<u32> = (0..rows).map(|_| rng.below(src_rows) as u32).collect();
        let mut to: Vec<u32> = (0..dst_rows as u32).collect();
        rng.shuffle(&mut to);
        to.truncate(rows as usize);
        let (src, dst) = (rng.floats(src_rows * cols as usize, 3.0), rng.floats(dst_rows * cols as usize, 3.0));
        let after = reference(&p, &from, &to, &src, &dst);
        let case = Case::new(&KERNEL, format!("rows={rows} cols={cols} from {src_rows} to {dst_rows}"), &p);
        cases.push(case.words(&from).words(&to).floats(&src).in_out_floats(&dst, after));
    }
    cases
}
