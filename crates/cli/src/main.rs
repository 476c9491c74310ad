//! `pema`: private adaptation of language models on this machine. Arguments in, text or one JSON
//! object out; everything else is in the `pema` crate.

#![expect(unreachable_pub, reason = "a program exports nothing; pub marks what its modules share")]

mod args;
mod commands;
mod engine;
mod progress;
mod table;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse(); // exits with 2 on bad usage
    #[expect(clippy::disallowed_methods, reason = "this is the program's one place to block")]
    let outcome = pollster::block_on(run(&cli));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            let usage =
                matches!(error.downcast_ref(), Some(pema::Error::BadSetting { .. } | pema::Error::Needs { .. }));
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

async fn run(cli: &Cli) -> anyhow::Result<()> {
    let global = &cli.global;
    match &cli.command {
        Command::Doctor => commands::doctor::run(global).await,
        Command::Model(args) => commands::model::run(global, args).await,
        Command::Contexts(args) => commands::contexts::run(global, args).await,
        Command::Memory(args) => commands::memory::run(global, args).await,
        Command::Train(args) => commands::train::run(global, args).await,
        Command::Generate(args) => commands::generate::run(global, args).await,
        Command::Eval(args) => commands::eval::run(global, args).await,
        Command::Bench(args) => commands::bench::run(global, args).await,
        Command::Demo(args) => commands::demo::run(global, args).await,
    }
}
