//! What host and compiler say to each other: a line of JSON, then bytes. The wasm file one way, its code the other.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::engine::EngineKind;
use super::super::inspect::Shape;
use super::super::load::LoadError;
use crate::ids::Digest;

/// Of a line; the longest message in one is much shorter.
pub(super) const MAX_LINE_BYTES: usize = 16 << 10;

/// Processor time for any file: a usual plugin takes a third of a second in a development build.
const CPU_SECONDS: u64 = 10;
/// And for each MiB of it: interpreters of 12 and 18 MB take 14 s.
const CPU_SECONDS_PER_MIB: u64 = 2;
/// How many times longer it may take by the clock: the machine may be busy.
const PATIENCE: u64 = 6;
/// For any file, the program itself included: a usual plugin takes about 120 MiB, a third of which is ever touched.
const MEMORY_BYTES: u64 = 512 << 20;
/// And for each byte of it: an interpreter of 18 MB takes up to 1 GiB.
const MEMORY_PER_BYTE: u64 = 64;
/// Of native code, for any file.
const ARTEFACT_BYTES: u64 = 8 << 20;
/// And for each byte of it: usual are 2 to 4.
const ARTEFACT_PER_BYTE: u64 = 8;

/// What the host asks for; the file follows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// Of the engine that is to run the code.
    pub(super) fingerprint: Digest,
    pub(super) engine: EngineKind,
    pub(super) shape: Shape,
    pub(super) allowance: Allowance,
}

/// What compiling one file may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Allowance {
    pub(super) cpu_seconds: u64,
    /// By the clock, until the process is killed.
    pub(super) seconds: u64,
    /// Addresses in use.
    pub(super) memory_bytes: u64,
    /// Of the code that comes out.
    pub(super) artefact_bytes: u64,
}

impl Allowance {
    pub(super) fn for_file(bytes: usize) -> Self {
        let bytes = bytes as u64;
        let cpu_seconds = CPU_SECONDS + CPU_SECONDS_PER_MIB * (bytes >> 20);
        Self {
            cpu_seconds,
            seconds: cpu_seconds * PATIENCE,
            memory_bytes: MEMORY_BYTES + MEMORY_PER_BYTE * bytes,
            artefact_bytes: ARTEFACT_BYTES + ARTEFACT_PER_BYTE * bytes,
        }
    }
}

/// What the compiler answers; the code follows, if there is some.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    Compiled { bytes: u64 },
    Refused(Refusal),
}

/// Why there is no code: those of [`LoadError`] that the compiler meets.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Refusal {
    Contract(String),
    Invalid(String),
    Panicked,
    AnotherVersion,
    /// It could not put itself under its limits.
    Unlimited(String),
    /// An objection of `inspect` to the component that was made of a module, in its words.
    Component(String),
}

impl From<Refusal> for LoadError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Contract(message) => Self::Contract { message },
            Refusal::Invalid(message) => Self::Invalid(message),
            Refusal::Panicked => Self::CompilerPanicked,
            Refusal::AnotherVersion => Self::AnotherVersion,
            Refusal::Unlimited(message) => Self::CompilerStart(message),
            Refusal::Component(words) => Self::Componentised(words),
        }
    }
}

/// As one line, ended.
///
/// # Errors
/// When it has no form as JSON.
pub(super) fn line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// The value in the line that `bytes` begin with, and how long that line is.
pub(super) fn first_line<T: DeserializeOwned>(bytes: &[u8]) -> Option<(T, usize)> {
    let start = &bytes[..bytes.len().min(MAX_LINE_BYTES)];
    let end = start.iter().position(|byte| *byte == b'\n')?;
    Some((serde_json::from_slice(&start[..end]).ok()?, end + 1))
}
