//! Memories as two NumPy files, keys and values: the raw memory maps that the method's authors write,
//! which have no header although they are named `.npy`, and real NPY files.
//!
//! A raw file is numbers and nothing else, so its shape follows from the model: values are i32 `[N]`,
//! keys f32 `[N,d]` of the width d of the model, both little-endian.

use half::f16;

use crate::memory::{Keys, Memory, MemoryMeta};
use crate::{Error, Result};

const MAGIC: &[u8] = b"\x93NUMPY";
const ADVICE: &str =
    "keys are f32 [N,d] and values i32 [N], written for this model; choose other files, or make them again";

/// The content of one file with its name for messages.
#[derive(Debug, Clone, Copy)]
pub struct NumpyFile<'a> {
    /// Name for messages.
    pub path: &'a str,
    /// The whole content.
    pub bytes: &'a [u8],
}

/// A memory of N rows from `keys` (raw f32 `[N,d]`, or NPY of f32 or f16) and `values` (raw i32 `[N]`, or
/// NPY of i32, u32 or i64, `[N]` or `[N,1]`). Keys must be what the LM head reads: f(c) behind the final norm.
///
/// d and the vocabulary are those of `meta.identity`. The files know nothing of examples: every row
/// becomes position 0 of example 0, as for a file of [`memory_to_bytes`](crate::format::memory_to_bytes)
/// without those columns.
///
/// Errors name the file that does not fit: a size or shape that is not N or N x d, another type, a token
/// outside the vocabulary, a key that is infinite or no number, no row at all.
pub fn memory_from_numpy(keys: NumpyFile<'_>, values: NumpyFile<'_>, meta: MemoryMeta) -> Result<Memory> {
    let ids = read_values(values, meta.identity.vocab_size)?;
    let (n, d) = (ids.len(), meta.identity.hidden_size);
    if n == 0 {
        return Err(values.bad("it holds no rows".to_owned()));
    }
    let keys = read_keys(keys, values, n, d)?;
    Ok(Memory { meta, keys, values: ids, sample: vec![0; n], position: vec![0; n], input_tokens: vec![1; n] })
}

fn read_keys(file: NumpyFile<'_>, values: NumpyFile<'_>, n: usize, d: usize) -> Result<Keys> {
    let array = file.array("<f4")?;
    let width = match array.kind.as_str() {
        "<f4" => 4,
        "<f2" => 2,
        other => return Err(file.bad(format!("its numbers are `{other}`, not `<f4` or `<f2`"))),
    };
    if let Some(shape) = array.shape.filter(|shape| *shape != [n, d]) {
        return Err(
            file.bad(format!("its shape is {shape:?}, not [{n}, {d}]: {n} rows as in {}, width {d}", values.path))
        );
    }
    if Some(array.data.len()) != n.checked_mul(d).and_then(|all| all.checked_mul(width)) {
        let found = array.data.len();
        return Err(file.bad(format!(
            "it holds {found} bytes of numbers; {n} rows (as in {}) of the model's width {d} at {width} bytes need {}",
            values.path,
            n as u128 * d as u128 * width as u128
        )));
    }
    let keys = match width {
        2 => Keys::F16(bytemuck::pod_collect_to_vec::<u8, f16>(array.data)),
        _ => Keys::F32(bytemuck::pod_collect_to_vec(array.data)),
    };
    match keys.first_not_finite() {
        Some(at) => Err(file.bad(format!("row {}, column {} is infinite or no number", at / d, at % d))),
        None => Ok(keys),
    }
}

fn read_values(file: NumpyFile<'_>, vocabulary: usize) -> Result<Vec<u32>> {
    let array = file.array("<i4")?;
    let width = match array.kind.as_str() {
        "<i4" | "<u4" => 4,
        "<i8" => 8,
        other => return Err(file.bad(format!("its numbers are `{other}`, not `<i4`, `<u4` or `<i8`"))),
    };
    if !array.data.len().is_multiple_of(width) {
        return Err(file.bad(format!("its {} bytes of numbers are no multiple of {width}", array.data.len())));
    }
    let n = array.data.len() / width;
    if let Some(shape) = array.shape.filter(|shape| *shape != [n] && *shape != [n, 1]) {
        return Err(file.bad(format!("its shape is {shape:?} and it holds {n} numbers; it must be one column")));
    }
    let number = |cell: &[u8]| match array.kind.as_str() {
        "<i4" => i64::from(bytemuck::pod_read_unaligned::<i32>(cell)),
        "<u4" => i64::from(bytemuck::pod_read_unaligned::<u32>(cell)),
        _ => bytemuck::pod_read_unaligned::<i64>(cell),
    };
    let cells = array.data.chunks_exact(width).enumerate();
    let ids = cells.map(|(row, cell)| match number(cell) {
        id if (0..vocabulary as i64).contains(&id) => Ok(id as u32),
        id => Err(file.bad(format!("row {row} holds token {id}, the model's vocabulary has {vocabulary}"))),
    });
    ids.collect()
}

/// Numbers as they lie in a file.
struct Array<'a> {
    /// NumPy's name of their type, such as `<f4`.
    kind: String,
    /// As the header says; a raw file says nothing.
    shape: Option<Vec<usize>>,
    data: &'a [u8],
}

impl<'a> NumpyFile<'a> {
    fn bad(&self, why: String) -> Error {
        let expected = "part of an external memory in NumPy's layout";
        Error::BadFile { path: self.path.to_owned(), expected, why, advice: ADVICE }
    }

    /// What the header says, or without one the whole file as numbers of type `raw`.
    fn array(&self, raw: &str) -> Result<Array<'a>> {
        let Some(rest) = self.bytes.strip_prefix(MAGIC) else {
            return Ok(Array { kind: raw.to_owned(), shape: None, data: self.bytes });
        };
        let (text, data) = split_header(rest).ok_or_else(|| self.bad("its NPY header is cut off".to_owned()))?;
        let damaged = || self.bad(format!("its NPY header cannot be read: {}", text.trim_end()));
        let text = || text.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map(|(inside, _)| inside);
        let inside = text().ok_or_else(damaged)?;
        if entry(inside, "fortran_order").ok_or_else(damaged)?.starts_with("True") {
            return Err(self.bad("its numbers lie column by column; save it with numpy.ascontiguousarray".to_owned()));
        }
        let kind = entry(inside, "descr").and_then(quoted).ok_or_else(damaged)?.to_owned();
        let shape = entry(inside, "shape").and_then(tuple).ok_or_else(damaged)?;
        Ok(Array { kind, shape: Some(shape), data })
    }
}

/// Header and numbers behind the magic: two bytes of version, the header's length, the header.
fn split_header(rest: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        _ => return None,
    };
    let (header, data) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(header).ok()?, data))
}

/// What stands behind `'name':` in a Python dictionary.
fn entry<'a>(inside: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = inside.split_once(&format!("'{name}':"))?;
    Some(rest.trim_start())
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('\'')?.split_once('\'').map(|(word, _)| word)
}

fn tuple(text: &str) -> Option<Vec<usize>> {
    let (numbers, _) = text.strip_prefix('(')?.split_once(')')?;
    numbers.split(',').map(str::trim).filter(|n| !n.is_empty()).map(|n| n.parse().ok()).collect()
}
