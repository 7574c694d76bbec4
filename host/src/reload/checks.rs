//! What only the parts together can tell: webhooks against plugins, settings against what the host started with.

use serde_json::Value;

use crate::config::{Layer, ServerConfig};
use crate::plugin::Catalog;
use crate::revision::Fault;
use crate::webhook::Webhook;

/// Where a webhook's plugin configs break the schemas of the plugins they are for.
pub(super) fn plugin_config_faults(webhook: &Webhook, layers: &[Layer], catalog: &Catalog) -> Vec<Fault> {
    let file = file_with(layers, "/plugins");
    let mut faults = Vec::new();
    for (index, used) in webhook.plugins.iter().enumerate() {
        let Some(plugin) = catalog.get(&used.plugin) else { continue };
        for violation in plugin.check_config(&used.config).err().unwrap_or_default() {
            let message = format!("plugin {}: {}", used.plugin, violation.message);
            let pointer = format!("/plugins/{index}/config{}", violation.pointer);
            faults.push(Fault { pointer, ..Fault::of_file(file, message) });
        }
    }
    faults
}

/// The plugins a webhook names that are not loaded. It stays in force: its deliveries wait for them.
pub(super) fn missing_plugin_faults(webhook: &Webhook, layers: &[Layer], catalog: &Catalog) -> Vec<Fault> {
    let missing = webhook.plugins.iter().enumerate().filter(|(_, used)| catalog.get(&used.plugin).is_none());
    let fault = |(index, used): (usize, &crate::webhook::PluginUse)| {
        let name = &used.plugin;
        let message = format!("no plugin {name} is loaded: deliveries are held until plugins/{name}.wasm is there");
        let pointer = format!("/plugins/{index}/plugin");
        Fault { pointer, ..Fault::of_file(file_with(layers, "/plugins"), message) }
    };
    missing.map(fault).collect()
}

/// The settings that differ from those the host started with and cannot change while it runs.
pub(super) fn restart_faults(started: &ServerConfig, wanted: &ServerConfig, layers: &[Layer]) -> Vec<Fault> {
    let settings = [
        ("/server/listen", started.listen.to_string(), wanted.listen.to_string()),
        ("/server/admin", started.admin.to_string(), wanted.admin.to_string()),
        ("/store/url", format!("sqlite:{}", started.store_path), format!("sqlite:{}", wanted.store_path)),
        ("/plugins/threads", started.plugins.threads.to_string(), wanted.plugins.threads.to_string()),
    ];
    let changed = settings.into_iter().filter(|(_, started, wanted)| started != wanted);
    let fault = |(pointer, started, wanted): (&str, String, String)| {
        let message = format!("{wanted} takes effect after a restart; until then it is {started}");
        Fault { pointer: pointer.to_owned(), ..Fault::of_file(file_with(layers, pointer), message) }
    };
    changed.map(fault).collect()
}

/// The file that says what stands at `pointer`: the last layer that has it, else the first.
fn file_with<'a>(layers: &'a [Layer], pointer: &str) -> &'a str {
    let has_it =
        |layer: &&Layer| serde_json::from_str::<Value>(&layer.text).is_ok_and(|value| value.pointer(pointer).is_some());
    layers.iter().rev().find(has_it).or(layers.first()).map_or("", |layer| &layer.file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layer_that_has_the_last_word_is_named() {
        let layer = |file: &str, text: &str| Layer { file: file.to_owned(), text: text.into() };
        let layers = [layer("base", r#"{"plugins": [], "url": "x"}"#), layer("overlay", r#"{"plugins": []}"#)];
        assert_eq!(file_with(&layers, "/plugins"), "overlay");
        assert_eq!(file_with(&layers, "/url"), "base");
        assert_eq!(file_with(&layers, "/absent"), "base");
    }
}
