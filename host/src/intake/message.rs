//! From what was posted to the events in it: which they are, what their bytes are, what is parsed of them. Pure.
//!
//! CloudEvents say all of it themselves, whoever sends them; of other bodies the source's settings say where the type
//! stands, and without settings they are in Strapi's shape.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::{Refusal, cloudevents, naming, shape};
use crate::cloudevent::HEADER_PREFIX;
use crate::config::{IdempotencyRule, Source};
use crate::event::Event;
use crate::ids::{Digest, EventType};

/// What was posted, as far as it says what the events are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    pub(super) content_type: &'a Arc<str>,
    /// Those worth keeping, and those of a CloudEvent in binary mode.
    pub(super) headers: &'a [(String, String)],
    pub(super) data: &'a Bytes,
}

/// One event, not judged by any schema yet.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) event_type: EventType,
    /// Of a CloudEvent.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) content_type: Arc<str>,
    pub(super) data: Bytes,
    /// `data`, parsed; null where there is none.
    pub(super) body: Value,
    /// What tells it from others of its source, if it says so itself.
    pub(super) key: Option<Arc<str>>,
    pub(super) place: Place,
}

/// Where in the posted body an event stands, as JSON Pointers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Empty, unless it is in a batch.
    pub(super) event: String,
    /// The data, which schemas judge.
    pub(super) data: String,
    /// The type; empty: not in the body.
    pub(super) event_type: Cow<'static, str>,
}

/// How events are packed into a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    /// The body is the event.
    Plain,
    /// The body is the data of a CloudEvent, whose attributes are headers.
    Binary,
    Structured,
    Batch,
}

impl Envelope {
    pub(super) fn of(content_type: &str, headers: &[(String, String)]) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default().trim_ascii();
        if essence.eq_ignore_ascii_case("application/cloudevents+json") {
            Self::Structured
        } else if essence.eq_ignore_ascii_case("application/cloudevents-batch+json") {
            Self::Batch
        } else if headers.iter().any(|(name, _)| name.starts_with(HEADER_PREFIX)) {
            Self::Binary
        } else {
            Self::Plain
        }
    }
}

/// The events in what `source` posted; one, unless it is a batch.
pub(super) fn read(raw: Raw<'_>, source: Option<&Source>) -> Result<Vec<Message>, Refusal> {
    match Envelope::of(raw.content_type, raw.headers) {
        Envelope::Plain => plain(raw, source).map(|message| vec![message]),
        Envelope::Binary => cloudevents::binary(raw).map(|message| vec![message]),
        Envelope::Structured => cloudevents::structured(raw.data).map(|message| vec![message]),
        Envelope::Batch => cloudevents::batch(raw.data),
    }
}

fn plain(raw: Raw<'_>, source: Option<&Source>) -> Result<Message, Refusal> {
    let body = shape::parse(raw.data).map_err(Refusal::Malformed)?;
    let rule = source.and_then(|source| source.event_type.as_ref());
    let event_type = naming::event_type(rule, raw.headers, &body)?;
    let key = source.and_then(|source| source.idempotency.as_ref()).and_then(|rule| key(rule, &event_type, &body));
    Ok(Message {
        event_type,
        attributes: Vec::new(),
        content_type: Arc::clone(raw.content_type),
        data: raw.data.clone(),
        body,
        key,
        place: Place { event_type: naming::place(rule), ..Place::default() },
    })
}

/// Type and data of a stored event, by the settings of today. What its bytes do not say stays as it was: of a CloudEvent,
/// and of an event that a source of no settings made, such as the program around us.
pub(super) fn read_again(event: &Event, source: Option<&Source>) -> Result<(EventType, Value), Refusal> {
    if !event.attributes.is_empty() {
        return cloudevents::parsed(&event.data).map(|body| (event.event_type.clone(), body));
    }
    let body = shape::parse(&event.data).map_err(Refusal::Malformed)?;
    let rule = source.and_then(|source| source.event_type.as_ref());
    match naming::event_type(rule, &event.headers, &body) {
        Err(Refusal::NotAnEvent { .. }) if source.is_none() => Ok((event.event_type.clone(), body)),
        named => named.map(|event_type| (event_type, body)),
    }
}

/// The key that the places in a body make; none, if one of them is not there. No sender's own key looks like it: it
/// has a space.
fn key(rule: &IdempotencyRule, event_type: &EventType, body: &Value) -> Option<Arc<str>> {
    let IdempotencyRule::Pointers(pointers) = rule else { return None };
    let found: Vec<_> = pointers.iter().map(|pointer| pointer.find(body)).collect::<Option<_>>()?;
    let text = serde_json::to_string(&(event_type, found)).ok()?;
    Some(format!("body {}", Digest::of(text.as_bytes())).into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_envelope_is_told_by_the_content_type_and_then_by_headers() {
        let ce = [("ce-type".to_owned(), "a".to_owned())];
        for (content_type, headers, expected) in [
            ("application/json", &[][..], Envelope::Plain),
            ("application/json", &ce, Envelope::Binary),
            ("application/cloudevents+json; charset=utf-8", &ce, Envelope::Structured),
            ("Application/CloudEvents+JSON", &[], Envelope::Structured),
            ("application/cloudevents-batch+json", &[], Envelope::Batch),
            ("application/cloudevents-other+json", &[], Envelope::Plain),
        ] {
            assert_eq!(Envelope::of(content_type, headers), expected, "{content_type}");
        }
    }

    #[test]
    fn a_key_of_places_is_of_all_of_them_and_the_type() {
        let rule = IdempotencyRule::Pointers(["/id", "/v"].map(|text| text.parse().expect("valid")).into());
        let key = |event_type: &str, body: Value| key(&rule, &event_type.parse().expect("valid"), &body);
        let one = key("a", json!({"id": 1, "v": null, "at": 5})).expect("both are there");
        assert_eq!(key("a", json!({"v": null, "id": 1})), Some(one.clone()));
        assert!(one.contains(' '));
        for other in [json!({"id": "1", "v": null}), json!({"id": 1, "v": 2})] {
            assert_ne!(key("a", other), Some(one.clone()));
        }
        assert_ne!(key("b", json!({"id": 1, "v": null})), Some(one));
        assert_eq!(key("a", json!({"id": 1})), None);
    }
}
