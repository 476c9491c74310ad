//! WHERE things are computed: one [`Device`] of two kinds that run the same list of operations, a GPU
//! through wgpu and the processor through the `gemm` crate and rayon. Nothing here knows what a token
//! or a layer is. This is the only crate that names wgpu.

mod buffer;
mod choose;
mod cpu;
mod device;
mod error;
mod gpu;
mod matmul;
mod memory;
mod selftest;
mod weight;

pub use buffer::Buffer;
pub use choose::{AdapterInfo, Choice, adapters};
pub use device::{Device, Info, Kind};
pub use error::{Error, Result};
pub use matmul::Gemm;
pub use memory::Memory;
pub use selftest::{KernelResult, run_case, self_test};
pub use weight::Weight;
