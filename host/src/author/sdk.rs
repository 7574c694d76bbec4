//! The SDK as this binary carries it, for crates that lie outside a checkout of the project; and where it lies inside
//! one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Every file of the SDK's folder, and its text.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// The versions that the SDK was tested with, of all it depends on.
const LOCK: &str = include_str!(concat!(env!("OUT_DIR"), "/Cargo.lock"));

const NEXT_PACKAGE: &str = "\n\n[[package]]\n";

/// Writes the SDK into a folder that is made for it.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn unpack(folder: &Path) -> io::Result<()> {
    for (name, text) in FILES {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap_or(folder))?;
        fs::write(file, text)?;
    }
    Ok(())
}

/// A `Cargo.lock` for a crate that depends on the SDK: builds repeat, and need no network once one has succeeded.
pub(crate) fn lock(krate: &str) -> String {
    let ours = format!("name = \"{krate}\"\nversion = \"0.1.0\"\ndependencies = [\n \"hookwright-sdk\",\n]");
    let mut parts = LOCK.trim_end().split(NEXT_PACKAGE);
    let head = parts.next().unwrap_or_default();
    let mut packages: Vec<&str> = parts.chain([ours.as_str()]).collect();
    // By name, as cargo has them. Those that have the same stay as they are.
    packages.sort_by_key(|package| package.lines().next());
    packages.iter().fold(head.to_owned(), |lock, package| lock + NEXT_PACKAGE + package) + "\n"
}

/// The root of the checkout that `folder` lies in.
pub(crate) fn checkout_above(folder: &Path) -> Option<PathBuf> {
    let is_ours = |root: &&Path| {
        fs::read_to_string(root.join("sdk/Cargo.toml")).is_ok_and(|text| text.contains("name = \"hookwright-sdk\""))
    };
    folder.ancestors().find(is_ours).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_crate_is_in_it_and_its_tests_are_not() {
        let names: Vec<_> = FILES.iter().map(|(name, _)| *name).collect();
        for name in ["Cargo.toml", "src/lib.rs", "macros/Cargo.toml", "macros/src/lib.rs", "wit/plugin.wit"] {
            assert!(names.contains(&name), "{name} is not among {names:?}");
        }
        assert!(!names.iter().any(|name| name.starts_with("tests/")), "{names:?}");
    }

    #[test]
    fn the_lock_has_what_the_sdk_needs_and_no_more() {
        let lock = lock("lower");
        let names: Vec<_> = lock.lines().filter_map(|line| line.strip_prefix("name = ")).collect();
        assert!(names.is_sorted(), "{names:?}");
        for name in ["hookwright-sdk", "hookwright-sdk-macros", "lower", "serde_json", "syn"] {
            assert!(names.contains(&format!("\"{name}\"").as_str()), "{name} is not among {names:?}");
        }
        assert!(!names.contains(&"\"wasmtime\"") && lock.contains("\nversion = 4\n"));
    }

    #[test]
    fn this_is_a_checkout() {
        let host = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(checkout_above(&host.join("src")).as_deref(), host.parent());
        assert_eq!(checkout_above(Path::new("/")), None);
    }
}
