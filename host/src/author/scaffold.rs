//! A new plugin's crate: complete, tested, and nothing of it half-made. Does not build it.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf, absolute};

use super::sdk;
use crate::ids::PluginName;

/// Where an unpacked SDK lies in the crate.
const SDK_FOLDER: &str = "hookwright-sdk";

const MANIFEST: &str = include_str!("scaffold/Cargo.toml.in");
const WORKSPACE: &str = include_str!("scaffold/workspace.in");

/// Files below the crate's folder, in which `{name}` and `{function}` stand for the plugin's.
const FILES: [(&str, &str); 5] = [
    ("src/lib.rs", include_str!("scaffold/lib.rs.in")),
    ("fixtures/entry-create.json", include_str!("scaffold/entry-create.json")),
    ("fixtures/other-model.json", include_str!("scaffold/other-model.json")),
    ("README.md", include_str!("scaffold/README.md.in")),
    (".gitignore", "/target\n"),
];

/// What cargo takes for no crate's name: keywords, and crates that are always there.
const RESERVED: &str = "abstract alloc as async await become box break const continue core crate do dyn else enum \
    extern false final fn for gen if impl in let loop macro match mod move mut override priv proc-macro proc_macro pub \
    ref return self static std struct super test trait true try type typeof unsafe unsized use virtual where while \
    yield hookwright-sdk hookwright_sdk hookwright-sdk-macros hookwright_sdk_macros";

/// Why there is no new crate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScaffoldError {
    #[error(
        "{0} cannot be a crate's name: expected letters, digits, '-' or '_', a letter first, and no word of Rust's"
    )]
    Name(PluginName),
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    #[error("cannot make {}: {source}", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
}

/// Where the SDK is that a crate uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SdkPlace {
    /// In the checkout with this root.
    Checkout(PathBuf),
    /// Unpacked into the crate.
    Unpacked,
}

/// Makes the crate `name` in a new folder below `parent`, for plugins of `home`.
///
/// # Errors
/// When it cannot; then nothing of it is left.
pub(crate) fn make(name: &PluginName, parent: &Path, home: &Path) -> Result<SdkPlace, ScaffoldError> {
    if !is_crate_name(name.as_str()) {
        return Err(ScaffoldError::Name(name.clone()));
    }
    let folder = parent.join(name.as_str());
    if folder.symlink_metadata().is_ok() {
        return Err(ScaffoldError::Exists(folder));
    }
    // Made beside its place, so that it is there as a whole or not at all.
    let beside = parent.join(format!(".{name}.new"));
    let made = fill(name, &beside, &folder, home).and_then(|place| fs::rename(&beside, &folder).map(|()| place));
    made.map_err(|source| {
        // What is left of it is in nobody's way, and the next attempt replaces it.
        let _ = fs::remove_dir_all(&beside);
        ScaffoldError::Unwritable { path: folder, source }
    })
}

/// Writes everything into `beside`, to be moved to `folder`.
fn fill(name: &PluginName, beside: &Path, folder: &Path, home: &Path) -> io::Result<SdkPlace> {
    if beside.exists() {
        fs::remove_dir_all(beside)?;
    }
    fs::create_dir(beside)?;
    let folder = absolute(folder)?;
    let parent = folder.parent().unwrap_or(&folder);
    let parent = fs::canonicalize(parent)?;
    let folder = parent.join(name.as_str());
    let checkout = sdk::checkout_above(&parent);
    let (sdk, place) = match checkout {
        Some(root) => (way(&folder, &root.join("sdk")), SdkPlace::Checkout(root)),
        None => (SDK_FOLDER.to_owned(), SdkPlace::Unpacked),
    };
    let home = fs::canonicalize(home).or_else(|_| absolute(home))?;
    let home = way(&folder, &home);
    let mut manifest = MANIFEST.replace("{name}", name.as_str());
    manifest = manifest.replace("{home}", &escaped(&home)).replace("{sdk}", &escaped(&sdk));
    // The project's own workspace takes crates in its `plugins/` for members.
    let is_member = matches!(&place, SdkPlace::Checkout(root) if root.join("plugins") == parent);
    if !is_member {
        manifest.push_str(WORKSPACE);
        fs::write(beside.join("Cargo.lock"), sdk::lock(name.as_str()))?;
    }
    fs::write(beside.join("Cargo.toml"), manifest)?;
    for (path, text) in FILES {
        let path = beside.join(path);
        fs::create_dir_all(path.parent().unwrap_or(beside))?;
        fs::write(path, text.replace("{name}", name.as_str()).replace("{function}", &function(name)))?;
    }
    if place == SdkPlace::Unpacked {
        sdk::unpack(&beside.join(SDK_FOLDER))?;
    }
    Ok(place)
}

fn is_crate_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        && !RESERVED.split_whitespace().any(|word| word == name)
}

/// The plugin's name as Rust names functions.
fn function(name: &PluginName) -> String {
    name.as_str().replace('-', "_").to_lowercase()
}

/// From one folder to another, both without `.` and `..`.
pub(crate) fn way(from: &Path, to: &Path) -> String {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(to.components().skip(shared)).collect();
    if way.as_os_str().is_empty() { ".".to_owned() } else { way.to_string_lossy().into_owned() }
}

/// As a TOML string has it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> PluginName {
        name.parse().expect("a name")
    }

    #[test]
    fn a_crate_is_there_as_a_whole_or_not_at_all() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let place = make(&name("lower"), parent.path(), &parent.path().join("hooks")).expect("made");
        assert_eq!(place, SdkPlace::Unpacked);
        let manifest = fs::read_to_string(parent.path().join("lower/Cargo.toml")).expect("there");
        assert!(
            manifest.contains("home = \"../hooks\"") && manifest.contains("path = \"hookwright-sdk\""),
            "{manifest}"
        );
        let source = fs::read_to_string(parent.path().join("lower/src/lib.rs")).expect("there");
        assert!(source.contains("fn lower(") && !source.contains("{function}"), "{source}");

        let refusal = make(&name("lower"), parent.path(), parent.path()).expect_err("it is there");
        assert!(refusal.to_string().ends_with("lower is there already"), "{refusal}");
        make(&name("upper"), &parent.path().join("none"), parent.path()).expect_err("no such folder");
        assert_eq!(fs::read_dir(parent.path()).expect("there").count(), 1, "nothing else is left");
    }

    #[test]
    fn in_a_checkout_the_sdk_there_is_used() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir_all(parent.path().join("sdk")).expect("made");
        fs::create_dir_all(parent.path().join("plugins")).expect("made");
        fs::write(parent.path().join("sdk/Cargo.toml"), "name = \"hookwright-sdk\"").expect("written");
        for (folder, is_workspace) in [(".", true), ("plugins", false)] {
            let parent = parent.path().join(folder);
            let place = make(&name("new-one"), &parent, &parent).expect("made");
            assert!(matches!(place, SdkPlace::Checkout(_)), "{place:?}");
            let manifest = fs::read_to_string(parent.join("new-one/Cargo.toml")).expect("there");
            assert!(manifest.contains("../sdk\" }"), "{manifest}");
            assert_eq!(manifest.contains("[workspace]"), is_workspace, "{manifest}");
            assert_eq!(parent.join("new-one/Cargo.lock").exists(), is_workspace);
        }
    }

    #[test]
    fn a_crate_cannot_have_every_name_of_a_plugin() {
        for bad in ["1st", "a.b", "fn", "test", "hookwright-sdk"] {
            assert!(!is_crate_name(bad), "{bad}");
        }
        assert!(is_crate_name("lower-case_2"));
        assert_eq!(function(&name("Lower-2")), "lower_2");
    }

    #[test]
    fn ways_lead_from_folder_to_folder() {
        let way = |from, to| way(Path::new(from), Path::new(to));
        assert_eq!(way("/a/b", "/a"), "..");
        assert_eq!(way("/a/b", "/a/c/d"), "../c/d");
        assert_eq!(way("/a", "/a"), ".");
    }
}
