//! A plugin's crate built, and its file judged as the host would.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use hookwright_plugin_build::{Build, Installing, Profile, Toolchain, toolchain};

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

/// What can build this crate. Blocking.
pub(super) fn find_toolchain(krate: &Krate) -> anyhow::Result<Toolchain> {
    Ok(toolchain(&krate.folder, Installing::Target, &screen::remark)?)
}

/// Builds; cargo says on standard error what it does, or with `quiet` only what is wrong. Blocking.
pub(super) fn build(krate: &Krate, toolchain: &Toolchain, profile: Profile, quiet: bool) -> anyhow::Result<Built> {
    let order = Build::new(&krate.folder, profile);
    let artefacts = if quiet { order.quiet() } else { order }.run(toolchain)?;
    let manifest = krate.folder.join("Cargo.toml");
    let Some(artefact) = artefacts.into_iter().find(|artefact| artefact.manifest == manifest) else {
        bail!("cargo made no wasm file of {}", krate.folder.display());
    };
    let wasm = files::read_capped(&artefact.wasm, MAX_PLUGIN_FILE_BYTES)
        .with_context(|| format!("cannot read {}", artefact.wasm.display()))?;
    Ok(Built { path: from_here(&artefact.wasm), wasm })
}

/// Where plugins are tried, under the limits of the home if it is one.
pub(super) fn workbench(home: &Path) -> anyhow::Result<Workbench> {
    let home = Home::new(home);
    Workbench::open(home.config().is_dir().then_some(&home))
}

/// Loads it with the real engine. Blocking.
pub(super) fn judge(workbench: &Workbench, krate: &Krate, built: &Built) -> anyhow::Result<Arc<Plugin>> {
    workbench.load(&krate.name, &built.wasm).with_context(|| format!("plugin {} cannot be used", krate.name))
}

/// A path as one would type it from here.
pub(super) fn from_here(path: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let (Ok(here), Ok(path)) = (here, path.canonicalize()) else { return path.to_owned() };
    let way = PathBuf::from(scaffold::way(&here, &path));
    if way.as_os_str().len() < path.as_os_str().len() { way } else { path }
}
