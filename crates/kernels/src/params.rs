//! Uniform parameters: a plain struct per kernel whose field offsets a test compares with the WGSL.

use crate::Grid;

/// A kernel's uniform block. All fields are 4 bytes wide (u32, i32 or f32), so Rust's `repr(C)` and
/// WGSL's uniform layout agree.
pub trait Params: bytemuck::Pod {
    /// Name and byte offset of every field, in order, and the size.
    const LAYOUT: Layout;
    /// Workgroups that cover this problem.
    fn grid(&self) -> Grid;
}

/// Shape of a `Params` struct in memory.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Bytes.
    pub size: usize,
    /// Field name and byte offset.
    pub fields: &'static [(&'static str, usize)],
}

/// Declares `pub struct Params` with its layout table, so that no offset is written down twice.
macro_rules! params {
    ($( $(#[$doc:meta])* $field:ident : $ty:ty ),* $(,)? ; $p:ident => $grid:expr) => {
        /// The uniform block of this kernel; the fields are those of the shader's `Params`.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        pub struct Params { $( $(#[$doc])* pub $field: $ty ),* }
        impl $crate::Params for Params {
            const LAYOUT: $crate::Layout = $crate::Layout {
                size: ::core::mem::size_of::<Params>(),
                fields: &[ $( (stringify!($field), ::core::mem::offset_of!(Params, $field)) ),* ],
            };
            fn grid(&self) -> $crate::Grid { let $p = self; $grid }
        }
    };
}
pub(crate) use params;
