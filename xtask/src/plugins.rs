//! Builds the bundled plugins, each a crate below `plugins/`, into `plugins/<crate>.wasm`, and the guests of the tests.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use hookwright_plugin_build::{Artefact, Build, Installing, Profile, Toolchain, toolchain};

use crate::cargo::{ci, root, target_dir};
use crate::debian;
use crate::step::step;

/// A bundled plugin is smaller than this, or something is linked that should not be.
const MAX_BYTES: usize = 300_000;

/// Where crates are, and where their wasm files go.
type Place = (PathBuf, PathBuf);

/// Builds the bundled ones.
pub(crate) fn build_bundled() -> Result<()> {
    build(&[bundled()])
}

/// Builds the bundled ones and the guests of the tests.
pub(crate) fn build_all() -> Result<()> {
    build(&[bundled(), (root().join("tests/guests"), guest_folder())])
}

/// Builds the bundled ones and the guests of the benches: `edit`, and as `edit-reused` the same with Rust's own
/// allocator, for an instance that is used again.
pub(crate) fn build_bench() -> Result<()> {
    build(&[bundled(), (root().join("bench/guests"), guest_folder())])?;
    step("plugins for a reused instance", || {
        let built = cargo_build(|build| build.argument("--package=edit").argument("--no-default-features"))?;
        install(wasm(&built, &root().join("bench/guests/edit"))?, &guest_folder().join("edit-reused.wasm"))
    })
}

/// Where the bundled plugins go.
pub(crate) fn folder() -> PathBuf {
    root().join("plugins")
}

/// Names of the bundled ones, sorted.
pub(crate) fn bundled_names() -> Result<Vec<String>> {
    crates_below(&folder())
}

/// Where the guests of the tests go.
pub(crate) fn guest_folder() -> PathBuf {
    target_dir().join("guests")
}

fn bundled() -> Place {
    (root().join("plugins"), folder())
}

/// A file whose content is the same is left alone, so that a running host does not reload it.
fn build(places: &[Place]) -> Result<()> {
    step("plugins", || {
        let mut crates = Vec::new();
        for (sources, place) in places {
            crates.extend(crates_below(sources)?.into_iter().map(|name| (sources.join(&name), name, place)));
        }
        let built = cargo_build(|build| {
            crates.iter().fold(build, |build, (_, name, _)| build.argument(format!("--package={name}")))
        })?;
        for (source, name, place) in &crates {
            fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
            install(wasm(&built, source)?, &place.join(format!("{name}.wasm")))?;
        }
        Ok(())
    })
}

/// Builds in a folder apart from the host's, so that other flags do not disturb its cache.
fn cargo_build(choose: impl FnOnce(Build) -> Build) -> Result<Vec<Artefact>> {
    let installing = if debian::may_install() { Installing::Packages } else { Installing::Target };
    let toolchain = toolchain(root(), installing, &|line| eprintln!("  {line}"))?;
    let folder = match &toolchain {
        Toolchain::Rustup => "plugins",
        Toolchain::Debian { .. } => "plugins-web",
    };
    let mut build = Build::new(root(), Profile::Plugin).argument("--target-dir").argument(target_dir().join(folder));
    if ci() {
        build = build.argument("--locked");
    }
    Ok(choose(build).run(&toolchain)?)
}

/// The file that was made of the crate in `folder`.
fn wasm<'a>(built: &'a [Artefact], folder: &Path) -> Result<&'a Path> {
    let artefact = built.iter().find(|artefact| artefact.manifest.parent() == Some(folder));
    Ok(&artefact.with_context(|| format!("{} makes no wasm file", folder.display()))?.wasm)
}

/// Names of the folders that are crates, sorted.
fn crates_below(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.join("Cargo.toml").is_file(), path.file_name().and_then(|name| name.to_str()))
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Puts the file in its place as a whole, if it is another one than before.
fn install(built: &Path, place: &Path) -> Result<()> {
    let bytes = fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
    ensure!(bytes.len() <= MAX_BYTES, "{} has {} bytes, more than {MAX_BYTES}", place.display(), bytes.len());
    let news = if fs::read(place).is_ok_and(|old| old == bytes) {
        "unchanged"
    } else {
        let beside = place.with_extension("wasm.new");
        fs::write(&beside, &bytes).with_context(|| format!("cannot write {}", beside.display()))?;
        fs::rename(&beside, place).with_context(|| format!("cannot write {}", place.display()))?;
        "new"
    };
    let name = place.strip_prefix(root()).unwrap_or(place).display();
    eprintln!("  {name}: {} KB, {news}", bytes.len().div_ceil(1000));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_crate_is_found() {
        let crates = bundled_names().unwrap();
        for name in ["add-headers", "cloudevents", "published-only"] {
            assert!(crates.iter().any(|found| found == name), "{crates:?}");
        }
    }

    #[test]
    fn a_file_is_written_only_when_its_content_changes() {
        let folder = std::env::temp_dir().join(format!("hookwright-xtask-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (built, place) = (folder.join("built"), folder.join("p.wasm"));
        fs::write(&built, "one").unwrap();
        install(&built, &place).unwrap();
        let first = fs::metadata(&place).unwrap().modified().unwrap();
        install(&built, &place).unwrap();
        assert_eq!(fs::metadata(&place).unwrap().modified().unwrap(), first);
        fs::write(&built, "two").unwrap();
        install(&built, &place).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"two");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "nothing is left behind");
        fs::remove_dir_all(&folder).unwrap();
    }
}
