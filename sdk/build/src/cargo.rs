//! Cargo, in the environment of the person who runs us.

use std::env;
use std::path::Path;
use std::process::Command;

/// `cargo` in `folder`.
pub fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder);
    // What a cargo that runs us told about us. Build scripts watch some of it and would run again.
    for name in env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|name| speaks_of_us(name)) {
        cargo.env_remove(name);
    }
    cargo
}

fn speaks_of_us(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|start| variable.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_people_reach_cargo() {
        assert!(speaks_of_us("CARGO_PKG_NAME") && speaks_of_us("CARGO_MANIFEST_DIR"));
        assert!(!speaks_of_us("CARGO_TARGET_DIR") && !speaks_of_us("CARGO_BUILD_JOBS") && !speaks_of_us("CARGO"));
    }
}
