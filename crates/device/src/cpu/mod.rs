//! The processor side: the same kernels, computed by the `gemm` crate, rayon and loops the compiler
//! vectorises. Faster than a software GPU by one to two orders of magnitude.

mod attention;
mod elementwise;
mod gemm;
mod matmul;
mod rows;
mod select;
mod simd;
mod weights;

use std::sync::{RwLockReadGuard, RwLockWriteGuard};

use pema_kernels::{self as k, Binding, Id, Kernel};

use crate::{Buffer, Info, Kind, Result, buffer::Store, device::bad};

pub(crate) fn info() -> Info {
    Info {
        kind: Kind::Cpu,
        name: "processor".into(),
        driver: format!("{} threads", rayon::current_num_threads()),
        max_binding: u64::MAX,
        limits: Vec::new(),
        note: None,
    }
}

/// A buffer as a kernel sees it.
pub(crate) enum Slice<'a> {
    Read(&'a [u32]),
    Write(&'a mut [u32]),
}

impl<'a> Slice<'a> {
    fn words(self) -> &'a [u32] {
        match self {
            Slice::Read(s) => s,
            Slice::Write(s) => s,
        }
    }

    fn floats(self) -> &'a [f32] {
        bytemuck::cast_slice(self.words())
    }

    fn words_mut(self) -> &'a mut [u32] {
        match self {
            Slice::Write(s) => s,
            Slice::Read(_) => &mut [], // the binding table says read; the bounds check below reports it
        }
    }

    fn floats_mut(self) -> &'a mut [f32] {
        bytemuck::cast_slice_mut(self.words_mut())
    }
}

enum Guard<'a> {
    Read(RwLockReadGuard<'a, Vec<u32>>),
    Write(RwLockWriteGuard<'a, Vec<u32>>),
}

pub(crate) fn run(kernel: &'static Kernel, params: &[u8], buffers: &[&Buffer]) -> Result<()> {
    let mut guards = Vec::with_capacity(buffers.len());
    for (binding, buffer) in kernel.bindings.iter().zip(buffers) {
        let Store::Cpu(store) = &buffer.inner.store else {
            return Err(bad(kernel.name, "a buffer belongs to another device".into()));
        };
        guards.push(match binding {
            Binding::Read => Guard::Read(store.read().map_err(|_| poisoned(kernel))?),
            Binding::ReadWrite => Guard::Write(store.write().map_err(|_| poisoned(kernel))?),
        });
    }
    let mut slices = guards.iter_mut().map(|g| match g {
        Guard::Read(g) => Slice::Read(g),
        Guard::Write(g) => Slice::Write(g),
    });
    let mut next = || slices.next().unwrap_or(Slice::Read(&[]));
    macro_rules! p {
        ($module:ident) => {
            &bytemuck::pod_read_unaligned::<k::$module::Params>(params)
        };
    }
    match kernel.id {
        Id::Adam => {
            elementwise::adam(p!(adam), next().floats(), next().floats_mut(), next().floats_mut(), next().floats_mut())
        }
        Id::Argmax => select::argmax(p!(argmax), next().floats(), next().words_mut()),
        Id::Attention => attention::attention(
            p!(attention),
            next().floats(),
            next().floats(),
            next().floats(),
            next().words(),
            next().floats_mut(),
        ),
        Id::Axpby => elementwise::axpby(p!(axpby), next().floats(), next().floats_mut()),
        Id::CopyRows => {
            elementwise::copy_rows(p!(copy_rows), next().words(), next().words(), next().words(), next().words_mut())
        }
        Id::CrossEntropy => {
            rows::cross_entropy(p!(cross_entropy), next().words(), next().floats_mut(), next().floats_mut())
        }
        Id::Dropout => elementwise::dropout(p!(dropout), next().floats(), next().floats_mut()),
        Id::Embed(format) => weights::embed(p!(embed), format, next().words(), next().words(), next().floats_mut()),
        Id::Gelu => elementwise::gelu(p!(gelu), next().floats(), next().floats_mut()),
        Id::LayerNorm => {
            rows::layer_norm(p!(layer_norm), next().floats(), next().floats(), next().floats(), next().floats_mut())
        }
        Id::Matmul(orientation) => {
            matmul::floats(p!(matmul), orientation, next().floats(), next().floats(), next().floats_mut())
        }
        Id::MatmulWeight(orientation, format) => {
            matmul::weights(p!(matmul), orientation, format, next().floats(), next().words(), next().floats_mut());
        }
        Id::MatvecWeight(format) => {
            weights::matvec(p!(matvec_weight), format, next().floats(), next().words(), next().floats_mut())
        }
        Id::Mix => rows::mix(p!(mix), next().floats(), next().floats(), next().floats(), next().floats_mut()),
        Id::Mse => rows::mse(p!(mse), next().floats(), next().floats_mut(), next().floats_mut()),
        Id::ReduceSplits => elementwise::reduce_splits(p!(reduce_splits), next().floats(), next().floats_mut()),
        Id::RmsNorm => rows::rms_norm(p!(rms_norm), next().floats(), next().floats(), next().floats_mut()),
        Id::Rope => elementwise::rope(p!(rope), next().words(), next().floats(), next().floats_mut()),
        Id::SqNorm => rows::sq_norm(p!(sq_norm), next().floats(), next().floats_mut()),
        Id::Swiglu => elementwise::swiglu(p!(swiglu), next().floats(), next().floats(), next().floats_mut()),
        Id::TopK => select::top_k(p!(top_k), next().floats(), next().words_mut(), next().floats_mut()),
    }
    Ok(())
}

fn poisoned(kernel: &Kernel) -> crate::Error {
    bad(kernel.name, "an earlier panic left a buffer in an unknown state".into())
}
