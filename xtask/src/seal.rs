//! The end of a build of the page: its security policy names its inline scripts by their hashes, and its
//! service worker the files to keep.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::{model, studio, workspace};

const HOLE: &str = "__INLINE_SCRIPTS__";

/// Trunk's hook: seals the folder in `TRUNK_STAGING_DIR`.
pub(crate) fn task(_: &[String]) -> Result<ExitCode> {
    let Some(folder) = workspace::variable("TRUNK_STAGING_DIR") else {
        bail!("TRUNK_STAGING_DIR is not set; Trunk calls this task by itself at the end of `trunk build`");
    };
    let worker = std::fs::read_to_string(workspace::root().join("web/sw.js"))?;
    let folder = Path::new(&folder);
    seal(folder, &worker)?;
    // `trunk serve` serves nothing but this folder. Builds for others leave the model to `dist --with-model`.
    if workspace::variable("TRUNK_PROFILE").as_deref() == Some("debug")
        && let Some(model) = model::cached()?
    {
        lay_beside(&model, &folder.join(studio::MODEL))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Without taking the room twice where the file system can do that.
fn lay_beside(file: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to.parent().unwrap_or(Path::new(".")))?;
    if std::fs::hard_link(file, to).is_err() {
        std::fs::copy(file, to).with_context(|| format!("{}: cannot be written", to.display()))?;
    }
    Ok(())
}

fn seal(folder: &Path, worker: &str) -> Result<()> {
    let index = folder.join("index.html");
    let page = std::fs::read_to_string(&index).with_context(|| format!("{}: cannot be read", index.display()))?;
    let hashes: Vec<String> = inline_scripts(&page).into_iter().map(|s| format!("'sha256-{}'", hash(s))).collect();
    if !page.contains(HOLE) {
        bail!("{}: its security policy has no {HOLE}", index.display());
    }
    std::fs::write(&index, page.replace(HOLE, &hashes.join(" ")))?;
    let mut files = Vec::new();
    list(folder, folder, &mut files)?;
    files.sort();
    let mut build = Sha256::new();
    for file in &files {
        build.update(file.as_bytes());
        build.update(std::fs::read(folder.join(file))?);
    }
    let build: String = build.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect();
    let names = serde_json::to_string(&files)?;
    std::fs::write(folder.join("sw.js"), worker.replace("__BUILD__", &build).replace("__FILES__", &names))?;
    Ok(())
}

/// What stands between the tags of scripts without an address.
fn inline_scripts(page: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find("<script") {
        let Some(open) = rest[at..].find('>').map(|i| at + i + 1) else { break };
        let Some(end) = rest[open..].find("</script>").map(|i| open + i) else { break };
        if !rest[at..open].contains(" src=") {
            found.push(&rest[open..end]);
        }
        rest = &rest[end..];
    }
    found
}

fn hash(script: &str) -> String {
    STANDARD.encode(Sha256::digest(script.as_bytes()))
}

fn list(root: &Path, folder: &Path, files: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        if path.is_dir() {
            list(root, &path, files)?;
        } else if let Some(name) = path.strip_prefix(root)?.to_str().filter(|n| *n != "sw.js") {
            files.push(name.replace('\\', "/"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scripts_in_the_page_are_hashed() {
        let page = "<script type=\"module\">a()</script><script src=\"b.js\"></script><script>c</script>";
        assert_eq!(inline_scripts(page), ["a()", "c"]);
        // printf %s 'a()' | openssl dgst -sha256 -binary | base64
        assert_eq!(hash("a()"), "qVpDBgj7bpq5hMAcGp3AOc79J3Y1Z4HvySTwKrWDoy4=");
    }

    #[test]
    fn another_build_has_another_service_worker() {
        let folder = std::env::temp_dir().join(format!("pema-seal-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let write = |extra: &str| {
            std::fs::write(folder.join("index.html"), format!("csp {HOLE}<script>x</script>{extra}")).unwrap();
            seal(&folder, "const B='__BUILD__', F=__FILES__;").unwrap();
            std::fs::read_to_string(folder.join("sw.js")).unwrap()
        };
        let (one, two) = (write(""), write("y"));
        assert!(one.contains("[\"index.html\"]") && one != two && two == write("y"));
        assert!(!std::fs::read_to_string(folder.join("index.html")).unwrap().contains(HOLE));
        std::fs::write(folder.join("index.html"), "no policy").unwrap();
        assert!(seal(&folder, "").is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
