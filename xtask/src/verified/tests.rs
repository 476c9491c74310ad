use super::*;

const WANTED: Wanted =
    Wanted { name: "file", bytes: 3, sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" };

/// A folder of its own for each test, removed at the end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("pema-xtask-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }

    fn ensure(&self, fetch: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        WANTED.ensure(&self.0.join("models"), Some(&self.0.join("shared")), fetch)
    }

    fn write(&self, name: &str, contents: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.0.join(name)).ok()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn good(part: &Path) -> Result<()> {
    Ok(fs::write(part, "abc")?)
}

fn never(_: &Path) -> Result<()> {
    bail!("fetched, although nothing was to fetch")
}

#[test]
fn a_file_is_fetched_once_and_offered_to_other_clones() {
    let dir = Dir::new("once");
    let path = dir.ensure(good).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "abc");
    assert_eq!(dir.ensure(never).unwrap(), path);
    assert_eq!(dir.read("shared/file").unwrap(), "abc");
    assert!(dir.read("models/file.part").is_none());

    fs::remove_dir_all(dir.0.join("models")).unwrap();
    assert_eq!(dir.ensure(never).unwrap(), path, "the user's copy serves the next clone");
}

#[test]
fn a_file_that_was_written_to_is_checked_again_set_aside_and_replaced() {
    let dir = Dir::new("changed");
    let path = dir.ensure(good).unwrap();
    fs::remove_file(dir.0.join("shared/file")).unwrap();
    fs::write(&path, "abd").unwrap();
    File::options().append(true).open(&path).unwrap().set_modified(UNIX_EPOCH).unwrap();
    dir.ensure(good).unwrap();
    assert_eq!(dir.read("models/file").unwrap(), "abc");
    assert_eq!(dir.read("models/file.bad").unwrap(), "abd");
}

#[test]
fn a_good_file_without_a_stamp_is_kept() {
    let dir = Dir::new("unstamped");
    dir.write("models/file", "abc");
    dir.ensure(never).unwrap();
    assert!(dir.read("models/file.ok").unwrap().starts_with(WANTED.sha256));
}

#[test]
fn an_interrupted_or_wrong_download_never_gets_the_name() {
    let dir = Dir::new("wrong");
    dir.write("models/file.part", "ab");
    let error = dir.ensure(|part| Ok(fs::write(part, "abcd")?)).unwrap_err().to_string();
    assert!(error.contains("4 bytes instead of 3"), "{error}");
    let error = dir.ensure(|part| Ok(fs::write(part, "abd")?)).unwrap_err().to_string();
    assert!(error.contains("SHA-256"), "{error}");
    let interrupted = dir.ensure(|part| {
        fs::write(part, "a")?;
        bail!("interrupted")
    });
    assert!(interrupted.is_err() && dir.read("models/file").is_none());
    dir.ensure(good).unwrap();
    assert_eq!(dir.read("models/file").unwrap(), "abc");
}

#[test]
fn a_bad_shared_copy_is_not_used_but_replaced() {
    let dir = Dir::new("shared");
    dir.write("shared/file", "abd");
    dir.ensure(good).unwrap();
    assert_eq!(dir.read("models/file").unwrap(), "abc");
    assert_eq!(dir.read("shared/file").unwrap(), "abc");
}
