//! The edit itself: one source for the plugin and for what it is compared with.

use serde_json::Value;

/// Where the value stands.
pub(crate) const POINTER: &str = "/entry/email";
/// What it becomes.
pub(crate) const MASK: &str = "***";

pub(crate) fn edit(body: &mut Value) {
    if let Some(value) = body.pointer_mut(POINTER) {
        *value = MASK.into();
    }
}
