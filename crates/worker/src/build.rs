//! The memory: built from what was kept and what is missing, and opened again.

use js_sys::Date;
use pema::{BuildConfig, Builder, KeptRows, Memory, MemoryLog};
use pema_protocol::{Event, MemoryProgress, RequestId};

use crate::engine::Engine;
use crate::fault::{Fault, Result};
use crate::project::MEMORY_FILE;
use crate::tune::{Rows, recipe};

/// Both parts, from what was kept and what is missing. Each may be stopped early, with what there is by then.
pub(crate) async fn build(e: &Engine, id: RequestId, r: &Rows) -> Result<[Memory; 2]> {
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
            if e.control.stop.get() && builder.memory().rows() > 0 {
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
        // The held-out pairs are read all the same: they choose how it writes.
        e.control.stop.set(false);
    }
    built.try_into().map_err(|_| Fault::refused("a part of the memory is missing; start over"))
}

/// Reads the kept memory, when the page was loaded after it was built.
pub(crate) async fn open_memory(e: &mut Engine) -> Result<()> {
    if e.memory.is_some() {
        return Ok(());
    }
    let Some(run) = e.kept()?.run.clone() else { return Err(Fault::refused("there is no memory yet")) };
    let r = recipe(e, &run.settings)?;
    if e.kept()?.folder.size(MEMORY_FILE).await.is_none_or(|bytes| bytes == 0) {
        return Err(Fault::refused("there is no memory yet"));
    }
    let rows = kept(e, &r).await?.map(|[memory, _]| memory).filter(|m| m.rows() > 0);
    e.memory =
        Some(rows.ok_or_else(|| Fault::refused("the kept memory is of other pairs or another model; train again"))?);
    Ok(())
}

/// Both parts as they were kept, when they are of these pairs.
pub(crate) async fn kept(e: &Engine, r: &Rows) -> Result<Option<[Memory; 2]>> {
    let storage = e.kept()?.folder.file(MEMORY_FILE).await?;
    let kept = MemoryLog::open_existing(storage, &r.header, &[r.meta.clone(), r.meta.clone()])?;
    let parts: Option<[KeptRows; 2]> = kept.and_then(|parts| parts.try_into().ok());
    Ok(parts.map(|parts| parts.map(|part| part.memory)))
}
