//! `plugin rollback`: puts the kept bytes of an earlier version into `plugins/`, where the host takes them up as any
//! other file. Works without a running host too.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::super::{Exit, Format, screen, status};
use super::in_force::{Host, in_force};
use super::versions::in_folder;
use crate::files;
use crate::ids::{Digest, PluginName};
use crate::kept::{self, KeptVersion};

#[derive(Debug, Args)]
pub(in crate::cli) struct RollbackArgs {
    /// The plugin's name: its file without .wasm
    name: PluginName,
    /// The version to put back, by the first digits of its digest; without it, the one before
    #[arg(value_name = "DIGEST-PREFIX")]
    digest: Option<String>,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn run(home: &Path, args: RollbackArgs) -> anyhow::Result<Exit> {
    let RollbackArgs { name, digest, format } = args;
    let history = kept::history(home, &name);
    let wanted = choose(&history, in_folder(home, &name), digest.as_deref())
        .map_err(|reason| anyhow::anyhow!("plugin {name} {reason}; `hookwright plugin versions {name}` lists them"))?;
    let bytes = kept::read(home, &name, wanted.digest)?;
    let file = home.join("plugins").join(format!("{name}.wasm"));
    files::replace_public(&file, &bytes).with_context(|| format!("failed to write {}", file.display()))?;
    let host = in_force(home, &name, wanted.digest).await?;
    if format.json {
        let (running, in_force, faults) = host.members();
        let answer = json!({"plugin": name, "digest": wanted.digest, "version": wanted.version, "hostRuns": running,
            "inForce": in_force, "faults": faults});
        screen::line(&answer.to_string())?;
    } else {
        screen::line(&as_text(&name, wanted, &host))?;
    }
    Ok(if matches!(host, Host::Refuses(_)) { Exit::Configuration } else { Exit::Ok })
}

/// The version that is meant, or why there is none. `current` is the one in the folder.
fn choose<'a>(
    history: &'a [KeptVersion],
    current: Option<Digest>,
    prefix: Option<&str>,
) -> Result<&'a KeptVersion, String> {
    let Some(prefix) = prefix else {
        let before = history.iter().rev().find(|version| Some(version.digest) != current);
        return before.ok_or_else(|| "has no earlier version here".to_owned());
    };
    let prefix = prefix.to_ascii_lowercase();
    let mut fitting = history.iter().filter(|version| version.digest.to_string().starts_with(&prefix));
    match (fitting.next(), fitting.next()) {
        (Some(version), None) if !prefix.is_empty() => Ok(version),
        (None, _) => Err(format!("had no version {prefix:?} in force here")),
        _ => Err(format!("had several versions in force that begin with {prefix:?}")),
    }
}

fn as_text(name: &PluginName, version: &KeptVersion, host: &Host) -> String {
    let what = format!("version {} ({}) of plugin {name}", version.digest.short(), screen::inert(&version.version));
    match host {
        Host::Took => format!("Now in force: {what}."),
        Host::Absent => format!("Put back: {what}. No host runs here; the next start takes it."),
        Host::Refuses(faults) => {
            let mut text = format!("Put back, but not in force: {what}.");
            if faults.is_empty() {
                let _ = write!(text, " `hookwright status` shows what is.");
            } else {
                let _ = write!(text, "\n\n{}", status::faults_text(faults));
            }
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn history() -> Vec<KeptVersion> {
        let version = |text: &str| KeptVersion {
            digest: Digest::of(text.as_bytes()),
            version: text.to_owned(),
            since: Timestamp::default(),
        };
        ["abc", "2", "3"].map(version).into()
    }

    #[test]
    fn the_version_before_is_another_than_the_one_in_the_folder() {
        let history = history();
        let chosen = |current: Option<&str>| {
            let current = current.map(|text| Digest::of(text.as_bytes()));
            choose(&history, current, None).map(|version| version.version.as_str())
        };
        assert_eq!(chosen(Some("3")), Ok("2"));
        assert_eq!(chosen(Some("2")), Ok("3"), "twice is back again");
        assert_eq!(chosen(Some("broken")), Ok("3"), "the one that stayed in force");
        assert_eq!(
            choose(&history[..1], Some(Digest::of(b"abc")), None),
            Err("has no earlier version here".to_owned())
        );
    }

    #[test]
    fn a_version_is_named_by_its_first_digits() {
        let history = history();
        assert_eq!(choose(&history, None, Some("BA7816")).map(|version| version.version.as_str()), Ok("abc"));
        assert_eq!(choose(&history, None, Some("77")), Err("had no version \"77\" in force here".to_owned()));
        assert!(choose(&history, None, Some("")).is_err());
    }
}
