//! The real program `pema`, run in a temporary folder that holds the tiny model and some pairs.

use std::path::PathBuf;
use std::process::{Command, Output};

use pema::dataset::Example;
use pema_tests::{fixture, small};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Formats as a user types them: `\n` is two characters.
pub(crate) const TEMPLATE: &str = r"Be formal.\nInformal: {input}\nFormal: {target}";
/// Flags of a training that takes no time.
pub(crate) const QUICK: &str = "--rank 4 --steps 12 --eval-every 4 --lr 0.01";

/// A folder to work in. Commands run inside it, so that files are named as they are listed here:
/// `tiny.gguf`, `train.jsonl` (24 pairs), `valid.jsonl` (6 others).
pub(crate) struct Place(TempDir);

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        std::fs::copy(fixture("tiny.gguf"), place.path("tiny.gguf")).unwrap();
        let pairs = small::dataset(30).examples;
        place.write("train.jsonl", lines(&pairs[..24]));
        place.write("valid.jsonl", lines(&pairs[24..]));
        place
    }

    /// With the memories `m/train` and `m/valid`.
    pub(crate) fn built() -> Place {
        let place = Place::new();
        for part in ["train", "valid"] {
            let build = format!("memory build --model tiny.gguf --data {part}.jsonl --out m/{part}");
            place.run(&build, &["--template", TEMPLATE]).succeeded();
        }
        place
    }

    /// With `adapter.safetensors` too.
    pub(crate) fn trained() -> Place {
        let place = Place::built();
        place.pema(&format!("{} --out adapter.safetensors", train())).succeeded();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The objects of a file of JSON Lines.
    pub(crate) fn read_lines(&self, name: &str) -> Vec<Value> {
        let text = String::from_utf8(self.read(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Every file below the folder.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let (mut folders, mut files) = (vec![self.0.path().to_owned()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        files
    }

    /// A command on the processor, not yet run: `words`, parted by blanks, then `more` as they are.
    pub(crate) fn command(&self, words: &str, more: &[&str]) -> Command {
        let mut command = Command::new(program());
        let device = if words.contains("--device") { "" } else { "--device cpu" };
        command.args(device.split_whitespace()).args(words.split_whitespace()).args(more).current_dir(self.0.path());
        command
    }

    pub(crate) fn run(&self, words: &str, more: &[&str]) -> Run {
        Run::of(&self.command(words, more).output().unwrap())
    }

    pub(crate) fn pema(&self, words: &str) -> Run {
        self.run(words, &[])
    }

    /// The one object that the command prints with `--json`.
    pub(crate) fn json(&self, words: &str, more: &[&str]) -> Value {
        let run = self.run(&format!("--json {words}"), more).succeeded();
        assert!(run.out.ends_with('\n') && run.out.lines().count() == 1, "not one line of output: {run:?}");
        let value: Value = serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {run:?}"));
        assert!(value.is_object(), "not an object: {run:?}");
        value
    }
}

impl Run {
    fn of(output: &Output) -> Run {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Run { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    pub(crate) fn succeeded(self) -> Run {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// The exit code is `code`, and what is said holds every one of `parts` and no panic.
    pub(crate) fn refused(self, code: i32, parts: &[&str]) -> Run {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(!self.err.contains("panicked") && self.err.contains("error: "), "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in {self:?}");
        }
        self
    }
}

/// A quick training on the memories of [`Place::built`], without `--out`.
pub(crate) fn train() -> String {
    format!("train --model tiny.gguf --memory m/train --valid m/valid {QUICK}")
}

pub(crate) fn lines(pairs: &[Example]) -> String {
    pairs.iter().map(|e| format!("{}\n", json!({"input": e.input, "target": e.target}))).collect()
}

/// Cargo builds the program of another package only when the whole workspace is tested.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(|deps| deps.parent()).unwrap();
    let program = folder.join(format!("pema{}", std::env::consts::EXE_SUFFIX));
    let name = program.display();
    assert!(program.exists(), "there is no {name}; run this test with `cargo test --workspace`, which builds it");
    program
}
