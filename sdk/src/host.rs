//! All a plugin can reach: a log, a clock that stands still, numbers that repeat.

use std::fmt;

#[cfg(target_family = "wasm")]
use crate::guest as system;
#[cfg(not(target_family = "wasm"))]
use crate::testing as system;

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Only its author wants to see it.
    Trace,
    /// Helps to find a fault.
    Debug,
    /// What happened.
    Info,
    /// Something odd that did not stop the plugin.
    Warn,
    /// Something wrong.
    Error,
    /// The plugin is about to abort: shown as the reason.
    Critical,
}

/// As the host writes it: `info`.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
        })
    }
}

/// Writes a line to the delivery's log. The host cuts and counts what is over its limits. The macros [`trace!`](crate::trace)
/// to [`error!`](crate::error) call this.
/// ```
/// # use hookwright_sdk::{Level, log, testing};
/// let level = if 7 > 5 { Level::Warn } else { Level::Info };
/// log(level, format_args!("{} entries", 7));
/// assert_eq!(testing::take_logs(), ["warn: 7 entries"]);
/// ```
pub fn log(level: Level, message: fmt::Arguments<'_>) {
    match message.as_str() {
        Some(text) => system::log(level, text),
        None => system::log(level, &message.to_string()),
    }
}

/// Milliseconds since 1970, fixed at the start of the chain's run and recorded: it does not move while plugins run.
/// `std::time` has no clock in a plugin: it panics.
/// ```
/// // In a native test it stands still too.
/// assert_eq!(hookwright_sdk::now_ms(), hookwright_sdk::now_ms());
/// ```
pub fn now_ms() -> u64 {
    system::now_ms()
}

/// The next number of a sequence seeded by delivery, run and plugin: the same run sees the same numbers, so that it can
/// be repeated. Not for secrets. Crates that use `getrandom` get theirs from the same sequence: see the crate's
/// documentation.
/// ```
/// let dice = hookwright_sdk::random_u64() % 6 + 1;
/// assert!((1..=6).contains(&dice));
/// ```
pub fn random_u64() -> u64 {
    system::random_u64()
}

/// Logs a line that only its author wants to see. Arguments are those of [`format!`].
/// ```
/// hookwright_sdk::trace!("at {}", "/entry");
/// assert_eq!(hookwright_sdk::testing::take_logs(), ["trace: at /entry"]);
/// ```
#[macro_export]
macro_rules! trace {
    ($($message:tt)+) => { $crate::log($crate::Level::Trace, ::core::format_args!($($message)+)) };
}

/// Logs a line that helps to find a fault. Arguments are those of [`format!`].
/// ```
/// hookwright_sdk::debug!("found {} tags", 2);
/// assert_eq!(hookwright_sdk::testing::take_logs(), ["debug: found 2 tags"]);
/// ```
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => { $crate::log($crate::Level::Debug, ::core::format_args!($($message)+)) };
}

/// Logs what happened. Arguments are those of [`format!`].
/// ```
/// hookwright_sdk::info!("kept {} of {}", 1, 2);
/// assert_eq!(hookwright_sdk::testing::take_logs(), ["info: kept 1 of 2"]);
/// ```
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => { $crate::log($crate::Level::Info, ::core::format_args!($($message)+)) };
}

/// Logs something odd that did not stop the plugin. Arguments are those of [`format!`].
/// ```
/// hookwright_sdk::warn!("no {}", "title");
/// assert_eq!(hookwright_sdk::testing::take_logs(), ["warn: no title"]);
/// ```
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => { $crate::log($crate::Level::Warn, ::core::format_args!($($message)+)) };
}

/// Logs something wrong. Arguments are those of [`format!`].
/// ```
/// hookwright_sdk::error!("no such {}", "place");
/// assert_eq!(hookwright_sdk::testing::take_logs(), ["error: no such place"]);
/// ```
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => { $crate::log($crate::Level::Error, ::core::format_args!($($message)+)) };
}
