//! The parts of the Rust toolchain that a minimal installation leaves out.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::process;

/// Sees to it that `cargo fmt` and `cargo clippy` work.
pub(crate) fn ensure() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        println!("Rust toolchain: complete");
        return Ok(());
    }
    let line = format!("rustup component add {}", missing.join(" "));
    if !process::succeeds(Command::new("rustup").arg("--version")) {
        bail!(
            "this Rust toolchain lacks {0}, and there is no rustup to add it; with rustup the line is `{line}`, \
             otherwise install {0} where Rust came from",
            missing.join(" and ")
        );
    }
    println!("Rust toolchain: {line}");
    process::run(Command::new("rustup").args(["component", "add"]).args(&missing).stdin(Stdio::null()))
}

fn missing() -> Vec<&'static str> {
    // Asked by running them: rustup leaves a `cargo-fmt` that only says that there is none.
    let works = |task: &str| process::succeeds(process::cargo().args([task, "--version"]));
    let parts = [("fmt", "rustfmt"), ("clippy", "clippy")];
    parts.into_iter().filter(|(task, _)| !works(task)).map(|(_, component)| component).collect()
}
