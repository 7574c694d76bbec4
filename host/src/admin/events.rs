//! `/v1/events`: what came in, and why it was or was not delivered.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::params::{self, Page};
use super::views::{Data, EventSummary, FullDelivery};
use super::{Admin, AdminState};
use crate::clock::Timestamp;
use crate::delivery::{Attempt, DeliveryView};
use crate::event::Event;
use crate::http::problem::{Kind, Problem};
use crate::ids::{DeliveryId, EventId, SourceName};
use crate::pattern::EventPattern;
use crate::store::{Ahead, EventFilter};
use crate::why::{self, Why};

#[derive(Serialize, JsonSchema)]
pub(super) struct EventList {
    events: Vec<EventSummary>,
    /// The `before` of the next page. A page may be short, or empty, before the end: so many are looked at, whether they
    /// fit or not. Only none is the end.
    next: Option<EventId>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    #[serde(rename = "type")]
    #[schemars(with = "Option<EventPattern>")]
    event_type: Option<String>,
    source: Option<SourceName>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    before: Option<EventId>,
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
}

pub(super) async fn list(State(admin): Admin, uri: Uri) -> Result<Json<EventList>, Problem> {
    let Filter { event_type, source, since, until, before, limit } = params::query(&uri)?;
    let limit = Page::new(before, limit).limit()?;
    let filter = EventFilter { event_type: params::pattern("type", event_type)?, source, since, until };
    let found = admin.administration.event_heads(filter, before, limit).await?;
    Ok(Json(EventList { events: found.found.into_iter().map(EventSummary::from).collect(), next: found.next }))
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
    let (_, why) = admin.explained(&id).await?;
    Ok(Json(why))
}

/// An event and as much of its deliveries as one answer may hold.
pub(super) struct Found {
    pub(super) event: Event,
    deliveries: Vec<(DeliveryView, Vec<Attempt>)>,
    cut: bool,
}

impl AdminState {
    /// An event, and why it was or was not delivered.
    pub(super) async fn explained(&self, id: &str) -> Result<(Found, Why), Problem> {
        let found = self.event_with_deliveries(id).await?;
        let why = self.explain(&found.event, &found.deliveries).await?;
        Ok((found, why))
    }

    /// Why an event was, or was not, delivered, as far as these deliveries of it go.
    pub(super) async fn explain(
        &self,
        event: &Event,
        deliveries: &[(DeliveryView, Vec<Attempt>)],
    ) -> Result<Why, Problem> {
        let run_states = self.administration.run_states().await?;
        let ahead = self.ahead_of(deliveries).await?;
        let revision = self.live.load_full();
        let body = event.body();
        let facts = why::Facts { event, body: body.as_ref(), deliveries, run_states: &run_states, ahead: &ahead };
        let rules = why::Rules {
            revision: revision.number,
            webhooks: &revision.webhooks,
            faults: &revision.faults,
            is_loaded: &|plugin| revision.plugins.get(plugin).is_some(),
            condition: &|webhook| self.dispatcher.condition(webhook),
            judge: &|url| revision.egress.judge(url).map_err(|refusal| refusal.to_string()),
        };
        Ok(why::explain(&facts, &rules))
    }

    /// Of these, what those that are unfinished wait for in the order of their lanes.
    async fn ahead_of(
        &self,
        deliveries: &[(DeliveryView, Vec<Attempt>)],
    ) -> Result<BTreeMap<DeliveryId, Ahead>, Problem> {
        let mut found = BTreeMap::new();
        for (delivery, _) in deliveries.iter().filter(|(delivery, _)| !delivery.state.is_finished()) {
            if let Some(ahead) = self.administration.ahead_of(delivery.id).await? {
                found.insert(delivery.id, ahead);
            }
        }
        Ok(found)
    }

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
