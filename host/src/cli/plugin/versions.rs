//! `plugin versions`: what a plugin was, newest first. Reads the home folder; needs no running host.

use std::path::Path;

use owo_colors::Style;
use serde_json::json;

use super::super::{Exit, Format, screen};
use crate::files;
use crate::ids::{Digest, PluginName};
use crate::kept::{self, KeptVersion};
use crate::plugin::MAX_PLUGIN_FILE_BYTES;

pub(super) fn run(home: &Path, name: &PluginName, format: Format) -> anyhow::Result<Exit> {
    let mut versions = kept::history(home, name);
    versions.reverse();
    let file = in_folder(home, name);
    let state = |version: &KeptVersion| match kept::read(home, name, version.digest) {
        Err(error) => format!("{error}"),
        Ok(_) if file == Some(version.digest) => format!("is plugins/{name}.wasm"),
        Ok(_) => String::new(),
    };
    if format.json {
        let list: Vec<_> = versions
            .iter()
            .map(|version| {
                let kept = kept::read(home, name, version.digest).is_ok();
                json!({"digest": version.digest, "version": version.version, "since": version.since, "kept": kept,
                    "inFolder": file == Some(version.digest)})
            })
            .collect();
        screen::line(&json!({"plugin": name, "versions": list}).to_string())?;
    } else if versions.is_empty() {
        screen::line(&format!("No version of plugin {name} has been in force in this home."))?;
    } else {
        screen::line(&table(&versions, state).render(0))?;
    }
    Ok(Exit::Ok)
}

/// The version whose file lies in `plugins/`, whether it came into force or not.
pub(super) fn in_folder(home: &Path, name: &PluginName) -> Option<Digest> {
    let path = home.join("plugins").join(format!("{name}.wasm"));
    files::read_capped(&path, MAX_PLUGIN_FILE_BYTES).ok().map(|bytes| Digest::of(&bytes))
}

fn table(versions: &[KeptVersion], state: impl Fn(&KeptVersion) -> String) -> screen::Table {
    let mut table = screen::Table::new(["DIGEST", "VERSION", "SINCE", ""]);
    for version in versions {
        table.row([
            screen::plain(version.digest.short()),
            screen::plain(&version.version),
            screen::dim(version.since.to_string()),
            (state(version), Style::new().green()),
        ]);
    }
    table
}
