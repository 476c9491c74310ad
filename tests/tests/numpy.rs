//! Memories as NumPy files: read as NumPy writes them, and refused when anything does not fit.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use half::f16;
use pema::numpy::{NumpyFile, memory_from_numpy};
use pema::{ContextMode, Error, Keys, Memory, MemoryMeta, Result};
use pema_plm::Identity;
use pema_tests::small;

/// d
const WIDTH: usize = 4;
/// V
const VOCABULARY: usize = 10;

fn read(keys: &[u8], values: &[u8]) -> Result<Memory> {
    let (sha256, tokenizer_sha256) = ("ab".repeat(32), "cd".repeat(32));
    let (hidden_size, vocab_size) = (WIDTH, VOCABULARY);
    let identity = Identity { name: "Tiny".into(), sha256, tokenizer_sha256, hidden_size, vocab_size };
    let (context_mode, prompt) = (ContextMode::FreeRunning, small::setup(&[]));
    let meta = MemoryMeta { identity, context_mode, prompt, created: "1".into() };
    memory_from_numpy(NumpyFile { path: "k.npy", bytes: keys }, NumpyFile { path: "v.npy", bytes: values }, meta)
}

fn keys() -> Vec<f32> {
    (0..3 * WIDTH).map(|i| i as f32 / 8.0 - 0.5).collect()
}

fn raw<T: bytemuck::NoUninit>(numbers: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(numbers).to_vec()
}

/// As NumPy writes it: versions 2 and 3 have a longer length.
fn npy(version: u8, header: &str, numbers: &[u8]) -> Vec<u8> {
    let length = header.len() as u32;
    let length = if version == 1 { (length as u16).to_le_bytes().to_vec() } else { length.to_le_bytes().to_vec() };
    [b"\x93NUMPY", &[version, 0][..], &length, header.as_bytes(), numbers].concat()
}

fn dictionary(kind: &str, shape: &str) -> String {
    format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}  \n")
}

/// The message of a refusal, which must name `file` and hold every part.
fn refused(keys: &[u8], values: &[u8], file: &str, parts: &[&str]) {
    let error = read(keys, values).unwrap_err();
    assert!(matches!(&error, Error::BadFile { path, .. } if path == file), "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{part:?} is not in: {error}");
    }
}

#[test]
fn raw_files_and_real_npy_files_give_the_same_memory() {
    let ids = [9i32, 0, 4];
    let memory = read(&raw(&keys()), &raw(&ids)).unwrap();
    assert_eq!((&memory.keys, &memory.values[..]), (&Keys::F32(keys()), &[9, 0, 4][..]));
    assert_eq!((&memory.sample[..], &memory.input_tokens[..]), (&[0; 3][..], &[1; 3][..]));
    for version in [1, 2, 3] {
        let k = npy(version, &dictionary("<f4", "(3, 4)"), &raw(&keys()));
        for (kind, shape, numbers) in [
            ("<i4", "(3,)", raw(&ids)),
            ("<i4", "(3, 1)", raw(&ids)),
            ("<u4", "(3,)", raw(&[9u32, 0, 4])),
            ("<i8", "(3,)", raw(&[9i64, 0, 4])),
        ] {
            assert_eq!(read(&k, &npy(version, &dictionary(kind, shape), &numbers)).unwrap(), memory, "{kind} {shape}");
        }
    }
    let halves: Vec<f16> = keys().into_iter().map(f16::from_f32).collect();
    let memory = read(&npy(1, &dictionary("<f2", "(3, 4)"), &raw(&halves)), &raw(&ids)).unwrap();
    assert_eq!(memory.keys, Keys::F16(halves));
}

#[test]
fn a_cut_or_lengthened_file_is_refused_at_every_length() {
    let (k, v) = (raw(&keys()), raw(&[1i32, 2, 3]));
    let (named_k, named_v) = (npy(1, &dictionary("<f4", "(3, 4)"), &k), npy(1, &dictionary("<i4", "(3,)"), &v));
    for (k, v) in [(&k, &v), (&named_k, &named_v)] {
        read(k, v).unwrap();
        for length in 0..k.len() {
            assert!(read(&k[..length], v).is_err(), "{length} bytes of keys");
        }
        for length in 0..v.len() {
            assert!(read(k, &v[..length]).is_err(), "{length} bytes of values");
        }
        assert!(read(&[&k[..], &[0; 16]].concat(), v).is_err() && read(k, &[&v[..], &[0; 4]].concat()).is_err());
    }
    refused(&[], &[], "v.npy", &["no rows"]);
    refused(&k[..40], &v, "k.npy", &["40 bytes", "3 rows", "width 4", "48"]);
}

#[test]
fn numbers_that_cannot_be_are_refused_with_their_place() {
    let (k, v) = (raw(&keys()), raw(&[1i32, 2, 3]));
    refused(&k, &raw(&[1i32, 10, 3]), "v.npy", &["row 1", "token 10", "vocabulary has 10"]);
    refused(&k, &raw(&[1i32, 2, -1]), "v.npy", &["row 2", "token -1"]);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut keys = keys();
        keys[6] = bad;
        refused(&raw(&keys), &v, "k.npy", &["row 1, column 2"]);
    }
    // Keys of a model twice as wide, half as many: the bytes fit, the rows do not.
    refused(&npy(1, &dictionary("<f4", "(2, 6)"), &k), &v, "k.npy", &["[2, 6]", "[3, 4]"]);
}

#[test]
fn headers_that_lie_or_cannot_be_read_are_refused_without_allocating_what_they_claim() {
    let (k, v) = (raw(&keys()), raw(&[1i32, 2, 3]));
    let keys = |header: &str| npy(1, header, &k);
    let huge = u64::MAX.to_string();
    refused(&keys(&dictionary("<f4", &format!("({huge}, 4)"))), &v, "k.npy", &["shape"]);
    refused(&keys(&dictionary("<f4", "(3, 99999999999999999999999)")), &v, "k.npy", &["header"]);
    refused(&keys(&dictionary(">f4", "(3, 4)")), &v, "k.npy", &[">f4"]);
    refused(&keys(&dictionary("<f8", "(3, 4)")), &v, "k.npy", &["<f8"]);
    refused(&keys(&dictionary("<f4", "(3, 4)").replace("False", "True")), &v, "k.npy", &["ascontiguousarray"]);
    refused(&keys("{'descr': '<f4'}"), &v, "k.npy", &["header"]);
    refused(&keys("no dictionary"), &v, "k.npy", &["header"]);
    refused(&npy(9, &dictionary("<f4", "(3, 4)"), &k), &v, "k.npy", &["header"]);
    refused(&k, &npy(1, &dictionary("<i4", "(2,)"), &v), "v.npy", &["[2]", "3 numbers"]);
}
