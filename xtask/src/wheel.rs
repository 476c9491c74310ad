//! A Python package fetched by ranges: a download that was interrupted goes on where it stopped.

use std::path::Path;
use std::process::Stdio;

use anyhow::Result;

use crate::process;
use crate::python::Python;

const SCRIPT: &str = include_str!("wheel.py");

/// Fetches the wheel of a project into `part`, behind the bytes that are there already. The caller checks the
/// hash. `index` is the address of another index than the one that the user's pip asks.
pub(crate) fn fetch(python: &Python, project: &str, wheel: &str, part: &Path, index: Option<&str>) -> Result<()> {
    let mut command = python.command();
    command.args(["-c", SCRIPT, project, wheel]).arg(part).args(index);
    process::run(command.stdin(Stdio::null()).stdout(std::io::stderr()))
}

#[cfg(test)]
mod tests;
