//! Builds the bundled plugins, each a crate below `plugins/`, into `plugins/<crate>.wasm`, and the guests of the tests.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::cargo::{root, target_dir};
use crate::step::{run, step};
use crate::wasm::toolchain;

const PROFILE: &str = "plugin";
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
        let (mut cargo, built) = toolchain()?.build();
        cargo.args(["--profile", PROFILE, "--package", "edit", "--no-default-features"]);
        run(cargo.env("CARGO_ENCODED_RUSTFLAGS", flags()))?;
        install(&built.join(PROFILE).join("edit.wasm"), &guest_folder().join("edit-reused.wasm"))
    })
}

/// Where the bundled plugins go.
pub(crate) fn folder() -> PathBuf {
    root().join("plugins")
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
        let (mut cargo, built) = toolchain()?.build();
        cargo.args(["--profile", PROFILE]).env("CARGO_ENCODED_RUSTFLAGS", flags());
        for (sources, _) in places {
            for name in crates_below(sources)? {
                cargo.args(["--package", &name]);
            }
        }
        run(&mut cargo)?;
        for (sources, place) in places {
            fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
            for name in crates_below(sources)? {
                install(&built.join(PROFILE).join(file_name(&name)), &place.join(format!("{name}.wasm")))?;
            }
        }
        Ok(())
    })
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

/// What cargo calls the file.
fn file_name(krate: &str) -> String {
    format!("{}.wasm", krate.replace('-', "_"))
}

/// Flags for the compiler, separated as `CARGO_ENCODED_RUSTFLAGS` wants them.
fn flags() -> OsString {
    // Little memory, and enough from the start: a fresh instance touches few pages and grows none. The stack holds
    // the deepest JSON that serde_json reads, 128 levels: 64 KiB do not, 96 KiB do.
    let mut flags = OsString::from("-Clink-arg=-zstack-size=131072\x1f-Clink-arg=--initial-memory=262144");
    // The SDK is the backend.
    flags.push("\x1f--cfg=getrandom_backend=\"custom\"");
    // Panic messages name files: the same names on every machine make the same digest everywhere.
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    if let Some(home) = cargo_home {
        flags.push("\x1f--remap-path-prefix=");
        flags.push(home);
        flags.push("=/cargo");
    }
    flags
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
        let crates = crates_below(&root().join("plugins")).unwrap();
        for name in ["add-headers", "published-only", "redact"] {
            assert!(crates.iter().any(|found| found == name), "{crates:?}");
        }
        assert_eq!(file_name("published-only"), "published_only.wasm");
    }

    #[test]
    fn a_file_is_written_only_when_its_content_changes() {
        let folder = env::temp_dir().join(format!("hookwright-xtask-{}", std::process::id()));
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
