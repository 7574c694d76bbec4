//! A webhook's file: its keys, their ranges and defaults.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::Value;
use url::Url;

use super::headers;
use super::interpolate::Expanded;
use super::node::{Keys, Node};
use super::pace;
use crate::destination::Destination;
use crate::duration::LONGEST;
use crate::ids::{PluginName, WebhookId};
use crate::pattern::EventPattern;
use crate::pointer::Pointer;
use crate::schemas::Compiled;
use crate::signing::{ExtraSignature, Signed, SigningSecret, Template};
use crate::webhook::{
    DEFAULT_DISABLE_AFTER, DEFAULT_RETRY_SCHEDULE, Filter, OnError, Origin, PluginUse, Shadow, Webhook,
};

const ROOT: Keys = Keys {
    known: &[
        "name",
        "url",
        "method",
        "enabled",
        "labels",
        "events",
        "filter",
        "headers",
        "plugins",
        "signing",
        "timeout",
        "retry",
        "concurrency",
        "rateLimit",
        "order",
        "debounce",
    ],
    later: &[],
};
const PLUGIN: Keys = Keys { known: &["plugin", "config", "onError", "shadow"], later: &[] };
const SHADOW: Keys = Keys { known: &["plugin", "config"], later: &[] };
const SIGNING: Keys = Keys { known: &["secrets", "extra"], later: &[] };
const EXTRA_SIGNATURE: Keys = Keys { known: &["header", "secret", "value", "signed"], later: &[] };
const RETRY: Keys = Keys { known: &["schedule", "disableAfter"], later: &[] };
const SCHEMA_FILTER: Keys = Keys { known: &["schema"], later: &[] };

const MAX_NAME_CHARS: usize = 200;
const MAX_LABELS: usize = 32;
const MAX_EVENTS: usize = 100;
const MAX_FILTER_VALUES: usize = 1_000;
/// Each runs for every delivery.
const MAX_PLUGINS: usize = 16;
/// The config of one plugin is copied into every run.
const MAX_PLUGIN_CONFIG_BYTES: usize = 64 << 10;
/// Each adds a signature to the header; rotation needs two.
pub(crate) const MAX_SECRETS: usize = 5;
const MAX_EXTRA_SIGNATURES: usize = 4;
const MAX_RETRIES: usize = 30;
const MAX_CONCURRENCY: u64 = 256;
const DEFAULT_CONCURRENCY: NonZeroU32 = NonZeroU32::new(16).unwrap();
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

pub(super) fn read(id: WebhookId, root: &Node<'_>) -> Option<Webhook> {
    let fields = root.fields(&ROOT)?;
    let url = fields.require("url", "where to send, such as https://build.example/hook");
    let events = fields.require("events", "a list such as [\"entry.publish\"] or [\"*\"]");
    let retry = fields.section("retry", &RETRY);
    // All of it is read before what is missing ends it, so that every error is found.
    let url = url.and_then(|node| read_url(&node));
    let events = events.map(|node| read_events(&node));
    let name = fields.get("name").and_then(|node| read_name(&node));
    let method = fields.get("method").and_then(|node| read_method(&node));
    let enabled = fields.get("enabled").and_then(|node| node.boolean());
    let labels = fields.get("labels").map(|node| read_labels(&node));
    let filter = fields.get("filter").and_then(|node| read_filter(&node));
    let headers = fields.get("headers").map(|node| headers::read(&node));
    let plugins = fields.get("plugins").map(|node| read_plugins(&node));
    let timeout = fields.get("timeout").and_then(|node| read_timeout(&node));
    let retry_schedule = retry.get("schedule").map(|node| read_schedule(&node));
    let disable_after =
        retry.get("disableAfter").map_or(Some(DEFAULT_DISABLE_AFTER), |node| pace::read_disable_after(&node));
    let (rate_limit, order, debounce) = pace::read(&fields);
    let concurrency = fields.get("concurrency").and_then(|node| node.number(1..=MAX_CONCURRENCY));
    let signing = fields.get("signing").map(|node| read_signing(&node));
    let (url, shown_url) = url?;
    let (signing_secrets, extra_signatures) = signing.unwrap_or_default();
    Some(Webhook {
        name: name.unwrap_or_else(|| id.to_string()),
        id,
        url,
        shown_url,
        method: method.unwrap_or(Method::POST),
        enabled: enabled.unwrap_or(true),
        labels: labels.unwrap_or_default(),
        events: events?,
        filter,
        headers: headers.unwrap_or_default(),
        plugins: plugins.unwrap_or_default(),
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
        retry_schedule: retry_schedule.unwrap_or_else(|| DEFAULT_RETRY_SCHEDULE.to_vec()),
        disable_after,
        rate_limit,
        order,
        debounce,
        concurrency: concurrency
            .and_then(|count| u32::try_from(count).ok())
            .and_then(NonZeroU32::new)
            .unwrap_or(DEFAULT_CONCURRENCY),
        signing_secrets,
        extra_signatures,
        origin: Origin::default(),
    })
}

fn read_name(node: &Node<'_>) -> Option<String> {
    let name = node.text()?.text;
    if !(1..=MAX_NAME_CHARS).contains(&name.chars().count()) || name.contains(char::is_control) {
        node.refuse(format_args!("expected a name of 1 to {MAX_NAME_CHARS} characters on one line"));
        return None;
    }
    Some(name)
}

/// The URL, and the same as it may be shown.
fn read_url(node: &Node<'_>) -> Option<(Arc<Destination>, String)> {
    let Expanded { text, filled } = node.text()?;
    // Before an @ may stand a password.
    let node = if text.contains('@') { node.clone().secret() } else { node.clone() };
    let refuse = |message: &str| {
        node.refuse(message);
        None
    };
    let Ok(url) = Url::parse(&text) else {
        return refuse("expected a whole URL, such as https://build.example/hook");
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return refuse("expected a URL that begins with https:// or http://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("expected no user name or password in the URL: write an Authorization header instead");
    }
    if url.fragment().is_some() {
        return refuse("expected no fragment (#…) in the URL: it would not be sent");
    }
    let shown = shown_url(&url, filled);
    match Destination::try_from(url) {
        Ok(destination) => Some((destination.into(), shown)),
        Err(error) => refuse(&format!("expected a URL that can be requested, found {error}")),
    }
}

/// Receivers put tokens into queries, and some into paths. A URL that was filled in may have one anywhere behind its
/// host.
fn shown_url(url: &Url, filled: bool) -> String {
    if filled {
        return format!("{}/…", url.origin().ascii_serialization());
    }
    let mut shown = url.clone();
    shown.set_query(None);
    if url.query().is_some() { format!("{shown}?…") } else { shown.into() }
}

fn read_method(node: &Node<'_>) -> Option<Method> {
    let methods = [("POST", Method::POST), ("PUT", Method::PUT), ("PATCH", Method::PATCH)];
    node.choice(&methods.each_ref().map(|(name, method)| (*name, method))).cloned()
}

fn read_events(node: &Node<'_>) -> Vec<EventPattern> {
    if node.is_empty_list() {
        node.refuse_missing("expected at least one event pattern: *, entry.* or entry.create");
    }
    node.items(MAX_EVENTS).iter().filter_map(Node::parse).collect()
}

fn read_labels(node: &Node<'_>) -> BTreeMap<String, String> {
    let entries: Vec<_> = node.entries().filter(|(_, place)| !place.is_null()).collect();
    if entries.len() > MAX_LABELS {
        node.refuse(format_args!("expected at most {MAX_LABELS} labels"));
    }
    let read = |(key, place): &(&str, Node<'_>)| Some(((*key).to_owned(), place.text()?.text));
    entries.iter().take(MAX_LABELS).filter_map(read).collect()
}

fn read_filter(node: &Node<'_>) -> Option<Filter> {
    if !node.is_object() {
        node.refuse("expected JSON Pointers and their values, { \"/model\": [\"article\"] }, or { \"schema\": {…} }");
        return None;
    }
    if node.entries().any(|(key, _)| key == "schema") {
        let schema = node.fields(&SCHEMA_FILTER)?.require("schema", "a JSON Schema")?;
        return read_schema(&schema).map(Filter::Schema);
    }
    if node.entries().next().is_none() {
        node.refuse("expected at least one JSON Pointer and its values, such as {\"/model\": [\"article\"]}");
    }
    let mut rules = Vec::new();
    for (key, place) in node.entries() {
        let Ok(pointer) = key.parse::<Pointer>() else {
            place.refuse_missing("expected a JSON Pointer such as /model and its values, or just {\"schema\": {…}}");
            continue;
        };
        rules.push((pointer, read_filter_values(&place)));
    }
    Some(Filter::Values(rules))
}

fn read_filter_values(node: &Node<'_>) -> Vec<Value> {
    let places = if node.is_list() { node.items(MAX_FILTER_VALUES) } else { vec![node.clone()] };
    if node.is_empty_list() {
        node.refuse("expected at least one value: nothing is equal to none");
    }
    let read = |place: &Node<'_>| {
        if place.is_list() || place.is_object() {
            place.refuse("expected a text, a number, true, false or null; for more, {\"schema\": {…}}");
            return None;
        }
        place.json().map(|(value, _)| value)
    };
    places.iter().filter_map(read).collect()
}

fn read_schema(node: &Node<'_>) -> Option<Compiled> {
    let (schema, filled) = node.json()?;
    match Compiled::compile(&schema) {
        Ok(compiled) => Some(compiled),
        Err(_) if filled => {
            node.refuse("expected a usable JSON Schema; with its ${…} filled in it is none");
            None
        }
        Err(fault) => {
            node.refuse_missing(format_args!("expected a usable JSON Schema: {fault}"));
            None
        }
    }
}

fn read_plugins(node: &Node<'_>) -> Vec<PluginUse> {
    node.items(MAX_PLUGINS).iter().filter_map(read_plugin).collect()
}

/// `"redact"`, or an object that also says how.
fn read_plugin(node: &Node<'_>) -> Option<PluginUse> {
    if node.is_text() {
        return Some(PluginUse {
            plugin: node.parse()?,
            config: "{}".into(),
            on_error: OnError::default(),
            shadow: None,
        });
    }
    let fields = node.fields(&PLUGIN)?;
    let choices = [("hold", OnError::Hold), ("fail", OnError::Fail), ("drop", OnError::Drop), ("skip", OnError::Skip)];
    let plugin = fields.require("plugin", "the name of a file in plugins/, such as redact");
    let plugin = plugin.and_then(|node| node.parse::<PluginName>());
    let config = fields.get("config").map_or(Some("{}".into()), |node| read_plugin_config(&node));
    let on_error = fields.get("onError").and_then(|node| node.choice(&choices)).unwrap_or_default();
    let shadow = fields.get("shadow").and_then(|node| read_shadow(&node, config.as_ref()));
    Some(PluginUse { plugin: plugin?, config: config?, on_error, shadow })
}

/// `"redact-next"`, or an object that also says how. `live`: the config of the plugin it runs beside.
fn read_shadow(node: &Node<'_>, live: Option<&Arc<str>>) -> Option<Shadow> {
    if node.is_text() {
        return Some(Shadow { plugin: node.parse()?, config: Arc::clone(live?) });
    }
    let fields = node.fields(&SHADOW)?;
    let plugin = fields.require("plugin", "the name of the candidate's file in plugins/, such as redact-next");
    let plugin = plugin.and_then(|node| node.parse::<PluginName>());
    let config = match fields.get("config") {
        None => live.cloned(),
        Some(node) => read_plugin_config(&node),
    };
    Some(Shadow { plugin: plugin?, config: config? })
}

fn read_plugin_config(node: &Node<'_>) -> Option<Arc<str>> {
    if !node.is_object() {
        node.refuse("expected an object, { … }");
        return None;
    }
    let text = node.json()?.0.to_string();
    if text.len() > MAX_PLUGIN_CONFIG_BYTES {
        node.refuse(format_args!("expected at most {MAX_PLUGIN_CONFIG_BYTES} bytes"));
        return None;
    }
    Some(text.into())
}

fn read_timeout(node: &Node<'_>) -> Option<Duration> {
    node.duration(Duration::from_millis(100)..=Duration::from_mins(5), "100ms to 5m")
}

fn read_schedule(node: &Node<'_>) -> Vec<Duration> {
    let items = node.items(MAX_RETRIES);
    items.iter().filter_map(|place| place.duration(Duration::ZERO..=LONGEST, "0s to 365d")).collect()
}

fn read_signing(node: &Node<'_>) -> (Vec<SigningSecret>, Vec<ExtraSignature>) {
    let Some(fields) = node.fields(&SIGNING) else { return Default::default() };
    let extra = fields.get("extra");
    let secrets = match &extra {
        Some(_) => fields.get("secrets"),
        None => fields.require("secrets", "a list of whsec_… or whsk_… secrets"),
    };
    let secrets = secrets.map(|node| node.items(MAX_SECRETS)).unwrap_or_default();
    let extra = extra.map(|node| node.items(MAX_EXTRA_SIGNATURES)).unwrap_or_default();
    (
        secrets.into_iter().filter_map(|place| place.secret().parse()).collect(),
        extra.iter().filter_map(read_extra_signature).collect(),
    )
}

fn read_extra_signature(node: &Node<'_>) -> Option<ExtraSignature> {
    let fields = node.fields(&EXTRA_SIGNATURE)?;
    let header = fields.require("header", "the name of a header, such as X-Hub-Signature-256");
    let secret = fields.require("secret", "the secret that the receiver verifies with");
    let header = header.and_then(|place| headers::read_name(&place.text()?.text, &place));
    let secret = secret.map(Node::secret);
    let text = secret.as_ref().and_then(Node::text);
    let template = fields.get("value").map_or(Some(Template::default()), |place| place.parse());
    let choices = [
        ("body", Signed::Body),
        ("timestamp.body", Signed::TimestampAndBody),
        ("id.timestamp.body", Signed::IdTimestampAndBody),
    ];
    let signed = fields.get("signed").map_or(Some(Signed::Body), |place| place.choice(&choices));
    let extra = ExtraSignature::new(header?, &text?.text, signed?, template?);
    if extra.is_none() {
        secret?.refuse("expected a secret of one character or more");
    }
    extra
}
