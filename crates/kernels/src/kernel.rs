//! What a device needs to know of a kernel before it can run it.

use crate::Layout;
use crate::matmul::Orientation;
use crate::quant::Format;

/// One operation in one variant. Two kernels are the same if and only if their names are.
#[derive(Debug)]
pub struct Kernel {
    /// Which operation; the CPU device chooses its code by it.
    pub id: Id,
    /// File stem of the shader, and the variant after a dot: `matmul_weight.q4_1`.
    pub name: &'static str,
    /// Texts joined in this order: shared parts, then the body. Together they are one module with
    /// the entry point `main`.
    pub sources: &'static [Wgsl],
    /// Storage buffers at `@binding(1)` onwards; `@binding(0)` is always the uniform `Params`.
    pub bindings: &'static [Binding],
    /// Values of the `override` constants of this variant.
    pub constants: &'static [(&'static str, f64)],
    /// Size and field offsets of the Rust `Params`, compared with the WGSL struct by a test.
    pub params: Layout,
    /// How far a device may be from the f64 reference.
    pub tolerance: Tolerance,
}

impl Kernel {
    /// The text that is compiled.
    pub fn wgsl(&self) -> String {
        self.sources.iter().map(|s| s.text).collect::<Vec<_>>().join("\n")
    }
}

/// A shader file, embedded.
#[derive(Debug, Clone, Copy)]
pub struct Wgsl {
    /// Path below `shaders/`.
    pub file: &'static str,
    /// Contents.
    pub text: &'static str,
}

/// Embeds `shaders/$file`.
macro_rules! wgsl {
    ($file:literal) => {
        $crate::Wgsl { file: $file, text: include_str!(concat!("../../../shaders/", $file)) }
    };
}
pub(crate) use wgsl;

/// How a kernel uses a storage buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// `var<storage, read>`
    Read,
    /// `var<storage, read_write>`
    ReadWrite,
}

/// The operations. Both devices match on this without a wildcard, so a new one does not compile
/// until both can do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is documented by the module of the same name")]
pub enum Id {
    Adam,
    Argmax,
    Attention,
    Axpby,
    CopyRows,
    CrossEntropy,
    Dropout,
    Embed(Format),
    Gelu,
    LayerNorm,
    Matmul(Orientation),
    MatmulWeight(Orientation, Format),
    MatvecWeight(Format),
    Mix,
    Mse,
    ReduceSplits,
    RmsNorm,
    Rope,
    SqNorm,
    Swiglu,
    TopK,
}

/// `|device - reference| <= abs + rel * |reference|`, element by element.
#[derive(Debug, Clone, Copy)]
pub struct Tolerance {
    /// Absolute part, for values near zero.
    pub abs: f32,
    /// Relative part.
    pub rel: f32,
    /// Where the error comes from.
    pub why: &'static str,
}

/// Workgroups to launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Along x.
    pub x: u32,
    /// Along y.
    pub y: u32,
    /// Along z.
    pub z: u32,
}

impl Grid {
    /// WebGPU admits this many workgroups per dimension.
    pub const MAX: u32 = 65_535;

    /// `n` workgroups in a row, folded into a second dimension past [`Grid::MAX`]. Shaders recover the index
    /// as `wid.y * nwg.x + wid.x` and must ignore the surplus at the end.
    pub fn linear(n: u32) -> Grid {
        if n <= Grid::MAX {
            return Grid { x: n, y: 1, z: 1 };
        }
        let y = n.div_ceil(Grid::MAX);
        Grid { x: n.div_ceil(y), y, z: 1 }
    }

    /// Enough workgroups of `size` invocations for `n` elements.
    pub fn elements(n: u32, size: u32) -> Grid {
        Grid::linear(n.div_ceil(size))
    }

    /// True when there is nothing to launch.
    pub fn is_empty(&self) -> bool {
        self.x == 0 || self.y == 0 || self.z == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_grid_covers_its_elements_within_the_limit() {
        for n in [1, 2, 65_535, 65_536, 131_071, 4_000_000_000] {
            let g = Grid::linear(n);
            assert!(g.x <= Grid::MAX && g.y <= Grid::MAX, "{n}: {g:?}");
            assert!(u64::from(g.x) * u64::from(g.y) >= u64::from(n), "{n}: {g:?}");
        }
    }
}
