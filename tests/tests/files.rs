//! Memories and adapters as files: whole, cut, flipped, of another model, and in a folder.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use std::ops::Range;

use pema::format::{adapter_from_bytes, adapter_to_bytes, memory_from_bytes, memory_to_bytes};
use pema::{ContextMode, CopyBias, Error, FolderStore, Form, Keys, Memory, MemoryMeta, Result};
use pema_kernels::random::Rng;
use pema_plm::Identity;
use pema_tests::{contexts, fixture, small};

/// A small memory of random numbers. Every column can be told from the others.
fn memory(half: bool) -> Memory {
    const ROWS: u32 = 5;
    let meta = MemoryMeta {
        identity: identity(),
        context_mode: ContextMode::FreeRunning,
        prompt: small::setup(&[("a \"quoted\"\tinput", "Größe")]),
        created: "1700000000".into(),
    };
    let mut memory = Memory::new(meta, half);
    memory.keys.extend(&Rng::new(5).floats(ROWS as usize * 4, 3.0));
    let column = |first: u32| (first..first + ROWS).collect::<Vec<_>>();
    (memory.values, memory.sample) = (column(4), column(20));
    (memory.position, memory.input_tokens) = (column(40), column(60));
    memory
}

fn identity() -> Identity {
    let (sha256, tokenizer_sha256) = ("ab".repeat(32), "cd".repeat(32));
    Identity { name: "Tiny \"one\"".into(), sha256, tokenizer_sha256, hidden_size: 4, vocab_size: 10 }
}

/// Where the header of a safetensors file lies, its length included.
fn header(bytes: &[u8]) -> Range<usize> {
    0..8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}

/// Calls `check` with the file once for each bit of its header, that bit flipped.
fn with_flips(bytes: &[u8], mut check: impl FnMut(usize, &[u8])) {
    for bit in header(bytes).start * 8..header(bytes).end * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        check(bit / 8, &flipped);
    }
}

#[test]
fn a_memory_survives_its_file_in_both_precisions() {
    for half in [false, true] {
        let memory = memory(half);
        assert_eq!(matches!(memory.keys, Keys::F16(_)), half);
        let bytes = memory_to_bytes(&memory).unwrap();
        assert_eq!(memory_from_bytes("m", &bytes).unwrap(), memory);
        assert_eq!(header(&bytes).end % 8, 0, "the tensors are not aligned");
        let other = Memory { values: vec![0; 5], ..memory.clone() };
        assert_ne!(memory_from_bytes("m", &memory_to_bytes(&other).unwrap()).unwrap(), memory);
    }
}

fn copying(weight: f32) -> CopyBias {
    let weights = vec![weight; 27];
    serde_json::from_value(serde_json::json!({ "weights": weights, "rewrites": { "u": ["you"] } })).unwrap()
}

#[test]
fn a_correction_out_of_all_proportion_is_refused() {
    let mut adapter = small::adapter(&identity(), Form::Residual, 2, 1.0, 1);
    adapter.meta.copying = Some(copying(1e9));
    let error = adapter_from_bytes("mine", &adapter_to_bytes(&adapter).unwrap()).unwrap_err().to_string();
    assert!(error.contains("mine") && error.contains("copying"), "{error}");
}

#[test]
fn a_number_of_versions_that_no_text_can_have_is_refused() {
    for beams in [0, pema::MOST_BEAMS + 1, usize::MAX] {
        let mut adapter = small::adapter(&identity(), Form::Residual, 2, 1.0, 1);
        adapter.meta.beams = beams;
        let error = adapter_from_bytes("mine", &adapter_to_bytes(&adapter).unwrap()).unwrap_err().to_string();
        assert!(error.contains("mine") && error.contains("beams"), "{error}");
    }
}

#[test]
fn an_adapter_survives_its_file_with_all_that_travels_with_it() {
    for form in [Form::Residual, Form::Paper] {
        let mut adapter = small::adapter(&identity(), form, 3, 2.0, u64::MAX);
        (adapter.meta.lambda_max, adapter.meta.kappa) = (0.1 + 0.2, f32::MIN_POSITIVE);
        adapter.meta.copying = (form == Form::Paper).then(|| copying(1.25));
        (adapter.meta.beams, adapter.meta.no_repeat) = if form == Form::Paper { (4, 5) } else { (1, 0) };
        let bytes = adapter_to_bytes(&adapter).unwrap();
        assert_eq!(adapter_from_bytes("a", &bytes).unwrap(), adapter);
    }
}

#[test]
fn the_same_content_is_the_same_file_byte_for_byte() {
    let (memory, adapter) = (memory(true), small::adapter(&identity(), Form::Paper, 2, 1.0, 1));
    let both = || (memory_to_bytes(&memory).unwrap(), adapter_to_bytes(&adapter).unwrap());
    let first = both();
    for _ in 0..8 {
        assert!(both() == first, "two files of one content differ");
    }
}

#[test]
fn a_cut_file_is_refused_at_every_length() {
    let memory = memory_to_bytes(&memory(true)).unwrap();
    let adapter = adapter_to_bytes(&small::adapter(&identity(), Form::Paper, 2, 1.0, 1)).unwrap();
    for length in 0..memory.len() {
        let error = memory_from_bytes("my.file", &memory[..length]).unwrap_err();
        assert!(matches!(&error, Error::BadFile { path, .. } if path == "my.file"), "{length} bytes: {error}");
    }
    for length in 0..adapter.len() {
        assert!(adapter_from_bytes("a", &adapter[..length]).is_err(), "{length} bytes");
    }
    for bytes in [memory, adapter] {
        let longer = [&bytes[..], &[0; 8]].concat();
        assert!(memory_from_bytes("m", &longer).is_err() && adapter_from_bytes("a", &longer).is_err());
    }
}

#[test]
fn a_flipped_bit_in_the_header_never_moves_a_number() {
    let memory = memory(true);
    let bytes = memory_to_bytes(&memory).unwrap();
    let (mut refused, mut read) = (0, 0);
    with_flips(&bytes, |at, flipped| match memory_from_bytes("m", flipped) {
        Err(_) => refused += 1,
        // What may differ is a name, a hash or a text: hashes are compared with the model before use.
        Ok(got) => {
            read += 1;
            let text = String::from_utf8_lossy(&bytes[8..]).into_owned();
            assert_eq!(Memory { meta: memory.meta.clone(), ..got }, memory, "byte {at} of {text}");
        }
    });
    assert!(refused > 1000 && read > 100, "{refused} refused, {read} read");
    let adapter = small::adapter(&identity(), Form::Paper, 2, 1.0, 1);
    with_flips(&adapter_to_bytes(&adapter).unwrap(), |at, flipped| {
        if let Ok(got) = adapter_from_bytes("a", flipped) {
            let same = got.a == adapter.a && got.b_pd == adapter.b_pd && got.b_rct == adapter.b_rct;
            assert!(same && got.rank == 2, "byte {at}");
        }
    });
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let refused = |memory: Memory, what: &str| {
        let error = memory_from_bytes("my.file", &memory_to_bytes(&memory).unwrap()).unwrap_err().to_string();
        assert!(error.contains("my.file") && error.contains(what), "{error}");
    };
    refused(Memory { values: vec![1, 2, 10, 3, 4], ..memory(false) }, "token 10");
    let mut keys = Rng::new(1).floats(20, 1.0);
    keys[7] = f32::NAN;
    refused(Memory { keys: Keys::F32(keys.clone()), ..memory(false) }, "keys");
    keys[7] = f32::INFINITY;
    refused(Memory { keys: Keys::F32(keys), ..memory(false) }, "keys");
    for bad in [f32::NAN, f32::INFINITY] {
        let mut adapter = small::adapter(&identity(), Form::Paper, 2, 1.0, 1);
        adapter.b_pd[3] = bad;
        let error = adapter_from_bytes("a", &adapter_to_bytes(&adapter).unwrap()).unwrap_err().to_string();
        assert!(error.contains("B_pd"), "{error}");
    }
    for bad in [f32::NAN, -0.5, 1.5] {
        for key in ["lambda_max", "lambda_constant"] {
            let mut adapter = small::adapter(&identity(), Form::Paper, 2, 1.0, 1);
            adapter.meta.lambda_constant = 0.5;
            *if key == "lambda_max" { &mut adapter.meta.lambda_max } else { &mut adapter.meta.lambda_constant } = bad;
            let error = adapter_from_bytes("my.file", &adapter_to_bytes(&adapter).unwrap()).unwrap_err().to_string();
            assert!(error.contains("my.file") && error.contains(key), "{error}");
        }
    }
    let adapter = adapter_to_bytes(&small::adapter(&identity(), Form::Paper, 2, 1.0, 1)).unwrap();
    let error = memory_from_bytes("m", &adapter).unwrap_err().to_string();
    assert!(error.contains("pema-adapter/1") && error.contains("pema-memory/1"), "{error}");
}

#[test]
fn files_of_another_model_are_refused_with_both_hashes() {
    let device = std::sync::Arc::new(pema_device::Device::cpu());
    let [ours, theirs] =
        ["tiny.gguf", "tiny_f32_untied.gguf"].map(|name| contexts::load(&fixture(name), device.clone()).file.identity);
    assert_ne!(ours.sha256, theirs.sha256);
    let of = |identity: &Identity| {
        let mut memory = memory(false);
        memory.meta.identity = identity.clone();
        (memory, small::adapter(identity, Form::Paper, 2, 1.0, 1))
    };
    let names_both = |refused: Result<()>, a: &str, b: &str| {
        let error = refused.unwrap_err();
        assert!(matches!(error, Error::OtherModel { .. }));
        let text = error.to_string();
        assert!(text.contains("my.file") && text.contains(a) && text.contains(b), "{text}");
    };
    let (memory, adapter) = of(&theirs);
    names_both(memory.check_model("my.file", &ours), &ours.sha256, &theirs.sha256);
    names_both(adapter.check_model("my.file", &ours), &ours.sha256, &theirs.sha256);
    let (memory, adapter) = of(&ours);
    memory.check_model("my.file", &ours).unwrap();
    adapter.check_model("my.file", &ours).unwrap();
    // The same weights behind another tokenizer are another model; another name alone is not.
    let renamed = Identity { name: "renamed".into(), ..ours.clone() };
    memory.check_model("my.file", &renamed).unwrap();
    let retokenized = Identity { tokenizer_sha256: "ef".repeat(32), ..ours.clone() };
    names_both(memory.check_model("my.file", &retokenized), &ours.tokenizer_sha256, &"ef".repeat(32));
}

#[test]
fn a_folder_keeps_a_memory_and_a_failed_save_leaves_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::new(folder.path().join("not").join("yet"));
    let missing = store.load().unwrap_err();
    assert!(matches!(missing, Error::File { action: "read", .. }), "{missing}");
    assert!(missing.to_string().contains(&store.file().display().to_string()), "{missing}");
    let (old, new) = (memory(true), memory(false));
    store.save(&old).unwrap();
    assert_eq!(store.load().unwrap(), old);
    // A folder in the way of the unfinished file makes writing it fail.
    let part = store.file().with_extension("safetensors.part");
    std::fs::create_dir(&part).unwrap();
    assert!(matches!(store.save(&new), Err(Error::File { action: "write", .. })));
    assert_eq!(store.load().unwrap(), old);
    std::fs::remove_dir(&part).unwrap();
    store.save(&new).unwrap();
    assert_eq!(store.load().unwrap(), new);
    // A crash while writing leaves at most an unfinished file beside the memory.
    std::fs::write(&part, &memory_to_bytes(&old).unwrap()[..99]).unwrap();
    assert_eq!(store.load().unwrap(), new);
    store.save(&old).unwrap();
    assert_eq!((store.load().unwrap(), part.exists()), (old, false));
}
