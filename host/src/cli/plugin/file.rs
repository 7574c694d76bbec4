//! A wasm file named on the command line: loaded as the host would.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::building;
use crate::files;
use crate::ids::PluginName;
use crate::plugin::{MAX_PLUGIN_FILE_BYTES, Plugin};

/// The bytes of a file that may be a plugin. Blocking.
///
/// # Errors
/// When it cannot be read, or is larger than any plugin.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path.is_dir() {
        bail!("{} is a folder; name a wasm file, such as `hookwright plugin build` makes of a crate", path.display());
    }
    files::read_capped(path, MAX_PLUGIN_FILE_BYTES).with_context(|| format!("cannot read {}", path.display()))
}

/// What a plugin in this file would be called: the stem, as far as it can be a name.
pub(super) fn name(path: &Path) -> PluginName {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase().replace('_', "-");
    stem.parse().or_else(|_| "plugin".parse()).expect("a valid name")
}

/// Loads it under the limits of the home, if it is one. Blocking.
///
/// # Errors
/// When the host would refuse it.
pub(super) fn load(path: &Path, asked_for: Option<&Path>) -> anyhow::Result<Arc<Plugin>> {
    let wasm = read(path)?;
    let workbench = building::workbench(asked_for.unwrap_or(Path::new(".")))?;
    workbench.load(&name(path), &wasm).with_context(|| format!("{} cannot be used", path.display()))
}
