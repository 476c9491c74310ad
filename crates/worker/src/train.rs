//! Training on a memory, step by step, with what is said and kept meanwhile.

use js_sys::Date;
use pema::{Adapter, KeptTraining, Memory, StepReport, TrainConfig, Trainer};
use pema_protocol::{Check, Event, RequestId, TrainInfo, TrainProgress};

use crate::check::way;
use crate::checkpoint::{Checkpoint, Note};
use crate::engine::Engine;
use crate::fault::{Fault, Result};

const SOFTWARE: &str = concat!("pema studio ", env!("CARGO_PKG_VERSION"));
/// Milliseconds between two states that are kept.
const KEEP_EVERY: f64 = 2000.0;

/// Trains from the start or from where it was `cut_off`; `begun` is when the run began, in milliseconds.
pub(crate) async fn train(
    e: &Engine,
    id: RequestId,
    memory: &Memory,
    valid: Option<&Memory>,
    config: &TrainConfig,
    checkpoint: &mut Checkpoint,
    cut_off: Option<KeptTraining>,
    begun: f64,
) -> Result<(Adapter, TrainInfo)> {
    let (device, head) = (e.plm()?.device.clone(), e.plm()?.head.clone());
    let (mut trainer, note) = match cut_off {
        None => (Trainer::new(device, head, memory, valid, config.clone()).await?, Note::default()),
        Some(kept) => {
            let note = Note::from_bytes(&kept.note);
            (Trainer::resume(device, head, memory, valid, config.clone(), kept.state)?, note)
        }
    };
    let (mut history, earlier) = (note.history, note.seconds);
    if !history.is_empty() {
        e.link.send(id, Event::TrainResumed { history: history.clone() });
    }
    let (first, started) = (history.last().map_or(0, |h| h.step), Date::now());
    let seconds = || earlier + (Date::now() - begun) / 1e3;
    let (mut kept_at, mut kept_step) = (Date::now(), first);
    loop {
        e.control.listen().await;
        let last = history.last().map_or(0, |h| h.step);
        let stands = e.control.paused.get() || e.control.cancel.get();
        if last > kept_step && (stands || Date::now() - kept_at >= KEEP_EVERY) {
            let note = Note { history: history.clone(), seconds: seconds() };
            checkpoint.save(&trainer.state().await?, &note)?;
            (kept_at, kept_step) = (Date::now(), last);
        }
        e.control.wait().await;
        if e.control.cancel.get() {
            return Err(Fault::refused("training was stopped; it goes on from there when it is started again"));
        }
        if e.control.stop.get() && !history.is_empty() {
            break;
        }
        let Some(step) = trainer.step().await? else { break };
        let progress = shown(&step, first, (Date::now() - started) / 1e3);
        history.push(progress);
        e.link.send(id, Event::TrainProgress(progress));
    }
    let (adapter, summary) = trainer.finish(SOFTWARE).await?;
    let info = TrainInfo {
        rows: summary.rows as u32,
        rank: config.rank as u32,
        form: adapter.form.to_string(),
        steps: [summary.steps as u32, summary.best_step as u32],
        lambda_max: adapter.meta.lambda_max,
        lambda_constant: adapter.meta.lambda_constant,
        held_out: summary.held_out.map(|h| [h.base_nll as f32, h.mix_nll.min(h.unrolled_nll) as f32]),
        seconds: seconds() as f32,
        history,
        way: way(&adapter),
        check: Check::Pending,
    };
    // It was for the training; the check may be stopped as well.
    e.control.stop.set(false);
    Ok((adapter, info))
}

/// A step as the page shows it, `seconds` after going on behind step `first`.
fn shown(step: &StepReport, first: u32, seconds: f64) -> TrainProgress {
    let left = seconds / (step.step as f64 - f64::from(first)).max(1.0) * (step.of - step.step) as f64;
    TrainProgress {
        stage: step.stage,
        step: step.step as u32,
        of: step.of as u32,
        rct: step.losses.rct as f32,
        pd: step.losses.pd as f32,
        held_out: step.held_out.map(|h| [h.base_nll as f32, h.nll as f32, h.mix_nll.min(h.unrolled_nll) as f32]),
        seconds_left: Some(left as f32),
    }
}
