//! From pairs to an adapter: what a run learns from, its memory, then its training.

use js_sys::Date;
use pema::dataset::Dataset;
use pema::train::{Recipe, TrainConfig};
use pema::{Adapter, ContextMode, Memory, MemoryMeta, PromptSetup, Prompter, format};
use pema_device::Kind;
use pema_protocol::{Check, Estimate, Event, RequestId, TaskSettings, TrainInfo, TrainSettings, TroubleKind};
use serde_json::json;

use crate::build;
use crate::check::{check, way};
use crate::checkpoint::Checkpoint;
use crate::engine::Engine;
use crate::fault::{Fault, Result};
use crate::opfs::used_of;
use crate::plan::{Plan, Work};
use crate::project::{MEMORY_FILE, Run, TRAINING_FILES};
use crate::room::{Sizes, no_room};
use crate::train;

/// Part of the data that is learnt from, and the one lambda is chosen on.
const PARTS: [usize; 2] = [0, 1];

/// Pairs of a part whose tokens are counted; the rest are taken to be alike.
const COUNTED: usize = 512;

/// Everything that decides which rows a memory has.
pub(crate) struct Rows {
    pub(crate) prompt: PromptSetup,
    pub(crate) mode: ContextMode,
    /// To learn from, and to choose on.
    pub(crate) data: [Dataset; 2],
    pub(crate) meta: MemoryMeta,
    pub(crate) header: String,
}

/// The last run's task, or what suits the data.
pub(crate) fn task(e: &Engine) -> TaskSettings {
    let kept = e.kept().ok();
    let settings = kept.and_then(|k| k.run.as_ref()).map(|run| run.settings.task.clone());
    let suits = kept.and_then(|k| k.data.as_ref()).map(|d| (d.info.template.clone(), d.info.shots()));
    let (template, shots) = suits.unwrap_or_else(|| ("plain".to_owned(), 0));
    settings.unwrap_or(TaskSettings { template, shots })
}

pub(crate) fn recipe(e: &Engine, settings: &TrainSettings) -> Result<Rows> {
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
    let kept = e.kept()?;
    let open = kept.trained.as_ref().is_none_or(|t| t.check == Check::Pending);
    let model = &e.plm()?.file.identity.sha256;
    let begun = kept.run.as_ref().filter(|run| open && !restart && run.model == *model).map(|run| &run.settings);
    let begun = begun.filter(|b| b.task == settings.task && b.free_running == settings.free_running);
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

pub(crate) fn plan(e: &Engine, prompt: &PromptSetup) -> Result<Plan> {
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
    let config = config(settings, hidden, plm.device.info().kind);
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

/// Builds what is missing of the memory, trains, and keeps the best adapter with the way to write that a check
/// chose. What was cut off goes on where it stopped.
pub(crate) async fn run(e: &mut Engine, id: RequestId, settings: &TrainSettings, restart: bool) -> Result<()> {
    let begun = Date::now();
    let settings = &resolve(e, settings, restart)?;
    let r = recipe(e, settings)?;
    let run = Run { settings: settings.clone(), model: r.meta.identity.sha256.clone() };
    let config = config(settings, r.meta.identity.hidden_size, e.plm()?.device.info().kind);
    config.check(r.meta.identity.hidden_size)?;
    let needs = needs(e, settings, &r).await?;
    if !needs.fits() {
        return Err(Fault::new(TroubleKind::NoRoom, no_room(&needs)));
    }
    let (mut checkpoint, cut_off) = Checkpoint::open(&e.kept()?.folder).await?;
    if restart {
        pema::log::Storage::truncate(&mut e.kept()?.folder.file(MEMORY_FILE).await?, 0)?;
    }
    e.memory = None;
    // Its memory may have been stopped early; then it is not to be completed now.
    let pending = e.kept()?.trained.as_ref().is_some_and(|t| t.check == Check::Pending);
    let begun_before = !restart && (pending || cut_off.is_some());
    let parts = if begun_before { build::kept(e, &r).await? } else { None };
    if let Some([memory, held_out]) = &parts
        && let Some(adapter) = unchecked(e, &run)?
    {
        checkpoint.forget()?;
        e.adapter = Some(adapter);
        check(e, id, settings, &r, [memory, held_out]).await?;
        e.memory = parts.map(|[memory, _]| memory);
        return Ok(());
    }
    e.kept_mut()?.begin(run)?;
    e.adapter = None;
    e.link.send(id, Event::TrainBegan);
    let cut_off = cut_off.filter(|_| !restart);
    let goes_on = parts.zip(cut_off).filter(|([m, h], cut_off)| cut_off.state.is_of(&config, m, judge(h)));
    let ([memory, held_out], cut_off) = match goes_on {
        Some((parts, cut_off)) => (parts, Some(cut_off)),
        None => {
            checkpoint.forget()?;
            (build::build(e, id, &r).await?, None)
        }
    };
    let trained = train::train(e, id, &memory, judge(&held_out), &config, &mut checkpoint, cut_off, begun).await;
    let (mut adapter, info) = match trained {
        // It would fail in the same way again; what was read stays for another one.
        Err(fault) if fault.0.kind == TroubleKind::Refused && !e.control.cancel.get() => {
            e.kept_mut()?.fail()?;
            return Err(fault);
        }
        trained => trained?,
    };
    if !settings.paper_recipe {
        adapter.meta.no_repeat = pema::no_repeat(&e.plm()?.file.tokenizer, &r.data[0].examples)?;
    }
    // Kept before it is checked: whoever closes the page meanwhile loses nothing of it.
    e.kept_mut()?.set_adapter(format::adapter_to_bytes(&adapter)?, info)?;
    checkpoint.forget()?;
    e.adapter = Some(adapter);
    check(e, id, settings, &r, [&memory, &held_out]).await?;
    e.memory = Some(memory);
    Ok(())
}

/// The adapter whose check was cut off, when it is of this run.
fn unchecked(e: &mut Engine, run: &Run) -> Result<Option<Adapter>> {
    let kept = e.kept()?;
    let pending = kept.trained.as_ref().is_some_and(|t| t.check == Check::Pending);
    let same = kept.run.as_ref() == Some(run);
    Ok(e.adapter.take().filter(|_| pending && same))
}

/// What lambda is chosen on, unless nothing is held out.
fn judge(held_out: &Memory) -> Option<&Memory> {
    (held_out.rows() > 0).then_some(held_out)
}

/// The wider and longer training only on a GPU: the processor in a browser takes minutes for it.
fn config(settings: &TrainSettings, hidden: usize, device: Kind) -> TrainConfig {
    let c = match (settings.paper_recipe, device) {
        (true, _) => TrainConfig::of(Recipe::Paper, None),
        (false, Kind::Gpu) => TrainConfig::tuning(),
        (false, _) => TrainConfig::of(Recipe::Recommended, None),
    };
    TrainConfig {
        rank: settings.rank.map_or(c.rank, |r| r as usize).min(hidden),
        kappa: settings.kappa.unwrap_or(c.kappa),
        steps: settings.steps.map(|s| s as usize).or(c.steps),
        batch: settings.batch.map_or(c.batch, |b| c.batch.min(b as usize)).max(1),
        seed: settings.seed,
        ..c
    }
}

/// An adapter made elsewhere.
pub(crate) fn import(e: &mut Engine, id: RequestId, name: &str, bytes: Vec<u8>) -> Result<()> {
    let adapter = format::adapter_from_bytes(name, &bytes)?;
    adapter.check_model(name, &e.plm()?.file.identity)?;
    let info = imported(&adapter);
    e.kept_mut()?.set_adapter(bytes, info.clone())?;
    e.adapter = Some(adapter);
    e.link.send(id, Event::Trained(info));
    Ok(())
}

/// What is known of an adapter whose training was not seen.
pub(crate) fn imported(adapter: &Adapter) -> TrainInfo {
    TrainInfo {
        rows: 0,
        rank: adapter.rank as u32,
        form: adapter.form.to_string(),
        steps: [0, 0],
        lambda_max: adapter.meta.lambda_max,
        lambda_constant: adapter.meta.lambda_constant,
        held_out: None,
        seconds: 0.0,
        history: Vec::new(),
        way: way(adapter),
        check: Check::Without,
    }
}
