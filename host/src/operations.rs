//! What the host has to say of itself and its webhooks, as events that can be subscribed to: `hookwright.*`.
//!
//! They take the way of every event, from the store on, and never speak of themselves: nothing about a delivery of one
//! of them makes another. They are written right after what they tell of, not with it: a crash between the two loses
//! one. What nobody in force subscribes to is not written at all.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::{self, Timestamp};
use crate::delivery::HeldCause;
use crate::ids::{DeliveryId, EventId, EventType, QuarantineId, SourceName, WebhookId};
use crate::intake::Intake;
use crate::revision::{Fault, Live};
use crate::throttle::Throttle;
use crate::webhook::Webhook;

/// What waits to be written; what is beyond is left out, and counted in the log.
const MOST_WAITING: usize = 1024;

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
    pub reason: String,
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
}

/// Writes what is told, until `stop`.
pub async fn run(mut told: Told, intake: Arc<Intake>, stop: CancellationToken) {
    while let Some(Some((at, occurrence))) = stop.run_until_cancelled(told.0.recv()).await {
        let event_type = occurrence.event_type();
        if let Err(refusal) = intake.announce(event_type.clone(), &occurrence.body(at), at).await {
            tracing::warn!(%event_type, %refusal, "an operational event was not written");
        }
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
