//! `/v1/events`: what came in, and why it was or was not delivered.

use axum::Json;
use axum::extract::{Path, State};
use http::Uri;
use schemars::JsonSchema;
use serde::Serialize;

use super::budget::Budget;
use super::params::{self, Page};
use super::views::{Data, EventSummary, FullDelivery};
use super::{Admin, AdminState};
use crate::delivery::{Attempt, DeliveryView};
use crate::event::Event;
use crate::http::problem::{Kind, Problem};
use crate::ids::EventId;
use crate::store::StoreError;
use crate::why::{self, Why};

/// The store answers with whole events: so many are read at a time, so that a list of large ones stays small here.
const EVENTS_AT_ONCE: usize = 10;

#[derive(Serialize, JsonSchema)]
pub(super) struct EventList {
    events: Vec<EventSummary>,
    /// The `before` of the next page. Pages of large entries are short: only none is the end.
    next: Option<EventId>,
}

pub(super) async fn list(State(admin): Admin, uri: Uri) -> Result<Json<EventList>, Problem> {
    let page: Page<EventId> = params::query(&uri)?;
    let limit = page.limit()?;
    let read = |before, wanted| admin.administration.events(before, wanted);
    let events = newest(page.before, limit, read).await?;
    let next = events.last().map(|event| event.id);
    Ok(Json(EventList { events, next }))
}

/// The newest `limit` events before `before`. The store ends its pages early: only an empty one is the end.
async fn newest<Found: Future<Output = Result<Vec<Event>, StoreError>>>(
    mut before: Option<EventId>,
    limit: usize,
    read: impl Fn(Option<EventId>, usize) -> Found,
) -> Result<Vec<EventSummary>, StoreError> {
    let mut events: Vec<EventSummary> = Vec::new();
    while events.len() < limit {
        let found = read(before, EVENTS_AT_ONCE.min(limit - events.len())).await?;
        let Some(last) = found.last() else { break };
        before = Some(last.id);
        events.extend(found.iter().map(EventSummary::of));
    }
    Ok(events)
}

#[derive(Serialize, JsonSchema)]
pub(super) struct FullEvent {
    #[serde(flatten)]
    event: EventSummary,
    #[serde(flatten)]
    data: Data,
    deliveries: Vec<FullDelivery>,
    /// Some attempts, answers or logs are left out; `/v1/deliveries/{id}` has them.
    cut: bool,
}

pub(super) async fn one(State(admin): Admin, Path(id): Path<String>) -> Result<Json<FullEvent>, Problem> {
    let Found { event, deliveries, cut } = admin.event_with_deliveries(&id).await?;
    let deliveries = deliveries.into_iter().map(|(view, attempts)| FullDelivery::of(view, attempts)).collect();
    Ok(Json(FullEvent { event: EventSummary::of(&event), data: Data::of(&event.data), deliveries, cut }))
}

pub(super) async fn why(State(admin): Admin, Path(id): Path<String>) -> Result<Json<Why>, Problem> {
    let Found { event, deliveries, cut: _ } = admin.event_with_deliveries(&id).await?;
    let run_states = admin.administration.run_states().await?;
    let revision = admin.live.load_full();
    let body = event.body();
    let facts = why::Facts { event: &event, body: body.as_ref(), deliveries: &deliveries, run_states: &run_states };
    let rules = why::Rules {
        revision: revision.number,
        webhooks: &revision.webhooks,
        faults: &revision.faults,
        is_loaded: &|plugin| revision.plugins.get(plugin).is_some(),
        open_until: &|webhook| admin.dispatcher.condition(webhook).open_until,
        judge: &|url| revision.egress.judge(url).map_err(|refusal| refusal.to_string()),
    };
    Ok(Json(why::explain(&facts, &rules)))
}

/// An event and as much of its deliveries as one answer may hold.
struct Found {
    event: Event,
    deliveries: Vec<(DeliveryView, Vec<Attempt>)>,
    cut: bool,
}

impl AdminState {
    async fn event_with_deliveries(&self, id: &str) -> Result<Found, Problem> {
        let id: EventId = params::id(id)?;
        let absent = || Problem::new(Kind::NotFound, format!("There is no event {id}."));
        let event = self.administration.event(id).await?.ok_or_else(absent)?;
        let (mut deliveries, mut budget) = (Vec::new(), Budget::new());
        for mut view in self.administration.deliveries_of(id).await? {
            let mut attempts = self.administration.attempts_of(view.id).await?;
            budget.trim(&mut view, &mut attempts);
            deliveries.push((view, attempts));
        }
        Ok(Found { event, deliveries, cut: budget.cut() })
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use bytes::Bytes;

    use super::*;
    use crate::clock::Timestamp;

    fn event(number: u8) -> Event {
        Event {
            id: EventId::from_bytes([number; 16]),
            event_type: "entry.create".parse().expect("a type"),
            source: "strapi".parse().expect("a name"),
            received: Timestamp::from_ms(0),
            content_type: "application/json".into(),
            headers: vec![],
            attributes: Vec::new(),
            data: Bytes::from_static(b"{}"),
        }
    }

    #[tokio::test]
    async fn a_short_page_of_the_store_is_not_the_end() {
        // Three at a time, whatever is asked for, as if they were large.
        let read = |before: Option<EventId>, wanted: usize| {
            let older = (1..=20).rev().map(event).filter(|event| before.is_none_or(|before| event.id < before));
            ready(Ok(older.take(wanted.min(3)).collect()))
        };
        let numbers = async |before: Option<u8>, limit| {
            let before = before.map(|number| EventId::from_bytes([number; 16]));
            let events = newest(before, limit, read).await.expect("reads");
            events.iter().map(|event| event.id.to_bytes()[0]).collect::<Vec<_>>()
        };
        assert_eq!(numbers(None, 8).await, [20, 19, 18, 17, 16, 15, 14, 13]);
        assert_eq!(numbers(Some(5), 8).await, [4, 3, 2, 1]);
        assert_eq!(numbers(Some(1), 8).await, [0; 0]);
    }
}
