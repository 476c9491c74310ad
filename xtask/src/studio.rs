//! `cargo xtask app` and `cargo xtask dist`: the studio, built with tools that are installed once.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::serve::{Site, listen, serve};
use crate::{model, process, tools, workspace};

/// Where the page looks for the default model.
pub(crate) const MODEL: &str = "models/SmolLM2-135M-Instruct.Q4_1.gguf";
const PORT: u16 = 8080;
/// wasm-opt comes with it; distributions' own are too old for what Rust makes.
const BINARYEN: (&str, &str) = ("binaryen", "132.0.0");
/// Drives a browser, and looks for what is hard to use for some people. Tests only.
const PLAYWRIGHT: (&str, &str) = ("playwright-core", "1.65.1");
const AXE: (&str, &str) = ("axe-core", "4.14.1");

/// Builds, then serves until it is stopped.
pub(crate) fn app(arguments: &[String]) -> Result<ExitCode> {
    let port = match arguments {
        [] => PORT,
        [flag, port] if flag == "--port" => port.parse().with_context(|| format!("`{port}` is no port number"))?,
        _ => bail!("usage: cargo xtask app [--port N]"),
    };
    let model = model::path()?;
    let folder = build()?;
    let listener = listen(port)?;
    println!(
        "\nThe studio is here, on this machine only (Ctrl-C stops it):\n\n    http://{}/\n",
        listener.local_addr()?
    );
    serve(&listener, Site { folder, prefix: "/".to_owned(), beside: vec![(MODEL.to_owned(), model)] });
    Ok(ExitCode::SUCCESS)
}

/// Builds a folder for any static host.
pub(crate) fn dist(arguments: &[String]) -> Result<ExitCode> {
    let with_model = match arguments {
        [] => false,
        [flag] if flag == "--with-model" => true,
        _ => bail!("usage: cargo xtask dist [--with-model]"),
    };
    let folder = build()?;
    if with_model {
        let to = folder.join(MODEL);
        std::fs::create_dir_all(to.parent().unwrap_or(Path::new(".")))?;
        std::fs::copy(model::path()?, &to).with_context(|| format!("{}: cannot be written", to.display()))?;
    }
    println!("\nThe studio is in {}; put it on any static host, at any path.", folder.display());
    if !with_model {
        println!("Its users open models of their own; with --with-model the default one lies beside it.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the tests of the studio in a real browser; false where there is none. The default model's place
/// holds the tests' small one, and the site lies at a sub-path; a second site has the `model` itself.
pub(crate) fn tests(model: Option<PathBuf>) -> Result<bool> {
    drive(
        &["journey", "keyboard", "pairs", "download", "trouble", "model"].map(|name| format!("{name}.test.mjs")),
        400,
        model,
    )
}

/// Times what a newcomer waits for, which takes minutes.
pub(crate) fn time(model: PathBuf) -> Result<bool> {
    drive(&["first-sentence.mjs".to_owned()], 1500, Some(model))
}

/// Runs scripts, each for so many seconds at most; false where there is no browser.
fn drive(scripts: &[String], seconds: u32, model: Option<PathBuf>) -> Result<bool> {
    const PREFIX: &str = "/some/where/";
    if tools::chromedriver()?.is_none() {
        return Ok(false);
    }
    let folder = build()?;
    let modules = tools::npm(&[BINARYEN, PLAYWRIGHT, AXE])?;
    let root = workspace::root();
    let site = |model: PathBuf| -> Result<String> {
        let listener = listen(PORT + 100)?;
        let url = format!("http://{}{PREFIX}", listener.local_addr()?);
        let beside = vec![(MODEL.to_owned(), model)];
        let site = Site { folder: folder.clone(), prefix: PREFIX.to_owned(), beside };
        std::thread::spawn(move || serve(&listener, site));
        Ok(url)
    };
    let url = site(root.join("tests/fixtures/tiny.gguf"))?;
    let with_model = model.map(site).transpose()?;
    let chromium = workspace::variable("PEMA_CHROMIUM").unwrap_or_else(|| "/usr/bin/chromium".to_owned());
    let mut command = Command::new("node");
    command
        .args(["--test", "--test-concurrency=1", &format!("--test-timeout={seconds}000")])
        .args(scripts.iter().map(|name| format!("tests/studio/{name}")))
        .env("PEMA_STUDIO_URL", url)
        .env("PEMA_NODE_MODULES", modules)
        .env("PEMA_CHROMIUM", chromium)
        .envs(with_model.map(|url| ("PEMA_STUDIO_MODEL_URL", url)))
        .current_dir(&root);
    process::run(&mut command)?;
    Ok(true)
}

/// Installs what is missing and builds the page; says where it is.
pub(crate) fn build() -> Result<PathBuf> {
    tools::target()?;
    let bindgen = tools::wasm_bindgen("wasm-bindgen")?;
    let optimiser = tools::npm(&[BINARYEN])?.join(".bin");
    let trunk = tools::trunk()?;
    // Trunk takes its tools from here.
    let mut path: Vec<PathBuf> = bindgen.parent().map(Path::to_path_buf).into_iter().chain([optimiser]).collect();
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    println!("building the studio; the first build compiles every library and takes minutes");
    let root = workspace::root();
    process::run(
        Command::new(trunk)
            .args(["build", "--release"])
            .env("PATH", std::env::join_paths(path)?)
            // Trunk takes it for a switch of its own and refuses what others put there.
            .env_remove("NO_COLOR")
            .current_dir(&root),
    )?;
    Ok(root.join("web/dist"))
}
