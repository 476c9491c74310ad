//! A large file with a known hash. Under its name it is whole or not there at all, whenever the work on
//! it was interrupted: what is not yet checked has the name of a part.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// The file that is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) name: &'static str,
    pub(crate) bytes: u64,
    pub(crate) sha256: &'static str,
}

impl Wanted {
    /// Puts the file into `dir` and says where it is: from `shared`, if there is a good one, or else by
    /// `fetch`, which writes to the path it is given. A file that is there and good is left alone.
    pub(crate) fn ensure(
        &self,
        dir: &Path,
        shared: Option<&Path>,
        fetch: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
        let _lock = lock(&dir.join(format!("{}.lock", self.name)))?;
        let (path, part) = (dir.join(self.name), dir.join(format!("{}.part", self.name)));
        if path.exists() {
            if self.is_stamped(&path) {
                return Ok(path);
            }
            match self.fault(&path)? {
                None => return self.settle(path, shared),
                Some(fault) => set_aside(&path, &fault)?,
            }
        }
        remove(&part)?;
        let from_shared = shared.is_some_and(|shared| self.take(&shared.join(self.name), &part));
        if !from_shared {
            fetch(&part)?;
        }
        if let Some(fault) = self.fault(&part)? {
            remove(&part)?;
            bail!("what was fetched as {} is not that file: {fault}; nothing was kept, try again", self.name);
        }
        // After a power failure the name must not stand for a file whose contents never reached the disk.
        File::open(&part).and_then(|file| file.sync_all()).with_context(|| part.display().to_string())?;
        fs::rename(&part, &path).with_context(|| format!("cannot rename {}", part.display()))?;
        self.settle(path, shared)
    }

    /// Whether the file is there and good, by its hash.
    pub(crate) fn is_good(&self, path: &Path) -> bool {
        path.exists() && self.fault(path).is_ok_and(|fault| fault.is_none())
    }

    /// What is wrong with a file, if anything.
    fn fault(&self, path: &Path) -> Result<Option<String>> {
        let check = || -> io::Result<Option<String>> {
            let bytes = path.metadata()?.len();
            if bytes != self.bytes {
                return Ok(Some(format!("it has {bytes} bytes instead of {}", self.bytes)));
            }
            let found = sha256(path)?;
            Ok((found != self.sha256).then(|| format!("its SHA-256 is {found} instead of {}", self.sha256)))
        };
        check().with_context(|| format!("cannot read {}", path.display()))
    }

    /// Notes that the file was found good, and offers it to other clones.
    fn settle(&self, path: PathBuf, shared: Option<&Path>) -> Result<PathBuf> {
        let stamp = self.stamp(&path).with_context(|| format!("cannot read {}", path.display()))?;
        fs::write(stamp_path(&path), stamp).with_context(|| format!("cannot write beside {}", path.display()))?;
        if let Some(shared) = shared {
            // Only a convenience: a home that cannot be written to is no reason to fail.
            let _ = self.offer(&path, shared);
        }
        Ok(path)
    }

    fn is_stamped(&self, path: &Path) -> bool {
        let noted = fs::read_to_string(stamp_path(path));
        matches!((noted, self.stamp(path)), (Ok(noted), Ok(stamp)) if noted == stamp)
    }

    /// What changes when somebody writes to the file.
    fn stamp(&self, path: &Path) -> io::Result<String> {
        let metadata = path.metadata()?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Ok(format!("{} {} {modified}\n", self.sha256, metadata.len()))
    }

    /// Takes the user's copy; a bad one is said aloud and taken for none.
    fn take(&self, from: &Path, part: &Path) -> bool {
        if !from.exists() {
            return false;
        }
        if !self.is_good(from) {
            eprintln!("not used, because its contents are wrong: {}", from.display());
            return false;
        }
        eprintln!("taken from {}", from.display());
        link_or_copy(from, part).is_ok()
    }

    fn offer(&self, path: &Path, shared: &Path) -> io::Result<()> {
        let place = shared.join(self.name);
        if self.is_good(&place) {
            return Ok(());
        }
        fs::create_dir_all(shared)?;
        let part = shared.join(format!("{}.{}.part", self.name, std::process::id()));
        link_or_copy(path, &part)?;
        fs::rename(&part, &place)
    }
}

fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// One task at a time works on a file; the system ends the lock with the process, however that ends.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!("waiting for another `cargo xtask` that holds {}", path.display());
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

fn set_aside(path: &Path, fault: &str) -> Result<()> {
    let bad = path.with_added_extension("bad");
    fs::rename(path, &bad).with_context(|| format!("cannot rename {}", path.display()))?;
    eprintln!("{} is not the file it should be: {fault}; moved to {}", path.display(), bad.display());
    Ok(())
}

fn stamp_path(path: &Path) -> PathBuf {
    path.with_added_extension("ok")
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(|_| ()))
}

#[cfg(test)]
mod tests;
