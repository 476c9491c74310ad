//! Cross-entropy of rows of logits and, in place, its gradient.
//!
//! For row `i` with logits `s` and target `y`, with `lse = ln sum_v exp s_v`:
//!
//! ```text
//! stats[i]   = (lse - s_y, lse)
//! logits[i] := scale * (exp(s - lse) - onehot(y))      when grad = 1
//! ```
//!
//! The rows are a chunk of a batch: `first` is the chunk's first row within `targets` and `stats`.

use crate::kernel::wgsl;
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Rows of logits.
    rows: u32,
    /// Columns.
    vocab: u32,
    /// Index of the chunk's first row within the batch.
    first: u32,
    /// 1 to replace the logits by the gradient, 0 to leave them.
    grad: u32,
    /// Factor of the gradient, for instance `(1 - kappa) / N`.
    scale: f32,
    ; p => Grid::linear(p.rows)
}

/// Bindings: targets u32 `[batch]`, logits `[rows, vocab]`, stats `[batch, 2]`. One workgroup a row.
pub static KERNEL: Kernel = Kernel {
    id: Id::CrossEntropy,
    name: "cross_entropy",
    sources: &[wgsl!("shared/sum_workgroup.wgsl"), wgsl!("cross_entropy.wgsl")],
    bindings: &[Binding::Read, Binding::ReadWrite, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance { abs: 3e-6, rel: 1e-5, why: "exp and log of the device, an f32 sum over the vocabulary" },
};

/// The definition: the logits afterwards, and the chunk's part of `stats`.
pub fn reference(p: &Params, targets: &[u32], logits: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let vocab = p.vocab as usize;
    let (mut after, mut stats) = (logits.to_vec(), Vec::new());
    for (i, row) in logits.chunks_exact(vocab).enumerate() {
        let target = targets[p.first as usize + i] as usize;
        let max = row.iter().fold(f64::MIN, |m, v| m.max(f64::from(*v)));
        let lse = max + row.iter().map(|v| (f64::from(*v) - max).exp()).sum::<f64>().ln();
        stats.extend([(lse - f64::from(row[target])) as f32, lse as f32]);
        if p.grad == 1 {
            for v in 0..vocab {
                let hit = f64::from(u8::from(v == target));
                after[i * vocab + v] = (f64::from(p.scale) * ((f64::from(row[v]) - lse).exp() - hit)) as f32;
            }
        }
    }
    (after, stats)
}

/// Narrow and wide rows, a chunk inside a batch, logits far from zero.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(6);
    let mut cases = Vec::new();
    for (rows, vocab, first, grad, spread) in
        [(1, 1, 0, 1, 1.0), (3, 7, 0, 1, 5.0), (5, 65, 2, 1, 20.0), (2, 257, 3, 0, 60.0), (4, 1000, 0, 1, 4.0)]
    {
        let p = Params { rows, vocab, first, grad, scale: 0.7 };
        let targets: Vec<u32> = (0..first + rows).map(|_| rng.below(vocab as usize) as u32).collect();
        let logits = rng.floats((rows * vocab) as usize, spread);
        let (after, chunk) = reference(&p, &targets, &logits);
        let before = rng.floats(2 * (first + rows) as usize, 1.0);
        let mut stats = before.clone();
        stats[2 * first as usize..].copy_from_slice(&chunk);
        let label = format!("rows={rows} vocab={vocab} first={first} grad={grad}");
        cases.push(
            Case::new(&KERNEL, label, &p).words(&targets).in_out_floats(&logits, after).in_out_floats(&before, stats),
        );
    }
    cases
}
