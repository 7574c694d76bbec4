//! What a run depends on beside the event and the plugin's version, in a form that can be kept: configs are told
//! apart, not repeated, because they may hold secrets.

use super::Plugin;
use crate::delivery::Binding;
use crate::ids::Digest;
use crate::webhook::{PluginUse, Webhook};

/// What a webhook writes when it writes no config.
const NO_CONFIG: &str = "{}";

/// Of one use of a plugin.
pub(crate) fn of_use(plugin: &Plugin, used: &PluginUse) -> Binding {
    let (fuel, memory_bytes) = plugin.limits();
    let config = (&*used.config != NO_CONFIG).then(|| Digest::of(used.config.as_bytes()).short());
    Binding { fuel, memory_bytes: memory_bytes as u64, on_error: used.on_error, config }
}

/// Tells names and labels of a webhook from others: plugins see them.
pub(crate) fn of_webhook(webhook: &Webhook) -> String {
    let mut text = webhook.name.clone();
    for (name, value) in &webhook.labels {
        // No name or value holds the separator by accident: it is no character.
        text.extend(["\0", name, "\0", value]);
    }
    Digest::of(text.as_bytes()).short()
}
