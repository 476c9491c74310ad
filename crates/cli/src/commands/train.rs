//! `pema train`: an adapter from a memory and the LM head.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use pema::train::TrainConfig;
use pema::{Adapter, Memory, Summary, Trainer, files, format};
use pema_device::Device;
use pema_plm::LmHead;
use serde_json::{Value, json};

use crate::args::{Global, TrainArgs};
use crate::engine;
use crate::progress::Progress;
use crate::table::bytes;

pub async fn run(global: &Global, args: &TrainArgs) -> Result<()> {
    let model = engine::model(&args.model).await?;
    let memory = engine::memory(&args.memory, &model.identity)?;
    let valid = args.valid.as_ref().map(|dir| engine::memory(dir, &model.identity)).transpose()?;
    let config = engine::train_config(&args.train);
    config.check(model.config.hidden)?;
    files::check_writable(&args.out)?;
    let device = engine::device(global).await?;
    let head = LmHead::load(&model, &device).await?;
    let outcome = train(global, device, head, &memory, valid.as_ref(), config).await?;
    files::write(&args.out, &format::adapter_to_bytes(&outcome.adapter)?)?;
    if global.json {
        return engine::print_json(&json!({
            "out": args.out, "history": outcome.history, "summary": summary_json(&outcome),
        }));
    }
    println!("{}", summary_text(&outcome));
    println!("adapter written to {}", args.out.display());
    Ok(())
}

/// What training made, and how.
pub struct Outcome {
    pub adapter: Adapter,
    pub summary: Summary,
    pub history: Vec<Value>,
    pub seconds: f64,
    pub rows_seen: usize,
}

/// Trains to the end with a progress bar.
pub async fn train(
    global: &Global,
    device: Arc<Device>,
    head: LmHead,
    memory: &Memory,
    valid: Option<&Memory>,
    config: TrainConfig,
) -> Result<Outcome> {
    let begun = Instant::now();
    let (batch, stage1_batch) = (config.batch, config.stage1_batch);
    let mut trainer = Trainer::new(device, head, memory, valid, config).await?;
    let mut progress = Progress::new("training", trainer.most_steps(), global.json);
    let (mut history, mut rows_seen, mut word) = (Vec::new(), 0, String::new());
    while let Some(r) = trainer.step().await? {
        rows_seen += if r.stage == 1 { stage1_batch } else { batch }.min(trainer.rows());
        if let Some(h) = r.held_out {
            word = format!(", held out {:.3} (model alone {:.3})", h.mix_nll.min(h.unrolled_nll), h.base_nll);
        }
        let pd = if r.stage == 1 { Value::Null } else { json!(r.losses.pd) };
        history.push(json!({
            "step": r.step, "stage": r.stage, "rct": r.losses.rct, "pd": pd,
            "valid_nll": r.held_out.map(|h| h.nll), "valid_mix_nll": r.held_out.map(|h| h.mix_nll),
            "lambda": r.held_out.map(|h| h.lambda_constant),
        }));
        progress.at(r.step, || format!("loss {:.3}{word}", r.loss()));
    }
    let (adapter, summary) = trainer.finish(engine::SOFTWARE).await?;
    let seconds = begun.elapsed().as_secs_f64();
    progress.done(format!("{} steps in {seconds:.1} s, best at {}", summary.steps, summary.best_step));
    Ok(Outcome { adapter, summary, history, seconds, rows_seen })
}

/// The summary as JSON.
pub fn summary_json(o: &Outcome) -> Value {
    let held_out = o.summary.held_out;
    json!({
        "seconds": o.seconds, "rows_per_second": o.rows_seen as f64 / o.seconds, "steps": o.summary.steps,
        "best_step": o.summary.best_step, "rows": o.summary.rows, "peak_device_bytes": o.summary.peak_bytes,
        "base_nll": held_out.map(|h| h.base_nll), "valid_nll": held_out.map(|h| h.nll),
        "valid_mix_nll": held_out.map(|h| h.mix_nll), "lambda_constant": o.adapter.meta.lambda_constant,
        "valid_unrolled_nll": held_out.map(|h| h.unrolled_nll), "lambda_max": o.adapter.meta.lambda_max,
        "schedule": o.adapter.meta.schedule.to_string(), "rank": o.adapter.rank, "form": o.adapter.form.to_string(),
    })
}

/// The summary for people.
pub fn summary_text(o: &Outcome) -> String {
    let mut text = format!(
        "{} rows, {} steps (best {}), {:.1} s, {:.0} rows/s, at most {} on the device",
        o.summary.rows,
        o.summary.steps,
        o.summary.best_step,
        o.seconds,
        o.rows_seen as f64 / o.seconds,
        bytes(o.summary.peak_bytes)
    );
    match o.summary.held_out {
        None => text += "\nno held-out rows: lambda is a guess, and whether it helps is unknown",
        Some(h) => {
            text += &format!(
                "\nheld-out loss per token: model alone {:.4}, adapter alone {:.4}, mixed {:.4} (lambda {}), Gradual Unrolling {:.4} (lambda_max {})",
                h.base_nll, h.nll, h.mix_nll, h.lambda_constant, h.unrolled_nll, h.lambda_max
            );
            if h.mix_nll.min(h.unrolled_nll) > h.base_nll - 0.005 {
                text += "\nthe adapter does not help on held-out rows: more examples, or another template, may";
            }
        }
    }
    text
}
