//! What only the parts together can tell: webhooks against plugins, settings against what the host started with.

use serde_json::Value;

use crate::bundled;
use crate::config::{self, Layer, ServerConfig, Variables};
use crate::egress::Egress;
use crate::plugin::Catalog;
use crate::revision::{Fault, Revision};
use crate::schemas::{Violation, shortened};
use crate::webhook::Webhook;

/// What a webhook that is not in force yet would have against it beside what is: no file is named.
pub(crate) fn objections(webhook: &Webhook, revision: &Revision) -> Vec<Violation> {
    let Revision { plugins, egress, .. } = revision;
    let mut faults = plugin_config_faults(webhook, &[], plugins);
    faults.extend(refused_url_fault(webhook, &[], &Variables::default(), egress, "config/server.json"));
    faults.extend(missing_plugin_faults(webhook, &[], plugins));
    faults.extend(shadow_faults(webhook, &[], plugins));
    let violation = |Fault { pointer, message, .. }| Violation { pointer, keyword: "beside".to_owned(), message };
    faults.into_iter().map(violation).collect()
}

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

/// Why a webhook's URL cannot be sent to, if its host alone tells: an address, or `localhost`. Other names are judged
/// when they resolve. One that is switched off need not work. `allowed_in`: the file to open ranges in.
pub(super) fn refused_url_fault(
    webhook: &Webhook,
    layers: &[Layer],
    variables: &Variables,
    egress: &Egress,
    allowed_in: &str,
) -> Option<Fault> {
    if !webhook.enabled {
        return None;
    }
    let refusal = egress.judge(&webhook.url).err()?.told(allowed_in);
    let written = config::written_webhook(&webhook.id, layers, variables).ok();
    let written = written.as_ref().and_then(|document| document.get("url")?.as_str());
    let message = match written.map(without_query) {
        Some(written) => format!("{refusal}; written: {}", shortened(&written.into())),
        None => refusal,
    };
    Some(Fault { pointer: "/url".to_owned(), ..Fault::of_file(file_with(layers, "/url"), message) })
}

/// A last good version whose URL was allowed once. It stays: what it gathers is not lost when the address is opened.
pub(super) fn refused_in_force_fault(webhook: &Webhook, egress: &Egress) -> Option<Fault> {
    if !webhook.enabled || egress.judge(&webhook.url).is_ok() {
        return None;
    }
    let host = webhook.url.host_str().unwrap_or_default();
    let message = format!(
        "what stays in force goes to {host}: every attempt is refused and retried until the address is opened or the \
         file is mended"
    );
    Some(Fault { pointer: "/url".to_owned(), ..Fault::of_file("", message) })
}

/// Receivers put tokens into queries.
fn without_query(url: &str) -> String {
    url.split_once('?').map_or_else(|| url.to_owned(), |(shown, _)| format!("{shown}?…"))
}

/// The plugins a webhook names that are not loaded. It stays in force: its deliveries wait for them.
pub(super) fn missing_plugin_faults(webhook: &Webhook, layers: &[Layer], catalog: &Catalog) -> Vec<Fault> {
    let missing = webhook.plugins.iter().enumerate().filter(|(_, used)| catalog.get(&used.plugin).is_none());
    let fault = |(index, used): (usize, &crate::webhook::PluginUse)| {
        let name = &used.plugin;
        let remedy = bundled::remedy(name);
        let message =
            format!("no plugin {name} is loaded: deliveries are held until plugins/{name}.wasm is there{remedy}");
        let pointer = format!("/plugins/{index}/plugin");
        Fault { pointer, ..Fault::of_file(file_with(layers, "/plugins"), message) }
    };
    missing.map(fault).collect()
}

/// What keeps shadows from running. It holds nothing: their webhooks work as without them.
pub(super) fn shadow_faults(webhook: &Webhook, layers: &[Layer], catalog: &Catalog) -> Vec<Fault> {
    let file = file_with(layers, "/plugins");
    let mut faults = Vec::new();
    for (index, used) in webhook.plugins.iter().enumerate() {
        let Some(shadow) = &used.shadow else { continue };
        let (name, live) = (&shadow.plugin, &used.plugin);
        let mut add = |message| {
            let pointer = format!("/plugins/{index}/shadow");
            faults.push(Fault { pointer, ..Fault::of_file(file, message) });
        };
        let Some(candidate) = catalog.get(name) else {
            add(format!("no plugin {name} is loaded: nothing runs beside {live} until plugins/{name}.wasm is there"));
            continue;
        };
        for Violation { pointer, message, .. } in candidate.check_config(&shadow.config).err().unwrap_or_default() {
            add(format!(
                "plugin {name} does not take its config at {pointer:?}, so it does not run beside {live}: {message}"
            ));
        }
    }
    faults
}

/// The settings that differ from those the host started with and cannot change while it runs.
pub(super) fn restart_faults(started: &ServerConfig, wanted: &ServerConfig, layers: &[Layer]) -> Vec<Fault> {
    let connections = |config: &ServerConfig| config.limits.max_connections.to_string();
    let head_timeout = |config: &ServerConfig| format!("{:?}", config.limits.head_timeout);
    let at_once = |config: &ServerConfig| config.plugins.large_at_once.to_string();
    let settings = [
        ("/server/listen", started.listen.to_string(), wanted.listen.to_string()),
        ("/server/admin", started.admin.to_string(), wanted.admin.to_string()),
        ("/server/maxConnections", connections(started), connections(wanted)),
        ("/server/headTimeout", head_timeout(started), head_timeout(wanted)),
        ("/store/url", format!("sqlite:{}", started.store_path), format!("sqlite:{}", wanted.store_path)),
        ("/plugins/threads", started.plugins.threads.to_string(), wanted.plugins.threads.to_string()),
        ("/plugins/large/atOnce", at_once(started), at_once(wanted)),
    ];
    let changed = settings.into_iter().filter(|(_, started, wanted)| started != wanted);
    let fault = |(pointer, started, wanted): (&str, String, String)| {
        let message = format!("{wanted} takes effect after a restart; until then it is {started}");
        Fault { pointer: pointer.to_owned(), ..Fault::of_file(file_with(layers, pointer), message) }
    };
    changed.map(fault).chain(no_source_fault(started, wanted, layers)).collect()
}

/// The source `local` is made at the start, if it is wanted then.
fn no_source_fault(started: &ServerConfig, wanted: &ServerConfig, layers: &[Layer]) -> Option<Fault> {
    let is_missing = wanted.sources.is_empty() && !started.sources.is_empty();
    let message = "no source is configured any more, so nobody can post events; a restart makes the source local";
    let fault = Fault::of_file(file_with(layers, "/sources"), message);
    is_missing.then(|| Fault { pointer: "/sources".to_owned(), ..fault })
}

/// The file that says what stands at `pointer`: the last layer that has it, else the first.
pub(crate) fn file_with<'a>(layers: &'a [Layer], pointer: &str) -> &'a str {
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
