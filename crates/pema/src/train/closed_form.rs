//! Stage 1 without gradient descent.
//!
//! L_rct(A, B) = mean |B A f - f|^2 is a linear auto-encoder. Its minimum over all A `[r,d]` and B
//! `[d,r]` is reached by A = E^T, B = E with E the eigenvectors of the r largest eigenvalues of the
//! second-moment matrix sum f f^T (Eckart and Young 1936; Baldi and Hornik 1989).

use faer::{Mat, Side};
use pema_device::{Device, Gemm};
use pema_kernels::matmul::Orientation;

use crate::{Error, Memory, Result};

/// Rows that are widened and multiplied at once.
const PIECE: usize = 2048;

/// The top `rank` eigenvectors of some of the memory's rows, as rows, `[rank, d]`: A, and the transpose of B_rct.
pub(super) async fn eigenvectors(device: &Device, memory: &Memory, rows: &[usize], rank: usize) -> Result<Vec<f32>> {
    let d = memory.hidden();
    let moments = device.alloc(d * d, "second moments")?;
    let piece = device.alloc(PIECE.min(rows.len()) * d, "rows")?;
    for (i, part) in rows.chunks(PIECE).enumerate() {
        device.write(&piece, 0, &memory.gather(part))?;
        let (alpha, beta) = (1.0 / rows.len() as f32, if i == 0 { 0.0 } else { 1.0 });
        let g = Gemm { m: d, n: d, k: part.len(), lda: d, ldb: d, ldc: d, alpha, beta, ..Gemm::default() };
        device.matmul(Orientation::Tn, &g, &piece, &piece, &moments)?;
    }
    let moments = device.read::<f32>(&moments, 0, d * d).await?;
    let matrix = Mat::<f64>::from_fn(d, d, |i, j| f64::from(moments[i.max(j) * d + i.min(j)]));
    let eigen = matrix.self_adjoint_eigen(Side::Lower);
    let eigen = eigen.map_err(|_| Error::NotANumber {
        what: "a moment of the memory's rows",
        advice: "the memory is damaged: build it again",
    })?;
    // Eigenvalues come in ascending order: the last columns are the ones that matter.
    let vectors = eigen.U();
    Ok((0..rank).flat_map(|r| (0..d).map(move |i| vectors[(i, d - 1 - r)] as f32)).collect())
}
