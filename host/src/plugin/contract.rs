//! The host's side of `sdk/wit/plugin.wit`: types and calls, generated from it.

/// What the contract is called, whatever its version.
pub(super) const PACKAGE: &str = "hookwright:plugin/";
/// The newest version of the contract this host speaks; it speaks all of the same major.
pub(super) const VERSION: &str = "1.0.0";
/// The interface that a plugin exports.
pub(super) const TRANSFORMER_INTERFACE: &str = "hookwright:plugin/transformer@1.0.0";
/// Its function that a run calls.
pub(super) const TRANSFORM: &str = "transform";
/// The only interface with functions that a plugin may import.
pub(super) const HOST_INTERFACE: &str = "hookwright:plugin/host@1.0.0";
/// Its functions.
pub(super) const HOST_FUNCTIONS: [&str; 3] = ["log", "now-ms", "random-u64"];

/// An interface of the contract and a version, if that is what an import names.
pub(super) fn interface(import: &str) -> Option<(&str, &str)> {
    import.strip_prefix(PACKAGE)?.split_once('@')
}

/// Whether this host speaks that version: the same major, with whatever minor. What a newer minor brought is not there,
/// and a plugin that imports it does not fit.
pub(super) fn speaks(version: &str) -> bool {
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    major(version) == major(VERSION) && !version.contains('-')
}

/// Whether a version is of a major that came after ours.
pub(super) fn is_later_major(version: &str) -> bool {
    let major = |version: &str| version.split('.').next().and_then(|major| major.parse::<u64>().ok());
    major(version) > major(VERSION)
}

wasmtime::component::bindgen!({
    path: "../sdk/wit",
    world: "plugin",
    ownership: Borrowing { duplicate_if_necessary: true },
});

pub(super) use self::exports::hookwright::plugin::transformer::{Delivery, Failure, Manifest, Verdict};
pub(super) use self::hookwright::plugin::host::Level;
pub(super) use self::hookwright::plugin::types::{
    Changes, Dropped, FailureKind, FieldParam, FieldResult, Webhook as WebhookParam,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_minor_of_the_same_major_is_spoken() {
        for version in ["1.0.0", "1.0.7", "1.9.0"] {
            assert!(speaks(version), "{version}");
        }
        for version in ["0.2.0", "2.0.0", "1.0.0-rc.1", "10.0.0", ""] {
            assert!(!speaks(version), "{version}");
        }
        assert!(is_later_major("2.0.0") && !is_later_major("0.2.0") && !is_later_major(""));
        assert_eq!(interface(HOST_INTERFACE), Some(("host", VERSION)));
    }
}
