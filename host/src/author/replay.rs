//! A plugin on an event that a host has had: what it makes of what the plugins before it left.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::clock::Timestamp;
use crate::config::{ConfigError, Home, Layer, Variables, parse_webhook, written_webhook};
use crate::delivery::{ChainRecord, ChainVerdict, Changes};
use crate::event::Event;
use crate::files;
use crate::ids::{DeliveryId, PluginName, WebhookId};
use crate::plugin::{Catalog, ChainJob, MAX_PLUGIN_FILE_BYTES, Plugin, run_chain};
use crate::webhook::{PluginUse, Webhook};

use super::layers;
use super::workbench::Workbench;

/// One delivery, as its chain is given it.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) delivery: DeliveryId,
    pub(crate) webhook: WebhookId,
    pub(crate) event: Event,
    pub(crate) run: u32,
    pub(crate) now: Timestamp,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Replay {
    /// What the plugins before it left, or how they ended the chain.
    pub(crate) before: ChainRecord,
    /// With it.
    pub(crate) after: ChainRecord,
}

/// Why a delivery cannot be run again here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("webhook {webhook} cannot be read: {reason}")]
    Webhook { webhook: WebhookId, reason: String },
    #[error("webhook {webhook} does not use plugin {plugin} any more")]
    NotUsed { webhook: WebhookId, plugin: PluginName },
}

/// Runs the chain of the delivery's webhook, as the home's files have it today, up to `plugin`. Blocking.
///
/// # Errors
/// When the home has no such chain.
pub(crate) fn replay(
    workbench: &Workbench,
    home: &Home,
    plugin: &Arc<Plugin>,
    recorded: &Recorded,
) -> Result<Replay, ReplayError> {
    let Recorded { webhook: id, .. } = recorded;
    let place = webhook(home, id)?.plugins.iter().position(|used| used.plugin == plugin.name);
    let not_used = || ReplayError::NotUsed { webhook: id.clone(), plugin: plugin.name.clone() };
    let place = place.ok_or_else(not_used)?;
    let up_to = |steps: usize| {
        let mut webhook = webhook(home, id)?;
        webhook.plugins.truncate(steps);
        Ok(Arc::new(webhook))
    };
    let (before, after) = (up_to(place)?, up_to(place + 1)?);
    let earlier = before.plugins.iter().map(|used| &used.plugin);
    let mut plugins: BTreeMap<_, _> =
        earlier.filter_map(|name| Some((name.clone(), load(workbench, home, name)?))).collect();
    plugins.insert(plugin.name.clone(), Arc::clone(plugin));
    let plugins = Arc::new(Catalog::new(plugins));
    let event = Arc::new(recorded.event.clone());
    let run = |webhook| {
        run_chain(&ChainJob {
            plugins: Arc::clone(&plugins),
            webhook,
            event: Arc::clone(&event),
            delivery: recorded.delivery,
            run: recorded.run,
            now: recorded.now,
            observer: None,
            watch: None,
            handing: None,
        })
    };
    Ok(Replay { before: run(before), after: run(after) })
}

fn webhook(home: &Home, id: &WebhookId) -> Result<Webhook, ReplayError> {
    read(home, id, |layers, variables| parse_webhook(id.clone(), layers, variables))
}

/// The chain of a webhook, as the home's files have it today.
///
/// # Errors
/// When they cannot be read.
pub(crate) fn chain(home: &Home, id: &WebhookId) -> Result<Vec<PluginUse>, ReplayError> {
    webhook(home, id).map(|webhook| webhook.plugins)
}

/// The labels of a webhook, which its plugins see, as they are written: no reference is filled in.
///
/// # Errors
/// When they cannot be read.
pub(crate) fn labels(home: &Home, id: &WebhookId) -> Result<BTreeMap<String, String>, ReplayError> {
    let written = read(home, id, |layers, variables| written_webhook(id, layers, variables))?;
    let labels = written.get("labels").and_then(Value::as_object).into_iter().flatten();
    Ok(labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect())
}

/// Whether a config or a label that plugins before `place` see refers to something that is filled in.
///
/// # Errors
/// When they cannot be read.
pub(crate) fn is_filled_in(home: &Home, id: &WebhookId, place: usize) -> Result<bool, ReplayError> {
    let written = read(home, id, |layers, variables| written_webhook(id, layers, variables))?;
    let configs = written.get("plugins").and_then(Value::as_array).into_iter().flatten().take(place);
    Ok(configs.chain(written.get("labels")).any(|seen| seen.to_string().contains("${")))
}

/// The config that stands at this place of the chain as it is written: no reference is filled in.
///
/// # Errors
/// When the home's files cannot be read.
pub(crate) fn written_config(home: &Home, id: &WebhookId, place: usize) -> Result<Option<Value>, ReplayError> {
    let written = read(home, id, |layers, variables| written_webhook(id, layers, variables))?;
    Ok(written.pointer(&format!("/plugins/{place}/config")).cloned())
}

fn read<T>(
    home: &Home,
    id: &WebhookId,
    parse: impl FnOnce(&[Layer], &Variables) -> Result<T, Vec<ConfigError>>,
) -> Result<T, ReplayError> {
    let unreadable = |reason| ReplayError::Webhook { webhook: id.clone(), reason };
    let variables = Variables::load(home).map_err(|error| unreadable(error.to_string()))?;
    let environment = variables.environment().map_err(|error| unreadable(error.to_string()))?;
    let layers = layers::read(home, &home.webhook_files(&environment, id)).map_err(unreadable)?;
    parse(&layers, &variables).map_err(|errors| unreadable(layers::in_words(&errors)))
}

/// A plugin of the home, as its file is. One that cannot be loaded is absent, which holds what needs it.
pub(crate) fn load(workbench: &Workbench, home: &Home, name: &PluginName) -> Option<Arc<Plugin>> {
    let wasm = files::read_capped(&home.plugins().join(format!("{name}.wasm")), MAX_PLUGIN_FILE_BYTES).ok()?;
    workbench.load(name, &wasm).ok()
}

/// What a chain wants changed, if it delivers.
pub(crate) fn changes(record: &ChainRecord) -> Option<&Changes> {
    match &record.verdict {
        ChainVerdict::Deliver { changes } => Some(changes),
        _ => None,
    }
}
