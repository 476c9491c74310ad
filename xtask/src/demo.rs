//! `cargo xtask demo`: from a fresh clone to PEMA at work, in one command.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::process::{self, cargo};
use crate::{model, workspace};

/// Builds the program and runs its demo with `arguments`; the demo's exit code becomes the task's,
/// and so does its standard output: what the task itself has to say goes to standard error.
pub(crate) fn task(arguments: &[String]) -> Result<ExitCode> {
    let names_model = arguments.iter().any(|a| a == "--model" || a.starts_with("--model="));
    let model = if names_model { None } else { Some(model::path()?) };

    let program = workspace::target()?.join("release").join(format!("pema{}", std::env::consts::EXE_SUFFIX));
    if program.exists() {
        eprintln!("building pema");
    } else {
        eprintln!("building pema; the first build compiles every library too and takes minutes");
    }
    process::run(cargo().args(["build", "--release", "--package", "pema-cli"]).current_dir(workspace::root()))?;

    // In the folder it was called from: paths among the arguments are seen from there.
    let mut demo = std::process::Command::new(&program);
    demo.arg("demo").args(model.iter().flat_map(|path| ["--model".as_ref(), path.as_os_str()])).args(arguments);
    workspace::give_runtime_folder(&mut demo)?;
    eprintln!("running {}\n", process::shown(&demo));
    let status = demo.status().with_context(|| format!("cannot run {}", program.display()))?;
    // No code at all means that a signal ended it.
    let code = status.code().map_or(1, |code| u8::try_from(code).unwrap_or(1));
    Ok(ExitCode::from(code))
}
