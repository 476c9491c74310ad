//! What a tensor of a GGUF file is and how its numbers are packed.

use std::fmt;

/// How the elements of a tensor are packed: `block_len` neighbours along the innermost dimension
/// share one block of `block_bytes` bytes.
#[rustfmt::skip]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are the format's own names, the table below describes them")]
#[allow(non_camel_case_types, reason = "spelled as in the format, so that messages can be searched for")]
pub enum GgmlType {
    F32, F16, BF16, F64, I8, I16, I32, I64,
    Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q8_1,
    Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, Q8_K,
    IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, IQ4_NL, IQ4_XS,
    TQ1_0, TQ2_0, MXFP4, NVFP4, Q1_0,
    /// A number this program has no name for: a removed format, or one newer than it.
    Other(u32),
}

use GgmlType::*;

/// Number in the file, format, elements per block, bytes per block.
const TABLE: &[(u32, GgmlType, u64, u64)] = &[
    (0, F32, 1, 4),
    (1, F16, 1, 2),
    (2, Q4_0, 32, 18),
    (3, Q4_1, 32, 20),
    (6, Q5_0, 32, 22),
    (7, Q5_1, 32, 24),
    (8, Q8_0, 32, 34),
    (9, Q8_1, 32, 36),
    (10, Q2_K, 256, 84),
    (11, Q3_K, 256, 110),
    (12, Q4_K, 256, 144),
    (13, Q5_K, 256, 176),
    (14, Q6_K, 256, 210),
    (15, Q8_K, 256, 292),
    (16, IQ2_XXS, 256, 66),
    (17, IQ2_XS, 256, 74),
    (18, IQ3_XXS, 256, 98),
    (19, IQ1_S, 256, 50),
    (20, IQ4_NL, 32, 18),
    (21, IQ3_S, 256, 110),
    (22, IQ2_S, 256, 82),
    (23, IQ4_XS, 256, 136),
    (24, I8, 1, 1),
    (25, I16, 1, 2),
    (26, I32, 1, 4),
    (27, I64, 1, 8),
    (28, F64, 1, 8),
    (29, IQ1_M, 256, 56),
    (30, BF16, 1, 2),
    (34, TQ1_0, 256, 54),
    (35, TQ2_0, 256, 66),
    (39, MXFP4, 32, 17),
    (40, NVFP4, 64, 36),
    (41, Q1_0, 128, 18),
];

impl GgmlType {
    /// The formats this program decodes.
    pub const SUPPORTED: [Self; 6] = [F32, F16, BF16, Q8_0, Q4_0, Q4_1];

    /// The format with the number `id` in a file.
    pub fn from_id(id: u32) -> Self {
        TABLE.iter().find(|row| row.0 == id).map_or(Other(id), |row| row.1)
    }

    /// Whether tensors in this format can be read.
    pub fn is_supported(self) -> bool {
        Self::SUPPORTED.contains(&self)
    }

    /// Elements per block; 0 when the format is not known.
    pub fn block_len(self) -> u64 {
        self.row().map_or(0, |row| row.2)
    }

    /// Bytes per block; 0 when the format is not known.
    pub fn block_bytes(self) -> u64 {
        self.row().map_or(0, |row| row.3)
    }

    /// The names of [`GgmlType::SUPPORTED`] for a message.
    pub(crate) fn supported_names() -> String {
        Self::SUPPORTED.map(|kind| kind.to_string()).join(", ")
    }

    fn row(self) -> Option<&'static (u32, Self, u64, u64)> {
        TABLE.iter().find(|row| row.1 == self)
    }
}

impl fmt::Display for GgmlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Other(id) => write!(f, "type {id}"),
            known => write!(f, "{known:?}"),
        }
    }
}

/// One entry of the tensor table, checked to lie within the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name, unique in the file.
    pub name: String,
    /// One to four non-zero dimensions, innermost first: a weight of `[out, in]` is stored `[in, out]`.
    pub shape: Vec<u64>,
    /// How the elements are packed.
    pub kind: GgmlType,
    /// First byte, from the start of the file.
    pub offset: u64,
    /// Size in bytes; 0 when the format is not known.
    pub bytes: u64,
}

impl TensorInfo {
    /// Elements of the innermost dimension, a whole number of blocks.
    pub fn cols(&self) -> u64 {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Product of the other dimensions; 1 for a vector.
    pub fn rows(&self) -> u64 {
        self.shape.iter().skip(1).product()
    }

    /// Bytes of one row; 0 when the format is not known.
    pub fn row_bytes(&self) -> u64 {
        self.cols() / self.kind.block_len().max(1) * self.kind.block_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_go_both_ways() {
        for (id, kind, len, bytes) in TABLE {
            assert_eq!(GgmlType::from_id(*id), *kind);
            assert_eq!((kind.block_len(), kind.block_bytes()), (*len, *bytes));
        }
        let mut ids: Vec<u32> = TABLE.iter().map(|row| row.0).collect();
        ids.dedup();
        assert_eq!(ids.len(), TABLE.len());
        assert_eq!(GgmlType::from_id(4), Other(4));
        assert_eq!(GgmlType::supported_names(), "F32, F16, BF16, Q8_0, Q4_0, Q4_1");
    }
}
