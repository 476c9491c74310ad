//! `C = alpha * A B + beta * C`, register-tiled, in every orientation the model and the trainer need.
//!
//! | variant | A stored | B stored | used for |
//! |---|---|---|---|
//! | `nn` | `[m,k]` | `[k,n]` | `z M^T`, `z B^T` |
//! | `nt` | `[m,k]` | `[n,k]` | `f A^T`, `G M`, distances |
//! | `tn` | `[k,m]` | `[k,n]` | gradients: `dA = dz^T f`, `dM^T += z^T G` |
//! | `weight_nt.F` | `[m,k]` | weights `[n,k]` in format F | `x W^T`: every projection, the LM head |
//! | `weight_nn.F` | `[m,k]` | weights `[k,n]` in format F | `dM^T W` |

use crate::kernel::wgsl;
use crate::quant::{self, Format};
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, Wgsl, params::params, random::Rng};

params! {
    /// Rows of C.
    m: u32,
    /// Columns of C.
    n: u32,
    /// Length of the sums.
    k: u32,
    /// Row length of A as stored.
    lda: u32,
    /// Row length of B as stored; for weights the columns of the whole matrix.
    cols: u32,
    /// Row length of C.
    ldc: u32,
    /// First element of A.
    a_offset: u32,
    /// First element of B; weights always start at their first row.
    b_offset: u32,
    /// First element of C.
    c_offset: u32,
    /// Length of a slice of K per grid plane, a multiple of 16; `k` or more for one plane. With several planes C
    /// holds `[planes, m, n]`, `ldc` is `n`, and [`crate::reduce_splits`] finishes.
    split_k: u32,
    /// Factor of the product.
    alpha: f32,
    /// Factor of the old C; with 0 it is not read.
    beta: f32,
    /// Word of the first scale of a quantised B.
    scales: u32,
    ; p => Grid { x: p.n.div_ceil(64), y: p.m.div_ceil(64), z: p.k.div_ceil(p.split_k.max(1)).max(1) }
}

/// How A and B are stored: N as written, T transposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the module's table describes the variants")]
pub enum Orientation {
    Nn,
    Nt,
    Tn,
}

const TOLERANCE: Tolerance = Tolerance { abs: 2e-5, rel: 2e-5, why: "an f32 sum over k <= 600 of products below 1" };

const fn kernel(id: Id, name: &'static str, sources: &'static [Wgsl]) -> Kernel {
    let bindings = &[Binding::Read, Binding::Read, Binding::ReadWrite];
    Kernel { id, name, sources, bindings, constants: &[], params: Params::LAYOUT, tolerance: TOLERANCE }
}

const PARAMS: Wgsl = wgsl!("shared/matmul_params.wgsl");
const FLOATS: Wgsl = wgsl!("shared/matmul_b_floats.wgsl");
const WEIGHTS: Wgsl = wgsl!("shared/matmul_b_weights.wgsl");
const A_N: Wgsl = wgsl!("shared/matmul_a_n.wgsl");
const A_T: Wgsl = wgsl!("shared/matmul_a_t.wgsl");
const B_N: Wgsl = wgsl!("shared/matmul_b_n.wgsl");
const B_T: Wgsl = wgsl!("shared/matmul_b_t.wgsl");
const W_N: Wgsl = wgsl!("shared/matmul_w_n.wgsl");
const W_T: Wgsl = wgsl!("shared/matmul_w_t.wgsl");
const BODY: Wgsl = wgsl!("matmul.wgsl");

/// f32 times f32. Bindings: a, b, c.
pub static KERNELS: [Kernel; 3] = [
    kernel(Id::Matmul(Orientation::Nn), "matmul.nn", &[PARAMS, FLOATS, A_N, B_N, BODY]),
    kernel(Id::Matmul(Orientation::Nt), "matmul.nt", &[PARAMS, FLOATS, A_N, B_T, BODY]),
    kernel(Id::Matmul(Orientation::Tn), "matmul.tn", &[PARAMS, FLOATS, A_T, B_N, BODY]),
];

macro_rules! weight_kernels {
    ($($format:ident $name:literal),*) => {
        /// f32 times packed weights, `[nt, nn]` per format in the order of [`Format::ALL`].
        /// Bindings: a, weights, c.
        pub static WEIGHT_KERNELS: [[Kernel; 2]; 5] = [$([
            kernel(Id::MatmulWeight(Orientation::Nt, Format::$format), concat!("matmul.weight_nt.", $name),
                &[PARAMS, WEIGHTS, Format::$format.part(), A_N, W_T, BODY]),
            kernel(Id::MatmulWeight(Orientation::Nn, Format::$format), concat!("matmul.weight_nn.", $name),
                &[PARAMS, WEIGHTS, Format::$format.part(), A_N, W_N, BODY]),
        ]),*];
    };
}
weight_kernels!(F32 "f32", F16 "f16", Q8_0 "q8_0", Q4_0 "q4_0", Q4_1 "q4_1");

/// f32 times f32.
pub fn floats(orientation: Orientation) -> &'static Kernel {
    &KERNELS[orientation as usize]
}

/// `x W^T` (output rows as columns) for weights in `format`.
pub fn weight_nt(format: Format) -> &'static Kernel {
    &WEIGHT_KERNELS[format.index()][0]
}

/// `x W` for weights in `format`.
pub fn weight_nn(format: Format) -> &'static Kernel {
    &WEIGHT_KERNELS[format.index()][1]
}

/// The definition, for f32 operands (dequantise weights first). `c` is the old C, `[planes *] m * ldc` long.
pub fn reference(p: &Params, orientation: Orientation, a: &[f32], b: &[f32], c: &[f32]) -> Vec<f32> {
    let mut out = c.to_vec();
    let planes = p.k.div_ceil(p.split_k);
    for z in 0..planes {
        for i in 0..p.m {
            for j in 0..p.n {
                let mut sum = 0.0f64;
                for k in z * p.split_k..p.k.min((z + 1) * p.split_k) {
                    let at = if orientation == Orientation::Tn { k * p.lda + i } else { i * p.lda + k };
                    let bt = if orientation == Orientation::Nt { j * p.cols + k } else { k * p.cols + j };
                    sum += f64::from(a[(p.a_offset + at) as usize]) * f64::from(b[(p.b_offset + bt) as usize]);
                }
                let at = (z * p.m * p.n + p.c_offset + i * p.ldc + j) as usize;
                let old = if p.beta == 0.0 { 0.0 } else { f64::from(p.beta) * f64::from(c[at]) };
                out[at] = (f64::from(p.alpha) * sum + old) as f32;
            }
        }
    }
    out
}

/// Awkward m, n and k in every variant, with offsets, wide rows, accumulation and split K.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(3);
    let mut cases = Vec::new();
    let shapes = [(1, 1, 1), (7, 65, 33), (65, 7, 64), (64, 64, 16), (3, 130, 257), (257, 64, 9), (5, 257, 64)];
    for (orientation, name) in [(Orientation::Nn, "nn"), (Orientation::Nt, "nt"), (Orientation::Tn, "tn")] {
        for (m, n, k) in shapes {
            let lda = if orientation == Orientation::Tn { m } else { k } + 3;
            let cols = if orientation == Orientation::Nt { k } else { n } + 2;
            let p = Params {
                m,
                n,
                k,
                lda,
                cols,
                ldc: n,
                a_offset: 5,
                b_offset: 2,
                c_offset: 0,
                split_k: k,
                alpha: 0.5,
                beta: -1.5,
                scales: 0,
            };
            let a = rng.floats((5 + lda * m.max(k)) as usize, 1.0);
            let b = rng.floats((2 + cols * n.max(k)) as usize, 1.0);
            let c = rng.floats((m * n) as usize, 1.0);
            let expected = reference(&p, orientation, &a, &b, &c);
            let label = format!("{name} m={m} n={n} k={k}");
            cases.push(Case::new(floats(orientation), label, &p).floats(&a).floats(&b).in_out_floats(&c, expected));
        }
        let p = Params { m: 9, n: 6, k: 70, lda: 70, cols: 70, ldc: 6, split_k: 32, alpha: 1.0, ..Params::default() };
        let (a, b) = (rng.floats(70 * 70, 1.0), rng.floats(70 * 70, 1.0));
        let expected = reference(&p, orientation, &a, &b, &[0.0; 3 * 54]);
        cases.push(
            Case::new(floats(orientation), format!("{name} three planes"), &p)
                .floats(&a)
                .floats(&b)
                .out_floats(expected),
        );
    }
    for format in Format::ALL {
        for (m, rows, cols) in [(1, 7, 32), (65, 33, 96), (3, 130, 64)] {
            let weights = quant::random(format, rows, cols, &mut rng);
            let b = quant::dequantize(format, &weights, rows, cols);
            let scales = format.quant_words(rows, cols) as u32;
            for (orientation, kernel) in [(Orientation::Nt, weight_nt(format)), (Orientation::Nn, weight_nn(format))] {
                let (rows, cols) = (rows as u32, cols as u32);
                let (n, k) = if orientation == Orientation::Nt { (rows, cols) } else { (cols, rows) };
                let p = Params { m, n, k, lda: k, cols, ldc: n, split_k: k, alpha: 1.0, scales, ..Params::default() };
                let a = rng.floats((m * k) as usize, 1.0);
                let expected = reference(&p, orientation, &a, &b, &vec![0.0; (m * n) as usize]);
                cases.push(
                    Case::new(kernel, format!("m={m} n={n} k={k}"), &p).floats(&a).words(&weights).out_floats(expected),
                );
            }
        }
    }
    cases
}
