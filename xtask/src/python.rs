//! A Python with what a task needs of it. The project is Rust; Python only carries the default model's
//! package and makes the tests' recorded values.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::{apt, process};

/// A part of Python that Debian and its like pack apart.
#[derive(Clone, Copy)]
pub(crate) struct Module {
    name: &'static str,
    /// Fails where the module is missing or cannot do its work.
    probe: &'static str,
    package: &'static str,
}

/// The installer, which speaks to the package index with the user's own settings.
pub(crate) const PIP: Module = Module { name: "pip", probe: "import pip", package: "python3-pip" };
/// Environments, which carry a pip of their own.
pub(crate) const VENV: Module = Module { name: "venv", probe: "import venv, ensurepip", package: "python3-venv" };

const AT_LEAST: &str = "import sys; sys.exit(sys.version_info < (3, 9))";
// The last one is where apt puts it, should another Python come first in the PATH.
const CANDIDATES: &[&[&str]] = &[&["python3"], &["python"], &["py", "-3"], &["/usr/bin/python3"]];

/// A Python interpreter.
pub(crate) struct Python(Vec<PathBuf>);

impl Python {
    /// The first Python of 3.9 or later that has the module; where root may, apt is asked for it.
    pub(crate) fn with(module: Module) -> Result<Self> {
        if let Some(python) = Self::find(module.probe) {
            return Ok(python);
        }
        if apt::install(&["python3", module.package])?
            && let Some(python) = Self::find(module.probe)
        {
            return Ok(python);
        }
        let missing = match Self::find("") {
            Some(_) => format!("this Python lacks its module `{}`", module.name),
            None => "there is no Python 3.9 or later in the PATH (looked for python3, python and py)".to_owned(),
        };
        if apt::exists() {
            bail!("{missing}; run: {}", apt::line(&["python3", module.package]));
        }
        bail!("{missing}; install Python 3 with `{}`, for example: python3 -m ensurepip", module.name)
    }

    /// The Python of an environment.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(vec![path])
    }

    /// A command that starts it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.0[0]);
        command.args(&self.0[1..]);
        command
    }

    fn find(probe: &str) -> Option<Self> {
        let candidates = CANDIDATES.iter().map(|words| Self(words.iter().map(PathBuf::from).collect()));
        let runs = |python: &Self, script: &str| process::succeeds(python.command().args(["-c", script]));
        candidates.into_iter().find(|python| runs(python, AT_LEAST) && runs(python, probe))
    }
}
