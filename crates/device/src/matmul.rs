//! Matrix products: sizes and strides in, the right launches out.

use pema_kernels::matmul::{Orientation, Params, floats};
use pema_kernels::{Kernel, reduce_splits};

use crate::{Buffer, Device, Result};

/// `C = alpha A B + beta C`. A is `[m,k]`, B `[k,n]`, C `[m,n]` in the orientation of the kernel;
/// `lda`, `ldb`, `ldc` are row lengths as stored, offsets are in elements.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the names are those of every matrix library")]
pub struct Gemm {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub lda: usize,
    pub ldb: usize,
    pub ldc: usize,
    pub a_offset: usize,
    pub b_offset: usize,
    pub c_offset: usize,
    pub alpha: f32,
    pub beta: f32,
}

impl Default for Gemm {
    fn default() -> Gemm {
        Gemm { m: 0, n: 0, k: 0, lda: 0, ldb: 0, ldc: 0, a_offset: 0, b_offset: 0, c_offset: 0, alpha: 1.0, beta: 0.0 }
    }
}

pub(crate) enum Operand<'a> {
    Floats(&'a Buffer),
    Weights(&'a Buffer, u32),
}

/// Workgroups that keep a large GPU busy; fewer tiles than this are split along K.
const ENOUGH_TILES: usize = 256;
/// Shortest slice of K worth a plane of its own.
const MIN_SLICE: usize = 512;

impl Device {
    /// f32 times f32.
    pub fn matmul(&self, orientation: Orientation, g: &Gemm, a: &Buffer, b: &Buffer, c: &Buffer) -> Result<()> {
        self.gemm(g, floats(orientation), a, Operand::Floats(b), c)
    }

    pub(crate) fn gemm(&self, g: &Gemm, kernel: &'static Kernel, a: &Buffer, b: Operand<'_>, c: &Buffer) -> Result<()> {
        let (b, scales) = match b {
            Operand::Floats(b) => (b, 0),
            Operand::Weights(b, scales) => (b, scales),
        };
        let p = Params {
            m: g.m as u32,
            n: g.n as u32,
            k: g.k as u32,
            lda: g.lda as u32,
            cols: g.ldb as u32,
            ldc: g.ldc as u32,
            a_offset: g.a_offset as u32,
            b_offset: g.b_offset as u32,
            c_offset: g.c_offset as u32,
            split_k: g.k.max(1) as u32,
            alpha: g.alpha,
            beta: g.beta,
            scales,
        };
        let planes = if self.is_gpu() { planes(g) } else { 1 };
        if planes <= 1 {
            return self.run(kernel, &p, &[a, b, c]);
        }
        let split = g.k.div_ceil(planes).next_multiple_of(16);
        let planes = g.k.div_ceil(split);
        let parts = self.alloc(planes * g.m * g.n, "matmul planes")?;
        let part = Params { split_k: split as u32, alpha: 1.0, beta: 0.0, c_offset: 0, ldc: p.n, ..p };
        self.run(kernel, &part, &[a, b, &parts])?;
        let sum = reduce_splits::Params {
            m: p.m,
            n: p.n,
            planes: planes as u32,
            ldc: p.ldc,
            c_offset: p.c_offset,
            alpha: p.alpha,
            beta: p.beta,
        };
        self.run(&reduce_splits::KERNEL, &sum, &[&parts, c])
    }
}

/// How many planes to split K into: a product with a small result and long sums would otherwise
/// leave most of a GPU idle.
fn planes(g: &Gemm) -> usize {
    let tiles = g.m.div_ceil(64) * g.n.div_ceil(64);
    (ENOUGH_TILES / tiles.max(1)).min(g.k / MIN_SLICE).clamp(1, 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_results_of_long_sums_are_split() {
        let g = |m, n, k| planes(&Gemm { m, n, k, ..Gemm::default() });
        assert_eq!(g(2048, 49152, 64), 1);
        assert_eq!(g(64, 64, 256), 1);
        assert_eq!(g(64, 576, 49152), 28);
        assert_eq!(g(64, 64, 49152), 64);
    }
}
