//! Members of a definition as texts, and back.

use serde_json::{Map, Value, json};

use super::{PACE, is_same_text};
use crate::admin::pages::sent::Sent;
use crate::admin::pages::webhooks::one::is_secret;
use crate::admin::pages::webhooks::schema::{plain, put};
use crate::managed::definition::SECRET;
use crate::pointer;
use crate::schemas::Violation;

/// A header as it is typed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct HeaderRow {
    pub(in super::super) name: String,
    /// Empty: a secret one is kept.
    pub(in super::super) value: String,
    pub(in super::super) secret: bool,
    /// The id of a secret that is kept if nothing is typed.
    pub(in super::super) kept: String,
}

impl HeaderRow {
    pub(super) fn sent(sent: &Sent, at: usize) -> Self {
        let text = |name: &str| sent.text(&format!("header.{at}{name}")).to_owned();
        Self {
            name: text("").trim().to_owned(),
            value: text(".value"),
            secret: sent.get(&format!("header.{at}.secret")).is_some(),
            kept: text(".kept"),
        }
    }

    fn is_empty(&self) -> bool {
        self.name.is_empty() && self.value.is_empty() && self.kept.is_empty()
    }
}

pub(super) fn fault(pointer: &str, message: &str) -> Violation {
    Violation { pointer: pointer.to_owned(), keyword: "form".to_owned(), message: message.to_owned() }
}

/// Of a member that is a text, or nearly.
pub(super) fn text(value: &Value) -> String {
    if value.is_null() { String::new() } else { plain(value) }
}

pub(super) fn texts(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().map(plain).collect()
}

pub(super) fn pretty(value: Option<&Value>) -> String {
    value.filter(|value| !value.is_null()).map(|value| format!("{value:#}")).unwrap_or_default()
}

/// Numbers are numbers where they can be; what is none is told by whoever reads the definition.
pub(super) fn value(key: &str, text: &str) -> Option<Value> {
    let text = text.trim();
    let number = || text.parse::<u64>().ok().map(Value::from);
    Some(text).filter(|text| !text.is_empty()).map(|text| match key {
        "concurrency" => number().unwrap_or_else(|| text.into()),
        _ => text.into(),
    })
}

pub(super) fn headers(headers: Option<&Value>) -> Vec<HeaderRow> {
    let own = headers.and_then(Value::as_object).into_iter().flatten();
    own.filter(|(_, value)| has_row(value)).map(|(name, value)| row(name, value)).collect()
}

fn has_row(value: &Value) -> bool {
    value.is_string() || is_secret(value)
}

fn row(name: &str, value: &Value) -> HeaderRow {
    HeaderRow {
        name: name.to_owned(),
        value: value.as_str().unwrap_or_default().to_owned(),
        secret: is_secret(value),
        kept: value.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(),
    }
}

pub(super) fn write_headers(rows: &[HeaderRow], shown: Option<&Value>) -> Result<Option<Value>, Vec<Violation>> {
    let (mut headers, mut faults) = (Map::new(), Vec::new());
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| !row.is_empty()) {
        if row.name.is_empty() {
            faults.push(fault(&format!("/headers/#{at}"), "expected the name of a header, such as X-Site"));
            continue;
        }
        let value = match (row.value.is_empty(), row.kept.is_empty(), row.secret) {
            (true, false, _) => json!({ SECRET: true, "id": row.kept }),
            (_, _, true) => json!({ SECRET: row.value }),
            _ => row.value.clone().into(),
        };
        if headers.keys().any(|known| known.eq_ignore_ascii_case(&row.name)) {
            faults.push(fault(&format!("/headers/#{at}"), "expected once: this header is written twice"));
            continue;
        }
        headers.insert(row.name.clone(), value);
    }
    // What has no row stays.
    for (name, value) in shown.and_then(Value::as_object).into_iter().flatten().filter(|(_, value)| !has_row(value)) {
        headers.entry(name.clone()).or_insert_with(|| value.clone());
    }
    if faults.is_empty() {
        Ok(Some(headers).filter(|headers| !headers.is_empty()).map(Value::from))
    } else {
        Err(faults)
    }
}

/// `5s, 5m`; `none` for one attempt only; empty where nothing is written.
pub(super) fn schedule(waits: Option<&Value>) -> String {
    match waits {
        Some(Value::Array(waits)) if waits.is_empty() => "none".to_owned(),
        waits => texts(waits).join(", "),
    }
}

pub(super) fn write_pace(typed: &[String; 5], before: &[String; 5], new: &mut Value) {
    let places = ["/retry/schedule", "/retry/disableAfter", "/debounce/window", "/debounce/key", "/debounce/maxWait"];
    for (at, place) in places.into_iter().enumerate() {
        if is_same_text(&typed[at], &before[at]) {
            continue;
        }
        let text = typed[at].trim();
        let value = match (PACE[at], text) {
            (_, "") => None,
            ("schedule", "none") => Some(json!([])),
            ("schedule", _) => {
                let waits = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|wait| !wait.is_empty());
                Some(waits.map(Value::from).collect())
            }
            _ => Some(text.into()),
        };
        put(new, place, value);
    }
    for key in ["retry", "debounce"] {
        if typed != before && new.get(key).and_then(Value::as_object).is_some_and(Map::is_empty) {
            put(new, &format!("/{key}"), None);
        }
    }
}

/// By what, and what those behind do: failed, held.
pub(super) fn order(order: Option<&Value>) -> [String; 3] {
    match order {
        Some(Value::String(by)) if by == "none" => Default::default(),
        Some(Value::String(by)) => [by.clone(), String::new(), String::new()],
        Some(order) => {
            ["/by", "/onStuck/failed", "/onStuck/held"].map(|place| order.pointer(place).map(text).unwrap_or_default())
        }
        None => Default::default(),
    }
}

pub(super) fn write_order([by, failed, held]: &[String; 3], shown: Option<&Value>) -> Option<Value> {
    let by = by.trim();
    if by.is_empty() {
        return None;
    }
    let was_object = shown.filter(|order| order.is_object());
    if failed.is_empty() && held.is_empty() && was_object.is_none() {
        return Some(by.into());
    }
    let mut order = was_object.cloned().unwrap_or_else(|| json!({}));
    put(&mut order, "/by", Some(by.into()));
    for (place, text) in [("/onStuck/failed", failed), ("/onStuck/held", held)] {
        put(&mut order, place, Some(text).filter(|text| !text.is_empty()).map(|text| text.clone().into()));
    }
    Some(order)
}

/// `name: value`, one a line.
pub(super) fn labels(labels: Option<&Value>) -> String {
    let lines = labels.and_then(Value::as_object).into_iter().flatten();
    lines.map(|(name, value)| format!("{name}: {}", text(value))).collect::<Vec<_>>().join("\n")
}

pub(super) fn write_labels(text: &str) -> Result<Option<Value>, Violation> {
    let mut labels = Map::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else {
            return Err(fault("/labels", &format!("expected lines such as team: web, found {line}")));
        };
        labels.insert(name.trim().to_owned(), value.trim().into());
    }
    Ok(Some(labels).filter(|labels| !labels.is_empty()).map(Value::from))
}

pub(super) fn secret_ids(secrets: Option<&Value>) -> Vec<String> {
    let secrets = secrets.and_then(Value::as_array).into_iter().flatten();
    secrets.filter_map(|secret| secret.get("id")?.as_str()).map(str::to_owned).collect()
}

/// The row of a fault that has no name to be found by.
pub(in super::super) fn header_place(row: &HeaderRow, at: usize) -> [String; 2] {
    [pointer::child("/headers", &row.name), format!("/headers/#{at}")]
}
