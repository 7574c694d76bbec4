//! All a plugin can reach: a log, a clock that stands still, numbers that repeat.

use std::fmt;

#[cfg(target_family = "wasm")]
use crate::guest as system;
#[cfg(not(target_family = "wasm"))]
use crate::testing as system;

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    /// The plugin is about to abort: shown as the reason.
    Critical,
}

/// Writes a line to the delivery's log. The host cuts and counts what is over its limits.
pub fn log(level: Level, message: fmt::Arguments<'_>) {
    match message.as_str() {
        Some(text) => system::log(level, text),
        None => system::log(level, &message.to_string()),
    }
}

/// Milliseconds since 1970, fixed at the start of the chain's run and recorded: it does not move while plugins run.
pub fn now_ms() -> u64 {
    system::now_ms()
}

/// The next number of a sequence seeded by delivery, run and plugin: the same run sees the same numbers, so that it can
/// be repeated. Not for secrets.
pub fn random_u64() -> u64 {
    system::random_u64()
}

/// Logs a line that only its author wants to see.
#[macro_export]
macro_rules! trace {
    ($($message:tt)+) => { $crate::log($crate::Level::Trace, ::core::format_args!($($message)+)) };
}

/// Logs a line that helps to find a fault.
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => { $crate::log($crate::Level::Debug, ::core::format_args!($($message)+)) };
}

/// Logs what happened: `info!("kept {} of {total}", kept.len())`.
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => { $crate::log($crate::Level::Info, ::core::format_args!($($message)+)) };
}

/// Logs something odd that did not stop the plugin.
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => { $crate::log($crate::Level::Warn, ::core::format_args!($($message)+)) };
}

/// Logs something wrong.
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => { $crate::log($crate::Level::Error, ::core::format_args!($($message)+)) };
}
