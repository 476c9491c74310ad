//! `pema tune`: the whole job on somebody's pairs.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use pema::dataset::Dataset;
use pema::metrics::{bleu, chrf};
use pema::{FolderStore, Neighbours, TuneConfig, TuneProgress, Tuned, Verdict, files, format, gained};
use pema_plm::Plm;
use pema_plm::source::FileSource;
use serde_json::{Value, json};

use crate::args::{Global, TuneArgs};
use crate::engine;
use crate::progress::Progress;

/// Seed of the split: the same pairs are held out whatever training draws.
const SPLIT: u64 = 1;

pub async fn run(global: &Global, args: &TuneArgs) -> Result<()> {
    let begun = Instant::now();
    let data = engine::dataset(&args.data, args.limit)?;
    let fields = args.data.targets.is_none().then_some(&args.data.fields);
    let template = engine::template(args.template.as_ref(), &args.data.data, fields, &data)?;
    let (train, held_out) = match &args.valid {
        Some(path) => (data, engine::examples(path, &args.data.fields)?),
        None => data.hold_out(SPLIT)?,
    };
    files::check_writable(&args.out.join("report.json"))?;
    let plm = engine::plm(&args.model, engine::device(global).await?).await?;
    let train_config = engine::tuning_config(&args.train, plm.head.hidden());
    train_config.check(plm.head.hidden())?;
    let config = TuneConfig {
        template,
        shots: args.shots,
        train: train_config,
        mode: args.mode,
        checked: args.checked,
        similar: !args.no_similar,
        created: engine::now(),
        software: engine::SOFTWARE.to_owned(),
    };
    let tuned = tune(global, &plm, &train, &held_out, &config).await?;
    let report = report(&tuned, &held_out, begun.elapsed().as_secs_f64())?;
    keep(&args.out, &tuned)?;
    let text = serde_json::to_vec_pretty(&report)?;
    files::write(&args.out.join("report.json"), &text)?;
    if global.json {
        return engine::print_json(&report);
    }
    println!("{}", told(&tuned));
    if let Some(n) = &tuned.instead {
        println!("{}", nearest(n, &args.model, &args.out));
    }
    println!(
        "kept in {}; write with: pema generate --model {} --adapter {} --prompt \"...\"",
        args.out.display(),
        args.model.display(),
        args.out.join("adapter.safetensors").display()
    );
    Ok(())
}

/// Tunes with progress bars.
pub async fn tune(
    global: &Global,
    plm: &Plm<FileSource>,
    train: &Dataset,
    held_out: &Dataset,
    config: &TuneConfig,
) -> Result<Tuned> {
    let mut phase =
        Phase { title: String::new(), progress: None, begun: Instant::now(), word: String::new(), json: global.json };
    let tuned = pema::tune(plm, train, held_out, config, |p| phase.show(&p)).await?;
    phase.end();
    if !global.json {
        for (lines, data) in tuned.left_out.iter().zip([train, held_out]) {
            engine::note_left_out(lines, &data.name, plm.file.config.context);
        }
    }
    Ok(tuned)
}

/// Memories and adapter in a folder.
pub fn keep(folder: &Path, tuned: &Tuned) -> Result<()> {
    FolderStore::new(folder.join("memory")).save(&tuned.memory)?;
    FolderStore::new(folder.join("held-out")).save(&tuned.held_out)?;
    files::write(&folder.join("adapter.safetensors"), &format::adapter_to_bytes(&tuned.adapter)?)?;
    Ok(())
}

/// What was chosen and what it brings, for people.
pub fn told(tuned: &Tuned) -> String {
    let mut text = format!("{} demonstrations in every prompt", tuned.prompt.demos.len());
    if let Some(h) = tuned.summary.held_out {
        text += &format!(
            "; held-out loss per token: model alone {:.3}, with the adapter {:.3}",
            h.base_nll,
            h.mix_nll.min(h.unrolled_nll)
        );
    }
    match &tuned.verdict {
        Some(verdict) => text + "\n" + &sentence(verdict),
        None => text + "\nnot checked on texts (--checked 0)",
    }
}

/// The way that was found where the adapter does not help, and the line that writes so.
fn nearest(n: &Neighbours, model: &Path, out: &Path) -> String {
    format!(
        "What did better is to let the most similar places of your pairs vote (kNN, {}):\n  pema generate --model {} --method knn --memory {} --lambda-max {} --knn-temperature {} \
         --prompt \"...\"",
        gained(&n.gain, n.pairs),
        model.display(),
        out.join("memory").display(),
        n.config.lambda,
        n.config.temperature
    )
}

fn sentence(verdict: &Verdict) -> String {
    let text = verdict.to_string();
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect::<String>() + ".")
}

/// The same as an object.
pub fn report(tuned: &Tuned, held_out: &Dataset, seconds: f64) -> Result<Value> {
    let meta = &tuned.adapter.meta;
    let mut tried = Vec::new();
    for way in &tuned.tried {
        let kept = held_out.examples.iter().filter(|e| !tuned.left_out[1].contains(&e.line));
        let targets: Vec<&str> = kept.take(way.texts.len()).map(|e| e.target.as_str()).collect();
        tried.push(json!({
            "method": way.mix.method.name(), "lambda": way.mix.lambda, "copying": way.mix.copying, "beams": way.mix.beams,
            "similar": way.mix.similar, "nll": way.nll, "chrf": chrf(&way.texts, &targets)?.value, "bleu": bleu(&way.texts, &targets)?.value,
        }));
    }
    let held = tuned.summary.held_out;
    Ok(json!({
        "method": meta.method.name(), "lambda_max": meta.lambda_max, "lambda_constant": meta.lambda_constant,
        "shots": tuned.prompt.demos.len(), "template": tuned.prompt.template.to_string(),
        "rows": tuned.summary.rows, "steps": tuned.summary.steps, "best_step": tuned.summary.best_step,
        "base_nll": held.map(|h| h.base_nll), "valid_mix_nll": held.map(|h| h.mix_nll),
        "valid_unrolled_nll": held.map(|h| h.unrolled_nll),
        "peak_device_bytes": tuned.summary.peak_bytes, "seconds": seconds,
        "tried": tried, "verdict": tuned.verdict, "sentence": tuned.verdict.as_ref().map(sentence),
        "instead": tuned.instead.map(|n| json!({
            "method": "knn", "k": n.config.k, "temperature": n.config.temperature, "lambda": n.config.lambda, "gain": n.gain,
        })),
        "left_out_lines": tuned.left_out,
    }))
}

/// One bar after another.
struct Phase {
    title: String,
    progress: Option<Progress>,
    begun: Instant,
    word: String,
    json: bool,
}

impl Phase {
    fn show(&mut self, p: &TuneProgress<'_>) {
        let (title, done, of, word) = match p {
            TuneProgress::Demonstrations { done, of, best } => {
                ("demonstrations", *done, *of, format!("best: {} of them, chrF {:.1}", best.demos.len(), best.chrf))
            }
            TuneProgress::Memory { held_out, progress } => {
                let title = if *held_out { "held out" } else { "memory" };
                (title, progress.examples, progress.of, format!("{} rows", progress.rows))
            }
            TuneProgress::Train(step) => {
                let held_out = step.held_out.map(|h| format!(", held out {:.3}", h.mix_nll.min(h.unrolled_nll)));
                ("training", step.step, step.of, format!("loss {:.3}{}", step.loss(), held_out.unwrap_or_default()))
            }
            TuneProgress::Check { done, of, .. } if done == of => ("checking", *done, *of, format!("{of} texts")),
            TuneProgress::Check { mix, done, of } => {
                let copying = if mix.copying { ", copying" } else { "" };
                let beams = if mix.beams > 1 { ", several versions" } else { "" };
                let similar = if mix.similar > 0 { ", similar pairs" } else { "" };
                (
                    "checking",
                    *done,
                    *of,
                    format!("{} with weight {}{copying}{similar}{beams}", mix.method.name(), mix.lambda),
                )
            }
            TuneProgress::Neighbours => ("nearest pairs", 0, 1, "tried in the adapter's place".to_owned()),
        };
        if self.title != title {
            self.end();
            self.title = title.to_owned();
            (self.progress, self.begun) = (Some(Progress::new(title, of, self.json)), Instant::now());
        }
        if let Some(progress) = &mut self.progress {
            progress.at(done, || word.clone());
        }
        self.word = word;
    }

    fn end(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.done(format!("{:.0} s; {}", self.begun.elapsed().as_secs_f64(), self.word));
        }
    }
}
