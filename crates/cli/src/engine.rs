//! From arguments to loaded things, with the checks that belong between them.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use pema::dataset::{Dataset, Format};
use pema::template::Template;
use pema::train::TrainConfig;
use pema::{Adapter, FolderStore, Knn, KnnConfig, Memory, Method, PromptSetup, files, format};
use pema_device::{Device, Kind};
use pema_plm::source::FileSource;
use pema_plm::{Identity, ModelFile, Plm};

use crate::args::{DataArgs, FieldArgs, Global, TrainOptions, WithArgs};

/// A model on disk.
pub type Model = ModelFile<FileSource>;

/// Opens the device and says which one it is.
pub async fn device(global: &Global) -> Result<Arc<Device>> {
    let device = Device::open(&global.device).await?;
    if !global.json {
        eprintln!("device: {}", describe(&device));
    }
    Ok(Arc::new(device))
}

/// A device in words.
pub fn describe(device: &Device) -> String {
    let info = device.info();
    let kind = match info.kind {
        Kind::Gpu => "GPU",
        Kind::SoftwareGpu => "software adapter, right but slow",
        Kind::Cpu => "CPU",
    };
    let note = info.note.as_ref().map_or_else(String::new, |n| format!(" ({n})"));
    format!("{}, {} [{kind}]{note}", info.name, info.driver)
}

/// Opens a model file; no weights yet.
pub async fn model(path: &Path) -> Result<Model> {
    Ok(ModelFile::open(FileSource::open(path)?).await?)
}

/// Loads a whole model.
pub async fn plm(path: &Path, device: Arc<Device>) -> Result<Plm<FileSource>> {
    Ok(Plm::load(model(path).await?, device).await?)
}

/// Reads examples, at most `limit`.
pub fn dataset(args: &DataArgs, limit: Option<usize>) -> Result<Dataset> {
    let name = |p: &Path| p.display().to_string();
    let mut data = match &args.targets {
        Some(targets) => {
            let (inputs, outputs) = (files::read(&args.data)?, files::read(targets)?);
            Dataset::parse_lines(&name(&args.data), &inputs, &name(targets), &outputs)?
        }
        None if is_text(&args.data) => bail!(
            "{}: plain text holds one side of the pairs only; give the file with one target per line as --targets, or use \
             .jsonl, .csv or .tsv",
            name(&args.data)
        ),
        None => examples(&args.data, &args.fields)?,
    };
    data.examples.truncate(limit.unwrap_or(usize::MAX));
    Ok(data)
}

/// Reads examples from one file with fields.
pub fn examples(path: &Path, fields: &FieldArgs) -> Result<Dataset> {
    let name = path.display().to_string();
    if is_text(path) {
        bail!("{name}: plain text has no fields, and both sides of the pairs are read here; use .jsonl, .csv or .tsv");
    }
    let (format, bytes) = (Format::from_name(&name)?, files::read(path)?);
    let (input, target) = fields_of(&name, &bytes, format, fields)?;
    Ok(Dataset::parse(&name, &bytes, format, &input, &target)?)
}

/// Inputs alone: one a line of a text, or a field of every example.
pub fn inputs(path: &Path, field: Option<&str>) -> Result<Vec<String>> {
    let name = path.display().to_string();
    let (format, bytes) = (Format::from_name(&name)?, files::read(path)?);
    let data = match (format, field) {
        (Format::TwoFiles, _) => Dataset::parse_lines(&name, &bytes, &name, &bytes)?,
        (_, Some(field)) => Dataset::parse(&name, &bytes, format, field, field)?,
        (_, None) => {
            let (field, _) = Dataset::guess(&name, &Dataset::fields(&name, &bytes, format)?, [None, None])?;
            Dataset::parse(&name, &bytes, format, &field, &field)?
        }
    };
    Ok(data.examples.into_iter().map(|e| e.input).collect())
}

fn is_text(path: &Path) -> bool {
    Format::from_name(&path.display().to_string()).is_ok_and(|format| format == Format::TwoFiles)
}

/// Names of input and target: the user's, else the likeliest in the file.
fn fields_of(name: &str, bytes: &[u8], format: Format, fields: &FieldArgs) -> Result<(String, String)> {
    let chosen = [fields.input_field.as_deref(), fields.target_field.as_deref()];
    Ok(Dataset::guess(name, &Dataset::fields(name, bytes, format)?, chosen)?)
}

/// The user's template, else one made of the names of a file's fields, of which two texts have none; `data` is what was
/// read of it.
pub fn template(
    chosen: Option<&Template>,
    path: &Path,
    fields: Option<&FieldArgs>,
    data: &Dataset,
) -> Result<Template> {
    if let Some(template) = chosen {
        warn_of_cut_targets(template, data);
        return Ok(template.clone());
    }
    let (input, target) = match fields {
        None => ("input".to_owned(), "output".to_owned()),
        Some(fields) => {
            let name = path.display().to_string();
            fields_of(&name, &files::read(path)?, Format::from_name(&name)?, fields)?
        }
    };
    Ok(Template::parse(&Template::suiting(&input, &target, data.multiline_targets() > 0))?)
}

/// Says so when a template cannot write what the targets are.
pub fn warn_of_cut_targets(template: &Template, data: &Dataset) {
    let cut = template.cut_short(data.examples.iter().map(|e| e.target.as_str()));
    if cut > 0 {
        eprintln!(
            "note: with this template a text ends at {:?}, which is inside of {cut} of {} targets: they can never be \
             written whole; put a mark that is in none of them behind {{target}}, as in '{{target}}\\n###', or leave \
             --template out where you can",
            template.stop_string().unwrap_or_default(),
            data.examples.len()
        );
    }
}

/// What a method needs and was not given, with the way to give it.
pub fn missing(method: Method, with: &WithArgs) -> Option<&'static str> {
    match method {
        Method::Knn if with.memory.is_none() => Some("a memory: give --memory DIR"),
        Method::Pema | Method::PemaGu if with.adapter.is_none() => Some("an adapter: give --adapter FILE"),
        _ => None,
    }
}

/// Refuses methods that lack something, before anything is written.
pub fn check_methods(methods: &[Method], with: &WithArgs) -> Result<()> {
    let lacking = methods.iter().find_map(|method| Some((method, missing(*method, with)?)));
    let Some((method, what)) = lacking else { return Ok(()) };
    let why = format!("the method {} needs {what}, or choose another method\n", method.name());
    Err(clap::Error::raw(clap::error::ErrorKind::MissingRequiredArgument, why).into())
}

/// Reads a memory and checks that it was made with this model.
pub fn memory(dir: &Path, model: &Identity) -> Result<Memory> {
    let memory = FolderStore::new(dir).load()?;
    memory.check_model(&dir.display().to_string(), model)?;
    Ok(memory)
}

/// Reads an adapter and checks that it was made with this model.
pub fn adapter(path: &Path, model: &Identity) -> Result<Adapter> {
    let name = path.display().to_string();
    let adapter = format::adapter_from_bytes(&name, &files::read(path)?)?;
    adapter.check_model(&name, model)?;
    Ok(adapter)
}

/// Everything that generation and evaluation need.
pub struct Loaded {
    pub plm: Plm<FileSource>,
    pub adapter: Option<Adapter>,
    pub knn: Option<Knn>,
    /// From --template, else from the adapter, else from the memory; `None` leaves the user's text as it is.
    pub prompt: Option<PromptSetup>,
}

/// Loads model, adapter and memory.
pub async fn load(global: &Global, args: &WithArgs, neighbours: bool) -> Result<Loaded> {
    let file = model(&args.model).await?;
    // Small files first: a mismatch is told before the weights are loaded.
    let adapter = args.adapter.as_ref().map(|p| adapter(p, &file.identity)).transpose()?;
    let memory = args.memory.as_ref().map(|p| memory(p, &file.identity)).transpose()?;
    let typed = args.template.clone().map(|template| PromptSetup::new(template, Vec::new()));
    let prompt = typed
        .or_else(|| adapter.as_ref().map(|a| a.meta.prompt.clone()))
        .or_else(|| memory.as_ref().map(|m| m.meta.prompt.clone()));
    let device = device(global).await?;
    let plm = Plm::load(file, device.clone()).await?;
    let defaults = KnnConfig::default();
    let config = KnnConfig {
        k: args.knn_k.unwrap_or(defaults.k),
        temperature: args.knn_temperature.unwrap_or(defaults.temperature),
        ..defaults
    };
    let knn = memory.filter(|_| neighbours).map(|m| Knn::new(&device, &m, config)).transpose()?;
    Ok(Loaded { plm, adapter, knn, prompt })
}

/// What `pema tune` trains with: its own width and steps, unless another recipe or form is asked for.
pub fn tuning_config(o: &TrainOptions, hidden: usize) -> TrainConfig {
    let c = TrainConfig::of(o.recipe, o.form);
    if c != TrainConfig::recommended() {
        return changed(c, o);
    }
    changed(TrainConfig::tuning().fitted(hidden), o)
}

/// A recipe with the user's changes.
pub fn train_config(o: &TrainOptions) -> TrainConfig {
    changed(TrainConfig::of(o.recipe, o.form), o)
}

fn changed(c: TrainConfig, o: &TrainOptions) -> TrainConfig {
    TrainConfig {
        rank: o.rank.unwrap_or(c.rank),
        kappa: o.kappa.unwrap_or(c.kappa),
        steps: o.steps.or(c.steps),
        batch: o.batch.unwrap_or(c.batch),
        lr: o.lr.unwrap_or(c.lr),
        decay: o.decay.unwrap_or(c.decay),
        dropout: o.dropout.unwrap_or(c.dropout),
        weight_decay: o.weight_decay.unwrap_or(c.weight_decay),
        seed: o.seed.unwrap_or(c.seed),
        eval_every: o.eval_every.unwrap_or(c.eval_every),
        patience: o.patience.unwrap_or(c.patience),
        ..c
    }
}

/// Says which examples of `file` had no room in the model's `limit` tokens, and what can be done.
pub fn note_left_out(lines: &[usize], file: &str, limit: usize) {
    if lines.is_empty() {
        return;
    }
    let (n, lines) = (lines.len(), listed(lines));
    eprintln!(
        "note: {n} examples of {file} with their prompt are longer than the {limit} tokens there is room for and were \
         left out (lines {lines}); shorten them, or show fewer demonstrations"
    );
}

fn listed(lines: &[usize]) -> String {
    let mut text: Vec<String> = lines.iter().take(8).map(usize::to_string).collect();
    if lines.len() > 8 {
        text.push(format!("and {} more", lines.len() - 8));
    }
    text.join(", ")
}

/// Seconds since 1970, for metadata.
pub fn now() -> String {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs()).to_string()
}

/// Name and version of this program, for metadata.
pub const SOFTWARE: &str = concat!("pema ", env!("CARGO_PKG_VERSION"));

/// Prints the one object of `--json`.
pub fn print_json(value: &serde_json::Value) -> Result<()> {
    println!("{}", serde_json::to_string(value).context("the result cannot be written as JSON")?);
    Ok(())
}
