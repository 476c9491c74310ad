//! Memories and adapters as safetensors, readable by anything that reads safetensors.

mod file;

use std::collections::{BTreeMap, HashMap};

use half::f16;
use pema_plm::Identity;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::adapter::{Adapter, AdapterMeta};
use crate::beam::MOST_BEAMS;
use crate::copying::CopyBias;
use crate::generate::Method;
use crate::memory::{Keys, Memory, MemoryMeta};
use crate::prompt::PromptSetup;
use crate::{Error, Result};
use file::File;

const MEMORY: &str = "pema-memory/1";
const ADAPTER: &str = "pema-adapter/1";

type Metadata = HashMap<String, String>;

/// A memory as the bytes of a file: `keys` F16 or F32 `[N,d]`, `values`, `sample`, `position`,
/// `input_tokens` U32 `[N]`.
pub fn memory_to_bytes(memory: &Memory) -> Result<Vec<u8>> {
    let n = memory.rows();
    let (dtype, keys): (_, &[u8]) = match &memory.keys {
        Keys::F16(v) => (Dtype::F16, bytemuck::cast_slice(v)),
        Keys::F32(v) => (Dtype::F32, bytemuck::cast_slice(v)),
    };
    let mut tensors = vec![("keys", view(dtype, vec![n, memory.hidden()], keys)?)];
    let columns = [
        ("values", &memory.values),
        ("sample", &memory.sample),
        ("position", &memory.position),
        ("input_tokens", &memory.input_tokens),
    ];
    for (name, column) in columns {
        tensors.push((name, view(Dtype::U32, vec![n], bytemuck::cast_slice(column))?));
    }
    let mut metadata = identity_to(&memory.meta.identity, MEMORY);
    metadata.insert("context_mode".into(), memory.meta.context_mode.to_string());
    metadata.insert("template".into(), memory.meta.prompt.to_json()?);
    metadata.insert("normalization".into(), "post-final-norm".into());
    metadata.insert("created".into(), memory.meta.created.clone());
    serialize(tensors, metadata)
}

/// Reads what [`memory_to_bytes`] wrote; `sample`, `position` and `input_tokens` may be missing.
/// `path` is for messages.
pub fn memory_from_bytes(path: &str, bytes: &[u8]) -> Result<Memory> {
    let file = File::open(path, bytes, "an external memory", MEMORY)?;
    file.only(&["keys", "values", "sample", "position", "input_tokens"])?;
    let identity = file.identity()?;
    let keys = file.tensor("keys")?;
    let (n, d) = match keys.shape() {
        [n, d] if *d == identity.hidden_size => (*n, *d),
        shape => {
            return Err(file.bad(format!("`keys` has shape {shape:?}, the hidden size is {}", identity.hidden_size)));
        }
    };
    if n == 0 {
        return Err(file.bad("it holds no rows, so nothing can be learnt from it".to_owned()));
    }
    let keys = match keys.dtype() {
        Dtype::F16 => Keys::F16(bytemuck::pod_collect_to_vec::<u8, f16>(keys.data())),
        Dtype::F32 => Keys::F32(bytemuck::pod_collect_to_vec(keys.data())),
        other => return Err(file.bad(format!("`keys` is {other:?}, not F16 or F32"))),
    };
    if keys.len() != n * d {
        return Err(file.bad(format!("`keys` holds {} values for {n} x {d}", keys.len())));
    }
    if let Some(at) = keys.first_not_finite() {
        return Err(file.bad(format!("`keys` holds a value that is no number in row {}", at / d.max(1))));
    }
    let values = file.column("values", n)?;
    if let Some(id) = values.iter().find(|v| **v as usize >= identity.vocab_size) {
        return Err(file.bad(format!("`values` holds token {id}, the vocabulary has {}", identity.vocab_size)));
    }
    let optional = |name, default: u32| match file.has(name) {
        true => file.column(name, n),
        false => Ok(vec![default; n]),
    };
    let meta = MemoryMeta {
        context_mode: file.text("context_mode")?.parse()?,
        prompt: PromptSetup::from_json(&file.text("template")?)?,
        created: file.text("created").unwrap_or_default(),
        identity,
    };
    let (sample, position) = (optional("sample", 0)?, optional("position", 0)?);
    Ok(Memory { meta, keys, values, sample, position, input_tokens: optional("input_tokens", 1)? })
}

/// An adapter as the bytes of a file: F32 `A` `[r,d]`, `B_pd` `[d,r]`, `B_rct` `[d,r]`.
pub fn adapter_to_bytes(adapter: &Adapter) -> Result<Vec<u8>> {
    let (r, d) = (adapter.rank, adapter.meta.identity.hidden_size);
    let tensors = vec![
        ("A", view(Dtype::F32, vec![r, d], bytemuck::cast_slice(&adapter.a))?),
        ("B_pd", view(Dtype::F32, vec![d, r], bytemuck::cast_slice(&adapter.b_pd))?),
        ("B_rct", view(Dtype::F32, vec![d, r], bytemuck::cast_slice(&adapter.b_rct))?),
    ];
    let m = &adapter.meta;
    let mut metadata = identity_to(&m.identity, ADAPTER);
    let mut set = |key: &str, value: String| _ = metadata.insert(key.to_owned(), value);
    set("rank", r.to_string());
    set("form", adapter.form.to_string());
    set("recipe", m.recipe.clone());
    set("kappa", m.kappa.to_string());
    set("lambda_max", m.lambda_max.to_string());
    set("lambda_constant", m.lambda_constant.to_string());
    set("schedule", m.schedule.to_string());
    set("method", m.method.name().to_owned());
    set("template", m.prompt.to_json()?);
    if let Some(copying) = &m.copying {
        set("copying", serde_json::to_string(copying).map_err(|e| unwritable(&e))?);
    }
    set("beams", m.beams.to_string());
    set("no_repeat", m.no_repeat.to_string());
    set("seed", m.seed.to_string());
    set("software", m.software.clone());
    serialize(tensors, metadata)
}

/// Reads what [`adapter_to_bytes`] wrote. `path` is for messages.
pub fn adapter_from_bytes(path: &str, bytes: &[u8]) -> Result<Adapter> {
    let file = File::open(path, bytes, "an adapter", ADAPTER)?;
    let identity = file.identity()?;
    let (rank, d) = (file.number::<usize>("rank")?, identity.hidden_size);
    let matrix = |name: &str, shape: [usize; 2]| {
        let tensor = file.tensor(name)?;
        if tensor.shape() != shape || tensor.dtype() != Dtype::F32 {
            let (dtype, found) = (tensor.dtype(), tensor.shape());
            return Err(file.bad(format!("`{name}` is {dtype:?} {found:?}, not F32 {shape:?}")));
        }
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(tensor.data());
        match values.iter().position(|v| !v.is_finite()) {
            Some(at) => Err(file.bad(format!("`{name}` holds {} at element {at}", values[at]))),
            None => Ok(values),
        }
    };
    let schedule = file.text("schedule")?.parse()?;
    let method = match file.text("method") {
        Ok(name) => name.parse()?,
        Err(_) => Method::of(schedule),
    };
    let copying = match file.text("copying") {
        Ok(text) => match serde_json::from_str::<CopyBias>(&text) {
            Ok(bias) if bias.is_sound() => Some(bias),
            Ok(_) => return Err(file.bad("`copying` holds a weight that is no number or too large".to_owned())),
            Err(e) => return Err(file.bad(format!("`copying` cannot be read ({e})"))),
        },
        Err(_) => None,
    };
    let beams = match file.text("beams") {
        Ok(_) => file.number("beams")?,
        Err(_) => 1,
    };
    if !(1..=MOST_BEAMS).contains(&beams) {
        return Err(file.bad(format!("`beams` is {beams}, not 1 to {MOST_BEAMS}")));
    }
    let no_repeat = match file.text("no_repeat") {
        Ok(_) => file.number("no_repeat")?,
        Err(_) => 0,
    };
    let share = |key: &str, value: f32| match (0.0..=1.0).contains(&value) {
        true => Ok(value),
        false => Err(file.bad(format!("`{key}` is {value}, not 0 to 1"))),
    };
    let lambda_max = share("lambda_max", file.number("lambda_max")?)?;
    let lambda_constant = match file.text("lambda_constant") {
        Ok(_) => share("lambda_constant", file.number("lambda_constant")?)?,
        Err(_) => lambda_max,
    };
    Ok(Adapter {
        rank,
        form: file.text("form")?.parse()?,
        a: matrix("A", [rank, d])?,
        b_pd: matrix("B_pd", [d, rank])?,
        b_rct: matrix("B_rct", [d, rank])?,
        meta: AdapterMeta {
            recipe: file.text("recipe")?,
            kappa: file.number("kappa")?,
            lambda_max,
            lambda_constant,
            schedule,
            method,
            prompt: PromptSetup::from_json(&file.text("template")?)?,
            copying,
            beams,
            no_repeat,
            seed: file.number("seed")?,
            software: file.text("software").unwrap_or_default(),
            identity,
        },
    })
}

fn view(dtype: Dtype, shape: Vec<usize>, data: &[u8]) -> Result<TensorView<'_>> {
    TensorView::new(dtype, shape, data).map_err(|e| unwritable(&e))
}

/// The library writes metadata in the random order of its hash map; sorted, equal content is equal bytes.
fn serialize(tensors: Vec<(&str, TensorView<'_>)>, metadata: Metadata) -> Result<Vec<u8>> {
    let mut bytes = safetensors::serialize(tensors, Some(metadata)).map_err(|e| unwritable(&e))?;
    let (length, _) = SafeTensors::read_metadata(&bytes).map_err(|e| unwritable(&e))?;
    let header = &mut bytes[8..8 + length];
    let entries: BTreeMap<String, BTreeMap<String, serde_json::Value>> =
        serde_json::from_slice(header).map_err(|e| unwritable(&e))?;
    let mut sorted = serde_json::to_vec(&entries).map_err(|e| unwritable(&e))?;
    sorted.resize(length, b' '); // the same characters in another order, and the padding
    header.copy_from_slice(&sorted);
    Ok(bytes)
}

fn unwritable(e: &dyn std::fmt::Display) -> Error {
    let advice = "this is a bug in the program; please report it";
    Error::BadFile { path: "the new file".into(), expected: "writable as safetensors", why: e.to_string(), advice }
}

fn identity_to(identity: &Identity, format: &str) -> Metadata {
    let pairs = [
        ("format", format.to_owned()),
        ("model", identity.name.clone()),
        ("model_sha256", identity.sha256.clone()),
        ("tokenizer_sha256", identity.tokenizer_sha256.clone()),
        ("hidden_size", identity.hidden_size.to_string()),
        ("vocab_size", identity.vocab_size.to_string()),
    ];
    pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}
