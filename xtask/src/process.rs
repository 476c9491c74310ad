//! Running other programs: what they print goes straight to the terminal, and a failure names the line.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The Cargo that runs this task.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command to its end. What it prints is the user's to see.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status}); its own message is above", shown(command));
    }
    Ok(())
}

/// Whether a command can be run and succeeds; it prints nothing.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// What a command prints, where it succeeds.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The command as somebody would type it; long arguments, which are scripts, are left out.
pub(crate) fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_stem().unwrap_or(OsStr::new("?")).to_string_lossy().into_owned();
    let words = command.get_args().map(|word| match word.to_string_lossy() {
        word if word.contains('\n') => "...".to_owned(),
        word if word.contains(' ') => format!("'{word}'"),
        word => word.into_owned(),
    });
    std::iter::once(name).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_line() {
        let mut command = Command::new("no-such-program-here");
        let message = format!("{:#}", run(command.args(["--flag", "two words", "line\nline"])).unwrap_err());
        assert!(message.contains("`no-such-program-here --flag 'two words' ...`"), "{message}");
        assert!(!succeeds(&mut Command::new("no-such-program-here")));
        assert!(output(&mut Command::new("no-such-program-here")).is_none());
    }
}
