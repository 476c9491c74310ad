//! Whole files on disk: read with clear errors, written beside and renamed, so that no half-written
//! file ever has the final name.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Contents of a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| failed(path, "read", e, "check that the file exists and may be read"))
}

/// Replaces `path` by `bytes`, or leaves it as it was.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = part(path);
    let attempt = || {
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = std::fs::File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    attempt().map_err(|e| {
        // Best effort: what matters is that the final name was not touched.
        std::fs::remove_file(&part).ok();
        failed(path, "write", e, "free some space or choose another place; nothing was changed")
    })
}

/// Whether [`write`] could write `path` now, so that hours of work are not begun for a place that takes
/// nothing. Nothing is left behind.
pub fn check_writable(path: &Path) -> Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let there = parent.ancestors().find(|p| p.exists()).unwrap_or(Path::new("."));
    let probe = match there == parent {
        true => part(path),
        false => there.join(format!(".pema-{}.part", std::process::id())),
    };
    let attempt = std::fs::File::create(&probe).and_then(|_| std::fs::remove_file(&probe));
    attempt.map_err(|e| failed(path, "write", e, "choose another place; nothing was changed"))
}

fn part(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    PathBuf::from(part)
}

fn failed(path: &Path, action: &'static str, cause: std::io::Error, advice: &'static str) -> Error {
    Error::File { path: path.display().to_string(), action, cause, advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_part() {
        let folder = std::env::temp_dir().join(format!("pema-files-{}", std::process::id()));
        let path = folder.join("a");
        write(&path, b"old").unwrap();
        // A folder in the way of the part file makes creating it fail.
        std::fs::create_dir(folder.join("a.part")).unwrap();
        let error = write(&path, b"new").unwrap_err().to_string();
        assert!(error.contains("a: cannot write"), "{error}");
        assert!(check_writable(&path).is_err());
        check_writable(&folder.join("new/b")).unwrap();
        assert!(!folder.join("new").exists() && check_writable(&path.join("below a file")).is_err());
        assert_eq!(read(&path).unwrap(), b"old");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
