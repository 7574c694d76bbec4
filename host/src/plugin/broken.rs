//! How a run broke off, in words that name the cause and, where there is one, the setting.

use std::str::Utf8Error;

use wasmtime::Trap;

use super::backtrace;
use super::engine::FUEL_PER_MICRO;
use super::sandbox::{OverMemory, Sandbox};
use super::wasi::WasiFault;
use super::words::shown;

/// A message longer than this is cut.
const MAX_MESSAGE_BYTES: usize = 1 << 10;

/// The plugin did not answer, or not as the contract says. Reads after "plugin NAME".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("ran out of fuel: {units} units (about {} ms); it may loop endlessly, or need more (`plugins.limits`)", units / FUEL_PER_MICRO / 1_000)]
    Fuel { units: u64 },
    #[error("needs more memory than it may have: {wanted} bytes in all, limit {allowed} (`{setting}`)")]
    Memory { wanted: usize, allowed: usize, setting: &'static str },
    #[error("ran out of stack ({} KiB){place}; it may call itself endlessly", stack_bytes >> 10)]
    Stack { stack_bytes: usize, place: Place },
    /// The words are the plugin's own.
    #[error("panicked{words}")]
    Panicked { words: String },
    #[error("aborted without a message (`unreachable`){place}")]
    Aborted { place: Place },
    #[error("{0}")]
    Wasi(WasiFault),
    #[error("passed text that is not UTF-8")]
    NotUtf8,
    #[error("trapped: {what}{place}")]
    Trapped { what: String, place: Place },
    /// The message is wasmtime's own.
    #[error("broke off: {message}")]
    Other { message: String },
    #[error("broke the contract: {0}")]
    Contract(#[from] super::changes::Objection),
}

/// The limits that a run had.
#[derive(Clone, Copy)]
pub(super) struct Limited {
    pub(super) fuel: u64,
    pub(super) memory_setting: &'static str,
    pub(super) stack_bytes: usize,
}

/// The function that trapped, where the file still has names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place(Option<String>);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(f, " in {name}"))
    }
}

impl Broken {
    pub(super) fn from_error(error: &wasmtime::Error, sandbox: &Sandbox, limited: Limited) -> Self {
        if let Some(&OverMemory { wanted, allowed }) = error.downcast_ref() {
            return Self::Memory { wanted, allowed, setting: limited.memory_setting };
        }
        if let Some(fault) = error.downcast_ref::<WasiFault>() {
            return Self::Wasi(fault.clone());
        }
        if error.is::<Utf8Error>() {
            return Self::NotUtf8;
        }
        let place = Place(backtrace::innermost(error));
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Self::Fuel { units: limited.fuel },
            Some(Trap::StackOverflow) => Self::Stack { stack_bytes: limited.stack_bytes, place },
            Some(Trap::UnreachableCodeReached) => match sandbox.logs.critical().or(sandbox.wasi.last_words()) {
                Some(message) => Self::Panicked { words: shown(&last_words(message), MAX_MESSAGE_BYTES) },
                None => Self::Aborted { place },
            },
            Some(trap) => Self::Trapped { what: what(*trap), place },
            None => Self::Other { message: shown(&error.root_cause().to_string(), MAX_MESSAGE_BYTES) },
        }
    }
}

/// Rust begins a panic's message by `panicked at FILE:LINE:COLUMN:` on a line of its own.
fn last_words(message: &str) -> String {
    match message.strip_prefix("panicked") {
        Some(words) => words.replacen(":\n", ": ", 1),
        None => format!(": {message}"),
    }
}

fn what(trap: Trap) -> String {
    let text = trap.to_string();
    text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned()
}
