//! Unfinished deliveries hurried or given up, finished ones forgotten.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, Request, State};
use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Admin, params};
use crate::clock::{self, Timestamp};
use crate::delivery;
use crate::http::problem::{Kind, Problem};
use crate::ids::{DeliveryId, WebhookId};
use crate::store::{Discarded, DiscardedHeld, Purged, Retried, Selection};

/// One request works on many for so long; then it answers that there is more.
const WORK_TIME: Duration = Duration::from_secs(5);
/// A name longer than this is cut.
const MOST_NAME_CHARS: usize = 64;

#[derive(Serialize, JsonSchema)]
pub(super) struct Hurried {
    id: DeliveryId,
    webhook: WebhookId,
    due: Timestamp,
}

pub(super) async fn retry(State(admin): Admin, Path(id): Path<String>) -> Result<Json<Hurried>, Problem> {
    let id: DeliveryId = params::id(&id)?;
    let now = clock::now();
    let wrong = |detail| Err(Problem::new(Kind::WrongState, detail));
    match admin.upkeep.retry(id, now).await? {
        Retried::Due(lane) => {
            admin.dispatcher.wake(&lane, now);
            Ok(Json(Hurried { id, webhook: lane.webhook, due: now }))
        }
        Retried::Absent => Err(absent(id)),
        Retried::Finished(state) => {
            wrong(format!("Delivery {id} is finished: {state}. `hookwright delivery replay {id}` sends it again."))
        }
        Retried::UnderWay => wrong(under_way(id)),
        Retried::Waiting => wrong(format!("Delivery {id} waits for its turn; it is sent by itself.")),
    }
}

/// Who asks, for the record.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DiscardBody {
    by: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct GivenUp {
    id: DeliveryId,
    webhook: WebhookId,
    state: delivery::State,
    reason: String,
}

pub(super) async fn discard(
    State(admin): Admin,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<GivenUp>, Problem> {
    let id: DeliveryId = params::id(&id)?;
    let limits = params::BodyLimits::of(&admin, params::SMALL_BODY_BYTES);
    let DiscardBody { by } = params::body(request, limits).await?;
    let (reason, now) = (discarded_by(by.as_deref()), clock::now());
    let wrong = |detail| Err(Problem::new(Kind::WrongState, detail));
    match admin.upkeep.discard(id, reason.clone(), now).await? {
        Discarded::Done(lane) => {
            admin.dispatcher.wake(&lane, now);
            Ok(Json(GivenUp { id, webhook: lane.webhook, state: delivery::State::Failed, reason }))
        }
        Discarded::Absent => Err(absent(id)),
        Discarded::Finished(state) => {
            wrong(format!("Delivery {id} is finished: {state}. There is nothing to give up."))
        }
        Discarded::UnderWay => wrong(under_way(id)),
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DiscardManyBody {
    webhook: WebhookId,
    #[schemars(extend("enum" = ["held"]))]
    state: delivery::State,
    by: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Counted {
    count: u64,
    /// Not everything is done: ask again.
    more: bool,
}

/// Gives up what a webhook holds, whether it is still there or not.
pub(super) async fn discard_held(State(admin): Admin, request: Request) -> Result<Json<Counted>, Problem> {
    let limits = params::BodyLimits::of(&admin, params::SMALL_BODY_BYTES);
    let DiscardManyBody { webhook, state, by } = params::body(request, limits).await?;
    if state != delivery::State::Held {
        let detail = "`state` must be `held`: what is pending or retrying is given up one by one.";
        return Err(Problem::new(Kind::BadRequest, detail).with("field", "state"));
    }
    let (reason, began, mut count) = (discarded_by(by.as_deref()), Instant::now(), 0);
    loop {
        let now = clock::now();
        let DiscardedHeld { lanes, more } = admin.upkeep.discard_held(webhook.clone(), reason.clone(), now).await?;
        for lane in &lanes {
            admin.dispatcher.wake(lane, now);
        }
        count += lanes.len() as u64;
        if !more || began.elapsed() > WORK_TIME {
            return Ok(Json(Counted { count, more }));
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PurgeQuery {
    #[schemars(extend("enum" = ["failed", "delivered", "dropped", "superseded"]))]
    state: delivery::State,
    webhook: Option<WebhookId>,
    before: Option<Timestamp>,
}

/// Forgets finished deliveries. Their events stay until retention takes them.
pub(super) async fn purge(State(admin): Admin, uri: Uri) -> Result<Json<Counted>, Problem> {
    let PurgeQuery { state, webhook, before } = params::query(&uri)?;
    if !state.is_finished() {
        let detail =
            format!("`state` must be failed, delivered, dropped or superseded: what is {state} is not finished.");
        return Err(Problem::new(Kind::BadRequest, detail).with("field", "state"));
    }
    let selection = Selection { webhook, state, since: None, until: before, event_type: None };
    let (began, mut count, mut after) = (Instant::now(), 0, None);
    loop {
        let Purged { count: gone, next } = admin.upkeep.purge(selection.clone(), after).await?;
        count += gone;
        let more = next.is_some();
        if !more || began.elapsed() > WORK_TIME {
            return Ok(Json(Counted { count, more }));
        }
        after = next;
    }
}

fn absent(id: DeliveryId) -> Problem {
    Problem::new(Kind::NotFound, format!("There is no delivery {id}."))
}

fn under_way(id: DeliveryId) -> String {
    format!("Delivery {id} is being run or sent right now. Look again in a moment.")
}

fn discarded_by(who: Option<&str>) -> String {
    format!("discarded by {}", named(who))
}

/// Whoever asks, as far as he says.
pub(super) fn named(who: Option<&str>) -> String {
    let name: String = who.unwrap_or_default().chars().filter(|c| !c.is_control()).take(MOST_NAME_CHARS).collect();
    match name.trim() {
        "" => "somebody over the API".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_discarded_is_a_short_name() {
        assert_eq!(discarded_by(None), "discarded by somebody over the API");
        assert_eq!(discarded_by(Some(" \u{1b}ana\n")), "discarded by ana");
        assert_eq!(discarded_by(Some(&"x".repeat(500))).len(), "discarded by ".len() + MOST_NAME_CHARS);
    }
}
