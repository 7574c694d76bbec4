//! What a held delivery waits for when a plugin holds it: another version, config, `onError` or limit of that plugin.

use std::fmt::Write as _;

use crate::delivery::HeldCause;
use crate::ids::{Digest, PluginName};
use crate::plugin::Catalog;
use crate::webhook::Webhook;

/// The cause to hold a delivery for, when `plugin` of this webhook's chain could not do its work.
pub(super) fn cause(webhook: &Webhook, plugins: &Catalog, plugin: &PluginName) -> HeldCause {
    HeldCause::Plugin { name: plugin.clone(), binding: binding(webhook, plugins, plugin) }
}

/// Every cause that would still hold today: what is held for another one deserves a new run.
pub(super) fn causes_in_force(webhook: &Webhook, plugins: &Catalog) -> Vec<HeldCause> {
    webhook.plugins.iter().map(|used| cause(webhook, plugins, &used.plugin)).collect()
}

/// Covers every use of the plugin in the chain: whichever failed, mending it makes another binding.
pub(super) fn binding(webhook: &Webhook, plugins: &Catalog, plugin: &PluginName) -> Box<str> {
    let mut text = match plugins.get(plugin) {
        Some(plugin) => format!("{} {:?}", plugin.digest, plugin.limits()),
        None => "absent".to_owned(),
    };
    for used in webhook.plugins.iter().filter(|used| used.plugin == *plugin) {
        // Writing to a String cannot fail.
        let _ = write!(text, " {:?} {}", used.on_error, used.config);
    }
    Digest::of(text.as_bytes()).short().into()
}
