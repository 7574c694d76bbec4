//! Stand-ins for the host in a plugin's own tests, the same in every run: each test (each thread) has a clock of its
//! own that stands still, and a sequence of its own.

use std::cell::Cell;

use serde_json::Value;

use crate::Level;
use crate::schema::schema_of;

/// 2026-01-01T00:00:00Z.
const START_MS: u64 = 1_767_225_600_000;

thread_local! {
    static NOW_MS: Cell<u64> = const { Cell::new(START_MS) };
    static SEQUENCE: Cell<u64> = const { Cell::new(0) };
}

/// What [`now_ms`](crate::now_ms) says from now on.
pub fn set_now_ms(ms: u64) {
    NOW_MS.set(ms);
}

/// Starts another sequence for [`random_u64`](crate::random_u64).
pub fn seed(seed: u64) {
    SEQUENCE.set(seed);
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
    eprintln!("{level:?}: {message}");
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
}
