//! CloudEvents 1.0 over HTTP: structured, batches, and binary. Pure.
//!
//! What becomes the event's bytes is `data` alone, exactly as it was written; all else is its context. Only data in JSON
//! is taken, because schemas and filters have to read it.

mod context;

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::message::{Message, Place, Raw};
use super::post::is_json_of_any_family;
use super::refusal::{Refusal, Shape};
use super::shape::{self, kind_of, violation};
use crate::cloudevent::{HEADER_PREFIX, decoded};
use crate::schemas::{MAX_VIOLATIONS, Violation};

/// A batch is committed whole: while it is, others wait.
pub(super) const MAX_BATCH: usize = 1_000;

const DATA: &str = "data";
const DATA_BASE64: &str = "data_base64";
const DATA_CONTENT_TYPE: &str = "datacontenttype";

static JSON: LazyLock<Arc<str>> = LazyLock::new(|| "application/json".into());

/// The body is the data, headers are the context.
pub(super) fn binary(raw: Raw<'_>) -> Result<Message, Refusal> {
    let body = parsed(raw.data)?;
    let mut faults = Vec::new();
    let mut attributes = Vec::new();
    let sent = raw.headers.iter().filter_map(|(name, value)| Some((name.strip_prefix(HEADER_PREFIX)?, value)));
    // Which type the data has is for Content-Type to say.
    for (name, value) in sent.filter(|(name, _)| *name != DATA_CONTENT_TYPE) {
        match decoded(value) {
            Some(text) if !text.contains(char::REPLACEMENT_CHARACTER) => attributes.push((name.to_owned(), text)),
            _ => faults.push(violation(&format!("/{name}"), "type", "its header is not UTF-8".to_owned())),
        }
    }
    let checked = context::check(&attributes, "", &mut faults);
    let Some((event_type, key)) = checked.filter(|_| faults.is_empty()) else { return Err(no_cloudevent(faults)) };
    Ok(Message {
        event_type,
        attributes,
        content_type: Arc::clone(raw.content_type),
        data: raw.data.clone(),
        body,
        key: Some(key),
        place: Place { event_type: "/type".into(), ..Place::default() },
    })
}

/// The body is the event.
pub(super) fn structured(data: &[u8]) -> Result<Message, Refusal> {
    let event = shape::parse(data).map_err(Refusal::Malformed)?;
    let written = serde_json::from_slice::<&RawValue>(data).map(RawValue::get).unwrap_or_default();
    of_object(event, written, String::new())
}

/// The body is a list of events. All that is wrong with their contexts is told at once.
pub(super) fn batch(data: &[u8]) -> Result<Vec<Message>, Refusal> {
    let events = match shape::parse(data).map_err(Refusal::Malformed)? {
        Value::Array(events) => events,
        other => {
            let message = format!("must be a list of events, is {}", kind_of(&other));
            return Err(no_cloudevent(vec![violation("", "type", message)]));
        }
    };
    if events.is_empty() {
        return Err(no_cloudevent(vec![violation("", "minItems", "is a batch without an event".to_owned())]));
    }
    if events.len() > MAX_BATCH {
        let message = format!("is a batch of {} events, and at most {MAX_BATCH} are taken at once", events.len());
        return Err(no_cloudevent(vec![violation("", "maxItems", message)]));
    }
    let written: Vec<&RawValue> = serde_json::from_slice(data).unwrap_or_default();
    let (mut messages, mut faults) = (Vec::with_capacity(events.len()), Vec::new());
    for (index, (event, written)) in events.into_iter().zip(written).enumerate() {
        match of_object(event, written.get(), format!("/{index}")) {
            Ok(message) => messages.push(message),
            Err(Refusal::NotAnEvent { violations, .. }) => faults.extend(violations),
            Err(other) => return Err(other),
        }
    }
    if faults.is_empty() { Ok(messages) } else { Err(no_cloudevent(faults)) }
}

/// The data of a CloudEvent; null where there is none.
pub(super) fn parsed(data: &[u8]) -> Result<Value, Refusal> {
    if data.is_empty() { Ok(Value::Null) } else { shape::parse(data).map_err(Refusal::Malformed) }
}

/// An event in the JSON format, parsed and as it was `written`.
fn of_object(event: Value, written: &str, at: String) -> Result<Message, Refusal> {
    let mut members = match event {
        Value::Object(members) => members,
        other => {
            let message = format!("must be a CloudEvent, an object, is {}", kind_of(&other));
            return Err(no_cloudevent(vec![violation(&at, "type", message)]));
        }
    };
    let mut faults = Vec::new();
    let data_type = taken_text(&mut members, DATA_CONTENT_TYPE, &at, &mut faults);
    let data = payload(&mut members, written, &at, &mut faults);
    let attributes = attributes(&members, &at, &mut faults);
    let checked = context::check(&attributes, &at, &mut faults);
    let Some((event_type, key)) = checked.filter(|_| faults.is_empty()) else { return Err(no_cloudevent(faults)) };
    let content_type = match data_type {
        None => Arc::clone(&JSON),
        // It becomes a header.
        Some(text) if is_json_of_any_family(&text) && http::HeaderValue::from_str(&text).is_ok() => text.into(),
        Some(text) => {
            let place = format!("{at}/{DATA_CONTENT_TYPE}");
            return Err(Refusal::DataType { place, found: crate::schemas::shortened(&text.into()) });
        }
    };
    let (data, body) = data.read(&at)?;
    Ok(Message {
        event_type,
        attributes,
        content_type,
        data,
        body,
        key: Some(key),
        place: Place { data: format!("{at}/{DATA}"), event_type: format!("{at}/type").into(), event: at },
    })
}

/// The data of an event in the JSON format.
enum Payload {
    None,
    Json(Bytes, Value),
    Base64(String),
}

impl Payload {
    fn read(self, at: &str) -> Result<(Bytes, Value), Refusal> {
        let text = match self {
            Self::None => return Ok((Bytes::new(), Value::Null)),
            Self::Json(data, body) => return Ok((data, body)),
            Self::Base64(text) => text,
        };
        let refuse =
            |keyword, message| no_cloudevent(vec![violation(&format!("{at}/{DATA_BASE64}"), keyword, message)]);
        let data =
            STANDARD.decode(text).map_err(|error| refuse("contentEncoding", format!("is not Base64: {error}")))?;
        match shape::parse(&data) {
            Ok(body) => Ok((data.into(), body)),
            Err(error) => Err(refuse("contentMediaType", format!("holds what is not JSON: {error}"))),
        }
    }
}

fn payload(members: &mut Map<String, Value>, written: &str, at: &str, faults: &mut Vec<Violation>) -> Payload {
    /// Only this one member, as it is written.
    #[derive(Deserialize)]
    struct Written<'a> {
        #[serde(borrow, default)]
        data: Option<&'a RawValue>,
    }
    let base64 = taken_text(members, DATA_BASE64, at, faults);
    let body = members.shift_remove(DATA).filter(|data| !data.is_null());
    match (body, base64) {
        (None, None) => Payload::None,
        (None, Some(text)) => Payload::Base64(text),
        (Some(_), Some(_)) => {
            let message = "must not stand beside data".to_owned();
            faults.push(violation(&format!("{at}/{DATA_BASE64}"), "not", message));
            Payload::None
        }
        (Some(body), None) => {
            if let Ok(Written { data: Some(data) }) = serde_json::from_str(written) {
                // Copied, so that one event of a batch does not keep the bytes of all.
                return Payload::Json(Bytes::copy_from_slice(data.get().as_bytes()), body);
            }
            // It was parsed before, so that only one thing can be wrong with it.
            let message = "must stand there once".to_owned();
            faults.push(violation(&format!("{at}/{DATA}"), "maxContains", message));
            Payload::None
        }
    }
}

/// A member that is no attribute and must be a text.
fn taken_text(members: &mut Map<String, Value>, name: &str, at: &str, faults: &mut Vec<Violation>) -> Option<String> {
    match members.shift_remove(name)? {
        Value::String(text) => Some(text),
        Value::Null => None,
        other => {
            faults.push(violation(&format!("{at}/{name}"), "type", format!("must be a text, is {}", kind_of(&other))));
            None
        }
    }
}

/// All members that are left, as texts; null is as if it was not written.
fn attributes(members: &Map<String, Value>, at: &str, faults: &mut Vec<Violation>) -> Vec<(String, String)> {
    let mut attributes = Vec::with_capacity(members.len());
    for (name, value) in members {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
            other => {
                let message = format!("must be a text, a whole number, true or false, is {}", kind_of(other));
                faults.push(violation(&context::pointer(at, name), "type", message));
                continue;
            }
        };
        attributes.push((name.clone(), text));
    }
    attributes
}

fn no_cloudevent(mut violations: Vec<Violation>) -> Refusal {
    violations.truncate(MAX_VIOLATIONS);
    Refusal::NotAnEvent { shape: Shape::CloudEvent, violations }
}

#[cfg(test)]
mod tests;
