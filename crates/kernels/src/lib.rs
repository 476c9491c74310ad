//! WHAT is computed: for every shader in `shaders/` its parameters, bindings, grid, tolerance and a
//! plain-loop reference in f64. Nothing here knows wgpu, async or a file; it builds and tests on any
//! machine.
//!
//! Both devices of `pema-device` run the operations listed in [`all`]; the references are the oracle
//! of both and never the fallback of either.

mod case;
mod kernel;
mod params;
pub mod quant;
pub mod random;

pub mod adam;
pub mod argmax;
pub mod attention;
pub mod axpby;
pub mod copy_rows;
pub mod cross_entropy;
pub mod dropout;
pub mod embed;
pub mod gelu;
pub mod layer_norm;
pub mod matmul;
pub mod matvec_weight;
pub mod mix;
pub mod mse;
pub mod reduce_splits;
pub mod rms_norm;
pub mod rope;
pub mod sq_norm;
pub mod swiglu;
pub mod top_k;

pub use case::{Case, CaseBuffer, Expect, Mismatch, compare};
pub use kernel::{Binding, Grid, Id, Kernel, Tolerance, Wgsl};
pub use params::{Layout, Params};

/// Every kernel, every variant: what the layout test reads, the self-test runs and `doctor` lists.
pub fn all() -> Vec<&'static Kernel> {
    let mut kernels: Vec<&'static Kernel> = vec![
        &adam::KERNEL,
        &argmax::KERNEL,
        &attention::KERNEL,
        &axpby::KERNEL,
        &copy_rows::KERNEL,
        &cross_entropy::KERNEL,
        &dropout::KERNEL,
        &gelu::KERNEL,
        &layer_norm::KERNEL,
        &mix::KERNEL,
        &mse::KERNEL,
        &reduce_splits::KERNEL,
        &rms_norm::KERNEL,
        &rope::KERNEL,
        &sq_norm::KERNEL,
        &swiglu::KERNEL,
        &top_k::KERNEL,
    ];
    kernels.extend(matmul::KERNELS.iter());
    kernels.extend(matmul::WEIGHT_KERNELS.iter().flatten());
    for format in quant::Format::ALL {
        kernels.push(embed::kernel(format));
        kernels.push(matvec_weight::kernel(format));
    }
    kernels
}

/// Test cases of every kernel on awkward shapes: inputs, garbage-filled outputs and what a correct
/// device leaves in them. Used by the self-test and by the kernel tests of both devices.
pub fn all_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(adam::cases());
    cases.extend(argmax::cases());
    cases.extend(attention::cases());
    cases.extend(axpby::cases());
    cases.extend(copy_rows::cases());
    cases.extend(cross_entropy::cases());
    cases.extend(dropout::cases());
    cases.extend(embed::cases());
    cases.extend(gelu::cases());
    cases.extend(layer_norm::cases());
    cases.extend(matmul::cases());
    cases.extend(matvec_weight::cases());
    cases.extend(mix::cases());
    cases.extend(mse::cases());
    cases.extend(reduce_splits::cases());
    cases.extend(rms_norm::cases());
    cases.extend(rope::cases());
    cases.extend(sq_norm::cases());
    cases.extend(swiglu::cases());
    cases.extend(top_k::cases());
    cases
}
