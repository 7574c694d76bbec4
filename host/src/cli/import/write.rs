//! Writes what was planned: variables first, so that no file is in force before what it refers to.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::Context as _;

use super::env_file;
use super::plan::{Outcome, Plan, Planned};
use crate::cli::screen;
use crate::files;

pub(super) fn write(home: &Path, plan: &Plan) -> anyhow::Result<()> {
    let lines: String = plan.variables.iter().filter_map(env_file::line).collect();
    if !lines.is_empty() {
        let path = home.join(".env");
        let open = env_file::append(&path, &lines).with_context(|| format!("cannot add to {}", path.display()))?;
        if open {
            screen::remark(&format!("others may read {}: `chmod 600` it, it holds secrets", path.display()));
        }
    }
    for webhook in &plan.webhooks {
        let path = home.join(&webhook.file);
        write_one(&path, webhook).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn write_one(path: &Path, webhook: &Planned) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match webhook.outcome {
        Outcome::Same => Ok(()),
        Outcome::Replaced => files::replace_public(path, webhook.text.as_bytes()),
        Outcome::New => match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(mut file) => file.write_all(webhook.text.as_bytes()).and_then(|()| file.sync_all()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(std::io::Error::other("somebody else just made it; do it once more"))
            }
            Err(error) => Err(error),
        },
    }
}
