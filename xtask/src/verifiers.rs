//! Other people's verifiers of signatures, and a client of `CloudEvents`, for scenarios: installed into `node_modules` and below `target/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cargo::{root, target_dir};
use crate::languages::{NotRun, javascript, python, sources::Sources};
use crate::step::{run, step};

/// Installs those whose languages are here.
pub(crate) fn install() -> Result<NotRun> {
    let mut not_run = NotRun::default();
    if javascript::has_tools() {
        step("verifier in JavaScript", || at_a_change("javascript", npm_ci))?;
    } else {
        not_run.add("the verifier in JavaScript", javascript::LANGUAGE.needs);
    }
    if python::has_tools() {
        step("verifier in Python", || at_a_change("python", venv))?;
    } else {
        not_run.add("the verifier in Python", python::LANGUAGE.needs);
    }
    not_run.tell()?;
    Ok(not_run)
}

/// Where what is not in `node_modules` goes.
pub(crate) fn folder() -> PathBuf {
    target_dir().join("verifiers")
}

fn at_a_change(language: &str, install: fn(&Path) -> Result<()>) -> Result<()> {
    let sources = root().join("tests/verifiers").join(language);
    let (read, stamp) = (Sources::read(&[&sources])?, folder().join(format!("{language}.sources")));
    if read.are_in(&stamp) {
        return Ok(());
    }
    fs::create_dir_all(folder()).context("cannot make target/verifiers")?;
    install(&sources)?;
    read.write(&stamp)
}

fn npm_ci(sources: &Path) -> Result<()> {
    run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(sources))
}

fn venv(sources: &Path) -> Result<()> {
    python::venv(&folder().join("python"), &sources.join("requirements.txt"))
}
