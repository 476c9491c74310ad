//! A task of several stages: each is announced and timed, the first failure ends it, a table closes it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The stages so far.
#[derive(Default)]
pub(crate) struct Stages {
    done: Vec<(&'static str, Duration, bool)>,
}

impl Stages {
    /// Runs a stage. `what` is what it does, usually the command line it stands for.
    pub(crate) fn run<T>(&mut self, name: &'static str, what: &str, stage: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n==> {name}: {what}");
        let start = Instant::now();
        let result = stage();
        let (took, passed) = (start.elapsed(), result.is_ok());
        self.done.push((name, took, passed));
        println!("<== {name} {} after {:.1} s", if passed { "passed" } else { "FAILED" }, took.as_secs_f64());
        result.with_context(|| format!("the stage `{name}` failed"))
    }

    /// The table of stages and seconds.
    pub(crate) fn table(&self) -> String {
        let row = |name: &str, took: &Duration, end: &str| format!("{name:<10} {:>8.1} s{end}\n", took.as_secs_f64());
        let mut table = String::from("\n");
        for (name, took, passed) in &self.done {
            table += &row(name, took, if *passed { "" } else { "  FAILED" });
        }
        table + &row("together", &self.done.iter().map(|(_, took, _)| took).sum(), "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_failed() {
        let mut stages = Stages::default();
        stages.run("good", "", || Ok(())).unwrap();
        let error = stages.run("bad", "", || Err::<(), _>(anyhow::anyhow!("the reason"))).unwrap_err();
        assert_eq!(format!("{error:#}"), "the stage `bad` failed: the reason");
        let table = stages.table();
        let lines: Vec<&str> = table.trim().lines().collect();
        assert!(lines[0].starts_with("good") && !lines[0].contains("FAILED"));
        assert!(lines[1].starts_with("bad") && lines[1].ends_with("FAILED"));
        assert!(lines[2].starts_with("together"));
    }
}
