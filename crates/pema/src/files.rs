//! Whole files on disk: read with clear errors, written beside and renamed, so that no half-written
//! file ever has the final name.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Contents of a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| failed(path, "read", e, "check that the file exists and may be read"))
}

/// Replaces `path` by `bytes`, or leaves it as it was. Of a symbolic link the file it leads to is replaced; a folder
/// or a device is refused.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let path = &place(path)?;
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
    let path = &place(path)?;
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let there = parent.ancestors().find(|p| p.exists()).unwrap_or(Path::new("."));
    let probe = match there == parent {
        true => part(path),
        false => there.join(format!(".pema-{}.part", std::process::id())),
    };
    let attempt = std::fs::File::create(&probe).and_then(|_| std::fs::remove_file(&probe));
    attempt.map_err(|e| failed(path, "write", e, "choose another place; nothing was changed"))
}

/// Where `path` leads to: renaming over a link or a device would replace it by a file.
fn place(path: &Path) -> Result<PathBuf> {
    let refused = |why: &str| {
        let cause = std::io::Error::new(std::io::ErrorKind::InvalidInput, why);
        Err(failed(path, "write", cause, "choose another place; nothing was changed"))
    };
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(path.to_owned()) };
    let place = match found.is_symlink() {
        true => match std::fs::canonicalize(path) {
            Ok(place) => place,
            Err(_) => return refused("it is a link that leads nowhere"),
        },
        false => path.to_owned(),
    };
    match std::fs::metadata(&place) {
        Ok(m) if m.is_dir() => refused("it is a folder"),
        Ok(m) if !m.is_file() => refused("it is not an ordinary file"),
        _ => Ok(place),
    }
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

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_folders_and_devices_refused() {
        let folder = std::env::temp_dir().join(format!("pema-places-{}", std::process::id()));
        let (file, link, astray) = (folder.join("file"), folder.join("link"), folder.join("astray"));
        write(&file, b"old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        std::os::unix::fs::symlink(folder.join("nothing"), &astray).unwrap();
        check_writable(&link).unwrap();
        write(&link, b"new").unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read(&file).unwrap(), b"new");
        for (path, why) in [(&*folder, "a folder"), (Path::new("/dev/null"), "not an ordinary"), (&astray, "nowhere")] {
            for refused in [check_writable(path), write(path, b"x")] {
                let error = refused.unwrap_err().to_string();
                assert!(error.contains(why) && error.contains("choose another place"), "{error}");
            }
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
