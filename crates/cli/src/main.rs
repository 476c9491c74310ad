//! `pema`: private adaptation of language models on this machine. Arguments in, text or one JSON
//! object out; everything else is in the `pema` crate.

#![expect(unreachable_pub, reason = "a program exports nothing; pub marks what its modules share")]

mod args;
mod commands;
mod engine;
mod progress;
mod table;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    leave_devices_unsorted();
    end_quietly_when_nobody_reads();
    let cli = Cli::parse(); // exits with 2 on bad usage
    #[expect(clippy::disallowed_methods, reason = "this is the program's one place to block")]
    let outcome = pollster::block_on(run(&cli));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(usage) = error.downcast_ref::<clap::Error>() {
                usage.exit();
            }
            eprintln!("error: {error:#}");
            ExitCode::from(if used_wrongly(&error) { 2 } else { 1 })
        }
    }
}

/// Whether other arguments, rather than other files, would mend it.
fn used_wrongly(error: &anyhow::Error) -> bool {
    use pema::Error as E;
    let of_library: Option<&E> = error.downcast_ref();
    matches!(of_library, Some(E::BadSetting { .. } | E::BadSampling { .. } | E::BadLambda { .. } | E::Needs { .. }))
}

/// Mesa's layer that puts the desktop's device first looks for a Wayland display, and complains on standard
/// error wherever there is no desktop. This program chooses its device itself, so the layer can stay out.
fn leave_devices_unsorted() {
    #[expect(unsafe_code, reason = "the only way to tell a library that is loaded by a driver")]
    // SAFETY: the process has no other thread yet that could read the environment.
    unsafe {
        std::env::set_var("NODEVICE_SELECT", "1");
    }
}

/// `println!` panics when its reader is gone, as in `pema model M | head -1`, or the disk is full. The
/// first is no failure and ends the program as the system's own signal would; the second gets a message.
fn end_quietly_when_nobody_reads() {
    const BY_SIGNAL: i32 = 128 + 13;
    let panic = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let Some(why) = info.payload_as_str().and_then(|t| t.strip_prefix("failed printing to ")) else {
            return panic(info);
        };
        // The second is what Windows says.
        if why.contains("Broken pipe") || why.contains("os error 232") {
            std::process::exit(BY_SIGNAL);
        }
        writeln!(std::io::stderr(), "error: cannot write to {why}").ok();
        std::process::exit(1);
    }));
}

async fn run(cli: &Cli) -> anyhow::Result<()> {
    let global = &cli.global;
    match &cli.command {
        Command::Doctor => commands::doctor::run(global).await,
        Command::Model(args) => commands::model::run(global, args).await,
        Command::Contexts(args) => commands::contexts::run(global, args).await,
        Command::Memory(args) => commands::memory::run(global, args).await,
        Command::Train(args) => commands::train::run(global, args).await,
        Command::Tune(args) => commands::tune::run(global, args).await,
        Command::Lab(args) => commands::lab::run(global, args).await,
        Command::Generate(args) => commands::generate::run(global, args).await,
        Command::Eval(args) => commands::eval::run(global, args).await,
        Command::Bench(args) => commands::bench::run(global, args).await,
        Command::Demo(args) => commands::demo::run(global, args).await,
    }
}
