//! Other people's verifiers and clients in other languages, as `cargo xtask test` installs them.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::process::Command;

use crate::host::{folder, output, workspace};
use crate::optional::not_run;

pub struct Verifiers {
    python: PathBuf,
}

impl Verifiers {
    /// `None`, said aloud, when they are not there; with `CI=true` a failure.
    pub fn find() -> Option<Self> {
        let packages = workspace().join("tests/verifiers/javascript/node_modules/standardwebhooks");
        is_there(&packages).then(python).flatten().map(|python| Self { python })
    }

    /// How many of the deliveries in `file` fit.
    pub async fn javascript(&self, sources: &Path, file: &Path) -> Value {
        said(Command::new("node").arg(sources.join("javascript/verify.mjs")).arg(file)).await
    }

    /// The same.
    pub async fn python(&self, sources: &Path, file: &Path) -> Value {
        said(Command::new(&self.python).arg(sources.join("python/verify.py")).arg(file)).await
    }
}

/// Runs other people's client and server side of `CloudEvents`: what it says, line by line. `None`, said aloud, when it
/// is not there; with `CI=true` a failure.
pub async fn cloudevents(arguments: &[&str]) -> Option<Vec<Value>> {
    let script = workspace().join("tests/verifiers/python/cloudevents_of_others.py");
    let output = output(Command::new(python()?).arg(script).args(arguments)).await;
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(lines.lines().map(|line| serde_json::from_str(line).expect("lines of JSON")).collect())
}

fn python() -> Option<PathBuf> {
    python_program("python")
}

/// A program that is installed beside Python's. `None`, said aloud, when it is not there; with `CI=true` a failure.
pub fn python_program(name: &str) -> Option<PathBuf> {
    let program = folder("HOOKWRIGHT_VERIFIERS", "target/verifiers").join("python/bin").join(name);
    is_there(&program).then_some(program)
}

/// What they are set up with.
pub fn sources() -> PathBuf {
    workspace().join("tests/verifiers")
}

fn is_there(path: &Path) -> bool {
    let is_there = path.exists();
    if !is_there {
        not_run(&format!("there is no {}; `cargo xtask test` installs it", path.display()));
    }
    is_there
}

async fn said(command: &mut Command) -> Value {
    let output = output(command).await;
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}
