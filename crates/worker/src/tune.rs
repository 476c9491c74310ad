//! From pairs to an adapter: what a run learns from, its memory, then its training.

use js_sys::Date;
use pema::dataset::Dataset;
use pema::train::{Recipe, TrainConfig};
use pema::{BuildConfig, Builder, ContextMode, KeptRows, Memory, MemoryLog, MemoryMeta, PromptSetup, Prompter, format};
use pema_protocol::{Estimate, Event, MemoryProgress, RequestId, TaskSettings, TrainInfo, TrainSettings, TroubleKind};
use serde_json::json;

use crate::checkpoint::Checkpoint;
use crate::engine::Engine;
use crate::fault::{Fault, Result};
use crate::opfs::used_of;
use crate::plan::{Plan, Work};
use crate::project::{MEMORY_FILE, TRAINING_FILES};
use crate::room::{Sizes, no_room};
use crate::train;

/// Part of the data that is learnt from, and the one lambda is chosen on.
const PARTS: [usize; 2] = [0, 1];

/// Pairs of a part whose tokens are counted; the rest are taken to be alike.
const COUNTED: usize = 512;

/// Everything that decides which rows a memory has.
struct Rows {
    prompt: PromptSetup,
    mode: ContextMode,
    data: [Dataset; 2],
    meta: MemoryMeta,
    header: String,
}

/// The last run's task, or what suits the data.
pub(crate) fn task(e: &Engine) -> TaskSettings {
    let kept = e.kept().ok();
    let settings = kept.and_then(|k| k.settings.as_ref()).map(|s| s.task.clone());
    let suits = kept.and_then(|k| k.data.as_ref()).map(|d| (d.info.template.clone(), d.info.shots()));
    let (template, shots) = suits.unwrap_or_else(|| ("plain".to_owned(), 0));
    settings.unwrap_or(TaskSettings { template, shots })
}

fn recipe(e: &Engine, settings: &TrainSettings) -> Result<Rows> {
    let (plm, data) = (e.plm()?, e.data()?);
    let prompt = e.prompt(&settings.task)?;
    let mode = if settings.free_running { ContextMode::FreeRunning } else { ContextMode::TeacherForced };
    let shots = prompt.demos.len();
    let most = |n: Option<u32>| n.map_or(usize::MAX, |n| n as usize);
    let parts = [
        data.dataset(PARTS[0], shots, most(settings.limit).max(1)),
        data.dataset(PARTS[1], 0, most(settings.held_out)),
    ];
    let identity = plm.file.identity.clone();
    let header = json!({
        "model": identity.sha256,
        "data": data.hash(),
        "prompt": prompt.to_json()?,
        "mode": mode.to_string(),
        "pairs": parts.iter().map(|p| p.examples.len()).collect::<Vec<_>>(),
    });
    let created = ((Date::now() / 1e3) as u64).to_string();
    let meta = MemoryMeta { identity, context_mode: mode, prompt: prompt.clone(), created };
    Ok(Rows { prompt, mode, data: parts, meta, header: header.to_string() })
}

/// The settings with everything chosen. A run that is taken up keeps what was chosen when it began:
/// measured again, the device's speed would ask for other rows.
fn resolve(e: &Engine, settings: &TrainSettings, restart: bool) -> Result<TrainSettings> {
    let plan = plan(e, &e.prompt(&settings.task)?)?;
    let begun = e.kept()?.settings.as_ref();
    let begun = begun.filter(|b| !restart && b.task == settings.task && b.free_running == settings.free_running);
    let choose = |asked: Option<u32>, of: fn(&TrainSettings) -> Option<u32>, planned: usize| {
        Some(asked.or(begun.and_then(of)).unwrap_or(planned as u32))
    };
    Ok(TrainSettings {
        limit: choose(settings.limit, |s| s.limit, plan.pairs),
        held_out: choose(settings.held_out, |s| s.held_out, plan.held_out),
        batch: choose(settings.batch, |s| s.batch, plan.batch),
        ..settings.clone()
    })
}

fn plan(e: &Engine, prompt: &PromptSetup) -> Result<Plan> {
    let (plm, data) = (e.plm()?, e.data()?);
    // Demonstrations are read once, so they do not count.
    let plain = PromptSetup { demos: Vec::new(), ..prompt.clone() };
    let prompter = Prompter::new(&plm.file, &plain)?;
    let (mut tokens, mut targets, mut n) = (0, 0, 0);
    for (input, target) in data.parts[0].iter().take(16) {
        let target = plm.file.tokenizer.encode_plain(target)?.len();
        tokens += prompter.prompt(input)?.prompt.len() + target;
        (targets, n) = (targets + target, n + 1);
    }
    let c = &plm.file.config;
    let (d, kv) = (c.hidden as f64, (c.kv_heads * c.head_dim) as f64);
    let block = 2.0 * d * d + 2.0 * d * kv + 3.0 * d * c.ffn as f64;
    let mean = |sum: usize| sum as f64 / f64::from(n.max(1));
    let work = Work {
        body: c.layers as f64 * block,
        hidden: d,
        vocab: c.vocab as f64,
        tokens: [mean(tokens), mean(targets)],
        pairs: data.parts[0].len(),
        speed: e.speed,
    };
    Ok(work.plan())
}

/// What a run would take on and need.
pub(crate) async fn estimate(e: &Engine, id: RequestId, settings: &TrainSettings) -> Result<()> {
    let settings = resolve(e, settings, false)?;
    e.link.send(id, Event::Estimated(needs(e, &settings, &recipe(e, &settings)?).await?));
    Ok(())
}

/// The same for settings that are resolved.
async fn needs(e: &Engine, settings: &TrainSettings, r: &Rows) -> Result<Estimate> {
    let (plm, folder) = (e.plm()?, &e.kept()?.folder);
    let mut rows = 0.0;
    for data in &r.data {
        let (mut tokens, mut counted) = (0, 0);
        for example in data.examples.iter().take(COUNTED) {
            // The end is a target too.
            tokens += plm.file.tokenizer.encode_plain(&example.target)?.len() + 1;
            counted += 1;
        }
        rows += tokens as f64 / f64::from(counted.max(1)) * data.examples.len() as f64;
    }
    let hidden = r.meta.identity.hidden_size;
    let config = config(settings, hidden);
    let steps = config.steps_for(rows as usize) as f64;
    let sizes = Sizes { rows, hidden: hidden as f64, rank: config.rank as f64, steps };
    // What lies there already is gone on with or makes room.
    let mut there = [folder.size(MEMORY_FILE).await.unwrap_or(0), 0];
    for file in TRAINING_FILES {
        there[1] += folder.size(file).await.unwrap_or(0);
    }
    let bytes = sizes.memory().saturating_sub(there[0]) + sizes.training().saturating_sub(there[1]);
    let free = used_of().await.map(|[used, of]| of.saturating_sub(used));
    // Demonstrations are not learnt from.
    let all = e.data()?.info.split[0].saturating_sub(r.prompt.demos.len() as u32);
    Ok(Estimate { pairs: [r.data[0].examples.len() as u32, all], bytes, free })
}

/// Builds what is missing of the memory, trains, and keeps the best adapter. A training that was cut off goes
/// on where it stopped.
pub(crate) async fn run(e: &mut Engine, id: RequestId, settings: &TrainSettings, restart: bool) -> Result<()> {
    let begun = Date::now();
    let settings = &resolve(e, settings, restart)?;
    let r = recipe(e, settings)?;
    let config = config(settings, r.meta.identity.hidden_size);
    let needs = needs(e, settings, &r).await?;
    if !needs.fits() {
        return Err(Fault::new(TroubleKind::NoRoom, no_room(&needs)));
    }
    let (mut checkpoint, kept) = Checkpoint::open(&e.kept()?.folder).await?;
    if restart {
        pema::log::Storage::truncate(&mut e.kept()?.folder.file(MEMORY_FILE).await?, 0)?;
    }
    e.memory = None;
    e.kept_mut()?.set_settings(settings)?;
    e.kept_mut()?.forget_adapter()?;
    let mut goes_on = None;
    if let Some(cut_off) = kept.filter(|_| !restart) {
        // Its memory may have been stopped early; then it is not to be completed now.
        let storage = e.kept()?.folder.file(MEMORY_FILE).await?;
        let rows = MemoryLog::open_existing(storage, &r.header, &[r.meta.clone(), r.meta.clone()])?;
        let parts: Option<[KeptRows; 2]> = rows.and_then(|rows| rows.try_into().ok());
        let parts = parts.map(|parts| parts.map(|part| part.memory));
        goes_on = parts.filter(|[m, h]| cut_off.state.is_of(&config, m, judge(h))).map(|parts| (parts, cut_off));
    }
    let ([memory, held_out], cut_off) = match goes_on {
        Some((parts, cut_off)) => (parts, Some(cut_off)),
        None => {
            checkpoint.forget()?;
            let Some(parts) = build(e, id, &r).await? else { return Ok(()) };
            (parts, None)
        }
    };
    let (mut adapter, info) =
        train::train(e, id, &memory, judge(&held_out), &config, &mut checkpoint, cut_off, begun).await?;
    if !settings.paper_recipe && held_out.rows() > 0 {
        let [training, judged] = [&r.data[0].examples, &r.data[1].examples];
        adapter.meta.copying = pema::fit_copying(e.plm()?, &adapter, training, judged, &held_out).await?;
    }
    e.kept_mut()?.set_adapter(format::adapter_to_bytes(&adapter)?, info.clone())?;
    checkpoint.forget()?;
    (e.adapter, e.memory) = (Some(adapter), Some(memory));
    e.link.send(id, Event::Trained(info));
    Ok(())
}

/// What lambda is chosen on, unless nothing is held out.
fn judge(held_out: &Memory) -> Option<&Memory> {
    (held_out.rows() > 0).then_some(held_out)
}

fn config(settings: &TrainSettings, hidden: usize) -> TrainConfig {
    let c = TrainConfig::of(if settings.paper_recipe { Recipe::Paper } else { Recipe::Recommended }, None);
    TrainConfig {
        rank: settings.rank.map_or(c.rank, |r| r as usize).min(hidden),
        kappa: settings.kappa.unwrap_or(c.kappa),
        steps: settings.steps.map(|s| s as usize).or(c.steps),
        batch: settings.batch.map_or(c.batch, |b| c.batch.min(b as usize)).max(1),
        seed: settings.seed,
        ..c
    }
}

/// Both parts, from what was kept and what is missing; `None` when it was stopped before there was enough.
async fn build(e: &Engine, id: RequestId, r: &Rows) -> Result<Option<[Memory; 2]>> {
    let storage = e.kept()?.folder.file(MEMORY_FILE).await?;
    let (mut log, kept) = MemoryLog::open(storage, &r.header, &[r.meta.clone(), r.meta.clone()])?;
    let plm = e.plm()?;
    let of: usize = r.data.iter().map(|d| d.examples.len()).sum();
    let (mut before, mut rows_before, started, mut tokens_done) = (0, 0, Date::now(), 0);
    let mut built = Vec::new();
    for ((part, data), kept) in r.data.iter().enumerate().zip(kept) {
        if data.examples.is_empty() {
            built.push(kept.memory);
            continue;
        }
        let (prompt, created) = (r.prompt.clone(), r.meta.created.clone());
        let config = BuildConfig { prompt, mode: r.mode, max_tokens: None, half: true, created };
        let mut builder = Builder::new(plm, data, config)?;
        if kept.examples > 0 {
            builder.resume(kept.memory, kept.examples);
        }
        let mut tokens = builder.progress().tokens;
        loop {
            e.control.breathe().await;
            if e.control.cancel.get() {
                return Err(Fault::refused("building the memory was stopped; what was built is kept"));
            }
            if e.control.stop.get() && (part > 0 || builder.memory().rows() > 0) {
                break; // enough to train on
            }
            let first = builder.memory().rows();
            let Some(step) = builder.step().await? else { break };
            log.append(part, builder.memory(), first, step.examples)?;
            tokens_done += step.tokens - tokens;
            tokens = step.tokens;
            let seconds = ((Date::now() - started) / 1e3).max(1e-3);
            let done = before + step.examples;
            let rate = tokens_done as f64 / seconds;
            let left = (of - done.min(of)) as f64 * (tokens_done as f64 / done.max(1) as f64) / rate.max(1e-3);
            e.link.send(
                id,
                Event::MemoryProgress(MemoryProgress {
                    examples: done as u32,
                    of: of as u32,
                    rows: (rows_before + step.rows) as u32,
                    tokens_per_second: rate as f32,
                    seconds_left: Some(left as f32),
                }),
            );
        }
        before += builder.progress().of;
        rows_before += builder.memory().rows();
        built.push(builder.finish());
    }
    e.control.stop.set(false);
    Ok(built.try_into().ok())
}

/// Reads the kept memory, when the page was loaded after it was built.
pub(crate) async fn open_memory(e: &mut Engine) -> Result<()> {
    if e.memory.is_some() {
        return Ok(());
    }
    let Some(settings) = e.kept()?.settings.clone() else { return Err(Fault::refused("there is no memory yet")) };
    let r = recipe(e, &settings)?;
    if e.kept()?.folder.size(MEMORY_FILE).await.is_none_or(|bytes| bytes == 0) {
        return Err(Fault::refused("there is no memory yet"));
    }
    let storage = e.kept()?.folder.file(MEMORY_FILE).await?;
    let kept = MemoryLog::open_existing(storage, &r.header, &[r.meta.clone(), r.meta.clone()])?;
    let rows = kept.and_then(|k| k.into_iter().next()).map(|k| k.memory).filter(|m| m.rows() > 0);
    e.memory =
        Some(rows.ok_or_else(|| Fault::refused("the kept memory is of other pairs or another model; train again"))?);
    Ok(())
}

/// An adapter made elsewhere.
pub(crate) fn import(e: &mut Engine, id: RequestId, name: &str, bytes: Vec<u8>) -> Result<()> {
    let adapter = format::adapter_from_bytes(name, &bytes)?;
    adapter.check_model(name, &e.plm()?.file.identity)?;
    let info = TrainInfo {
        rows: 0,
        rank: adapter.rank as u32,
        form: adapter.form.to_string(),
        steps: [0, 0],
        lambda_max: adapter.meta.lambda_max,
        lambda_constant: adapter.meta.lambda_constant,
        held_out: None,
        seconds: 0.0,
        history: Vec::new(),
    };
    e.kept_mut()?.set_adapter(bytes, info.clone())?;
    e.adapter = Some(adapter);
    e.link.send(id, Event::Trained(info));
    Ok(())
}
