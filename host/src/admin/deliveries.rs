//! `/v1/deliveries`: what became of events, webhook by webhook.

use axum::Json;
use axum::extract::{Path, State};
use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::params::{self, Page};
use super::views::{Delivery, FullDelivery};
use super::{Admin, AdminState};
use crate::clock::Timestamp;
use crate::delivery::{self, Attempt, DeliveryView};
use crate::http::problem::{Kind, Problem};
use crate::ids::{DeliveryId, WebhookId};
use crate::pattern::EventPattern;
use crate::rerun::{Rerun, Terms};
use crate::store::DeliveryFilter;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Filter {
    webhook: Option<WebhookId>,
    #[schemars(extend("enum" = ["pending", "retrying", "held", "delivered", "dropped", "failed"]))]
    state: Option<delivery::State>,
    #[schemars(with = "Option<EventPattern>")]
    event_type: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    before: Option<DeliveryId>,
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
}

/// What is superseded is an event, not a delivery.
pub(super) const NONE_IS_SUPERSEDED: &str = "No delivery is `superseded`: the events of a debounce window share the one \
     delivery that carries the newest of them. `why` of an event says which; a delivery shows its `window`.";

#[derive(Serialize, JsonSchema)]
pub(super) struct DeliveryList {
    deliveries: Vec<Delivery>,
    /// The `before` of the next page. A page may be short, or empty, before the end: so many are looked at, whether they
    /// fit or not. Only none is the end.
    next: Option<DeliveryId>,
}

pub(super) async fn list(State(admin): Admin, uri: Uri) -> Result<Json<DeliveryList>, Problem> {
    let Filter { webhook, state, event_type, since, until, before, limit } = params::query(&uri)?;
    let limit = Page::new(before, limit).limit()?;
    if state == Some(delivery::State::Superseded) {
        return Err(Problem::new(Kind::BadRequest, NONE_IS_SUPERSEDED).with("field", "state"));
    }
    let event_type = params::pattern("eventType", event_type)?;
    let filter = DeliveryFilter { webhook, state, event_type, since, until };
    let found = admin.administration.deliveries(filter, before, limit).await?;
    Ok(Json(DeliveryList { deliveries: found.found.iter().map(Delivery::of).collect(), next: found.next }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RerunQuery {
    /// With today's config and limits.
    #[serde(default)]
    today: bool,
}

/// Repeats the last run of the delivery's chain, and compares. Changes nothing.
pub(super) async fn rerun(State(admin): Admin, Path(id): Path<String>, uri: Uri) -> Result<Json<Rerun>, Problem> {
    let RerunQuery { today } = params::query(&uri)?;
    let terms = if today { Terms::Today } else { Terms::AsRecorded };
    Ok(Json(admin.reruns.rerun(params::id(&id)?, terms).await?))
}

pub(super) async fn one(State(admin): Admin, Path(id): Path<String>) -> Result<Json<FullDelivery>, Problem> {
    let (view, attempts) = admin.delivery_with_attempts(params::id(&id)?).await?;
    Ok(Json(FullDelivery::of(view, attempts)))
}

impl AdminState {
    /// With its rewritten payload. Nothing is masked yet.
    pub(super) async fn delivery_with_attempts(&self, id: DeliveryId) -> Result<(DeliveryView, Vec<Attempt>), Problem> {
        let absent = || Problem::new(Kind::NotFound, format!("There is no delivery {id}."));
        let view = self.administration.delivery(id).await?.ok_or_else(absent)?;
        Ok((view, self.administration.attempts_of(id).await?))
    }
}
