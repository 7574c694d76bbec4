//! What a held delivery waits for when a plugin holds it: another version, config or `onError` of that plugin.

use crate::delivery::HeldCause;
use crate::ids::{Digest, PluginName};
use crate::plugin::Catalog;
use crate::webhook::{PluginUse, Webhook};

/// The cause to hold a delivery for, when `plugin` of this webhook's chain could not do its work.
pub(super) fn cause(webhook: &Webhook, plugins: &Catalog, plugin: &PluginName) -> HeldCause {
    let used = webhook.plugins.iter().find(|used| used.plugin == *plugin);
    let binding = used.map_or_else(|| "unused".into(), |used| binding(used, plugins));
    HeldCause::Plugin { name: plugin.clone(), binding }
}

/// Every cause that would still hold today: what is held for another one deserves a new run.
pub(super) fn causes_in_force(webhook: &Webhook, plugins: &Catalog) -> Vec<HeldCause> {
    webhook
        .plugins
        .iter()
        .map(|used| HeldCause::Plugin { name: used.plugin.clone(), binding: binding(used, plugins) })
        .collect()
}

fn binding(used: &PluginUse, plugins: &Catalog) -> Box<str> {
    let version = plugins.get(&used.plugin).map(|plugin| plugin.digest);
    Digest::of(format!("{version:?} {:?} {}", used.on_error, used.config).as_bytes()).short().into()
}
