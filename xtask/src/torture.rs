//! The promise under duress, longer than the tests do it: kills, a full disk, a failing one.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::languages::NotRun;

/// How much of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Torture {
    cycles: u32,
    seed: Option<u64>,
}

/// Each call of the disk up to this one fails once.
const FAILURES: u32 = 24;

impl Torture {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut torture = Self { cycles: 200, seed: None };
        let mut arguments = arguments.iter();
        while let Some(option) = arguments.next() {
            let value = arguments.next().with_context(|| format!("{option} needs a number"))?;
            let wrong = || format!("{option} {value}: not a number");
            match option.as_str() {
                "--cycles" => torture.cycles = value.parse().with_context(wrong)?,
                "--seed" => torture.seed = Some(value.parse().with_context(wrong)?),
                _ => bail!("unknown option {option}; there are --cycles N and --seed S"),
            }
        }
        Ok(torture)
    }

    /// Tells the scenarios.
    pub(crate) fn ask<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("HOOKWRIGHT_TORTURE_CYCLES", self.cycles.to_string());
        command.env("HOOKWRIGHT_TORTURE_FAILURES", FAILURES.to_string());
        if let Some(seed) = self.seed {
            command.env("HOOKWRIGHT_TORTURE_SEED", seed.to_string());
        }
        command
    }
}

/// strace, where it may be installed; what needs it is not run without.
pub(crate) fn provide_strace() -> Result<NotRun> {
    debian::provide(&["strace"], &["strace"], "a disk that fails, and the order of sync and answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_numbers() {
        let parse = |text: &str| Torture::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(parse("").unwrap(), Torture { cycles: 200, seed: None });
        assert_eq!(parse("--seed 7 --cycles 3").unwrap(), Torture { cycles: 3, seed: Some(7) });
        for wrong in ["--cycles", "--cycles many", "--speed 1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
