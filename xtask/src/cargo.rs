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
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).args(arguments);
    if ci() {
        cargo.arg("--locked");
    }
    // What the cargo that runs us told about us. Build scripts watch some of it and would run again.
    for name in env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|name| speaks_of_us(name)) {
        cargo.env_remove(name);
    }
    cargo
}

pub(crate) fn ci() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true")
}

fn speaks_of_us(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|start| variable.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_has_the_lock_file() {
        assert!(root().join("Cargo.lock").is_file());
    }

    #[test]
    fn settings_of_people_reach_cargo() {
        assert!(speaks_of_us("CARGO_PKG_NAME") && speaks_of_us("CARGO_MANIFEST_DIR"));
        assert!(!speaks_of_us("CARGO_TARGET_DIR") && !speaks_of_us("CARGO_BUILD_JOBS") && !speaks_of_us("CARGO"));
    }
}
