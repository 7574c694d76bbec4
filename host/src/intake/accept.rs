//! The way from bytes to a committed event: judged by one revision, matched, stored, handed to `dispatch`.
//!
//! Knows nothing of HTTP: what was posted and what is let out of quarantine come the same way.

use std::sync::Arc;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::{Intake, Refusal, shape};
use crate::clock::Timestamp;
use crate::config::{SchemaMode, SchemaRules, UnknownEvents};
use crate::dispatch::Permit;
use crate::event::Event;
use crate::ids::{DeliveryId, Digest, EventId, EventType, SourceName, WebhookId};
use crate::pattern::EventPattern;
use crate::revision::Revision;
use crate::schemas::Check;
use crate::store::{Appended, Debounce, Idempotency, Lane, NewDelivery, NewEvent, Place, Placed, StoreError};
use crate::tasks::{self, OnPanic};
use crate::webhook::{DebounceRule, Webhook};

/// What a known source wants to have accepted.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) source: SourceName,
    /// The types that its token is for; empty: all.
    pub(super) only: Vec<EventPattern>,
    pub(super) content_type: Arc<str>,
    /// Those of [`crate::event::PASSED_HEADERS`].
    pub(super) headers: Vec<(String, String)>,
    pub(super) data: Bytes,
    pub(super) idempotency_key: Option<Arc<str>>,
    /// Room for `data` among the bodies in flight, given back when this is dropped.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// The answer to an accepted event.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Accepted {
    pub id: EventId,
    pub deliveries: Vec<AcceptedDelivery>,
}

/// One delivery that was made.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AcceptedDelivery {
    pub id: DeliveryId,
    pub webhook: WebhookId,
}

/// A candidate that may be committed: its type, and who wants it.
pub(super) struct Judged {
    pub(super) event_type: EventType,
    pub(super) takers: Vec<Taker>,
}

/// A webhook that wants an event, and what the event's delivery waits for there.
pub(super) struct Taker {
    lane: Lane,
    debounce: Option<Debounce>,
}

impl Intake {
    /// Judges a candidate by `revision`. The parsed body, many times the size of its bytes, does not outlive this.
    pub(super) fn judge(&self, revision: &Revision, candidate: &Candidate) -> Result<Judged, Refusal> {
        let (event_type, body) = permitted(&candidate.only, judge(revision, &candidate.source, &candidate.data))?;
        let takers = self.takers(revision, &event_type, &body);
        Ok(Judged { event_type, takers })
    }

    pub(super) fn takers(&self, revision: &Revision, event_type: &EventType, body: &Value) -> Vec<Taker> {
        let webhooks = revision.webhooks.values();
        webhooks
            .filter(|webhook| webhook.wants(event_type, body) && self.parts.dispatcher.takes_new(webhook))
            .map(|webhook| Taker::of(webhook, body))
            .collect()
    }

    /// Stores an operational event, if a webhook takes it.
    ///
    /// # Errors
    /// When the store does not take it.
    pub(crate) async fn announce(
        self: &Arc<Self>,
        event_type: EventType,
        body: &Value,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let revision = self.parts.live.load_full();
        let takers = self.takers(&revision, &event_type, body);
        if takers.is_empty() {
            return Ok(());
        }
        let candidate = Candidate {
            source: SourceName::hookwright(),
            only: Vec::new(),
            content_type: "application/json".into(),
            headers: Vec::new(),
            data: body.to_string().into(),
            idempotency_key: None,
            room: None,
        };
        self.commit(candidate, Judged { event_type, takers }, now).await.map(drop)
    }

    /// Stores what was judged and hands it to `dispatch`.
    ///
    /// Seen through even if the sender hangs up, which drops the caller: a commit whose leases nobody took would leave
    /// deliveries waiting that could be under way.
    pub(super) fn commit(
        self: &Arc<Self>,
        candidate: Candidate,
        judged: Judged,
        now: Timestamp,
    ) -> impl Future<Output = Result<Accepted, Refusal>> {
        let intake = Arc::clone(self);
        let append = async move { intake.append(candidate, judged, now).await };
        tasks::see_through("intake-commit", OnPanic::Log, append)
    }

    async fn append(&self, candidate: Candidate, judged: Judged, now: Timestamp) -> Result<Accepted, Refusal> {
        let Candidate { source, only: _, content_type, headers, data, idempotency_key, room } = candidate;
        let idempotency = idempotency_key.map(|key| Idempotency { key, digest: Digest::of(&data) });
        let Judged { event_type, takers } = judged;
        let id = EventId::generate(now);
        let event = Arc::new(Event { id, event_type, source, received: now, content_type, headers, data });

        let (deliveries, permits) = self.reserve(takers, event.weight(), now);
        let lanes: Vec<Lane> = deliveries.iter().map(|delivery| delivery.lane.clone()).collect();
        let appended = self.parts.store.append(vec![NewEvent { event, idempotency, deliveries }]).await;
        drop(room);

        match appended.map_err(Refusal::Store)?.pop() {
            Some(Appended::Stored { deliveries }) => {
                let accepted = deliveries.iter().zip(&lanes).map(AcceptedDelivery::of).collect();
                for ((placed, lane), permit) in deliveries.into_iter().zip(&lanes).zip(permits) {
                    self.set_off(placed.place, lane, permit);
                }
                Ok(Accepted { id, deliveries: accepted })
            }
            Some(Appended::Repeated { event, deliveries }) => Ok(Accepted::again(event, deliveries)),
            Some(Appended::Conflict { event }) => Err(Refusal::Conflict { event }),
            None => Err(Refusal::Store(StoreError::Failed("the store did not say what became of the event".into()))),
        }
    }

    fn set_off(&self, place: Place, lane: &Lane, permit: Option<Permit>) {
        match (place, permit) {
            (Place::Leased(lease), Some(permit)) => self.parts.dispatcher.start(*lease, permit),
            // Leased only where there is a permit.
            (Place::Leased(_) | Place::Behind, _) => {}
            (Place::Due(due), _) => self.parts.dispatcher.wake(lane, due),
        }
    }

    /// A delivery for each taker, leased where there is a permit; the permits in the same order.
    fn reserve(&self, takers: Vec<Taker>, weight: usize, now: Timestamp) -> (Vec<NewDelivery>, Vec<Option<Permit>>) {
        let with_permit = |Taker { lane, debounce }: Taker| {
            let waits = debounce.is_some();
            let permit = if waits { None } else { self.parts.dispatcher.reserve(&lane, weight) };
            (NewDelivery { id: DeliveryId::generate(now), lane, lease: permit.is_some(), debounce }, permit)
        };
        takers.into_iter().map(with_permit).unzip()
    }
}

impl Taker {
    fn of(webhook: &Webhook, body: &Value) -> Self {
        let key = webhook.order.as_ref().and_then(|order| order.by.key(body));
        let lane = match key {
            Some(key) => Lane { webhook: webhook.id.clone(), key },
            None => Lane::unordered(webhook.id.clone()),
        };
        let debounce = webhook.debounce.as_ref().and_then(|rule| {
            let DebounceRule { key, window, max_wait } = rule;
            Some(Debounce { key: key.key(body)?, window: *window, max_wait: *max_wait })
        });
        Self { lane, debounce }
    }
}

impl AcceptedDelivery {
    fn of((placed, lane): (&Placed, &Lane)) -> Self {
        Self { id: placed.id, webhook: lane.webhook.clone() }
    }
}

impl Accepted {
    fn again(id: EventId, deliveries: Vec<(DeliveryId, WebhookId)>) -> Self {
        let deliveries = deliveries.into_iter().map(|(id, webhook)| AcceptedDelivery { id, webhook }).collect();
        Self { id, deliveries }
    }
}

/// What came of judging, unless the type is not among `only`: then nothing else matters, and nothing is kept.
fn permitted(
    only: &[EventPattern],
    judged: Result<(EventType, Value), Refusal>,
) -> Result<(EventType, Value), Refusal> {
    let (Ok((event_type, _)) | Err(Refusal::UnknownEvent(event_type) | Refusal::SchemaViolation { event_type, .. })) =
        &judged
    else {
        return judged;
    };
    if only.is_empty() || only.iter().any(|pattern| pattern.matches(event_type)) {
        return judged;
    }
    Err(Refusal::TypeNotAllowed { event_type: event_type.clone(), allowed: only.to_vec() })
}

/// The type and the body of an event that `revision` accepts.
///
/// # Errors
/// Why it does not.
pub(crate) fn judge(revision: &Revision, source: &SourceName, data: &[u8]) -> Result<(EventType, Value), Refusal> {
    let body = shape::parse(data).map_err(Refusal::Malformed)?;
    let event_type = shape::event_type(&body)?;
    let check = revision.schemas.check(&event_type, &body);
    rule(check, revision.server.schemas, &event_type, source)?;
    Ok((event_type, body))
}

/// What the configuration makes of a schema's verdict.
pub(super) fn rule(
    check: Check,
    rules: SchemaRules,
    event_type: &EventType,
    source: &SourceName,
) -> Result<(), Refusal> {
    match (check, rules) {
        (Check::Valid, _) | (Check::Unknown, SchemaRules { unknown_events: UnknownEvents::Accept, .. }) => Ok(()),
        (Check::Unknown, _) => Err(Refusal::UnknownEvent(event_type.clone())),
        (Check::Violations(violations), SchemaRules { mode: SchemaMode::Enforce, .. }) => {
            Err(Refusal::SchemaViolation { event_type: event_type.clone(), violations })
        }
        (Check::Violations(violations), SchemaRules { mode: SchemaMode::Warn, .. }) => {
            let first = violations.first().map_or("", |violation| &violation.message);
            let pointer = violations.first().map_or("", |violation| &violation.pointer);
            tracing::warn!(%event_type, %source, pointer, first, "accepted an event that does not fit its schema");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schemas::Violation;

    #[test]
    fn modes_decide_what_a_verdict_means() {
        use SchemaMode::{Enforce, Warn};
        use UnknownEvents::{Accept, Reject};
        let broken =
            || Check::Violations(vec![Violation { pointer: "/a".into(), keyword: "type".into(), message: "b".into() }]);
        let judge = |check, mode, unknown_events| {
            let rules = SchemaRules { mode, unknown_events };
            rule(check, rules, &"entry.create".parse().expect("valid"), &"strapi".parse().expect("valid"))
        };
        assert!(judge(Check::Valid, Enforce, Reject).is_ok());
        assert!(judge(Check::Unknown, Warn, Accept).is_ok());
        assert!(judge(broken(), Warn, Reject).is_ok());
        assert!(matches!(judge(Check::Unknown, Warn, Reject), Err(Refusal::UnknownEvent(_))));
        assert!(matches!(judge(broken(), Enforce, Accept), Err(Refusal::SchemaViolation { .. })));
    }

    #[test]
    fn the_answer_is_what_senders_rely_on() {
        let accepted = Accepted {
            id: EventId::from_bytes([1; 16]),
            deliveries: vec![AcceptedDelivery {
                id: DeliveryId::from_bytes([2; 16]),
                webhook: "site-build".parse().expect("valid"),
            }],
        };
        insta::assert_json_snapshot!(accepted, @r#"
        {
          "id": "evt_01040G2081040G2081040G2081",
          "deliveries": [
            {
              "id": "dlv_02081040G2081040G2081040G2",
              "webhook": "site-build"
            }
          ]
        }
        "#);
    }
}
