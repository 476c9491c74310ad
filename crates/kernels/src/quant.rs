//! How weights lie in memory on both devices.
//!
//! A weight matrix `[rows, cols]` is one array of u32 words: first all quants, row after row, then
//! all scales as f32, one entry per block of 32 columns. GGUF keeps each block's scale beside its
//! quants, in 18 to 34 bytes; apart, every load is aligned, and the f16 scales, which may be
//! subnormal and which WGSL may then flush to zero, are widened here, once.
//!
//! | format | words of quants | scales |
//! |---|---|---|
//! | F32  | `rows*cols` | none |
//! | F16  | `rows*cols/2`, two halves a word | none |
//! | Q8_0 | `rows*cols/4`, four signed bytes a word | `d`: `w = d*q` |
//! | Q4_0 | `rows*cols/8`; byte j of a block holds column j low and j+16 high | `d`: `w = d*(q-8)` |
//! | Q4_1 | as Q4_0 | `d, m`: `w = d*q + m` |

use half::f16;

use crate::Wgsl;
use crate::kernel::wgsl;

/// Columns that share a scale.
pub const BLOCK: usize = 32;

/// How one weight is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the module's table describes the variants")]
pub enum Format {
    F32,
    F16,
    Q8_0,
    Q4_0,
    Q4_1,
}

impl Format {
    /// Every format, in the order of the kernel tables.
    pub const ALL: [Format; 5] = [Format::F32, Format::F16, Format::Q8_0, Format::Q4_0, Format::Q4_1];

    /// Position in [`Format::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Lower-case name: `q4_1`.
    pub const fn name(self) -> &'static str {
        ["f32", "f16", "q8_0", "q4_0", "q4_1"][self.index()]
    }

    /// Columns must be a multiple of this: a whole block, or one vec4 load.
    pub const fn column_multiple(self) -> usize {
        match self {
            Format::F32 | Format::F16 => 4,
            _ => BLOCK,
        }
    }

    /// Bytes of `cols` weights in a GGUF or safetensors file.
    pub const fn file_bytes(self, cols: usize) -> usize {
        match self {
            Format::F32 => cols * 4,
            Format::F16 => cols * 2,
            Format::Q8_0 => cols / BLOCK * 34,
            Format::Q4_0 => cols / BLOCK * 18,
            Format::Q4_1 => cols / BLOCK * 20,
        }
    }

    /// Words before the first scale.
    pub const fn quant_words(self, rows: usize, cols: usize) -> usize {
        match self {
            Format::F32 => rows * cols,
            Format::F16 => rows * cols / 2,
            Format::Q8_0 => rows * cols / 4,
            Format::Q4_0 | Format::Q4_1 => rows * cols / 8,
        }
    }

    /// Words of one block's scales.
    pub const fn scale_words(self) -> usize {
        match self {
            Format::F32 | Format::F16 => 0,
            Format::Q8_0 | Format::Q4_0 => 1,
            Format::Q4_1 => 2,
        }
    }

    /// Words in all.
    pub const fn words(self, rows: usize, cols: usize) -> usize {
        self.quant_words(rows, cols) + rows * cols / BLOCK * self.scale_words()
    }

    /// The shader part that defines `fn weight4(row: u32, col: u32) -> vec4<f32>` for this format.
    pub(crate) const fn part(self) -> Wgsl {
        match self {
            Format::F32 => wgsl!("shared/weight_f32.wgsl"),
            Format::F16 => wgsl!("shared/weight_f16.wgsl"),
            Format::Q8_0 => wgsl!("shared/weight_q8_0.wgsl"),
            Format::Q4_0 => wgsl!("shared/weight_q4_0.wgsl"),
            Format::Q4_1 => wgsl!("shared/weight_q4_1.wgsl"),
        }
    }
}

/// Lays out `rows * cols` weights as read from a file (little-endian, GGUF blocks).
/// `None` when `raw` has another length than [`Format::file_bytes`] says or `cols` does not fit the format.
pub fn pack(format: Format, rows: usize, cols: usize, raw: &[u8]) -> Option<Vec<u32>> {
    if !cols.is_multiple_of(format.column_multiple()) || raw.len() != rows * format.file_bytes(cols) {
        return None;
    }
    let word = |b: &[u8]| u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    let half = |b: &[u8]| f16::from_le_bytes([b[0], b[1]]).to_f32().to_bits();
    let header = format.scale_words() * 2;
    if header == 0 {
        return Some(raw.chunks_exact(4).map(word).collect());
    }
    let mut words = Vec::with_capacity(format.words(rows, cols));
    let block_bytes = format.file_bytes(BLOCK);
    for block in raw.chunks_exact(block_bytes) {
        words.extend(block[header..].chunks_exact(4).map(word));
    }
    for block in raw.chunks_exact(block_bytes) {
        words.extend(block[..header].chunks_exact(2).map(half));
    }
    Some(words)
}

/// Row `row` of a packed matrix, exactly as the formats define it.
pub fn dequantize_row(format: Format, words: &[u32], rows: usize, cols: usize, row: usize) -> Vec<f32> {
    let scales = format.quant_words(rows, cols);
    (row * cols..(row + 1) * cols)
        .map(|i| {
            let (block, e) = (i / BLOCK, i % BLOCK);
            let scale = |k: usize| f32::from_bits(words[scales + block * format.scale_words() + k]);
            let nibble = || (words[block * 4 + e % 16 / 4] >> (8 * (e % 4) + 4 * (e / 16))) & 15;
            match format {
                Format::F32 => f32::from_bits(words[i]),
                Format::F16 => f16::from_bits((words[i / 2] >> (16 * (i % 2))) as u16).to_f32(),
                Format::Q8_0 => scale(0) * f32::from((words[i / 4] >> (8 * (i % 4))) as u8 as i8),
                Format::Q4_0 => scale(0) * (nibble() as f32 - 8.0),
                Format::Q4_1 => scale(0) * nibble() as f32 + scale(1),
            }
        })
        .collect()
}

/// The whole matrix in f32, `[rows, cols]`.
pub fn dequantize(format: Format, words: &[u32], rows: usize, cols: usize) -> Vec<f32> {
    (0..rows).flat_map(|r| dequantize_row(format, words, rows, cols, r)).collect()
}

/// A packed matrix of random weights of about unit size, for cases and benchmarks.
pub fn random(format: Format, rows: usize, cols: usize, rng: &mut crate::random::Rng) -> Vec<u32> {
    let n = rows * cols;
    match format {
        Format::F32 => rng.floats(n, 1.0).iter().map(|v| v.to_bits()).collect(),
        Format::F16 => (0..n / 2)
            .map(|_| {
                let mut half = || u32::from(f16::from_f32(rng.uniform(1.0)).to_bits());
                half() | half() << 16
            })
            .collect(),
        _ => {
            let mut words: Vec<u32> =
                (0..format.quant_words(rows, cols)).map(|_| (rng.next_u64() >> 32) as u32).collect();
            let largest = if format == Format::Q8_0 { 128.0 } else { 8.0 };
            for _ in 0..n / BLOCK {
                let d = (0.5 + rng.unit()) / largest;
                words.push(d.to_bits());
                if format == Format::Q4_1 {
                    words.push((-7.5 * d).to_bits());
                }
            }
            words
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_apart_and_mean_the_same() {
        // One Q4_1 block: d = 0.5, m = -1, byte j = j | (15-j) << 4.
        let mut raw = Vec::new();
        raw.extend(f16::from_f32(0.5).to_le_bytes());
        raw.extend(f16::from_f32(-1.0).to_le_bytes());
        raw.extend((0..16u8).map(|j| j | (15 - j) << 4));
        let words = pack(Format::Q4_1, 1, 32, &raw).unwrap();
        let row = dequantize_row(Format::Q4_1, &words, 1, 32, 0);
        let expected: Vec<f32> = (0..16).chain((0..16).rev()).map(|q| 0.5 * q as f32 - 1.0).collect();
        assert_eq!(row, expected);
    }

    #[test]
    fn a_subnormal_scale_survives() {
        let mut raw = f16::from_bits(1).to_le_bytes().to_vec();
        raw.extend((0..32).map(|_| 100i8 as u8));
        let words = pack(Format::Q8_0, 1, 32, &raw).unwrap();
        assert_eq!(dequantize_row(Format::Q8_0, &words, 1, 32, 0)[5], 100.0 * 2f32.powi(-24));
    }

    #[test]
    fn wrong_lengths_are_refused() {
        assert!(pack(Format::Q8_0, 1, 32, &[0; 33]).is_none());
        assert!(pack(Format::Q4_0, 1, 16, &[0; 9]).is_none());
        assert!(pack(Format::F16, 1, 2, &[0; 4]).is_none());
    }
}
