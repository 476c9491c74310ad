//! `pema memory`: build, info, export, import.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use pema::dataset::Dataset;
use pema::numpy::{NumpyFile, memory_from_numpy};
use pema::template::{Demo, Template};
use pema::{BuildConfig, Builder, FolderStore, Keys, Memory, MemoryMeta, PromptSetup, load_memory};
use pema_plm::Plm;
use pema_plm::source::FileSource;
use serde_json::{Value, json};

use crate::args::{BuildArgs, Global, ImportArgs, MemoryArgs, MemoryCommand};
use crate::engine;
use crate::progress::Progress;
use crate::table::bytes;

pub async fn run(global: &Global, args: &MemoryArgs) -> Result<()> {
    match &args.command {
        MemoryCommand::Build(args) => build(global, args).await,
        MemoryCommand::Info { dir } => {
            let memory = FolderStore::new(dir).load()?;
            report(global, &memory, dir, json!({}))
        }
        MemoryCommand::Export { dir, file } => {
            let memory = FolderStore::new(dir).load()?;
            pema::files::write(file, &pema::format::memory_to_bytes(&memory)?)?;
            if !global.json {
                eprintln!(
                    "note: the states in this file can be turned back into your text; keep it as private as the text"
                );
            }
            report(global, &memory, file, json!({}))
        }
        MemoryCommand::Import(args) => {
            let memory = match (&args.values, &args.model, &args.template) {
                (Some(values), Some(model), Some(template)) => from_numpy(args, values, model, template).await?,
                _ if args.file.extension().is_some_and(|e| e == "npy") => {
                    let range = "the NumPy file of the token ids that belong to these keys".to_owned();
                    return Err(
                        pema::Error::BadSetting { setting: "--values", value: "not given".into(), range }.into()
                    );
                }
                _ => load_memory(&args.file)?,
            };
            FolderStore::new(&args.dir).save(&memory)?;
            report(global, &memory, &args.dir, json!({}))
        }
    }
}

/// The memory in two NumPy files, as one of `model`.
async fn from_numpy(args: &ImportArgs, values: &Path, model: &Path, template: &Template) -> Result<Memory> {
    let identity = engine::model(model).await?.identity;
    let prompt = PromptSetup::new(template.clone(), Vec::new());
    let meta = MemoryMeta { identity, context_mode: args.mode, prompt, created: engine::now() };
    let names = [args.file.as_path(), values].map(|path| path.display().to_string());
    let (values, keys) = (pema::files::read(values)?, pema::files::read(&args.file)?);
    let [keys, values] = [(&names[0], &keys), (&names[1], &values)].map(|(path, bytes)| NumpyFile { path, bytes });
    Ok(memory_from_numpy(keys, values, meta)?)
}

async fn build(global: &Global, args: &BuildArgs) -> Result<()> {
    let mut data = engine::dataset(&args.data, args.limit)?;
    let demos = demonstrations(args, &mut data)?;
    engine::warn_of_cut_targets(&args.template, &data);
    pema::files::check_writable(&args.out.join("memory.safetensors"))?;
    let plm = engine::plm(&args.model, engine::device(global).await?).await?;
    let config = BuildConfig {
        prompt: PromptSetup::new(args.template.clone(), demos),
        mode: args.mode,
        max_tokens: args.max_tokens,
        half: !args.f32,
        created: engine::now(),
    };
    let begun = Instant::now();
    let (memory, tokens, left_out) = fill(global, &plm, &data, config, "memory").await?;
    let seconds = begun.elapsed().as_secs_f64();
    FolderStore::new(&args.out).save(&memory)?;
    let rate = tokens as f64 / seconds;
    if !global.json {
        let limit = plm.file.config.context;
        engine::note_left_out(&left_out, &data.name, args.max_tokens.map_or(limit, |most| most.min(limit)));
    }
    let more = json!({"seconds": seconds, "tokens": tokens, "tokens_per_second": rate, "left_out_lines": left_out});
    report(global, &memory, &args.out, more)
}

/// The first `--shots` examples; those that are in the data too are taken out of it.
fn demonstrations(args: &BuildArgs, data: &mut Dataset) -> Result<Vec<Demo>> {
    let source = match &args.shots_from {
        Some(path) => engine::examples(path, &args.data.fields)?,
        None => data.clone(),
    };
    let too_many = |range: String| pema::Error::BadSetting { setting: "shots", value: args.shots.to_string(), range };
    if args.shots > source.examples.len() {
        return Err(too_many(format!("at most the {} examples of {}", source.examples.len(), source.name)).into());
    }
    let demos: Vec<Demo> = source.examples[..args.shots].iter().map(Demo::from).collect();
    data.examples.retain(|e| !demos.iter().any(|d| d.input == e.input && d.target == e.target));
    if data.examples.is_empty() && args.shots > 0 {
        return Err(too_many(format!("so few that examples of {} are left for the memory", data.name)).into());
    }
    Ok(demos)
}

/// Runs a build to its end: the memory, the tokens that were read, the lines left out.
pub async fn fill(
    global: &Global,
    plm: &Plm<FileSource>,
    data: &Dataset,
    config: BuildConfig,
    title: &str,
) -> Result<(Memory, usize, Vec<usize>)> {
    let begun = Instant::now();
    let mut builder = Builder::new(plm, data, config)?;
    let mut progress = Progress::new(title, data.examples.len(), global.json);
    let mut tokens = 0;
    while let Some(p) = builder.step().await? {
        tokens = p.tokens;
        progress.at(p.examples, || {
            format!("{} rows, {:.0} tokens/s", p.rows, p.tokens as f64 / begun.elapsed().as_secs_f64())
        });
    }
    let left_out = builder.too_long.clone();
    let memory = builder.finish();
    let seconds = begun.elapsed().as_secs_f64();
    progress.done(format!(
        "{} rows from {} examples in {seconds:.1} s ({:.0} tokens/s)",
        memory.rows(),
        memory.examples(),
        tokens as f64 / seconds
    ));
    Ok((memory, tokens, left_out))
}

fn report(global: &Global, memory: &Memory, place: &Path, more: Value) -> Result<()> {
    let m = &memory.meta;
    let (precision, width) = match memory.keys {
        Keys::F16(_) => ("F16", 2),
        Keys::F32(_) => ("F32", 4),
    };
    let size = memory.keys.len() as u64 * width;
    if global.json {
        let mut object = json!({
            "place": place, "rows": memory.rows(), "examples": memory.examples(), "hidden_size": memory.hidden(),
            "keys": precision, "bytes": size, "model": m.identity.name, "model_sha256": m.identity.sha256,
            "tokenizer_sha256": m.identity.tokenizer_sha256, "context_mode": m.context_mode.to_string(),
            "template": m.prompt.template.to_string(), "shots": m.prompt.demos.len(), "created": m.created,
        });
        if let (Value::Object(to), Value::Object(from)) = (&mut object, more) {
            to.extend(from);
        }
        return engine::print_json(&object);
    }
    println!(
        "{}: {} rows of width {} from {} examples ({} in {precision})",
        place.display(),
        memory.rows(),
        memory.hidden(),
        memory.examples(),
        bytes(size)
    );
    println!("  model     {} ({})", m.identity.name, m.identity.sha256.chars().take(12).collect::<String>());
    println!("  contexts  {}", m.context_mode);
    println!("  template  {:?}, {} demonstrations", m.prompt.template.to_string(), m.prompt.demos.len());
    Ok(())
}
