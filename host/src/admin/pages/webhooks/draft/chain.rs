//! The chain of plugins as it is typed.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Known;
use super::parts::{fault, pretty};
use crate::admin::pages::sent::Sent;
use crate::admin::pages::webhooks::schema::{self, Field, put};
use crate::pointer;
use crate::schemas::Violation;

/// A plugin of the chain.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct PluginRow {
    pub(in super::super) plugin: String,
    /// Where it stood in the definition that is changed.
    pub(in super::super) was: Option<usize>,
    /// Empty: nothing is written.
    pub(in super::super) on_error: String,
    /// By the place in its config; the whole of it at the empty place, where there are no fields; what has no field at `rest`.
    pub(in super::super) typed: BTreeMap<String, String>,
}

/// What of a config has no field.
pub(in super::super) const REST: &str = "rest";

/// The name of a field of a plugin's config.
pub(in super::super) fn field_name(row: usize, place: &str) -> String {
    format!("plugin.{row}.config:{place}")
}

impl PluginRow {
    pub(super) fn new(plugin: &str) -> Self {
        Self { plugin: plugin.to_owned(), ..Self::default() }
    }

    pub(super) fn sent(sent: &Sent, at: usize) -> Self {
        let prefix = field_name(at, "");
        // Of a box, the hidden field that says that it is there comes first.
        let typed =
            sent.fields().filter_map(|(name, text)| Some((name.strip_prefix(&prefix)?.to_owned(), text.to_owned())));
        Self {
            plugin: sent.text(&format!("plugin.{at}")).to_owned(),
            was: sent.text(&format!("plugin.{at}.was")).parse().ok(),
            on_error: sent.text(&format!("plugin.{at}.onError")).to_owned(),
            typed: typed.collect(),
        }
    }

    /// What stood there, and its config.
    pub(in super::super) fn earlier<'v>(&self, plugins: Option<&'v Value>) -> (Option<&'v Value>, Value) {
        let used = self.was.and_then(|was| plugins?.get(was)).filter(|used| name(used) == self.plugin);
        (used, used.and_then(|used| used.get("config")).cloned().unwrap_or_else(|| json!({})))
    }
}

fn name(used: &Value) -> &str {
    used.as_str().or_else(|| used.get("plugin")?.as_str()).unwrap_or_default()
}

pub(super) fn rows(plugins: Option<&Value>, known: &Known<'_>) -> Vec<PluginRow> {
    let used = plugins.and_then(Value::as_array).into_iter().flatten().enumerate();
    used.map(|(at, used)| row(at, used, known)).collect()
}

fn row(at: usize, used: &Value, known: &Known<'_>) -> PluginRow {
    let config = used.get("config").cloned().unwrap_or_else(|| json!({}));
    let typed = match (known.fields)(name(used)) {
        None => [(String::new(), whole(&config))].into(),
        Some(fields) => {
            let rest = rest(&fields, &config).map(|rest| (REST.to_owned(), rest));
            schema::texts(&fields, &config).into_iter().chain(rest).collect()
        }
    };
    let on_error = used.get("onError").and_then(Value::as_str).unwrap_or_default().to_owned();
    PluginRow { plugin: name(used).to_owned(), was: Some(at), on_error, typed }
}

/// As a text; nothing for what is empty.
fn whole(config: &Value) -> String {
    if config.as_object().is_some_and(Map::is_empty) { String::new() } else { format!("{config:#}") }
}

/// The members that have no field, if there are some.
pub(in super::super) fn rest(fields: &[Field], config: &Value) -> Option<String> {
    let has_field = |name: &String| fields.iter().any(|field| field.pointer == pointer::child("", name));
    let rest: Map<_, _> = config
        .as_object()?
        .iter()
        .filter(|(name, _)| !has_field(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    (!rest.is_empty()).then(|| pretty(Some(&Value::Object(rest))))
}

pub(super) fn write(
    rows: &[PluginRow],
    shown: Option<&Value>,
    known: &Known<'_>,
    faults: &mut Vec<Violation>,
) -> Option<Value> {
    let mut chain = Vec::new();
    for (at, typed) in rows.iter().enumerate() {
        let (used, config) = typed.earlier(shown);
        if let Some(used) = used
            && let Some(was) = typed.was
            && same(typed, &row(was, used, known))
        {
            chain.push(used.clone());
            continue;
        }
        let mut new = match used {
            Some(used) if used.is_object() => used.clone(),
            _ => json!({ "plugin": typed.plugin }),
        };
        let on_error = Some(typed.on_error.clone()).filter(|text| !text.is_empty()).map(Value::from);
        put(&mut new, "/onError", on_error);
        let mut found = Vec::new();
        let config = write_config(typed, config, known, &mut found);
        let had_config = new.get("config").is_some();
        put(
            &mut new,
            "/config",
            Some(config).filter(|config| had_config || config.as_object().is_none_or(|config| !config.is_empty())),
        );
        let place = |found: Violation| Violation { pointer: format!("/plugins/{at}/config{}", found.pointer), ..found };
        faults.extend(found.into_iter().map(place));
        chain.push(new);
    }
    Some(chain).filter(|chain| !chain.is_empty() || shown.is_some_and(Value::is_array)).map(Value::from)
}

/// A form has no place for what has no field.
fn same(typed: &PluginRow, earlier: &PluginRow) -> bool {
    let is_as_it_was = |(place, text): (&String, &String)| {
        earlier.typed.get(place).map_or(text.is_empty(), |known| super::is_same_text(known, text))
    };
    typed.on_error == earlier.on_error && typed.typed.iter().all(is_as_it_was)
}

fn write_config(row: &PluginRow, mut config: Value, known: &Known<'_>, faults: &mut Vec<Violation>) -> Value {
    let Some(fields) = (known.fields)(&row.plugin) else {
        let text = row.typed.get("").map_or("", String::as_str);
        if super::is_same_text(text, &whole(&config)) {
            return config;
        }
        return match text.trim() {
            "" => json!({}),
            text => serde_json::from_str(text).unwrap_or_else(|error| {
                faults.push(fault("", &format!("expected JSON: {error}")));
                config
            }),
        };
    };
    let earlier = rest(&fields, &config);
    if let (Some(earlier), Some(text)) = (earlier, row.typed.get(REST))
        && !super::is_same_text(&earlier, text)
    {
        match serde_json::from_str::<Value>(if text.trim().is_empty() { "{}" } else { text }) {
            Ok(Value::Object(rest)) => {
                let has_field = |name: &str| fields.iter().any(|field| field.pointer == pointer::child("", name));
                if let Some(members) = config.as_object_mut() {
                    members.retain(|name, _| has_field(name));
                    members.extend(rest);
                }
            }
            Ok(_) => faults.push(fault("/rest", "expected an object, { … }")),
            Err(error) => faults.push(fault("/rest", &format!("expected JSON: {error}"))),
        }
    }
    schema::apply(&fields, &mut config, &|place| row.typed.get(place).cloned(), faults);
    config
}
