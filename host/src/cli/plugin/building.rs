//! A plugin's crate built, and its file judged as the host would.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use hookwright_plugin_build::{Build, Installing, Profile, toolchain};

use super::super::screen;
use crate::author::krate::Krate;
use crate::author::scaffold;
use crate::author::workbench::Workbench;
use crate::config::Home;
use crate::files;
use crate::plugin::{MAX_PLUGIN_FILE_BYTES, Plugin};

/// What was built.
pub(super) struct Built {
    /// From the folder we are in, if it lies below.
    pub(super) path: PathBuf,
    pub(super) wasm: Vec<u8>,
}

/// Builds; cargo says on standard error what it does, or with `quiet` only what is wrong. Blocking.
pub(super) fn build(krate: &Krate, profile: Profile, quiet: bool) -> anyhow::Result<Built> {
    let toolchain = toolchain(&krate.folder, Installing::Target, &screen::remark)?;
    let order = Build::new(&krate.folder, profile);
    let artefacts = if quiet { order.quiet() } else { order }.run(&toolchain)?;
    let manifest = krate.folder.join("Cargo.toml");
    let Some(artefact) = artefacts.into_iter().find(|artefact| artefact.manifest == manifest) else {
        bail!("cargo made no wasm file of {}", krate.folder.display());
    };
    let wasm = files::read_capped(&artefact.wasm, MAX_PLUGIN_FILE_BYTES)
        .with_context(|| format!("cannot read {}", artefact.wasm.display()))?;
    Ok(Built { path: from_here(&artefact.wasm), wasm })
}

/// Loads it with the real engine, under the limits of the home if there is one. Blocking.
pub(super) fn judge(krate: &Krate, home: &Path, wasm: &[u8]) -> anyhow::Result<(Workbench, Arc<Plugin>)> {
    let home = Home::new(home);
    let workbench = Workbench::open(home.config().is_dir().then_some(&home))?;
    let plugin = workbench.load(&krate.name, wasm).with_context(|| format!("plugin {} cannot be used", krate.name))?;
    Ok((workbench, plugin))
}

/// A path as one would type it from here.
pub(super) fn from_here(path: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let (Ok(here), Ok(path)) = (here, path.canonicalize()) else { return path.to_owned() };
    let way = PathBuf::from(scaffold::way(&here, &path));
    if way.as_os_str().len() < path.as_os_str().len() { way } else { path }
}
