//! Tools of the browser half: the wasm target, wasm-bindgen, Chromium. They take minutes to compile, so
//! they are kept by version in a folder outside the checkout and survive it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{apt, process, workspace};

/// Rust's name for the browser.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// Debian's packages of a browser that a program can drive.
const PACKAGES: &[&str] = &["chromium", "chromium-driver"];

/// Sees to it that Rust can compile for the browser.
pub(crate) fn target() -> Result<()> {
    let sysroot = process::output(Command::new("rustc").args(["--print", "sysroot"])).unwrap_or_default();
    if Path::new(&sysroot).join("lib/rustlib").join(TARGET).is_dir() {
        return Ok(());
    }
    let line = format!("rustup target add {TARGET}");
    println!("Rust for the browser: {line}");
    process::run(Command::new("rustup").args(["target", "add", TARGET]).stdin(Stdio::null()))
        .with_context(|| format!("Rust for the browser is missing; with rustup the line is `{line}`"))
}

/// The program `name` of wasm-bindgen, of the very version that the code is compiled with: another one
/// refuses to work.
pub(crate) fn wasm_bindgen(name: &str) -> Result<PathBuf> {
    let version = locked("wasm-bindgen", &std::fs::read_to_string(workspace::root().join("Cargo.lock"))?)
        .context("Cargo.lock names no wasm-bindgen")?;
    let of_version = |program: &Path| {
        process::output(Command::new(program).arg("--version")).is_some_and(|said| said.ends_with(&version))
    };
    if of_version(Path::new(name)) {
        return Ok(PathBuf::from(name));
    }
    let root = folder()?.join(format!("wasm-bindgen-{version}"));
    let program = root.join("bin").join(name);
    if !program.exists() {
        println!("wasm-bindgen {version}: compiling it, once; this takes some minutes");
        // Without --locked: its lock file names releases that were withdrawn.
        process::run(
            process::cargo()
                .args(["install", "wasm-bindgen-cli", "--version", &version, "--root"])
                .arg(&root)
                .env_remove("CARGO_TARGET_DIR")
                .current_dir(workspace::root())
                .stdin(Stdio::null()),
        )?;
    }
    Ok(program)
}

/// Chromium's driver, and Chromium with it. Having none is a failure in CI; elsewhere `None`, with a word
/// on what is skipped.
pub(crate) fn chromedriver() -> Result<Option<PathBuf>> {
    let found = || {
        let named = workspace::variable("CHROMEDRIVER").map(PathBuf::from);
        let usual = ["chromedriver", "/usr/bin/chromedriver"].map(PathBuf::from);
        named.into_iter().chain(usual).find(|path| process::succeeds(Command::new(path).arg("--version")))
    };
    if let Some(driver) = found() {
        return Ok(Some(driver));
    }
    let advice = match apt::install(PACKAGES) {
        Ok(_) if found().is_some() => return Ok(found()),
        Ok(_) if apt::exists() => format!("run: {}", apt::line(PACKAGES)),
        Ok(_) => "install Chromium and its driver, and name the driver in CHROMEDRIVER".to_owned(),
        Err(e) => format!("installing them failed ({e:#}); once that is mended, run: {}", apt::line(PACKAGES)),
    };
    if workspace::in_ci() {
        bail!("CI tests the browser half too, but Chromium's driver is missing; {advice}");
    }
    println!("the browser tests will be SKIPPED, because Chromium's driver is missing; to run them: {advice}");
    Ok(None)
}

/// Trunk, which puts the page together.
pub(crate) fn trunk() -> Result<PathBuf> {
    const VERSION: &str = "0.21.14";
    let series = |program: &Path| {
        process::output(Command::new(program).arg("--version")).is_some_and(|said| said.starts_with("trunk 0.21."))
    };
    if series(Path::new("trunk")) {
        return Ok(PathBuf::from("trunk"));
    }
    let root = folder()?.join(format!("trunk-{VERSION}"));
    let program = root.join("bin/trunk");
    if !program.exists() {
        println!("Trunk {VERSION}: compiling it, once; this takes some minutes");
        process::run(
            process::cargo()
                .args(["install", "trunk", "--version", VERSION, "--locked", "--root"])
                .arg(&root)
                .env_remove("CARGO_TARGET_DIR")
                .current_dir(workspace::root())
                .stdin(Stdio::null()),
        )?;
    }
    Ok(program)
}

/// The folder of packages for Node, with these in it.
pub(crate) fn npm(packages: &[(&str, &str)]) -> Result<PathBuf> {
    const NODE: &[&str] = &["nodejs", "npm"];
    let root = folder()?.join("npm");
    let modules = root.join("node_modules");
    let there = |(name, version): &&(&str, &str)| {
        let file = std::fs::read_to_string(modules.join(name).join("package.json")).unwrap_or_default();
        file.contains(&format!("\"version\": \"{version}\""))
    };
    if packages.iter().all(|p| there(&p)) {
        return Ok(modules);
    }
    let found = || process::succeeds(Command::new("npm").arg("--version"));
    if !found() {
        apt::install(NODE)?;
    }
    if !found() {
        bail!("Node and npm are missing; they bring wasm-opt. To install them: {}", apt::line(NODE));
    }
    std::fs::create_dir_all(&root).with_context(|| format!("{}: cannot make this folder", root.display()))?;
    let named = packages.iter().map(|(name, version)| format!("{name}@{version}"));
    process::run(
        Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&root)
            .args(named)
            .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
            .stdin(Stdio::null()),
    )?;
    Ok(modules)
}

/// Where tools are kept.
fn folder() -> Result<PathBuf> {
    let folder = match workspace::variable("PEMA_TOOLS") {
        Some(named) => PathBuf::from(named),
        None => workspace::user_cache().map_or_else(workspace::cache, Ok)?.join("tools"),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("{}: cannot make this folder", folder.display()))?;
    Ok(folder)
}

/// The version of a package in a lock file.
fn locked(package: &str, lock: &str) -> Option<String> {
    let at = lock.find(&format!("name = \"{package}\"\n"))?;
    let version = lock[at..].lines().nth(1)?;
    Some(version.strip_prefix("version = \"")?.trim_end_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locked_version_is_that_of_the_package_itself() {
        let package =
            |name: &str, version: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\n");
        let lock = package("wasm-bindgen-macro", "1.0.0") + &package("wasm-bindgen", "0.2.7");
        assert_eq!(locked("wasm-bindgen", &lock).as_deref(), Some("0.2.7"));
        assert_eq!(locked("wasm", &lock), None);
    }
}
