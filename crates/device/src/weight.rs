//! A frozen weight matrix in its file format, cut into row shards that fit one binding.

use pema_kernels::quant::{self, Format};
use pema_kernels::{embed, matmul, matvec_weight};

use crate::device::bad;
use crate::matmul::{Gemm, Operand};
use crate::{Buffer, Device, Result};

/// Weights `[rows, cols]`, packed as `pema_kernels::quant` says, in one or more row shards.
#[derive(Debug)]
pub struct Weight {
    format: Format,
    rows: usize,
    cols: usize,
    shards: Vec<Shard>,
}

#[derive(Debug)]
struct Shard {
    row0: usize,
    rows: usize,
    buffer: Buffer,
}

/// WebGPU guarantees bindings of this size; larger ones are not asked for.
const SHARD_BYTES: usize = 128 << 20;

impl Weight {
    /// Rows of one shard of a matrix in `format`, so that a reader can fetch one shard at a time.
    pub fn shard_rows(format: Format, rows: usize, cols: usize) -> usize {
        (SHARD_BYTES / 4 / format.words(1, cols.max(1)).max(1)).clamp(1, rows.max(1))
    }

    /// An empty matrix to be filled by [`Weight::push`] from the first row on.
    pub fn new(format: Format, cols: usize) -> Weight {
        Weight { format, rows: 0, cols, shards: Vec::new() }
    }

    /// Appends rows given as the bytes of a file. Errors when their length does not fit.
    pub fn push(&mut self, device: &Device, rows: usize, raw: &[u8], label: &str) -> Result<()> {
        let words = quant::pack(self.format, rows, self.cols, raw).ok_or_else(|| {
            bad("weight", format!("{} bytes for {rows} x {} {}", raw.len(), self.cols, self.format.name()))
        })?;
        let buffer = device.upload(&words, label)?;
        self.shards.push(Shard { row0: self.rows, rows, buffer });
        self.rows += rows;
        Ok(())
    }

    /// A matrix from f32 values, `[rows, cols]`.
    pub fn from_f32(device: &Device, rows: usize, cols: usize, values: &[f32]) -> Result<Weight> {
        let mut weight = Weight::new(Format::F32, cols);
        let step = Weight::shard_rows(Format::F32, rows, cols);
        for row0 in (0..rows).step_by(step) {
            let n = step.min(rows - row0);
            weight.push(device, n, bytemuck::cast_slice(&values[row0 * cols..(row0 + n) * cols]), "weight")?;
        }
        Ok(weight)
    }

    /// How it is stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Rows: outputs of a projection, tokens of a head.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns: inputs of a projection.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        self.shards.iter().map(|s| s.buffer.words() as u64 * 4).sum()
    }

    fn scales(&self, shard: &Shard) -> u32 {
        self.format.quant_words(shard.rows, self.cols) as u32
    }
}

impl Device {
    /// `out[m, rows] = x[x_row.., cols] W^T` for `m` rows of x from row `x_row` on. Few rows take the
    /// matrix-vector kernel.
    pub fn linear(&self, x: &Buffer, x_row: usize, m: usize, w: &Weight, out: &Buffer) -> Result<()> {
        for shard in &w.shards {
            if m <= matvec_weight::MAX_BATCH && x_row == 0 {
                let p = matvec_weight::Params {
                    batch: m as u32,
                    rows: shard.rows as u32,
                    cols: w.cols as u32,
                    scales: w.scales(shard),
                    ldc: w.rows as u32,
                    c_offset: shard.row0 as u32,
                };
                self.run(matvec_weight::kernel(w.format), &p, &[x, &shard.buffer, out])?;
            } else {
                let g = Gemm { m, n: shard.rows, k: w.cols, lda: w.cols, ldb: w.cols, ldc: w.rows, ..Gemm::default() };
                let g = Gemm { a_offset: x_row * w.cols, c_offset: shard.row0, ..g };
                self.gemm(&g, matmul::weight_nt(w.format), x, Operand::Weights(&shard.buffer, w.scales(shard)), out)?;
            }
        }
        Ok(())
    }

    /// `out[m, cols] = x[m, rows] W + beta * out`: the way back through a projection.
    pub fn linear_back(&self, x: &Buffer, m: usize, w: &Weight, beta: f32, out: &Buffer) -> Result<()> {
        for (i, shard) in w.shards.iter().enumerate() {
            let g = Gemm { m, n: w.cols, k: shard.rows, lda: w.rows, ldb: w.cols, ldc: w.cols, ..Gemm::default() };
            let g = Gemm { a_offset: shard.row0, beta: if i == 0 { beta } else { 1.0 }, ..g };
            self.gemm(&g, matmul::weight_nn(w.format), x, Operand::Weights(&shard.buffer, w.scales(shard)), out)?;
        }
        Ok(())
    }

    /// `out[t] = W[ids[t]]` for `tokens` ids, each below `w.rows()` (the caller has checked).
    pub fn embed(&self, ids: &Buffer, tokens: usize, w: &Weight, out: &Buffer) -> Result<()> {
        for shard in &w.shards {
            let p = embed::Params {
                tokens: tokens as u32,
                cols: w.cols as u32,
                scales: w.scales(shard),
                row0: shard.row0 as u32,
                rows: shard.rows as u32,
            };
            self.run(embed::kernel(w.format), &p, &[ids, &shard.buffer, out])?;
        }
        Ok(())
    }
}
