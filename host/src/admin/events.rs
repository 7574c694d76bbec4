//! `/v1/events`: what came in, and why it was or was not delivered.

use axum::Json;
use axum::extract::{Path, State};
use http::Uri;
use serde::Serialize;

use super::params::{self, Page};
use super::views::{Data, EventSummary, FullDelivery};
use super::{Admin, AdminState};
use crate::delivery::{Attempt, DeliveryView};
use crate::event::Event;
use crate::http::problem::{Kind, Problem};
use crate::ids::EventId;
use crate::why::{self, Why};

/// The store answers with whole events: so many are read at a time, so that a list of large ones stays small here.
const EVENTS_AT_ONCE: usize = 10;

#[derive(Serialize)]
pub(super) struct EventList {
    events: Vec<EventSummary>,
    /// The `before` of the next page, if there may be one.
    next: Option<EventId>,
}

pub(super) async fn list(State(admin): Admin, uri: Uri) -> Result<Json<EventList>, Problem> {
    let page: Page<EventId> = params::query(&uri)?;
    let limit = page.limit()?;
    let mut events: Vec<EventSummary> = Vec::new();
    let mut before = page.before;
    while events.len() < limit {
        let wanted = EVENTS_AT_ONCE.min(limit - events.len());
        let found = admin.administration.events(before, wanted).await?;
        events.extend(found.iter().map(EventSummary::of));
        before = events.last().map(|event| event.id);
        if found.len() < wanted {
            return Ok(Json(EventList { events, next: None }));
        }
    }
    Ok(Json(EventList { events, next: before }))
}

#[derive(Serialize)]
pub(super) struct FullEvent {
    #[serde(flatten)]
    event: EventSummary,
    #[serde(flatten)]
    data: Data,
    deliveries: Vec<FullDelivery>,
}

pub(super) async fn one(State(admin): Admin, Path(id): Path<String>) -> Result<Json<FullEvent>, Problem> {
    let (event, deliveries) = admin.event_with_deliveries(&id).await?;
    let deliveries = deliveries.into_iter().map(|(view, attempts)| FullDelivery::of(view, attempts)).collect();
    Ok(Json(FullEvent { event: EventSummary::of(&event), data: Data::of(&event.data), deliveries }))
}

pub(super) async fn why(State(admin): Admin, Path(id): Path<String>) -> Result<Json<Why>, Problem> {
    let (event, deliveries) = admin.event_with_deliveries(&id).await?;
    let run_states = admin.administration.run_states().await?;
    let revision = admin.live.load_full();
    let body = serde_json::from_slice(&event.data).ok();
    let facts = why::Facts { event: &event, body: body.as_ref(), deliveries: &deliveries, run_states: &run_states };
    let rules = why::Rules {
        revision: revision.number,
        webhooks: &revision.webhooks,
        faults: &revision.faults,
        is_loaded: &|plugin| revision.plugins.get(plugin).is_some(),
        judge: &|url| revision.egress.judge(url),
    };
    Ok(Json(why::explain(&facts, &rules)))
}

impl AdminState {
    async fn event_with_deliveries(&self, id: &str) -> Result<(Event, Vec<(DeliveryView, Vec<Attempt>)>), Problem> {
        let id: EventId = params::id(id)?;
        let absent = || Problem::new(Kind::NotFound, format!("There is no event {id}."));
        let event = self.administration.event(id).await?.ok_or_else(absent)?;
        let mut deliveries = Vec::new();
        for view in self.administration.deliveries_of(id).await? {
            let attempts = self.administration.attempts_of(view.id).await?;
            deliveries.push((view, attempts));
        }
        Ok((event, deliveries))
    }
}
