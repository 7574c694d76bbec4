//! The request of one attempt: today's URL, headers and secrets around the bytes fixed by the chain.
//!
//! Precedence, the later wins: source pass-through, default headers, the webhook's, plugins', ours.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::Timestamp;
use crate::cloudevent;
use crate::delivery::Changes;
use crate::egress::Outgoing;
use crate::event::Event;
use crate::ids::DeliveryId;
use crate::signing;
use crate::webhook::{Headers, Webhook};

/// What an attempt is made of.
pub(super) struct Parts<'a> {
    pub(super) event: &'a Event,
    pub(super) webhook: &'a Webhook,
    pub(super) default_headers: &'a Headers,
    pub(super) changes: &'a Changes,
    pub(super) delivery: DeliveryId,
    /// 1 for the first.
    pub(super) attempt: u32,
    /// The receiver is told so.
    pub(super) is_test: bool,
    pub(super) now: Timestamp,
}

pub(super) fn build(parts: &Parts<'_>) -> Outgoing {
    let body = parts.changes.data.as_ref().unwrap_or(&parts.event.data).clone();
    Outgoing {
        method: parts.webhook.method.clone(),
        url: Arc::clone(&parts.webhook.url),
        headers: headers(parts, &body),
        body,
        deadline: parts.webhook.timeout,
    }
}

fn headers(parts: &Parts<'_>, body: &Bytes) -> HeaderMap {
    let Parts { event, webhook, changes, .. } = parts;
    let mut headers = HeaderMap::with_capacity(16);
    // A CloudEvent without data has no bytes, and receivers take none for JSON.
    if !body.is_empty() {
        set(&mut headers, http::header::CONTENT_TYPE, &event.content_type);
    }
    for (name, value) in &event.headers {
        set_named(&mut headers, name, value);
    }
    for (name, value) in &event.attributes {
        set_named(&mut headers, &cloudevent::header_name(name), &cloudevent::header_value(value));
    }
    for (name, value) in parts.default_headers.iter().chain(webhook.headers.iter()) {
        headers.insert(name, value.clone());
    }
    for name in &changes.remove_headers {
        headers.remove(name.as_str());
    }
    for (name, value) in &changes.set_headers {
        set_named(&mut headers, name, value);
    }
    if let Some(content_type) = &changes.content_type {
        set(&mut headers, http::header::CONTENT_TYPE, content_type);
    }
    set(&mut headers, HeaderName::from_static("x-hookwright-event"), event.event_type.as_str());
    set(&mut headers, HeaderName::from_static("x-hookwright-delivery"), &parts.delivery.to_string());
    headers.insert("x-hookwright-attempt", parts.attempt.into());
    if parts.is_test {
        headers.insert("x-hookwright-test", HeaderValue::from_static("true"));
    }
    sign(&mut headers, parts, body);
    headers
}

fn sign(headers: &mut HeaderMap, parts: &Parts<'_>, body: &Bytes) {
    let id = parts.event.id.to_string();
    headers.insert("webhook-timestamp", parts.now.as_seconds().into());
    let signature = signing::sign(&parts.webhook.signing_secrets, &id, parts.now, body);
    if !signature.is_empty() {
        set(headers, HeaderName::from_static("webhook-signature"), &signature);
    }
    for extra in &parts.webhook.extra_signatures {
        set(headers, extra.header().clone(), &extra.value(&id, parts.now, body));
    }
    set(headers, HeaderName::from_static("webhook-id"), &id);
}

fn set_named(headers: &mut HeaderMap, name: &str, value: &str) {
    if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
        set(headers, name, value);
    }
}

/// Values were checked where they came from; one that still does not fit is left out rather than sent wrong.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The headers as the log may keep them: sensitive values hidden.
pub(super) fn for_the_log(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let shown = if value.is_sensitive() {
                "…".to_owned()
            } else {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            };
            (name.as_str().to_owned(), shown)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;
    use crate::destination::Destination;
    use crate::ids::EventId;
    use crate::signing::{ExtraSignature, Signed, Template, VerifyingKey};

    fn header_list(pairs: &[(&'static str, &'static str)]) -> Headers {
        let mut headers = Headers::default();
        for (name, value) in pairs {
            headers.set(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_later_wins_and_ours_wins_last() {
        let now = Timestamp::from_ms(1_614_265_330_000);
        let event = Event {
            id: EventId::generate(now),
            event_type: "entry.create".parse().unwrap(),
            source: "strapi".parse().unwrap(),
            received: now,
            content_type: "application/json".into(),
            headers: vec![("x-strapi-event".into(), "entry.create".into()), ("x-level".into(), "source".into())],
            attributes: Vec::new(),
            data: Bytes::from_static(b"{}"),
        };
        let hub = HeaderName::from_static("x-hub-signature-256");
        let hub = ExtraSignature::new(hub, "old secret", Signed::Body, Template::default()).unwrap();
        let webhook = Webhook {
            id: "w".parse().unwrap(),
            name: "w".into(),
            url: "https://example.com/hook".parse::<Destination>().unwrap().into(),
            shown_url: String::new(),
            method: http::Method::POST,
            enabled: true,
            labels: BTreeMap::new(),
            events: vec![],
            filter: None,
            headers: header_list(&[("x-level", "webhook"), ("x-webhook", "1")]),
            plugins: vec![],
            timeout: Duration::from_secs(15),
            retry_schedule: vec![],
            disable_after: None,
            rate_limit: None,
            order: None,
            debounce: None,
            concurrency: NonZeroU32::MIN,
            signing_secrets: vec!["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap()],
            extra_signatures: vec![hub],
            origin: crate::webhook::Origin::default(),
        };
        let changes = Changes {
            data: Some(Bytes::from_static(b"1;2")),
            content_type: Some("text/csv".into()),
            set_headers: [("x-level", "plugin"), ("webhook-id", "forged"), ("x-hub-signature-256", "forged")]
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            remove_headers: vec!["x-webhook".into()],
            ..Changes::default()
        };
        let parts = Parts {
            event: &event,
            webhook: &webhook,
            default_headers: &header_list(&[
                ("x-level", "default"),
                ("authorization", "Bearer t"),
                ("content-type", "application/json"),
            ]),
            changes: &changes,
            delivery: DeliveryId::generate(now),
            attempt: 2,
            is_test: false,
            now,
        };
        let request = build(&parts);
        let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(request.body, "1;2");
        assert_eq!(header("content-type").as_deref(), Some("text/csv"));
        assert_eq!(header("x-level").as_deref(), Some("plugin"));
        assert_eq!(header("x-strapi-event").as_deref(), Some("entry.create"));
        assert_eq!(header("authorization").as_deref(), Some("Bearer t"));
        assert_eq!(header("x-webhook"), None);
        assert_eq!(header("x-hookwright-attempt").as_deref(), Some("2"));
        assert_eq!(header("webhook-id"), Some(event.id.to_string()));
        let signature = header("webhook-signature").unwrap();
        let keys: Vec<_> = webhook.signing_secrets.iter().filter_map(VerifyingKey::of).collect();
        let verified = signing::verify(&keys, &event.id.to_string(), "1614265330", &signature, b"1;2", now);
        assert_eq!(verified, Ok(()));
        let extra = webhook.extra_signatures[0].value("", now, b"1;2");
        assert_eq!(header("x-hub-signature-256"), Some(extra), "of the bytes that are sent");
    }
}
