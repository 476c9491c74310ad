//! The header, byte by byte. Nothing in it is believed: every length is compared with what the file
//! still holds before anything is allocated, and every sum is checked.

use std::collections::HashMap;
use std::fmt::Display;

use super::cursor::{Cursor, Stop};
use super::metadata::Metadata;
use super::tensor::{GgmlType, TensorInfo};
use super::value::{Kind, Value};
use crate::error::Error;

/// Alignment of tensor data where the file does not say, in bytes.
const DEFAULT_ALIGNMENT: u64 = 32;

/// What the header says.
pub(super) struct Header {
    pub(super) metadata: Metadata,
    pub(super) tensors: Vec<TensorInfo>,
    /// Tensor name to its place in `tensors`.
    pub(super) index: HashMap<String, usize>,
}

/// Parses the header of the file `name` of `len` bytes from its beginning, `window`.
pub(super) fn header(name: &str, window: &[u8], len: u64) -> Result<Header, Stop> {
    let mut at = Cursor { name, window, len, at: 0 };
    magic(&mut at)?;
    // The least bytes an entry can take bound how many a file of this length can hold.
    let n_tensors = at.count(8 + 4 + 8 + 4 + 8, &"the number of tensors")?;
    let n_keys = at.count(8 + 4 + 1, &"the number of metadata keys")?;

    let mut metadata = Metadata::new(name);
    for _ in 0..n_keys {
        let start = at.at;
        let key = at.key()?;
        let value = value(&mut at, &key)?;
        if metadata.insert(key.clone(), value) {
            return Err(at.corrupt(start, &format_args!("metadata key `{key}`"), "appears twice"));
        }
    }
    let alignment = alignment(&at, &metadata)?;

    let mut tensors = Vec::new();
    let mut index = HashMap::new();
    for number in 0..n_tensors {
        let start = at.at;
        let info = tensor(&mut at, alignment)?;
        if index.insert(info.name.clone(), number as usize).is_some() {
            return Err(at.corrupt(start, &format_args!("tensor `{}`", info.name), "appears twice"));
        }
        tensors.push(info);
    }

    // Offsets in the table count from here; the header fits the window, so nothing overflows.
    let data = (at.at as u64).next_multiple_of(alignment);
    for info in &mut tensors {
        let have = len.saturating_sub(data).saturating_sub(info.offset);
        let start = data.saturating_add(info.offset);
        if info.bytes > have || start > len {
            return Err(at.truncated(start, info.bytes, have, &format_args!("tensor `{}`", info.name)));
        }
        info.offset = start;
    }
    Ok(Header { metadata, tensors, index })
}

/// The first eight bytes: what kind of file, and which version.
fn magic(at: &mut Cursor<'_>) -> Result<(), Stop> {
    let name = at.name.to_owned();
    let magic = at.take(4, &"the first four bytes")?;
    match magic {
        b"GGUF" => {}
        b"FUGG" => return Err(Error::BigEndian { name }.into()),
        other => {
            let found = match other {
                b"vers" => "`vers`, like a Git LFS pointer instead of the file itself".to_owned(),
                b"<!DO" | b"<htm" => "a web page instead of the file itself".to_owned(),
                b"lmgg" | b"tjgg" | b"fmgg" | b"algg" => "the magic of GGML, its predecessor".to_owned(),
                other => format!("`{}`", other.escape_ascii()),
            };
            return Err(Error::NotGguf { name, found }.into());
        }
    }
    match at.u32(&"the version")? {
        2 | 3 => Ok(()),
        // A big-endian file has the same four letters but its version the other way round.
        version if version.swap_bytes() < 0x1_0000 && version != 0 => Err(Error::BigEndian { name }.into()),
        found => Err(Error::UnsupportedVersion { name, found }.into()),
    }
}

/// The value of the metadata key `key`.
fn value(at: &mut Cursor<'_>, key: &str) -> Result<Value, Stop> {
    let what = format_args!("the value of `{key}`");
    let kind = kind(at, &what)?;
    match kind {
        Kind::String => Ok(Value::Text(at.text(&what)?.to_owned())),
        Kind::Array => {
            let start = at.at;
            match self::kind(at, &what)? {
                Kind::Array => Err(at.corrupt(start, &what, "is an array of arrays, which this program does not read")),
                Kind::String => strings(at, &what),
                kind => {
                    let count = at.count(kind.size(), &what)?;
                    numbers(at, kind, count, &what).map(|bytes| Value::Numbers { kind, bytes })
                }
            }
        }
        kind => numbers(at, kind, 1, &what).map(|bytes| Value::Number { kind, bytes }),
    }
}

fn kind(at: &mut Cursor<'_>, what: &dyn Display) -> Result<Kind, Stop> {
    let start = at.at;
    let id = at.u32(what)?;
    Kind::from_id(id).ok_or_else(|| at.corrupt(start, what, &format!("has the unknown type {id}")))
}

/// `count` numbers as they lie in the file; their size in bytes was checked with the count.
fn numbers(at: &mut Cursor<'_>, kind: Kind, count: u64, what: &dyn Display) -> Result<Vec<u8>, Stop> {
    let start = at.at;
    let bytes = at.take(count * kind.size(), what)?;
    if kind == Kind::Bool && bytes.iter().any(|&byte| byte > 1) {
        return Err(at.corrupt(start, what, "must be 0 or 1"));
    }
    Ok(bytes.to_vec())
}

/// An array of strings, kept as one text and the place where each ends: a vocabulary has so many of
/// them that an allocation each would cost more than their letters.
fn strings(at: &mut Cursor<'_>, what: &dyn Display) -> Result<Value, Stop> {
    let count = at.count(8, what)?;
    let (mut text, mut ends) = (String::new(), Vec::new());
    for _ in 0..count {
        text.push_str(at.text(what)?);
        // The header, and so the text, is smaller than MAX_HEADER.
        ends.push(text.len() as u32);
    }
    Ok(Value::Texts { text, ends })
}

fn alignment(at: &Cursor<'_>, metadata: &Metadata) -> Result<u64, Stop> {
    const KEY: &str = "general.alignment";
    match metadata.optional(KEY, Metadata::u32)? {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(bytes) if bytes.is_power_of_two() && bytes >= 8 => Ok(bytes.into()),
        Some(bytes) => {
            let why = format!("is {bytes}, not a power of two of at least 8");
            Err(at.corrupt(at.at, &format_args!("`{KEY}`"), &why))
        }
    }
}

/// One entry of the tensor table, its offset still counted from the start of the data.
fn tensor(at: &mut Cursor<'_>, alignment: u64) -> Result<TensorInfo, Stop> {
    let start = at.at;
    let name = at.text(&"a tensor name")?.to_owned();
    let what = format_args!("tensor `{name}`");
    let dims = at.u32(&what)?;
    if !(1..=4).contains(&dims) {
        return Err(at.corrupt(start, &what, &format!("has {dims} dimensions, not 1 to 4")));
    }
    let shape = (0..dims).map(|_| at.u64(&what)).collect::<Result<Vec<u64>, Stop>>()?;
    let kind = GgmlType::from_id(at.u32(&what)?);
    let offset = at.u64(&what)?;
    if shape.contains(&0) {
        return Err(at.corrupt(start, &what, "has a dimension of 0"));
    }
    if offset % alignment != 0 {
        let why = format!("begins at {offset}, not a multiple of {alignment}");
        return Err(at.corrupt(start, &what, &why));
    }
    let elements = shape.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim));
    let block = kind.block_len().max(1);
    if shape[0] % block != 0 {
        let why = format!("has rows of {} elements, {kind} packs {block} at a time", shape[0]);
        return Err(at.corrupt(start, &what, &why));
    }
    let Some(bytes) = elements.and_then(|n| (n / block).checked_mul(kind.block_bytes())) else {
        return Err(at.corrupt(start, &what, "is larger than any file"));
    };
    Ok(TensorInfo { name, shape, kind, offset, bytes })
}
