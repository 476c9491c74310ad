//! Packages of Debian, Ubuntu and their like.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::process;

/// Whether this system has apt-get.
pub(crate) fn exists() -> bool {
    process::succeeds(Command::new("apt-get").arg("--version"))
}

/// The line that installs `packages`, for a person to type.
pub(crate) fn line(packages: &[&str]) -> String {
    let sudo = if is_root() { "" } else { "sudo " };
    format!("{sudo}apt-get update && {sudo}apt-get install -y --no-install-recommends {}", packages.join(" "))
}

/// Installs `packages` where that needs nobody's password, saying so: true if it did.
pub(crate) fn install(packages: &[&str]) -> Result<bool> {
    if !(is_root() && exists()) {
        return Ok(false);
    }
    println!("running as root: {}", line(packages));
    process::run(apt_get().arg("update"))?;
    process::run(apt_get().args(["install", "-y", "--no-install-recommends"]).args(packages))?;
    Ok(true)
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // A package that asks a question would wait for ever in CI.
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command
}

fn is_root() -> bool {
    process::output(Command::new("id").arg("-u")).is_some_and(|id| id == "0")
}
