//! Finds a way to build for wasm32-unknown-unknown: rustup's target, or Debian's compiler and library source.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;

pub const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";

/// A toolchain that can build plugins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
    Rustup,
    /// Debian's compiler builds the standard library too; `lld` links.
    Debian {
        lld: PathBuf,
    },
}

/// What may be installed when it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installing {
    /// The target, by rustup: it belongs to the person who runs us.
    Target,
    /// Debian packages too.
    Packages,
}

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

/// The first source that works for crates in `folder`, where a toolchain of their own may be chosen.
/// `say` hears of what is installed and of what did not work.
///
/// # Errors
/// When there is none, or `HOOKWRIGHT_WASM` asks for one that there is not.
pub fn toolchain(folder: &Path, installing: Installing, say: &dyn Fn(&str)) -> Result<Toolchain, Error> {
    for (source, state) in choices(forced()?, rustup(folder), debian(installing)) {
        match take(folder, source, state, say) {
            Ok(toolchain) => return Ok(toolchain),
            Err(error) => say(&error.to_string()),
        }
    }
    Err(Error::NoToolchain)
}

impl Toolchain {
    pub(crate) fn prepare(&self, cargo: &mut Command) {
        if let Self::Debian { lld } = self {
            cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", lld).arg("-Zbuild-std=std,panic_abort");
        }
    }
}

/// The sources to try, best first: rustup's target takes a few seconds to fetch, Debian's a minute to build.
fn choices(forced: Option<Source>, rustup: State, debian: State) -> Vec<(Source, State)> {
    let mut choices = vec![(Source::Rustup, rustup), (Source::Debian, debian)];
    choices.retain(|(source, state)| *state != State::Absent && forced.is_none_or(|forced| forced == *source));
    choices
}

fn take(folder: &Path, source: Source, state: State, say: &dyn Fn(&str)) -> Result<Toolchain, Error> {
    if state == State::ToFetch {
        fetch(folder, source, say)?;
    }
    match source {
        Source::Rustup => Ok(Toolchain::Rustup),
        Source::Debian => Ok(Toolchain::Debian { lld: rust_lld(folder)? }),
    }
}

fn fetch(folder: &Path, source: Source, say: &dyn Fn(&str)) -> Result<(), Error> {
    let run = |words: &[&str]| {
        say(&format!("running {}", words.join(" ")));
        let (program, arguments) = words.split_first().unwrap_or((&"true", &[]));
        let status =
            Command::new(program).args(arguments).current_dir(folder).status().map_err(Error::start(program))?;
        if status.success() { Ok(()) } else { Err(Error::Source(format!("{} ended with {status}", words.join(" ")))) }
    };
    match source {
        Source::Rustup => run(&["rustup", "target", "add", TARGET]),
        Source::Debian => {
            run(&["apt-get", "update", "--quiet"])?;
            run(&["apt-get", "install", "--yes", "--quiet", "rustc-web", "rust-web-src"])
        }
    }
}

/// What `HOOKWRIGHT_WASM` says.
fn forced() -> Result<Option<Source>, Error> {
    match env::var("HOOKWRIGHT_WASM").as_deref() {
        Err(_) | Ok("") => Ok(None),
        Ok("rustup") => Ok(Some(Source::Rustup)),
        Ok("debian") => Ok(Some(Source::Debian)),
        Ok(other) => Err(Error::UnknownSource(other.to_owned())),
    }
}

fn rustup(folder: &Path) -> State {
    let libraries = output(folder, "rustc", &["--print", "target-libdir", "--target", TARGET]);
    if libraries.is_some_and(|path| Path::new(&path).exists()) {
        State::Ready
    } else if output(folder, "rustup", &["--version"]).is_some() {
        State::ToFetch
    } else {
        State::Absent
    }
}

fn debian(installing: Installing) -> State {
    if Path::new(DEBIAN_RUSTC).exists() && Path::new(DEBIAN_SOURCE).exists() {
        State::Ready
    } else if installing == Installing::Packages && Path::new("/etc/debian_version").exists() {
        State::ToFetch
    } else {
        State::Absent
    }
}

/// The linker of the toolchain in use: Debian's compiler comes without one for wasm.
fn rust_lld(folder: &Path) -> Result<PathBuf, Error> {
    let told = |what: &str| {
        let answer = output(folder, "rustc", &["--print", what]);
        answer.ok_or_else(|| Error::Source(format!("rustc names no {what}")))
    };
    let lld = Path::new(&told("sysroot")?).join("lib/rustlib").join(told("host-tuple")?).join("bin/rust-lld");
    if lld.exists() { Ok(lld) } else { Err(Error::Source(format!("there is no linker for wasm at {}", lld.display()))) }
}

/// What a program prints, if it starts and succeeds.
fn output(folder: &Path, program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(folder).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
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
