//! A webhook as it is typed: texts of a form, made of a definition as it is shown, and written back into it. What nobody touched,
//! and what the form has no field for, stays as it was to the letter. Pure.

mod chain;
mod parts;

use serde_json::{Map, Value, json};

use super::one::is_secret;
use super::schema::{Field, put};
use crate::admin::pages::sent::Sent;
use crate::managed::definition::SECRET;
use crate::schemas::Violation;

pub(super) use chain::{PluginRow, REST, field_name, rest};
pub(super) use parts::{HeaderRow, header_place};

/// More rows are no form of ours.
const MOST_ROWS: usize = 100;

/// Texts that are each a member of the definition, with what they are called.
pub(super) const TEXTS: [&str; 4] = ["name", "timeout", "concurrency", "rateLimit"];
/// Those that are in an object of their own.
pub(super) const PACE: [&str; 5] = ["schedule", "disableAfter", "window", "debounceBy", "maxWait"];

/// What the form holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Draft {
    /// Of a new one only.
    pub(super) id: String,
    /// Empty: a secret one is kept.
    pub(super) url: String,
    pub(super) url_secret: bool,
    pub(super) method: String,
    pub(super) enabled: bool,
    /// Event types that have a box.
    pub(super) events: Vec<String>,
    /// Patterns, one a line.
    pub(super) patterns: String,
    pub(super) headers: Vec<HeaderRow>,
    pub(super) filter: String,
    pub(super) plugins: Vec<PluginRow>,
    /// Of [`TEXTS`].
    pub(super) texts: [String; 4],
    /// Of [`PACE`].
    pub(super) pace: [String; 5],
    pub(super) order: [String; 3],
    pub(super) labels: String,
    /// The ids of signing secrets that are kept.
    pub(super) secrets: Vec<String>,
    /// New ones, one a line.
    pub(super) new_secrets: String,
    pub(super) unsigned: bool,
    pub(super) extra: String,
}

/// What a form needs to know beside what is typed.
pub(super) struct Known<'a> {
    /// Event types that have a box.
    pub(super) types: &'a [String],
    /// The fields of a plugin's config; none: it is typed as JSON.
    pub(super) fields: &'a dyn Fn(&str) -> Option<Vec<Field>>,
}

impl Draft {
    /// Of a definition as it is shown.
    pub(super) fn of(shown: &Value, known: &Known<'_>) -> Self {
        let text = |place: &str| shown.pointer(place).map(parts::text).unwrap_or_default();
        let has_box = |pattern: &String| known.types.contains(pattern);
        let (events, patterns): (Vec<_>, Vec<_>) = parts::texts(shown.get("events")).into_iter().partition(has_box);
        let url = shown.get("url");
        Self {
            id: String::new(),
            url: url.and_then(Value::as_str).unwrap_or_default().to_owned(),
            url_secret: url.is_some_and(is_secret),
            method: shown.get("method").and_then(Value::as_str).unwrap_or("POST").to_owned(),
            enabled: shown.get("enabled").and_then(Value::as_bool).unwrap_or(true),
            events,
            patterns: patterns.join("\n"),
            headers: parts::headers(shown.get("headers")),
            filter: parts::pretty(shown.get("filter")),
            plugins: chain::rows(shown.get("plugins"), known),
            texts: TEXTS.map(|key| text(&format!("/{key}"))),
            pace: [
                parts::schedule(shown.pointer("/retry/schedule")),
                text("/retry/disableAfter"),
                text("/debounce/window"),
                text("/debounce/key"),
                text("/debounce/maxWait"),
            ],
            order: parts::order(shown.get("order")),
            labels: parts::labels(shown.get("labels")),
            secrets: parts::secret_ids(shown.pointer("/signing/secrets")),
            new_secrets: String::new(),
            unsigned: shown.get("signing").is_some_and(Value::is_null),
            extra: parts::pretty(shown.pointer("/signing/extra")),
        }
    }

    /// Of what a form sent.
    pub(super) fn sent(sent: &Sent) -> Self {
        let text = |name: &str| sent.text(name).to_owned();
        let rows = |prefix: &str| {
            let is_row = |at: &usize| sent.get(&format!("{prefix}.{at}")).is_some();
            (0..MOST_ROWS).filter(is_row).collect::<Vec<_>>()
        };
        Self {
            id: sent.text("id").trim().to_owned(),
            url: sent.text("url").trim().to_owned(),
            url_secret: sent.get("urlSecret").is_some(),
            method: text("method"),
            enabled: sent.get("enabled").is_some(),
            events: sent.all("event").map(str::to_owned).collect(),
            patterns: text("patterns"),
            headers: rows("header").into_iter().map(|at| HeaderRow::sent(sent, at)).collect(),
            filter: text("filter"),
            plugins: rows("plugin").into_iter().map(|at| PluginRow::sent(sent, at)).collect(),
            texts: TEXTS.map(text),
            pace: PACE.map(text),
            order: ["orderBy", "orderFailed", "orderHeld"].map(text),
            labels: text("labels"),
            secrets: sent.all("secret").map(str::to_owned).collect(),
            new_secrets: text("newSecrets"),
            unsigned: sent.get("unsigned").is_some(),
            extra: text("extra"),
        }
    }

    /// Whether it says something of when deliveries go out.
    pub(super) fn has_pace(&self) -> bool {
        let texts = self.texts.iter().skip(1).chain(&self.pace).chain(&self.order).chain([&self.labels]);
        texts.into_iter().any(|text| !text.is_empty())
    }

    /// What a button other than the one that saves asks for.
    pub(super) fn change(&mut self, what: &str, new_plugin: &str) {
        let (what, at) = what.split_once(':').unwrap_or((what, ""));
        let at: usize = at.parse().unwrap_or(usize::MAX);
        match what {
            "add-header" if self.headers.len() < MOST_ROWS => self.headers.push(HeaderRow::default()),
            "remove-header" if at < self.headers.len() => drop(self.headers.remove(at)),
            "add-plugin" if !new_plugin.is_empty() && self.plugins.len() < MOST_ROWS => {
                self.plugins.push(PluginRow::new(new_plugin));
            }
            "remove-plugin" if at < self.plugins.len() => drop(self.plugins.remove(at)),
            "up" if (1..self.plugins.len()).contains(&at) => self.plugins.swap(at - 1, at),
            "down" if at.saturating_add(1) < self.plugins.len() => self.plugins.swap(at, at + 1),
            "remove-secret" if at < self.secrets.len() => drop(self.secrets.remove(at)),
            _ => {}
        }
    }

    /// Written into `shown`, which it was made of.
    ///
    /// # Errors
    /// What cannot be read as it is typed, by its place in the definition.
    pub(super) fn definition(&self, shown: &Value, known: &Known<'_>) -> Result<Value, Vec<Violation>> {
        let before = Self::of(shown, known);
        let mut new = if shown.is_object() { shown.clone() } else { Value::Object(Map::new()) };
        let mut faults = Vec::new();
        self.write_target(&before, &mut new, &mut faults);
        for (at, key) in TEXTS.iter().enumerate() {
            if !is_same_text(&self.texts[at], &before.texts[at]) {
                put(&mut new, &format!("/{key}"), parts::value(key, &self.texts[at]));
            }
        }
        if (&self.events, &self.patterns) != (&before.events, &before.patterns) {
            self.write_events(&mut new, &mut faults);
        }
        if self.headers != before.headers {
            match parts::write_headers(&self.headers, shown.get("headers")) {
                Ok(headers) => put(&mut new, "/headers", headers),
                Err(found) => faults.extend(found),
            }
        }
        if !is_same_text(&self.filter, &before.filter) {
            write_json(&mut new, "/filter", &self.filter, &mut faults);
        }
        if self.plugins != before.plugins {
            let plugins = chain::write(&self.plugins, shown.get("plugins"), known, &mut faults);
            put(&mut new, "/plugins", plugins);
        }
        parts::write_pace(&self.pace, &before.pace, &mut new);
        if self.order != before.order {
            put(&mut new, "/order", parts::write_order(&self.order, shown.get("order")));
        }
        if !is_same_text(&self.labels, &before.labels) {
            match parts::write_labels(&self.labels) {
                Ok(labels) => put(&mut new, "/labels", labels),
                Err(fault) => faults.push(fault),
            }
        }
        self.write_signing(&before, &mut new, &mut faults);
        if faults.is_empty() { Ok(new) } else { Err(faults) }
    }

    fn write_target(&self, before: &Self, new: &mut Value, faults: &mut Vec<Violation>) {
        let is_kept = before.url_secret && self.url.is_empty();
        if self.url.is_empty() && !is_kept {
            faults.push(parts::fault("/url", "expected where to send, such as https://build.example/hook"));
        } else if !is_kept && (&self.url, self.url_secret) != (&before.url, before.url_secret) {
            let url = if self.url_secret { json!({ SECRET: self.url }) } else { self.url.clone().into() };
            put(new, "/url", Some(url));
        }
        if self.method != before.method {
            put(new, "/method", Some(self.method.clone().into()).filter(|method| *method != "POST"));
        }
        if self.enabled != before.enabled {
            put(new, "/enabled", Some(self.enabled.into()));
        }
    }

    /// Those that were there in their order, then the new ones.
    fn write_events(&self, new: &mut Value, faults: &mut Vec<Violation>) {
        let typed = self.patterns.lines().map(str::trim).filter(|line| !line.is_empty());
        let wanted: Vec<&str> = self.events.iter().map(String::as_str).chain(typed).collect();
        let earlier = parts::texts(new.get("events"));
        let kept = earlier.iter().map(String::as_str).filter(|pattern| wanted.contains(pattern));
        let added = wanted.iter().copied().filter(|pattern| !earlier.iter().any(|known| known == pattern));
        let mut events: Vec<&str> = Vec::new();
        for pattern in kept.chain(added) {
            if !events.contains(&pattern) {
                events.push(pattern);
            }
        }
        if events.is_empty() {
            faults.push(parts::fault("/events", "expected at least one event: tick one, or write a pattern"));
        }
        put(new, "/events", Some(events.into()));
    }

    fn write_signing(&self, before: &Self, new: &mut Value, faults: &mut Vec<Violation>) {
        let typed: Vec<&str> = self.new_secrets.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if !is_same_text(&self.extra, &before.extra) {
            if new.get("signing").is_some_and(Value::is_null) {
                put(new, "/signing", None);
            }
            write_json(new, "/signing/extra", &self.extra, faults);
        }
        if self.secrets != before.secrets || !typed.is_empty() {
            let kept = self.secrets.iter().map(|id| json!({ SECRET: true, "id": id }));
            let secrets: Vec<Value> = typed.iter().map(|text| json!({ SECRET: text })).chain(kept).collect();
            put(new, "/signing/secrets", Some(secrets).filter(|secrets| !secrets.is_empty()).map(Value::from));
        }
        let is_touched = self.secrets != before.secrets || !is_same_text(&self.extra, &before.extra);
        let is_bare = is_touched && new.get("signing").and_then(Value::as_object).is_some_and(Map::is_empty);
        if (self.unsigned && !before.unsigned) || is_bare {
            // Left out, it would be kept, or made.
            put(new, "/signing", Some(Value::Null));
        } else if before.unsigned && !self.unsigned && new.get("signing").is_some_and(Value::is_null) {
            put(new, "/signing", None);
        }
    }
}

/// What is empty is taken out.
fn write_json(new: &mut Value, place: &str, text: &str, faults: &mut Vec<Violation>) {
    if text.trim().is_empty() {
        put(new, place, None);
        return;
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value) => put(new, place, Some(value)),
        Err(error) => faults.push(parts::fault(place, &format!("expected JSON: {error}"))),
    }
}

/// Browsers end lines as they like.
pub(super) fn as_one_line_breaks(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

pub(super) fn is_same_text(one: &str, other: &str) -> bool {
    one == other || as_one_line_breaks(one) == as_one_line_breaks(other)
}

#[cfg(test)]
mod tests;
