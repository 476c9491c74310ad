//! Where things are: the repository, the cache for downloads, Cargo's target folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::process;

/// The root of the repository. Cargo says at run time which one it is; the path known at compile time
/// would be another clone's where two share a target folder.
pub(crate) fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let xtask = PathBuf::from(xtask);
    xtask.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Where downloads are kept, outside git: `PEMA_CACHE` or `.pema`. Absolute, because tests run in other
/// folders.
pub(crate) fn cache() -> Result<PathBuf> {
    let dir = variable("PEMA_CACHE").map_or_else(|| root().join(".pema"), PathBuf::from);
    std::path::absolute(&dir).with_context(|| format!("the folder in PEMA_CACHE, `{}`, is no path", dir.display()))
}

/// This user's cache, from which other clones on the same machine take what one of them has fetched.
pub(crate) fn user_cache() -> Option<PathBuf> {
    let home = || variable("HOME").or_else(|| variable("USERPROFILE"));
    let caches = variable("XDG_CACHE_HOME").or_else(|| home().map(|h| format!("{h}/.cache")))?;
    Some(PathBuf::from(caches).join("pema"))
}

/// Cargo's target folder, which configuration and `CARGO_TARGET_DIR` can move.
pub(crate) fn target() -> Result<PathBuf> {
    let mut command = process::cargo();
    command.args(["metadata", "--format-version=1", "--no-deps"]).current_dir(root()).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("cannot run `{}`", process::shown(&command)))?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("`cargo metadata` did not print JSON; its message is above")?;
    let dir = metadata["target_directory"].as_str().context("`cargo metadata` names no target folder")?;
    Ok(PathBuf::from(dir))
}

/// Gives a command the runtime folder that Mesa's Vulkan drivers complain of when a machine without a
/// desktop has none.
pub(crate) fn give_runtime_folder(command: &mut Command) -> Result<()> {
    if cfg!(unix) && variable("XDG_RUNTIME_DIR").is_none() {
        let dir = cache()?.join("run");
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
        command.env("XDG_RUNTIME_DIR", dir);
    }
    Ok(())
}

/// An environment variable that is set to something.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A switch in the environment: set, and not to a no.
pub(crate) fn switch(name: &str) -> bool {
    variable(name).is_some_and(|value| !["0", "false", "no"].contains(&value.as_str()))
}

/// Whether this is CI, where nothing may be skipped.
pub(crate) fn in_ci() -> bool {
    switch("CI")
}
