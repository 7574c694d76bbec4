//! Events, deliveries and quarantined bodies as JSON for people and programs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::config::carries_credentials;
use crate::delivery::{Attempt, ChainRecord, ChainVerdict, DeliveryView, HeldCause, State};
use crate::event::Event;
use crate::ids::{DeliveryId, EventId, EventType, QuarantineId, SourceName, WebhookId};
use crate::store::{EventHead, Quarantined};

/// Stands for what is not shown, as in the headers of attempts.
pub(super) const MASK: &str = "…";

/// An event without its bytes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventSummary {
    pub(super) id: EventId,
    #[serde(rename = "type")]
    event_type: EventType,
    source: SourceName,
    received: Timestamp,
    content_type: String,
    headers: Vec<(String, String)>,
    /// Of a CloudEvent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<(String, String)>,
    bytes: usize,
}

impl EventSummary {
    pub(super) fn of(event: &Event) -> Self {
        Self {
            id: event.id,
            event_type: event.event_type.clone(),
            source: event.source.clone(),
            received: event.received,
            content_type: event.content_type.to_string(),
            headers: event.headers.clone(),
            attributes: event.attributes.clone(),
            bytes: event.data.len(),
        }
    }
}

impl From<EventHead> for EventSummary {
    fn from(head: EventHead) -> Self {
        let EventHead { id, event_type, source, received, content_type, headers, attributes, bytes } = head;
        Self { id, event_type, source, received, content_type, headers, attributes, bytes }
    }
}

/// Bytes as text where they are text.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(super) enum Data {
    #[serde(rename = "data")]
    Text(String),
    #[serde(rename = "dataBase64")]
    Base64(String),
}

impl Data {
    pub(super) fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }
}

/// A delivery without its attempts.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delivery {
    pub(super) id: DeliveryId,
    event: EventId,
    webhook: WebhookId,
    state: State,
    created: Timestamp,
    changed: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<Timestamp>,
    attempts: u32,
    runs: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_for: Option<HeldCause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay_of: Option<DeliveryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<WindowView>,
}

/// What a debounced delivery gathered, or gathers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct WindowView {
    /// How many events came.
    count: u64,
    /// When it takes no more, unless another comes before; none: it takes no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    closes: Option<Timestamp>,
}

impl Delivery {
    pub(super) fn of(view: &DeliveryView) -> Self {
        Self {
            id: view.id,
            event: view.event,
            webhook: view.webhook.clone(),
            state: view.state,
            created: view.created,
            changed: view.changed,
            due: view.due,
            attempts: view.attempts,
            runs: view.runs,
            reason: view.reason.clone(),
            held_for: view.held_for.clone(),
            replay_of: view.replay_of,
            window: view.window.as_ref().map(|window| WindowView { count: window.count, closes: window.closes }),
        }
    }
}

/// A delivery with all that is known of it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FullDelivery {
    #[serde(flatten)]
    delivery: Delivery,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<ChainRecord>,
    /// The payload that goes out instead of the event's, if a plugin rewrote it; invalid UTF-8 replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    rewritten_data: Option<String>,
    /// The newest events of its window, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    window_members: Vec<EventId>,
    attempt_list: Vec<Attempt>,
}

impl FullDelivery {
    /// Headers that a plugin set and that look as if they held a secret are shown as `…`.
    pub(super) fn of(mut view: DeliveryView, mut attempts: Vec<Attempt>) -> Self {
        mask_credentials(view.chain.as_mut(), &mut attempts, None);
        let rewritten = view.chain.as_ref().and_then(ChainRecord::data);
        Self {
            delivery: Delivery::of(&view),
            rewritten_data: rewritten.map(|data: &Bytes| String::from_utf8_lossy(data).into_owned()),
            chain: view.chain,
            window_members: view.window.map(|window| window.members).unwrap_or_default(),
            attempt_list: attempts,
        }
    }
}

/// In the record of the chain, in the attempts that were made with it, and in the headers of a request that was not sent.
pub(super) fn mask_credentials(
    chain: Option<&mut ChainRecord>,
    attempts: &mut [Attempt],
    mut unsent: Option<&mut Vec<(String, String)>>,
) {
    let Some(ChainVerdict::Deliver { changes }) = chain.map(|chain| &mut chain.verdict) else { return };
    for (name, value) in changes.set_headers.iter_mut().filter(|(name, value)| carries_credentials(name, value)) {
        let unsent = unsent.as_deref_mut().into_iter().flatten();
        let sent = attempts.iter_mut().flat_map(|attempt| &mut attempt.request_headers).chain(unsent);
        sent.filter(|(sent, _)| sent == name).for_each(|(_, sent)| MASK.clone_into(sent));
        MASK.clone_into(value);
    }
}

/// A refused body, with what was answered.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct QuarantineEntry {
    pub(super) id: QuarantineId,
    source: SourceName,
    received: Timestamp,
    content_type: String,
    headers: Vec<(String, String)>,
    problem: serde_json::Value,
    #[serde(flatten)]
    data: Data,
}

impl From<Quarantined> for QuarantineEntry {
    fn from(entry: Quarantined) -> Self {
        Self {
            id: entry.id,
            source: entry.source,
            received: entry.received,
            content_type: entry.content_type.to_string(),
            headers: entry.headers,
            // Written by us as JSON; whatever else it may be is shown as it is.
            problem: serde_json::from_str(&entry.problem).unwrap_or(serde_json::Value::String(entry.problem)),
            data: Data::of(&entry.data),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{AttemptResult, Changes, SendErrorKind};

    #[test]
    fn bytes_are_shown_as_text_where_they_are_text() {
        let shown = |bytes: &[u8]| serde_json::to_string(&Data::of(bytes)).expect("serialises");
        assert_eq!(shown("Zürich".as_bytes()), r#"{"data":"Zürich"}"#);
        assert_eq!(shown(b"\xff\x00"), r#"{"dataBase64":"/wA="}"#);
    }

    #[test]
    fn secrets_that_plugins_put_into_headers_are_not_shown() {
        let headers = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let set = headers(&[("x-api-key", "hunter2"), ("x-site", "main"), ("x-login", "Bearer hunter2")]);
        let changes = Changes { set_headers: set.clone(), ..Changes::default() };
        let mut chain = ChainRecord { verdict: ChainVerdict::Deliver { changes }, runs: vec![], conditions: None };
        let mut attempt = Attempt {
            number: 1,
            started: Timestamp::from_ms(0),
            micros: 1,
            url: String::new(),
            request_headers: [set, headers(&[("webhook-signature", "v1,abc")])].concat(),
            result: AttemptResult::Error { kind: SendErrorKind::Timeout, message: String::new() },
        };
        mask_credentials(Some(&mut chain), std::slice::from_mut(&mut attempt), None);
        let shown = serde_json::json!([chain, attempt]).to_string();
        assert!(!shown.contains("hunter2") && shown.contains("main") && shown.contains("v1,abc"), "{shown}");
    }
}
