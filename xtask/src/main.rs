//! `cargo xtask TASK`: everything around the build that takes more than one command, the same on a
//! developer's machine and in CI. It shares no code with the crates it builds.

mod apt;
mod bench;
mod browser;
mod demo;
mod fixtures;
mod model;
mod process;
mod python;
mod seal;
mod serve;
mod stages;
mod studio;
mod test;
mod toolchain;
mod tools;
mod verified;
mod vulkan;
mod wheel;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

struct Task {
    name: &'static str,
    arguments: &'static str,
    what: &'static str,
    run: fn(&[String]) -> Result<ExitCode>,
}

const TASKS: &[Task] = &[
    Task {
        name: "app",
        arguments: "[--port N]",
        what: "build the studio and serve it on this machine",
        run: studio::app,
    },
    Task {
        name: "dist",
        arguments: "[--with-model]",
        what: "build the studio into web/dist, for any static host",
        run: studio::dist,
    },
    Task {
        name: "studio",
        arguments: "[--time]",
        what: "only the studio's tests in headless Chromium, or how long a newcomer waits",
        run: studio_task,
    },
    Task { name: "seal", arguments: "", what: "what Trunk calls at the end of a build", run: seal::task },
    Task { name: "model", arguments: "", what: "fetch the default language model (98 MB, once)", run: model_task },
    Task { name: "test", arguments: "", what: "format, lints and every test, as CI runs them", run: test::task },
    Task { name: "demo", arguments: "[ARGS]", what: "build `pema` and run `pema demo ARGS`", run: demo::task },
    Task {
        name: "bench",
        arguments: "[ARGS]",
        what: "time this engine beside PyTorch and llama.cpp (--no-peers: alone)",
        run: bench::task,
    },
    Task {
        name: "fixtures",
        arguments: "",
        what: "make the tests' recorded values again (Python)",
        run: fixtures::task,
    },
];

const VARIABLES: &str = "\
Variables:
  PEMA_CACHE=DIR       keep the model and other downloads there, not in .pema
  PEMA_MODEL=FILE      use this copy of the default model and fetch none
  PEMA_SKIP_MODEL=1    test: leave out the tests of the default model (not in CI)
  CI=true              test: a missing driver or model is a failure, nothing is skipped
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<ExitCode> {
    let Some((name, rest)) = arguments.split_first() else {
        print!("{}", help());
        return Ok(ExitCode::SUCCESS);
    };
    if ["help", "-h", "--help"].contains(&name.as_str()) {
        print!("{}", help());
        return Ok(ExitCode::SUCCESS);
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        bail!("there is no task `{name}`\n\n{}", help());
    };
    if let (true, Some(argument)) = (task.arguments.is_empty(), rest.first()) {
        bail!("`{argument}` is one word too many: `cargo xtask {name}` takes no arguments");
    }
    (task.run)(rest)
}

fn help() -> String {
    let mut text = String::from("Usage: cargo xtask TASK\n\nTasks:\n");
    for task in TASKS {
        let usage = format!("{} {}", task.name, task.arguments);
        text += &format!("  {usage:<20} {}\n", task.what);
    }
    text + "\n" + VARIABLES
}

fn model_task(_: &[String]) -> Result<ExitCode> {
    model::ensure()?;
    Ok(ExitCode::SUCCESS)
}

fn studio_task(arguments: &[String]) -> Result<ExitCode> {
    match arguments {
        [] => {
            let model = if workspace::switch("PEMA_SKIP_MODEL") { None } else { Some(model::path()?) };
            studio::tests(model)?;
        }
        [flag] if flag == "--time" => {
            studio::time(model::path()?)?;
        }
        _ => bail!("usage: cargo xtask studio [--time]"),
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_task() {
        let help = help();
        assert!(TASKS.iter().all(|task| help.contains(&format!("\n  {}", task.name)) && help.contains(task.what)));
    }

    #[test]
    fn what_is_not_a_task_or_has_a_word_too_many_is_refused() {
        let refused = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            dispatch(&words).unwrap_err().to_string()
        };
        assert!(refused(&["tset"]).contains("no task `tset`"));
        assert!(refused(&["model", "other"]).contains("`other`"));
    }
}
