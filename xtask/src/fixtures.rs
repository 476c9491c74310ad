//! `cargo xtask fixtures`: makes the tests' recorded values again, in a Python environment of its own.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::python::{Python, VENV};
use crate::{model, process, workspace};

/// The environment that make.py needs, with more packages when asked.
pub(crate) fn python(more: &[&str]) -> Result<Python> {
    let script = workspace::root().join("tests/fixtures/make.py");
    let source = fs::read_to_string(&script).with_context(|| format!("cannot read {}", script.display()))?;
    let python = environment(&workspace::cache()?.join("venv"), &pins(&source))?;
    for package in more {
        let mut pip = python.command();
        process::run(pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
            package,
        ]))?;
    }
    Ok(python)
}

/// Installs the packages that make.py names, then runs the scripts.
pub(crate) fn task(_: &[String]) -> Result<ExitCode> {
    let model = model::path()?;
    let folder = workspace::root().join("tests/fixtures");
    let script = folder.join("make.py");
    let source = fs::read_to_string(&script).with_context(|| format!("cannot read {}", script.display()))?;
    let pins = pins(&source);
    ensure!(!pins.is_empty(), "{} names no packages with versions (name==1.2.3)", script.display());

    let python = environment(&workspace::cache()?.join("venv"), &pins)?;
    println!("making the fixtures");
    process::run(python.command().arg(&script).current_dir(workspace::root()))?;
    println!("making the default model's");
    process::run(python.command().arg(folder.join("default_model.py")).arg(model).current_dir(workspace::root()))?;
    println!("to see what changed: git status tests/fixtures");
    Ok(ExitCode::SUCCESS)
}

/// The environment with exactly these packages; made anew when it has others or was left half made.
fn environment(dir: &Path, pins: &[&str]) -> Result<Python> {
    let program = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
    let python = Python::at(dir.join(program));
    let (stamp, wanted) = (dir.join("pema-pins"), pins.join("\n"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    println!("making a Python environment in {} with {} (some GB)", dir.display(), pins.join(" "));
    process::run(Python::with(VENV)?.command().args(["-m", "venv", "--clear"]).arg(dir))?;
    let mut pip = python.command();
    process::run(pip.args(["-m", "pip", "install", "--no-input", "--disable-pip-version-check"]).args(pins))?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(python)
}

/// The `name==version` words of make.py's description, which people read too: one list, not two.
fn pins(source: &str) -> Vec<&str> {
    source.split(|c: char| c.is_whitespace() || "\"'`,".contains(c)).filter(|word| is_pin(word)).collect()
}

fn is_pin(word: &str) -> bool {
    word.split_once("==").is_some_and(|(name, version)| {
        name.starts_with(char::is_alphabetic) && version.starts_with(|c: char| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_the_versions_that_the_script_names() {
        let source = "pip install torch==2.15.0 \\\n  Jinja2==3.1.6\nassert a == b and c==d or 1==2";
        assert_eq!(pins(source), ["torch==2.15.0", "Jinja2==3.1.6"]);
        let script = workspace::root().join("tests/fixtures/make.py");
        assert!(pins(&fs::read_to_string(script).unwrap()).iter().any(|pin| pin.starts_with("gguf==")));
    }
}
