//! `pema lab`: every way on every task, as a report.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::error::ErrorKind;
use pema::dataset::Dataset;
use pema::files;
use pema_lab::{Lab, LabConfig, Records, Task, Way, first_sentence, html, json, lines};
use sha2::{Digest, Sha256};

use crate::args::{CHECKED, Global, LabArgs};
use crate::engine;

/// Parts of a folder's pairs.
const PARTS: [&str; 3] = ["train", "valid", "test"];
/// Endings that are looked for, in this order.
const ENDINGS: [&str; 3] = ["jsonl", "csv", "tsv"];

pub async fn run(global: &Global, args: &LabArgs) -> Result<()> {
    let ending = args.out.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if !["html", "json"].contains(&ending) {
        let why = format!("--out {} must end in .html or .json\n", args.out.display());
        return Err(clap::Error::raw(ErrorKind::ValueValidation, why).into());
    }
    files::check_writable(&args.out)?;
    let tasks = args.data.iter().zip(names(&args.data)?).map(|(path, name)| task(args, path, name));
    let tasks = tasks.collect::<Result<Vec<_>>>()?;
    let plm = engine::plm(&args.model, engine::device(global).await?).await?;
    let config = LabConfig {
        ways: if args.methods.is_empty() { Way::all() } else { args.methods.clone() },
        seeds: args.seeds,
        shots: args.shots,
        checked: CHECKED,
        software: engine::SOFTWARE.to_owned(),
        build: fingerprint(),
    };
    let mut kept = args.out.clone().into_os_string();
    kept.push(".records.jsonl");
    let mut records = Records::open(&PathBuf::from(kept))?;
    let say = |step: pema_lab::Step<'_>| {
        if !global.json {
            eprintln!("{}, seed {}, {}: {}", step.task, step.seed, step.way, step.doing);
        }
    };
    let shown = Lab::new(&plm, &config).run(&tasks, &mut records, say).await?;
    let (name, command) = (&plm.file.identity.name, command(args));
    let report = json(name, &command, &shown);
    let text = if ending == "html" { html(name, &command, &shown) } else { serde_json::to_string_pretty(&report)? };
    files::write(&args.out, text.as_bytes())?;
    if global.json {
        return engine::print_json(&report);
    }
    let all = lines(&shown);
    println!("{:16} {:22} {:>6} {:>15} {:>6} {:>7} {:>7}", "task", "way", "chrF", "gain", "BLEU", "exact", "NLL");
    for l in &all {
        let gain = l.gain.map_or_else(|| "-".to_owned(), |g| format!("{:+.1} ±{:.1}", g.value, (g.high - g.low) / 2.0));
        let exact = 100.0 * l.exact;
        println!(
            "{:16} {:22} {:6.1} {gain:>15} {:6.1} {exact:6.0}% {:7.3}",
            l.task, l.way, l.chrf.value, l.bleu, l.nll
        );
    }
    println!("{}\nreport written to {}", first_sentence(&all), args.out.display());
    Ok(())
}

/// SHA-256 of this program; the same for all programs where it cannot be read.
fn fingerprint() -> String {
    let program = std::env::current_exe().and_then(std::fs::read).unwrap_or_default();
    Sha256::digest(program).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Names of the tasks: those of their files and folders, with the folder they are in where two would be alike.
fn names(paths: &[PathBuf]) -> Result<Vec<String>> {
    let text = |name: &OsStr| name.to_string_lossy().into_owned();
    let short = |path: &PathBuf| {
        let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
        name.map_or_else(|| path.display().to_string(), text)
    };
    let mut names: Vec<String> = paths.iter().map(short).collect();
    let alike = |names: &[String], i: usize| names.iter().filter(|name| **name == names[i]).count() > 1;
    let twice: Vec<usize> = (0..names.len()).filter(|i| alike(&names, *i)).collect();
    for i in twice {
        let whole = std::path::absolute(&paths[i])?;
        let folder = whole.parent().and_then(Path::file_name).map_or_else(String::new, text);
        names[i] = format!("{folder}/{}", names[i]);
    }
    match (0..names.len()).find(|i| alike(&names, *i)) {
        Some(i) => {
            bail!("--data: two tasks are called {}; rename one, since the report tells them apart by name", names[i])
        }
        None => Ok(names),
    }
}

fn task(args: &LabArgs, path: &Path, name: String) -> Result<Task> {
    let mut task = if path.is_dir() {
        let part = |part: &str| {
            let file = ENDINGS.iter().map(|e| path.join(format!("{part}.{e}"))).find(|p| p.exists());
            file.ok_or_else(|| anyhow::anyhow!("{} holds no {part}.jsonl, .csv or .tsv", path.display()))
        };
        let [train, held_out, test] = [part(PARTS[0])?, part(PARTS[1])?, part(PARTS[2])?];
        let read = |file: &Path| -> Result<Dataset> { engine::examples(file, &args.fields) };
        let pairs = read(&train)?;
        let template = engine::template(args.template.as_ref(), &train, Some(&args.fields), &pairs)?;
        Task { name, train: pairs, held_out: read(&held_out)?, test: read(&test)?, template }
    } else {
        let pairs = engine::examples(path, &args.fields)?;
        let template = engine::template(args.template.as_ref(), path, Some(&args.fields), &pairs)?;
        Task::split(name, &pairs, template)?
    };
    task.train.examples.truncate(args.limit.unwrap_or(usize::MAX).max(1));
    task.test.examples.truncate(args.test_limit.unwrap_or(usize::MAX).max(1));
    Ok(task)
}

/// The command as somebody else would type it, without this machine's folders.
fn command(args: &LabArgs) -> String {
    let short = |p: &Path| p.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let data: Vec<String> = args.data.iter().map(|p| short(p)).collect();
    let ways: Vec<String> = args.methods.iter().map(Way::to_string).collect();
    let mut text = format!("pema lab --model {} --data {} --seeds {}", short(&args.model), data.join(" "), args.seeds);
    if !ways.is_empty() {
        text += &format!(" --methods {}", ways.join(","));
    }
    let fields = [("input", &args.fields.input_field), ("target", &args.fields.target_field)];
    for (side, name) in fields.into_iter().filter_map(|(side, field)| Some((side, field.as_ref()?))) {
        text += &format!(" --{side}-field {name:?}");
    }
    if let Some(template) = &args.template {
        text += &format!(" --template {:?}", template.to_string());
    }
    if let Some(n) = args.limit {
        text += &format!(" --limit {n}");
    }
    if let Some(n) = args.test_limit {
        text += &format!(" --test-limit {n}");
    }
    text + &format!(" --shots {} --out {}", args.shots, short(&args.out))
}
