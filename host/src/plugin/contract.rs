//! The host's side of `sdk/wit/plugin.wit`: types and calls, generated from it.

/// What the contract is called, whatever its version.
pub(super) const PACKAGE: &str = "hookwright:plugin/";
/// The one version of the contract this host speaks.
pub(super) const VERSION: &str = "0.2.0";
/// The only interface with functions that a plugin may import.
pub(super) const HOST_INTERFACE: &str = "hookwright:plugin/host@0.2.0";
/// Imported by every component, for its types alone.
pub(super) const TYPES_INTERFACE: &str = "hookwright:plugin/types@0.2.0";

wasmtime::component::bindgen!({
    path: "../sdk/wit",
    world: "plugin",
    ownership: Borrowing { duplicate_if_necessary: true },
});

pub(super) use self::hookwright::plugin::host::Level;
pub(super) use self::hookwright::plugin::types::{
    Changes, FailureKind, FieldParam, FieldResult, Webhook as WebhookParam,
};
