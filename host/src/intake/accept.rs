//! The way from bytes to a committed event: judged by one revision, matched, stored, handed to `dispatch`.
//!
//! Knows nothing of HTTP: what was posted and what is let out of quarantine come the same way.

use std::sync::Arc;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::judge::{judge, permitted, source_of};
use super::message::{self, Envelope, Message, Raw};
use super::refusal::Shape;
use super::{BODIES_IN_FLIGHT_BYTES, Intake, Refusal};
use crate::clock::Timestamp;
use crate::cloudevent::HEADER_PREFIX;
use crate::dispatch::Permit;
use crate::event::Event;
use crate::ids::{DeliveryId, Digest, EventId, EventType, SourceName, WebhookId};
use crate::pattern::EventPattern;
use crate::revision::Revision;
use crate::schemas::Violation;
use crate::store::{self, Appended, Debounce, Idempotency, Lane, NewDelivery, NewEvent, Placed, StoreError};
use crate::tasks::{self, OnPanic};
use crate::webhook::{DebounceRule, Webhook};

/// What a known source wants to have accepted.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) source: SourceName,
    /// The types that its token is for; empty: all.
    pub(super) only: Vec<EventPattern>,
    pub(super) content_type: Arc<str>,
    /// Those worth keeping, and those of a CloudEvent in binary mode.
    pub(super) headers: Vec<(String, String)>,
    pub(super) data: Bytes,
    /// What the sender says; an event may say one itself.
    pub(super) idempotency_key: Option<Arc<str>>,
    /// Room for `data` among the bodies in flight, given back when this is dropped.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// The answer to what was accepted.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Receipt {
    Event(Accepted),
    /// In the order of the batch.
    Batch {
        events: Vec<Accepted>,
    },
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

/// An event that may be committed, and who wants it.
pub(super) struct Judged {
    event_type: EventType,
    attributes: Vec<(String, String)>,
    content_type: Arc<str>,
    data: Bytes,
    pub(super) key: Option<Arc<str>>,
    /// As in [`Place::event`].
    place: String,
    takers: Vec<Taker>,
}

/// What is committed at once.
pub(super) struct Batch {
    source: SourceName,
    headers: Vec<(String, String)>,
    room: Option<OwnedSemaphorePermit>,
    events: Vec<Judged>,
}

/// What is remembered of an event while the store has it.
struct Promised {
    id: EventId,
    place: String,
    lanes: Vec<Lane>,
    permits: Vec<Option<Permit>>,
}

/// A webhook that wants an event, and what the event's delivery waits for there.
pub(super) struct Taker {
    lane: Lane,
    debounce: Option<Debounce>,
}

impl Intake {
    /// Judges all events of a candidate by `revision`. The parsed body, many times the size of its bytes, does not
    /// outlive this.
    pub(super) fn judge(&self, revision: &Revision, candidate: &Candidate) -> Result<Vec<Judged>, Refusal> {
        let messages = message::read(candidate.raw(), source_of(revision, &candidate.source))?;
        // Before anything else is wrong with one of them: of a type that is not for this token, nothing is kept.
        messages.iter().try_for_each(|message| permitted(&candidate.only, &message.event_type))?;
        let judged = messages.into_iter().map(|message| {
            let Message { event_type, attributes, content_type, data, body, key, place } = message;
            judge(revision, &candidate.source, &event_type, &body, &place)?;
            let takers = self.takers(revision, &event_type, &body);
            let key = candidate.idempotency_key.clone().or(key);
            Ok(Judged { event_type, attributes, content_type, data, key, place: place.event, takers })
        });
        judged.collect()
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
        let judged = Judged::plain(event_type, body.to_string().into(), takers);
        self.commit(Batch::of(SourceName::hookwright(), judged), now).await.map(drop)
    }

    /// Stores what was judged, all or nothing, and hands it to `dispatch`. An answer for each event.
    ///
    /// Seen through even if the sender hangs up, which drops the caller: a commit whose leases nobody took would leave
    /// deliveries waiting that could be under way.
    pub(super) fn commit(
        self: &Arc<Self>,
        batch: Batch,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Accepted>, Refusal>> {
        let intake = Arc::clone(self);
        let append = async move { intake.append(batch, now).await };
        tasks::see_through("intake-commit", OnPanic::Log, append)
    }

    /// Waits, a little, while the takers of what was posted are behind. Not where one that waits would be overtaken by what
    /// must come after it, nor where it would keep others' bodies out. Of a sender that hangs up meanwhile nothing is stored.
    pub(super) async fn take_turn(&self, events: &[Judged]) {
        let takers = || events.iter().flat_map(|event| &event.takers);
        let is_crowded = self.room.available_permits() < BODIES_IN_FLIGHT_BYTES / 2;
        if is_crowded || takers().any(|taker| taker.lane.is_ordered() || taker.debounce.is_some()) {
            return;
        }
        self.parts.dispatcher.make_way(takers().map(|taker| &taker.lane.webhook)).await;
    }

    async fn append(&self, batch: Batch, now: Timestamp) -> Result<Vec<Accepted>, Refusal> {
        let Batch { source, mut headers, room, events } = batch;
        let mut new = Vec::with_capacity(events.len());
        let mut promised = Vec::with_capacity(events.len());
        let mut left = events.len();
        for Judged { event_type, attributes, content_type, data, key, place, takers } in events {
            left -= 1;
            let idempotency = key.map(|key| Idempotency { key, digest: digest(&data, &attributes) });
            let headers = if left == 0 { std::mem::take(&mut headers) } else { headers.clone() };
            let (id, source) = (EventId::generate(now), source.clone());
            let event = Event { id, event_type, source, received: now, content_type, headers, attributes, data };
            let (deliveries, permits) = self.reserve(takers, event.weight(), now);
            let lanes = deliveries.iter().map(|delivery| delivery.lane.clone()).collect();
            promised.push(Promised { id, place, lanes, permits });
            new.push(NewEvent { event: Arc::new(event), idempotency, deliveries });
        }
        let appended = self.parts.store.append(new).await;
        drop(room);
        let appended = appended.map_err(Refusal::Store)?;
        if appended.len() != promised.len() {
            let reason = "the store did not say what became of each event";
            return Err(Refusal::Store(StoreError::Failed(reason.into())));
        }
        if let Some(refusal) = conflict(&appended, &promised) {
            return Err(refusal);
        }
        let accepted = appended.into_iter().zip(promised).filter_map(|(appended, promised)| match appended {
            Appended::Stored { deliveries } => Some(self.set_all_off(deliveries, promised)),
            Appended::Repeated { event, deliveries } => Some(Accepted::again(event, deliveries)),
            // Told above.
            Appended::Conflict { .. } | Appended::Withheld => None,
        });
        Ok(accepted.collect())
    }

    fn set_all_off(&self, placed: Vec<Placed>, promised: Promised) -> Accepted {
        let Promised { id, lanes, permits, .. } = promised;
        let deliveries = placed.iter().zip(&lanes).map(AcceptedDelivery::of).collect();
        for ((placed, lane), permit) in placed.into_iter().zip(&lanes).zip(permits) {
            self.set_off(placed.place, lane, permit);
        }
        Accepted { id, deliveries }
    }

    fn set_off(&self, place: store::Place, lane: &Lane, permit: Option<Permit>) {
        match (place, permit) {
            (store::Place::Leased(lease), Some(permit)) => self.parts.dispatcher.start(*lease, permit),
            // Leased only where there is a permit.
            (store::Place::Leased(_) | store::Place::Behind, _) => {}
            (store::Place::Due(due), _) => self.parts.dispatcher.wake(lane, due),
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

impl Judged {
    /// An event that was not posted: JSON without a context.
    pub(super) fn plain(event_type: EventType, data: Bytes, takers: Vec<Taker>) -> Self {
        let content_type = "application/json".into();
        Self { event_type, attributes: Vec::new(), content_type, data, key: None, place: String::new(), takers }
    }
}

impl Batch {
    /// One event, of which `source` says nothing more.
    pub(super) fn of(source: SourceName, event: Judged) -> Self {
        Self { source, headers: Vec::new(), room: None, events: vec![event] }
    }
}

impl Candidate {
    fn raw(&self) -> Raw<'_> {
        Raw { content_type: &self.content_type, headers: &self.headers, data: &self.data }
    }

    /// Whether its answer is one of a batch.
    pub(super) fn is_batch(&self) -> bool {
        Envelope::of(&self.content_type, &self.headers) == Envelope::Batch
    }

    /// To be committed as what it was judged to be. Headers of a CloudEvent's context are attributes by now.
    pub(super) fn into_batch(self, events: Vec<Judged>) -> Batch {
        let Self { source, mut headers, room, .. } = self;
        headers.retain(|(name, _)| !name.starts_with(HEADER_PREFIX));
        Batch { source, headers, room, events }
    }
}

impl Receipt {
    pub(super) fn of(is_batch: bool, mut events: Vec<Accepted>) -> Self {
        match (is_batch, events.pop()) {
            (false, Some(event)) => Self::Event(event),
            (_, last) => Self::Batch { events: events.into_iter().chain(last).collect() },
        }
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

/// Of all that makes an event another one: its bytes, and of a CloudEvent its context.
fn digest(data: &[u8], attributes: &[(String, String)]) -> Digest {
    if attributes.is_empty() {
        return Digest::of(data);
    }
    let lengths = |text: &String| [&text.len().to_le_bytes()[..], text.as_bytes()].concat();
    let context: Vec<u8> =
        attributes.iter().flat_map(|(name, value)| [lengths(name), lengths(value)].concat()).collect();
    Digest::of(&[&Digest::of(data).as_bytes()[..], &context].concat())
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

/// What there is to a conflict, if one event of the call met one. Another of the same call that it contradicts was never
/// stored, so that it has no id to tell.
fn conflict(appended: &[Appended], promised: &[Promised]) -> Option<Refusal> {
    let (event, place) = appended.iter().zip(promised).find_map(|(appended, promised)| match appended {
        Appended::Conflict { event } => Some((*event, promised.place.clone())),
        Appended::Stored { .. } | Appended::Repeated { .. } | Appended::Withheld => None,
    })?;
    let other = promised.iter().find(|promised| promised.id == event).map(|promised| promised.place.clone());
    Some(match other {
        Some(other) => {
            let message = format!("is that of {other} too, from the same source and with other data");
            let fault = Violation { pointer: format!("{place}/id"), keyword: "uniqueItems".to_owned(), message };
            Refusal::NotAnEvent { shape: Shape::CloudEvent, violations: vec![fault] }
        }
        None => Refusal::Conflict { event, place },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
