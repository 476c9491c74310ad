//! `cargo xtask test`: what must pass before anything lands. CI runs the same.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::process::{self, cargo};
use crate::stages::Stages;
use crate::{browser, model, studio, toolchain, vulkan, workspace};

struct Setup {
    gpu: bool,
    browser: bool,
    /// `None`: the tests of the model are left out.
    model: Option<PathBuf>,
}

/// Runs every stage, then prints how long each took.
pub(crate) fn task(_: &[String]) -> Result<ExitCode> {
    let mut stages = Stages::default();
    let result = all(&mut stages);
    print!("{}", stages.table());
    let setup = result?;
    if !setup.gpu {
        println!("SKIPPED: the tests of the GPU half, for want of a Vulkan driver (see the stage `setup`)");
    }
    if !setup.browser {
        println!("SKIPPED: the tests in a browser, for want of Chromium's driver (see the stage `browser`)");
    }
    if setup.model.is_none() {
        println!("SKIPPED: the tests of the default model, because PEMA_SKIP_MODEL is set");
    }
    println!("every stage passed");
    Ok(ExitCode::SUCCESS)
}

fn all(stages: &mut Stages) -> Result<Setup> {
    let mut setup = stages.run("setup", "Rust toolchain, Vulkan driver, default model", setup)?;
    stages.run("format", "cargo fmt --all --check", || {
        process::run(in_root(cargo().args(["fmt", "--all", "--check"])))
            .context("to format everything: cargo fmt --all")
    })?;
    stages.run("lints", "cargo clippy --workspace --all-targets -- -D warnings", || {
        process::run(in_root(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])))
    })?;
    stages.run("tests", "cargo test --workspace", || tests(&setup))?;
    setup.browser = stages.run("browser", "the kernels in headless Chromium, WebGPU and wasm", browser::tests)?;
    stages.run("studio", "the page, built for release, driven in headless Chromium", || {
        studio::tests(setup.model.clone())
    })?;
    Ok(setup)
}

fn setup() -> Result<Setup> {
    toolchain::ensure()?;
    let gpu = vulkan::ensure()?;
    if !workspace::switch("PEMA_SKIP_MODEL") {
        return Ok(Setup { gpu, browser: false, model: Some(model::path()?) });
    }
    if workspace::in_ci() {
        bail!("PEMA_SKIP_MODEL is set, but CI tests the default model too; unset it");
    }
    println!("model: its tests will be SKIPPED, because PEMA_SKIP_MODEL is set");
    Ok(Setup { gpu, browser: false, model: None })
}

fn tests(setup: &Setup) -> Result<()> {
    let mut command = cargo();
    command.args(["test", "--workspace"]);
    match &setup.model {
        Some(path) => command.env("PEMA_MODEL", path).env("PEMA_REQUIRE_MODEL", "1"),
        // A file that is not there: each test says so and passes.
        None => command.env("PEMA_MODEL", workspace::cache()?.join("left-out")).env_remove("PEMA_REQUIRE_MODEL"),
    };
    if workspace::in_ci() {
        command.env("PEMA_REQUIRE_GPU", "1");
    }
    workspace::give_runtime_folder(&mut command)?;
    process::run(in_root(&mut command))
}

fn in_root(command: &mut Command) -> &mut Command {
    command.current_dir(workspace::root())
}
