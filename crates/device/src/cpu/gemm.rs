//! The one place that calls the `gemm` crate, with bounds checked.

/// A matrix within a slice: element (i, j) is at `offset + i * row + j * col`.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) data: &'a [f32],
    pub(super) offset: usize,
    pub(super) row: usize,
    pub(super) col: usize,
}

/// The matrix that is written, as a pointer so that threads can own disjoint columns of one matrix.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pointer: *mut f32,
    len: usize,
    pub(super) offset: usize,
    pub(super) row: usize,
}

// SAFETY: threads that share a Target write disjoint elements; each use below says which.
#[expect(unsafe_code, reason = "columns of one matrix are written by several threads")]
unsafe impl Send for Target {}
#[expect(unsafe_code, reason = "columns of one matrix are written by several threads")]
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    pub(super) fn new(data: &mut [f32], offset: usize, row: usize) -> Target {
        Target { pointer: data.as_mut_ptr(), len: data.len(), offset, row }
    }

    pub(super) fn columns_from(self, col: usize) -> Target {
        Target { offset: self.offset + col, ..self }
    }
}

/// `c[m,n] = alpha * a[m,k] b[k,n] + beta * c`; with `beta == 0` the old c is not read. Panics when a
/// view leaves its slice: the callers derive both from the same parameters.
pub(super) fn gemm(
    m: usize,
    n: usize,
    k: usize,
    a: View<'_>,
    b: View<'_>,
    c: Target,
    alpha: f32,
    beta: f32,
    threads: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    let last =
        |offset: usize, rows: usize, cols: usize, row: usize, col: usize| offset + (rows - 1) * row + (cols - 1) * col;
    if k > 0 {
        assert!(last(a.offset, m, k, a.row, a.col) < a.data.len(), "matrix A leaves its buffer");
        assert!(last(b.offset, k, n, b.row, b.col) < b.data.len(), "matrix B leaves its buffer");
    }
    assert!(last(c.offset, m, n, c.row, 1) < c.len, "matrix C leaves its buffer");
    #[cfg(not(target_family = "wasm"))]
    let parallelism = if threads { gemm::Parallelism::Rayon(0) } else { gemm::Parallelism::None };
    #[cfg(target_family = "wasm")]
    let (parallelism, _) = (gemm::Parallelism::None, threads);
    // SAFETY: all elements of the three views were just checked to lie within their buffers, and the
    // caller owns the elements of `c`.
    #[expect(unsafe_code, reason = "the crate takes pointers")]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.pointer.add(c.offset),
            1,
            c.row as isize,
            beta != 0.0,
            a.data.as_ptr().add(a.offset.min(a.data.len())),
            a.col as isize,
            a.row as isize,
            b.data.as_ptr().add(b.offset.min(b.data.len())),
            b.col as isize,
            b.row as isize,
            beta,
            alpha,
            false,
            false,
            false,
            parallelism,
        );
    }
}
