//! Stand-ins for the host in a plugin's own tests, the same in every run: each test (each thread) has a clock of its
//! own that stands still, a sequence of its own, and a log of its own.
//!
//! A plugin is a function, so its tests call it, natively, with `cargo test` and no wasm tools:
//! ```
//! use hookwright_sdk::{Delivery, Result, Verdict, info, json, now_ms, plugin, testing};
//!
//! #[plugin]
//! fn stamp(delivery: Delivery) -> Result<Verdict> {
//!     info!("stamped {}", delivery.event_type);
//!     Ok(Verdict::deliver().header("X-Seen", now_ms().to_string()))
//! }
//!
//! # fn main() {
//! testing::set_now_ms(5);
//! let delivery = Delivery::example("entry.create", json!({"entry": {"id": 1}}));
//! assert_eq!(stamp(delivery), Ok(Verdict::deliver().header("X-Seen", "5")));
//! assert_eq!(testing::take_logs(), ["info: stamped entry.create"]);
//! # }
//! ```
//! The [`Delivery`](crate::Delivery) of an event is made by [`Delivery::example`](crate::Delivery::example) and its
//! `with_…` methods; [`Delivery::config`](crate::Delivery::config) reads the config that a test wrote with
//! [`with_config`](crate::Delivery::with_config), as the host would.

use std::cell::{Cell, RefCell};

use serde_json::Value;

use crate::Level;
use crate::schema::schema_of;

/// 2026-01-01T00:00:00Z.
const START_MS: u64 = 1_767_225_600_000;

thread_local! {
    static NOW_MS: Cell<u64> = const { Cell::new(START_MS) };
    static SEQUENCE: Cell<u64> = const { Cell::new(0) };
    static LOGS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// What [`now_ms`](crate::now_ms) says from now on. At first it says 2026-01-01T00:00:00Z.
/// ```
/// # use hookwright_sdk::{now_ms, testing};
/// testing::set_now_ms(1_800_000_000_000);
/// assert_eq!(now_ms(), 1_800_000_000_000);
/// ```
pub fn set_now_ms(ms: u64) {
    NOW_MS.set(ms);
}

/// Starts another sequence for [`random_u64`](crate::random_u64): the same seed gives the same numbers. At first the
/// seed is 0.
/// ```
/// # use hookwright_sdk::{random_u64, testing};
/// testing::seed(7);
/// let first = random_u64();
/// testing::seed(7);
/// assert_eq!(random_u64(), first);
/// ```
///
/// Crates that use `getrandom` ask the operating system in a native test, and not this sequence.
pub fn seed(seed: u64) {
    SEQUENCE.set(seed);
}

/// The lines logged since the start of the test or the last call, as fixtures have them: `info: kept 2`. They are
/// printed too, so that a failing test shows them.
/// ```
/// # use hookwright_sdk::{info, testing, warn};
/// info!("kept {}", 2);
/// warn!("odd");
/// assert_eq!(testing::take_logs(), ["info: kept 2", "warn: odd"]);
/// assert!(testing::take_logs().is_empty());
/// ```
pub fn take_logs() -> Vec<String> {
    LOGS.take()
}

/// The JSON Schema of a config, as the host reads it from the plugin.
/// ```
/// #[hookwright_sdk::config]
/// struct Config {
///     /// How many to keep.
///     keep: u8,
/// }
/// let schema = hookwright_sdk::testing::config_schema::<Config>();
/// assert_eq!(schema["properties"]["keep"]["description"], "How many to keep.");
/// assert_eq!(schema["required"][0], "keep");
/// ```
pub fn config_schema<T: schemars::JsonSchema>() -> Value {
    schema_of::<T>().to_value()
}

pub(crate) fn log(level: Level, message: &str) {
    let line = format!("{level}: {message}");
    eprintln!("{line}");
    LOGS.with_borrow_mut(|logs| logs.push(line));
}

pub(crate) fn now_ms() -> u64 {
    NOW_MS.get()
}

/// SplitMix64.
pub(crate) fn random_u64() -> u64 {
    let state = SEQUENCE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    SEQUENCE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use crate::{now_ms, random_u64};

    #[test]
    fn clock_and_sequence_repeat() {
        let first = (now_ms(), random_u64(), random_u64());
        assert_ne!(first.1, first.2);
        super::seed(0);
        assert_eq!((now_ms(), random_u64(), random_u64()), first);
        super::set_now_ms(5);
        assert_eq!(now_ms(), 5);
    }

    #[test]
    fn logs_are_those_of_this_test() {
        crate::info!("mine");
        std::thread::scope(|threads| {
            threads.spawn(|| crate::error!("another's"));
        });
        crate::trace!("{}", "mine too");
        assert_eq!(super::take_logs(), ["info: mine", "trace: mine too"]);
    }
}
