//! Why there is no plugin.

use std::fmt;
use std::io;
use std::process::ExitStatus;

use crate::toolchain::TARGET;

/// Why there is no plugin.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A program could not be started.
    Start { program: String, source: io::Error },
    /// Cargo has said why, on standard error.
    Cargo(ExitStatus),
    /// There is no way to build for the target.
    NoToolchain,
    /// `HOOKWRIGHT_WASM` names no source.
    UnknownSource(String),
    /// One source of the target did not work.
    Source(String),
    /// Cargo's answer could not be read.
    Messages(io::Error),
}

impl Error {
    pub(crate) fn start(program: &str) -> impl FnOnce(io::Error) -> Self {
        let program = program.to_owned();
        |source| Self::Start { program, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { program, source } if program == "cargo" && source.kind() == io::ErrorKind::NotFound => {
                f.write_str("there is no cargo here: install Rust as https://rustup.rs says")
            }
            Self::Start { program, .. } => write!(f, "cannot start {program}"),
            Self::Cargo(status) => write!(f, "cargo could not build it ({status})"),
            Self::NoToolchain => write!(
                f,
                "plugins need Rust with the target {TARGET}: install rustup as https://rustup.rs says and run \
                 `rustup target add {TARGET}`, or on Debian `apt-get install rustc-web rust-web-src`"
            ),
            Self::UnknownSource(other) => write!(f, "HOOKWRIGHT_WASM is {other}: expected rustup or debian"),
            Self::Source(reason) => f.write_str(reason),
            Self::Messages(_) => f.write_str("cannot read what cargo answers"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start { source, .. } | Self::Messages(source) => Some(source),
            _ => None,
        }
    }
}
