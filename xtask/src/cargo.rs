//! Cargo, as every chore calls it, and where it puts things.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// Where the host is built.
pub(crate) fn target_dir() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// `cargo <arguments>` at the root.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut cargo = hookwright_plugin_build::cargo(root());
    cargo.args(arguments);
    if ci() {
        cargo.arg("--locked");
    }
    cargo
}

pub(crate) fn ci() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_has_the_lock_file() {
        assert!(root().join("Cargo.lock").is_file());
    }
}
