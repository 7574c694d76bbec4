//! A plugin's file into a home's `plugins/`, as a whole, and what a running host makes of it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::super::{Exit, discovery, screen, status};
use super::in_force::{Host, in_force};
use crate::config::Home;
use crate::files;
use crate::ids::{Digest, PluginName};
use crate::plugin::MAX_PLUGIN_FILE_BYTES;

/// Where a plugin lies in a home.
pub(super) struct Place<'h> {
    home: &'h Path,
    name: &'h PluginName,
}

impl<'h> Place<'h> {
    /// # Errors
    /// When the folder is no home.
    pub(super) fn new(home: &'h Path, name: &'h PluginName) -> anyhow::Result<Self> {
        if !Home::new(home).config().is_dir() {
            let init = discovery::command("init", home);
            bail!("{} is no home folder: it has no config/; `{init}` makes one", home.display());
        }
        Ok(Self { home, name })
    }

    /// As people know it.
    pub(super) fn file(&self) -> String {
        format!("plugins/{}.wasm", self.name)
    }

    /// What lies there now.
    pub(super) fn current(&self) -> Option<Digest> {
        let bytes = files::read_capped(&self.home.join(self.file()), MAX_PLUGIN_FILE_BYTES);
        bytes.ok().map(|bytes| Digest::of(&bytes))
    }

    pub(super) fn exists(&self) -> bool {
        self.home.join(self.file()).symlink_metadata().is_ok()
    }

    /// Puts the bytes there, unless they are there already, and asks a running host.
    pub(super) async fn install(&self, wasm: &[u8]) -> anyhow::Result<Host> {
        let path = self.home.join(self.file());
        let digest = Digest::of(wasm);
        if self.current() != Some(digest) {
            let folder = self.home.join("plugins");
            fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
            files::replace_public(&path, wasm).with_context(|| format!("failed to write {}", path.display()))?;
        }
        in_force(self.home, self.name, digest).await
    }
}

/// What became of a file that was put in its place.
pub(super) fn as_text(file: &str, host: &Host) -> String {
    match host {
        Host::Took => format!("In force: {file}."),
        Host::Absent => format!("Installed: {file}. No host runs here; the next start takes it."),
        Host::Refuses(faults) => {
            let mut text = format!("Installed, but not in force: {file}.");
            if faults.is_empty() {
                let _ = write!(text, " `hookwright status` shows what is.");
            } else {
                let _ = write!(text, "\n\n{}", status::faults_text(faults));
            }
            screen::inert_lines(&text).into_owned()
        }
    }
}

pub(super) const fn exit(host: &Host) -> Exit {
    if matches!(host, Host::Refuses(_)) { Exit::Configuration } else { Exit::Ok }
}
