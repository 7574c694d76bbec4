//! What the host has to say of itself and its webhooks, as events that can be subscribed to: `hookwright.*`.
//!
//! They take the way of every event, from the store on, and never speak of themselves: nothing about a delivery of one
//! of them makes another. They are written right after what they tell of, not with it: a crash between the two loses
//! one. What nobody in force subscribes to is not written at all.

use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::{self, Timestamp};
use crate::delivery::HeldCause;
use crate::ids::{DeliveryId, EventId, EventType, QuarantineId, SourceName, WebhookId};
use crate::intake::Intake;
use crate::revision::{Fault, Live};
use crate::store::{Administration, StoreError};
use crate::throttle::Throttle;
use crate::webhook::Webhook;

/// What waits to be written; what is beyond is left out, and counted in the log.
const MOST_WAITING: usize = 1024;
/// A store that fails is asked again after these.
const STORE_WAITS: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(2), Duration::from_secs(5)];
/// For so long what was told is written after the drain.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Reasons can have a plugin's own words, however many.
const MAX_REASON_CHARS: usize = 1_000;

/// Something worth an event.
#[derive(Debug)]
pub enum Occurrence {
    /// Switched off by somebody, by the receiver's 410, or after days of failure.
    WebhookDisabled {
        webhook: WebhookId,
        by: String,
    },
    /// Its receiver took nothing ten times in a row.
    WebhookFailing {
        webhook: WebhookId,
        since: Timestamp,
    },
    WebhookRecovered {
        webhook: WebhookId,
    },
    DeliveryFailed(Stopped),
    DeliveryHeld(Stopped, HeldCause),
    /// A file of the home folder cannot be taken.
    ReloadFailed(Fault),
    /// A body that the schemas refused is in quarantine.
    EventRefused {
        id: QuarantineId,
        source: SourceName,
        reason: String,
    },
}

/// A delivery that goes no further by itself.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stopped {
    pub id: DeliveryId,
    pub webhook: WebhookId,
    pub event: EventId,
    pub event_type: EventType,
    pub attempts: u32,
    #[serde(serialize_with = "cut")]
    pub reason: String,
}

/// The first [`MAX_REASON_CHARS`].
fn cut<S: Serializer>(reason: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let end = reason.char_indices().nth(MAX_REASON_CHARS).map(|(end, _)| end);
    match end.and_then(|end| reason.get(..end)) {
        Some(short) => serializer.collect_str(&format_args!("{short}…")),
        None => serializer.serialize_str(reason),
    }
}

/// Takes occurrences. Cheap to clone; never waits.
#[derive(Clone)]
pub struct Operations {
    live: Live,
    waiting: mpsc::Sender<(Timestamp, Occurrence)>,
    left_out: Arc<Throttle>,
}

/// What was told and is not written yet.
pub struct Told(mpsc::Receiver<(Timestamp, Occurrence)>);

impl Operations {
    pub fn new(live: Live) -> (Self, Told) {
        let (waiting, told) = mpsc::channel(MOST_WAITING);
        (Self { live, waiting, left_out: Arc::default() }, Told(told))
    }

    /// Makes an event of it, if a webhook in force subscribes to its type.
    pub fn tell(&self, occurrence: Occurrence) {
        let event_type = occurrence.event_type();
        let wants = |webhook: &Arc<Webhook>| webhook.enabled && webhook.wants_type(&event_type);
        if !self.live.load().webhooks.values().any(wants) {
            return;
        }
        let now = clock::now();
        let refused = self.waiting.try_send((now, occurrence)).is_err();
        if let (true, Some(before)) = (refused, self.left_out.pass(now)) {
            tracing::warn!(%event_type, before, "too many operational events wait to be written; this one is left out");
        }
    }

    /// Tells of deliveries that were held because the host died too often while it worked on them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn tell_crashed(&self, store: &dyn Administration, held: Vec<DeliveryId>) -> Result<(), StoreError> {
        for id in held {
            let Some(view) = store.delivery(id).await? else { continue };
            let Some(event) = store.event(view.event).await? else { continue };
            if event.event_type.is_operational() {
                continue;
            }
            let stopped = Stopped {
                id,
                webhook: view.webhook,
                event: view.event,
                event_type: event.event_type,
                attempts: view.attempts,
                reason: view.reason.unwrap_or_default(),
            };
            self.tell(Occurrence::DeliveryHeld(stopped, HeldCause::Crashed));
        }
        Ok(())
    }
}

/// Writes what is told, one after the other, until `stop`; and then, for a while, what was told before.
pub async fn run(mut told: Told, intake: Arc<Intake>, stop: CancellationToken) {
    while let Some(Some((at, occurrence))) = stop.run_until_cancelled(told.0.recv()).await {
        // Not cut off by `stop`: nobody could say whether it was written.
        write(&intake, at, &occurrence, &stop).await;
    }
    told.0.close();
    let last_words = async {
        while let Some((at, occurrence)) = told.0.recv().await {
            write(&intake, at, &occurrence, &stop).await;
        }
    };
    if tokio::time::timeout(LAST_WORDS, last_words).await.is_err() {
        tracing::warn!(operational_events = told.0.len(), "not written before the end");
    }
}

async fn write(intake: &Arc<Intake>, at: Timestamp, occurrence: &Occurrence, stop: &CancellationToken) {
    let (event_type, body) = (occurrence.event_type(), occurrence.body(at));
    let mut waits = STORE_WAITS.into_iter();
    while let Err(refusal) = intake.announce(event_type.clone(), &body, clock::now()).await {
        let Some(wait) = waits.next() else {
            tracing::warn!(%event_type, %refusal, %body, "an operational event was not written");
            return;
        };
        stop.run_until_cancelled(tokio::time::sleep(wait)).await;
    }
}

impl Occurrence {
    fn name(&self) -> &'static str {
        match self {
            Self::WebhookDisabled { .. } => "webhook.disabled",
            Self::WebhookFailing { .. } => "webhook.failing",
            Self::WebhookRecovered { .. } => "webhook.recovered",
            Self::DeliveryFailed(_) => "delivery.failed",
            Self::DeliveryHeld(..) => "delivery.held",
            Self::ReloadFailed(_) => "reload.failed",
            Self::EventRefused { .. } => "event.refused",
        }
    }

    fn event_type(&self) -> EventType {
        EventType::operational(self.name())
    }

    /// As Strapi's events look, so that receivers need one reader. No URL, no payload: nothing that may hold a secret.
    fn body(&self, at: Timestamp) -> Value {
        let about = match self {
            Self::WebhookDisabled { webhook, by } => json!({ "webhook": { "id": webhook, "by": by } }),
            Self::WebhookFailing { webhook, since } => json!({ "webhook": { "id": webhook, "since": since } }),
            Self::WebhookRecovered { webhook } => json!({ "webhook": { "id": webhook } }),
            Self::DeliveryFailed(delivery) => json!({ "delivery": delivery }),
            Self::DeliveryHeld(delivery, cause) => json!({ "delivery": delivery, "heldFor": cause }),
            Self::ReloadFailed(fault) => json!({ "fault": fault }),
            Self::EventRefused { id, source, reason } => {
                json!({ "quarantined": { "id": id, "source": source, "reason": reason } })
            }
        };
        let mut body = json!({ "event": self.event_type(), "createdAt": at });
        if let (Value::Object(body), Value::Object(about)) = (&mut body, about) {
            body.extend(about);
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut() {
        let stopped = Stopped {
            id: DeliveryId::from_bytes([1; 16]),
            webhook: "site".parse().expect("an id"),
            event: EventId::from_bytes([2; 16]),
            event_type: "entry.create".parse().expect("a type"),
            attempts: 0,
            reason: "é".repeat(5_000),
        };
        let body = Occurrence::DeliveryFailed(stopped).body(Timestamp::from_ms(0));
        let reason = body["delivery"]["reason"].as_str().expect("a text");
        assert_eq!((reason.chars().count(), reason.ends_with("é…")), (MAX_REASON_CHARS + 1, true));
    }

    #[test]
    fn says_what_happened_and_holds_no_secret() {
        let stopped = Stopped {
            id: DeliveryId::from_bytes([1; 16]),
            webhook: "site".parse().expect("an id"),
            event: EventId::from_bytes([2; 16]),
            event_type: "entry.create".parse().expect("a type"),
            attempts: 10,
            reason: "answered 500; that was attempt 10, the last".into(),
        };
        let body = Occurrence::DeliveryHeld(stopped, HeldCause::Stuck).body(Timestamp::from_ms(0));
        insta::assert_json_snapshot!(body, @r#"
        {
          "event": "hookwright.delivery.held",
          "createdAt": "1970-01-01T00:00:00.000Z",
          "delivery": {
            "id": "dlv_01040G2081040G2081040G2081",
            "webhook": "site",
            "event": "evt_02081040G2081040G2081040G2",
            "eventType": "entry.create",
            "attempts": 10,
            "reason": "answered 500; that was attempt 10, the last"
          },
          "heldFor": "stuck"
        }
        "#);
    }
}
