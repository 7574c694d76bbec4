//! Finds a way to build for wasm32-unknown-unknown: rustup's target, or Debian's compiler and library source.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo::{cargo, target_dir};
use crate::debian;
use crate::step::{output, run, step};

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";

/// Where the target may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Rustup,
    Debian,
}

/// How near a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    ToFetch,
    Absent,
}

/// A toolchain that can build plugins.
pub(crate) enum Toolchain {
    Rustup,
    /// Debian's compiler builds the standard library too; `lld` links.
    Debian {
        lld: PathBuf,
    },
}

/// The first source that works.
pub(crate) fn toolchain() -> Result<Toolchain> {
    for (source, state) in choices(forced()?, rustup(), debian()) {
        match take(source, state) {
            Ok(toolchain) => return Ok(toolchain),
            Err(error) => eprintln!("xtask: {error:#}"),
        }
    }
    bail!(
        "plugins need the target {TARGET}: run `rustup target add {TARGET}`, \
         or on Debian `apt-get install rustc-web rust-web-src`"
    )
}

impl Toolchain {
    /// `cargo build` for the target, and the folder where it puts wasm files.
    pub(crate) fn build(&self) -> (Command, PathBuf) {
        let mut cargo = cargo(["build", "--target", TARGET]);
        // Apart from the host's, so that other flags do not disturb its cache.
        let folder = match self {
            Self::Rustup => "plugins",
            Self::Debian { lld } => {
                cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", lld).arg("-Zbuild-std=std,panic_abort");
                "plugins-web"
            }
        };
        let folder = target_dir().join(folder);
        cargo.arg("--target-dir").arg(&folder);
        (cargo, folder.join(TARGET))
    }
}

/// The sources to try, best first: rustup's target takes a few seconds to fetch, Debian's a minute to build.
fn choices(forced: Option<Source>, rustup: State, debian: State) -> Vec<(Source, State)> {
    let mut choices = vec![(Source::Rustup, rustup), (Source::Debian, debian)];
    choices.retain(|(source, state)| *state != State::Absent && forced.is_none_or(|forced| forced == *source));
    choices
}

fn take(source: Source, state: State) -> Result<Toolchain> {
    if state == State::ToFetch {
        fetch(source)?;
    }
    match source {
        Source::Rustup => Ok(Toolchain::Rustup),
        Source::Debian => Ok(Toolchain::Debian { lld: rust_lld()? }),
    }
}

fn fetch(source: Source) -> Result<()> {
    match source {
        Source::Rustup => step("rustup target add", || run(Command::new("rustup").args(["target", "add", TARGET]))),
        Source::Debian => debian::install(&["rustc-web", "rust-web-src"]),
    }
}

/// What `HOOKWRIGHT_WASM` says.
fn forced() -> Result<Option<Source>> {
    match env::var("HOOKWRIGHT_WASM").as_deref() {
        Err(_) | Ok("") => Ok(None),
        Ok("rustup") => Ok(Some(Source::Rustup)),
        Ok("debian") => Ok(Some(Source::Debian)),
        Ok(other) => bail!("HOOKWRIGHT_WASM is {other}: expected rustup or debian"),
    }
}

fn rustup() -> State {
    let libraries = output(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]));
    if libraries.is_some_and(|folder| Path::new(&folder).exists()) {
        State::Ready
    } else if output(Command::new("rustup").arg("--version")).is_some() {
        State::ToFetch
    } else {
        State::Absent
    }
}

fn debian() -> State {
    if Path::new(DEBIAN_RUSTC).exists() && Path::new(DEBIAN_SOURCE).exists() {
        State::Ready
    } else if debian::may_install() {
        State::ToFetch
    } else {
        State::Absent
    }
}

/// The linker of the toolchain in use: Debian's compiler comes without one for wasm.
fn rust_lld() -> Result<PathBuf> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"])).context("rustc names no sysroot")?;
    let host = output(Command::new("rustc").args(["--print", "host-tuple"])).context("rustc names no host")?;
    let lld = Path::new(&sysroot).join("lib/rustlib").join(host).join("bin/rust-lld");
    if !lld.exists() {
        bail!("there is no linker for wasm at {}", lld.display());
    }
    Ok(lld)
}

#[cfg(test)]
mod tests {
    use super::State::{Absent, Ready, ToFetch};
    use super::*;

    #[test]
    fn what_is_at_hand_is_tried_and_rustup_first() {
        assert_eq!(choices(None, ToFetch, Ready), [(Source::Rustup, ToFetch), (Source::Debian, Ready)]);
        assert_eq!(choices(None, Absent, ToFetch), [(Source::Debian, ToFetch)]);
        assert_eq!(choices(None, Absent, Absent), []);
    }

    #[test]
    fn one_source_can_be_forced() {
        assert_eq!(choices(Some(Source::Debian), Ready, Ready), [(Source::Debian, Ready)]);
        assert_eq!(choices(Some(Source::Rustup), Absent, Ready), []);
    }
}
