//! A plugin's crate as cargo sees it.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::ids::PluginName;

/// A crate that makes a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Krate {
    /// Absolute.
    pub(crate) folder: PathBuf,
    /// The crate's name is the plugin's.
    pub(crate) name: PluginName,
    pub(crate) version: String,
    /// What `package.metadata.hookwright.home` says.
    pub(crate) home: Option<PathBuf>,
}

/// Why a folder is no crate of a plugin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KrateError {
    #[error("there is no Cargo.toml in {}; `hookwright plugin new NAME` makes a plugin's crate", .0.display())]
    NoManifest(PathBuf),
    #[error("cannot run cargo; install Rust as https://rustup.rs says")]
    NoCargo(#[source] io::Error),
    #[error("cargo refuses {}: {reason}", folder.display())]
    Refused { folder: PathBuf, reason: String },
    #[error("{} makes no plugin: its Cargo.toml lacks `crate-type = [\"cdylib\"]` below [lib]", .0.display())]
    NoPlugin(PathBuf),
    #[error("{name} cannot be a plugin's name: expected {reason}")]
    Name { name: String, reason: String },
}

#[derive(Deserialize)]
struct Answer {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    /// Whatever people write there.
    metadata: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

impl Krate {
    /// Asks cargo about the crate in `folder`. Blocking.
    ///
    /// # Errors
    /// When that is no crate that makes a plugin.
    pub(crate) fn open(folder: &Path) -> Result<Self, KrateError> {
        let no_manifest = |_| KrateError::NoManifest(folder.to_owned());
        let manifest = folder.join("Cargo.toml").canonicalize().map_err(no_manifest)?;
        let folder = manifest.parent().unwrap_or(&manifest).to_owned();
        let mut cargo = hookwright_plugin_build::cargo(&folder);
        cargo.args(["metadata", "--no-deps", "--offline", "--format-version=1"]);
        let output = cargo.output().map_err(KrateError::NoCargo)?;
        let refused = |reason: &str| KrateError::Refused { folder: folder.clone(), reason: reason.trim().to_owned() };
        if !output.status.success() {
            return Err(refused(&String::from_utf8_lossy(&output.stderr)));
        }
        let answer: Answer = serde_json::from_slice(&output.stdout).map_err(|error| refused(&error.to_string()))?;
        let package = answer.packages.into_iter().find(|package| package.manifest_path == manifest);
        Self::of(package.ok_or_else(|| refused("Cargo.toml has no [package]"))?, folder)
    }

    fn of(package: Package, folder: PathBuf) -> Result<Self, KrateError> {
        if !package.targets.iter().any(|target| target.crate_types.iter().any(|kind| kind == "cdylib")) {
            return Err(KrateError::NoPlugin(folder));
        }
        let no_name =
            |error: crate::ids::NameError| KrateError::Name { name: package.name.clone(), reason: error.to_string() };
        let name = package.name.parse().map_err(no_name)?;
        let home = package.metadata.as_ref().and_then(|metadata| metadata.pointer("/hookwright/home")?.as_str());
        Ok(Self { name, version: package.version, home: home.map(|home| folder.join(home)), folder })
    }

    /// The home that is meant: the one that was asked for, else the one the crate names, else the folder we are in.
    pub(crate) fn home(&self, asked_for: Option<&Path>) -> PathBuf {
        asked_for.or(self.home.as_deref()).unwrap_or(Path::new(".")).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn says_what_the_crate_is_or_what_it_lacks() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let open = |manifest: &str| {
            fs::create_dir_all(folder.path().join("src")).expect("made");
            fs::write(folder.path().join("src/lib.rs"), "").expect("written");
            fs::write(folder.path().join("Cargo.toml"), manifest).expect("written");
            Krate::open(folder.path())
        };
        let package = "[workspace]\n[package]\nname = \"lower\"\nversion = \"0.2.0\"\nedition = \"2024\"\n";
        let metadata = "[package.metadata.hookwright]\nhome = \"../hooks\"\n";
        let krate = open(&format!("{package}{metadata}[lib]\ncrate-type = [\"cdylib\"]\n")).expect("a plugin's");
        assert_eq!((krate.name.as_str(), krate.version.as_str()), ("lower", "0.2.0"));
        assert!(krate.home(None).ends_with("../hooks"), "{krate:?}");
        assert_eq!(krate.home(Some(Path::new("other"))), Path::new("other"));

        assert!(matches!(open(package), Err(KrateError::NoPlugin(_))));
        assert!(matches!(open("[workspace]\n"), Err(KrateError::Refused { .. })));
        let refusal = open("[package\n").expect_err("no TOML").to_string();
        assert!(refusal.contains("Cargo.toml"), "{refusal}");
        assert!(matches!(Krate::open(Path::new("/nonexistent")), Err(KrateError::NoManifest(_))));
    }
}
