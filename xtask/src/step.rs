//! One line when a step begins and one when it ends, with the seconds it took.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Error, Result, bail};

/// Runs `work` as the step `name`. Its failure names the step.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    eprintln!("▸ {name}");
    let result = work();
    let mark = if result.is_ok() { '✓' } else { '✗' };
    eprintln!("{mark} {name} ({:.1} s)", start.elapsed().as_secs_f32());
    result.with_context(|| format!("{name} failed"))
}

/// Runs `command` with our input and output, to its success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Becomes `command`, so that whoever ends us ends it. Comes back only if it cannot start.
pub(crate) fn become_command(command: &mut Command) -> Error {
    let error = command.exec();
    Error::new(error).context(format!("cannot start {}", shown(command)))
}

/// What `command` prints, if it starts and succeeds.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_step_and_command() {
        let error = step("the step", || run(Command::new("false").arg("x"))).unwrap_err();
        assert_eq!(format!("{error:#}"), "the step failed: false x ended with exit status: 1");
        assert!(run(&mut Command::new("/nowhere/none")).is_err());
        let error = become_command(&mut Command::new("/nowhere/none"));
        assert!(error.to_string().starts_with("cannot start /nowhere/none"), "{error}");
        assert_eq!(output(Command::new("echo").arg("a b")), Some("a b".into()));
        assert_eq!(output(&mut Command::new("false")), None);
    }
}
