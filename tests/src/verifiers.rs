//! Other people's verifiers in other languages, as `cargo xtask test` installs them.

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
        let python = folder("HOOKWRIGHT_VERIFIERS", "target/verifiers").join("python/bin/python");
        let packages = workspace().join("tests/verifiers/javascript/node_modules/standardwebhooks");
        let missing = [&python, &packages].into_iter().find(|path| !path.exists());
        let Some(missing) = missing else { return Some(Self { python }) };
        let missing = format!("there is no {}; `cargo xtask test` installs it", missing.display());
        not_run(&missing);
        None
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

async fn said(command: &mut Command) -> Value {
    let output = output(command).await;
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}
