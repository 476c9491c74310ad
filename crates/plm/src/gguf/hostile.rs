//! Files that are cut, damaged or made to hurt: every one must be an error, never a panic, and must
//! not make the reader allocate what the file does not contain.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use super::build::Builder;
use super::{Gguf, Metadata};
use crate::error::{Error, Result};
use crate::source::{MemorySource, now};

/// Remembers the largest single allocation of each thread.
struct Largest;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system allocator unchanged.
unsafe impl GlobalAlloc for Largest {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter any more; nothing is measured there.
        let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(layout.size())));
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Largest = Largest;

/// Opens `bytes` and reads everything a caller could: a damaged file may open, but then all of it
/// must be readable or refused.
fn open(bytes: &[u8]) -> Result<Gguf<MemorySource>> {
    let gguf = now(Gguf::open(MemorySource::new("bad.gguf", bytes.to_vec())))?;
    for info in gguf.tensors() {
        if let Ok((info, data)) = now(gguf.read_tensor(&info.name)) {
            assert_eq!(data.len() as u64, info.bytes);
        }
    }
    let meta = gguf.metadata();
    for key in meta.keys() {
        let _ = (meta.str(key), meta.u32(key), meta.u64(key), meta.f32(key), meta.bool(key));
        let _ = (meta.strings(key), meta.i32s(key), meta.f32s(key));
    }
    Ok(gguf)
}

fn refused(bytes: &[u8], says: &str) {
    LARGEST.set(0);
    let message = open(bytes).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains(says) && message.contains("bad.gguf"), "{says:?} not in {message:?}");
    assert!(LARGEST.get() < 1 << 20, "allocated {} bytes for {says:?}", LARGEST.get());
}

/// One of everything.
fn sample() -> Builder {
    Builder::new()
        .str("general.architecture", "llama")
        .u32("general.alignment", 32)
        .bool("flag", true)
        .raw("half", 6, &0.5f32.to_le_bytes())
        .raw("double", 12, &0.25f64.to_le_bytes())
        .raw("big", 10, &u64::MAX.to_le_bytes())
        .raw("minus", 1, &[0xff])
        .strings("tokens", &["a", "", "bc", "\u{120}d"])
        .i32s("types", &[1, -3, 7])
        .array("floats", 6, 2, &[0, 0, 128, 63, 0, 0, 0, 64])
        .tensor("x", &[2, 3], 1, &[1; 12])
        .tensor("q", &[32, 2], 3, &[2; 40])
}

#[test]
fn the_sample_is_good() {
    for version in [2, 3] {
        let gguf = open(&sample().version(version).finish()).unwrap();
        let meta = gguf.metadata();
        assert_eq!(meta.strings("tokens").unwrap(), ["a", "", "bc", "\u{120}d"]);
        assert_eq!(meta.i32s("types").unwrap(), [1, -3, 7]);
        assert_eq!(meta.f32s("floats").unwrap(), [1.0, 2.0]);
        assert_eq!((meta.f32("half").unwrap(), meta.f32("double").unwrap()), (0.5, 0.25));
        assert_eq!((meta.u64("big").unwrap(), meta.bool("flag").unwrap()), (u64::MAX, true));
        assert_eq!(meta.optional("none", Metadata::u32).unwrap(), None);
        assert_eq!(gguf.tensor("q").unwrap().rows(), 2);
    }
}

#[test]
fn getters_name_both_types() {
    let gguf = open(&sample().finish()).unwrap();
    let meta = gguf.metadata();
    let err = meta.u32("big").unwrap_err().to_string();
    assert!(err.contains("32 bits but is the u64 18446744073709551615"), "{err}");
    let err = meta.u64("minus").unwrap_err().to_string();
    assert!(err.contains("is the i8 -1"), "{err}");
    let err = meta.str("types").unwrap_err().to_string();
    assert!(err.contains("a string but is an array of 3 i32"), "{err}");
    let err = meta.i32s("tokens").unwrap_err().to_string();
    assert!(err.contains("an array of 4 strings"), "{err}");
    let err = meta.f32("flag").unwrap_err().to_string();
    assert!(err.contains("is the bool true"), "{err}");
    assert!(meta.i32s("floats").is_err() && meta.f32s("types").is_err() && meta.bool("big").is_err());
    assert!(matches!(meta.str("none"), Err(Error::MissingKey { .. })));
}

#[test]
fn cut_anywhere_it_is_refused() {
    let file = sample().finish();
    for len in 0..file.len() {
        let error = open(&file[..len]).expect_err("a cut file opened");
        assert!(matches!(error, Error::Truncated { .. }), "cut at {len}: {error}");
    }
}

#[test]
fn damaged_anywhere_it_does_not_panic_or_swell() {
    let file = sample().finish();
    for at in 0..file.len() {
        for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
            let mut bad = file.clone();
            bad[at] ^= flip;
            LARGEST.set(0);
            let _ = open(&bad);
            assert!(LARGEST.get() < 1 << 20, "byte {at} ^ {flip}: {} bytes", LARGEST.get());
        }
    }
}

#[test]
fn other_files_are_named_for_what_they_are() {
    let mut file = sample().finish();
    refused(&[], "cut off");
    refused(b"PK\x03\x04 and more", "`PK\\x03\\x04`");
    refused(b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer");
    refused(b"<!DOCTYPE html>", "web page");
    refused(b"tjgg....", "predecessor");
    refused(b"FUGG\x03\0\0\0", "big-endian");
    file[4..8].copy_from_slice(&3u32.to_be_bytes());
    refused(&file, "big-endian");
    for version in [0, 1, 4, u32::MAX] {
        refused(&sample().version(version).finish(), &format!("version {version}"));
    }
}

#[test]
fn impossible_lengths_are_refused_before_they_are_allocated() {
    let huge = u64::MAX.to_le_bytes();
    let long = (1u64 << 40).to_le_bytes();
    refused(&Builder::new().raw("s", 8, &huge).finish(), "needs 18446744073709551615 bytes");
    refused(&Builder::new().raw("s", 8, &long).finish(), "needs 1099511627776 bytes");
    for kind in [0, 4, 5, 6, 7, 8, 10, 12] {
        refused(&Builder::new().array("a", kind, u64::MAX, &[0; 64]).finish(), "`a`");
        refused(&Builder::new().array("a", kind, 65, &[0; 64]).finish(), "`a`");
    }
    refused(&Builder::new().array("a", 9, 1, &[0; 64]).finish(), "array of arrays");
    refused(&Builder::new().raw("a", 13, &[0; 64]).finish(), "unknown type 13");
    refused(&Builder::new().raw("", 4, &[0; 4]).finish(), "0 bytes long");
    refused(&Builder::new().raw(&"k".repeat(65_536), 4, &[0; 4]).finish(), "65536 bytes long");
    refused(&Builder::new().raw("b", 7, &[2]).finish(), "must be 0 or 1");
    refused(&Builder::new().raw("s", 8, &[1, 0, 0, 0, 0, 0, 0, 0, 0xff]).finish(), "UTF-8");
    for at in [8, 16] {
        let mut file = sample().finish();
        file[at..at + 8].copy_from_slice(&huge);
        refused(&file, "the number of");
    }
}

#[test]
fn impossible_tensors_are_refused() {
    let pad = |builder: Builder| builder.tensor("pad", &[64], 0, &[0; 256]).finish();
    let with = |shape: &[u64], kind, offset| pad(Builder::new().entry("bad", shape, kind, offset));
    refused(&with(&[], 0, 0), "0 dimensions");
    refused(&with(&[1, 1, 1, 1, 1], 0, 0), "5 dimensions");
    refused(&with(&[4, 0], 0, 0), "dimension of 0");
    refused(&with(&[u64::MAX, 2], 0, 0), "larger than any file");
    refused(&with(&[u64::MAX / 4, 3], 0, 0), "larger than any file");
    refused(&with(&[u64::MAX / 4], 0, 0), "tensor `bad`");
    refused(&with(&[33], 2, 0), "packs 32 at a time");
    refused(&with(&[4], 0, 4), "not a multiple of 32");
    refused(&with(&[4], 0, 256), "needs 16 bytes, the file has 0 left");
    refused(&with(&[4], 0, u64::MAX - 31), "tensor `bad`");
    refused(&with(&[4], 77, u64::MAX - 31), "tensor `bad`");
    refused(&pad(Builder::new().entry("pad", &[4], 0, 0)), "tensor `pad` (at byte");
    refused(&pad(Builder::new().u32("k", 1).u32("k", 1)), "`k` (at byte");
    for bytes in [0, 4, 24, 33] {
        refused(&pad(Builder::new().u32("general.alignment", bytes)), "`general.alignment`");
    }
}
