//! Unfinished deliveries hurried or given up, finished ones forgotten.

use std::time::{Duration, Instant};

use axum::extract::{Path, Request, State};
use axum::{Extension, Json};
use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Admin, AdminState, Who, deliveries, params};
use crate::access::Principal;
use crate::clock::{self, Timestamp};
use crate::delivery::{self, DISCARDED_BY};
use crate::http::problem::{Kind, Problem};
use crate::ids::{DeliveryId, WebhookId};
use crate::store::{Change, Discarded, DiscardedHeld, Purged, Retried, Selected, Selection};
use crate::why;

/// One request works on many for so long; then it answers that there is more.
const WORK_TIME: Duration = Duration::from_secs(5);

/// Why somebody gives a delivery up stands in lists.
const LONGEST_REASON_CHARS: usize = 200;

#[derive(Serialize, JsonSchema)]
pub(super) struct Hurried {
    id: DeliveryId,
    webhook: WebhookId,
    due: Timestamp,
    /// What it waits for all the same, each with what ends that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) waits: Vec<String>,
}

pub(super) async fn retry(
    State(admin): Admin,
    Extension(who): Who,
    Path(id): Path<String>,
) -> Result<Json<Hurried>, Problem> {
    Ok(Json(admin.hurry(&who, params::id(&id)?).await?))
}

fn not_tried_yet(id: DeliveryId, waits: &[String]) -> String {
    match waits {
        [] => format!("Delivery {id} waits for its turn; it is sent by itself."),
        waits => format!("Delivery {id} was not tried yet, and is sent by itself. It waits: {}.", waits.join("; ")),
    }
}

/// What keeps a delivery that is due from going out.
async fn waits(admin: &AdminState, id: DeliveryId, webhook: &WebhookId) -> Result<Vec<String>, Problem> {
    let Some(webhook) = admin.live.load().webhooks.get(webhook).cloned() else {
        return Ok(vec!["the webhook is gone".to_owned()]);
    };
    let run_states = admin.dispatcher.run_states(&webhook.id);
    let off = why::off(&webhook, &run_states).map(|off| format!("the webhook is off, so it is held again: {off}"));
    let behind = admin.administration.ahead_of(id).await?.map(|ahead| why::behind(&ahead));
    let held_up = why::held_up(&webhook, &run_states, &admin.dispatcher.condition(&webhook));
    Ok(off.into_iter().chain(behind).chain(held_up).collect())
}

/// Who asks and why, for the record.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DiscardBody {
    by: Option<String>,
    #[schemars(length(max = 200), regex(pattern = r"^[^\x00-\x1f\x7f-\x9f]*$"))]
    reason: Option<String>,
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
    Extension(who): Who,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<GivenUp>, Problem> {
    let id: DeliveryId = params::id(&id)?;
    let limits = params::BodyLimits::of(&admin, params::SMALL_BODY_BYTES);
    let DiscardBody { by, reason } = params::body(request, limits).await?;
    Ok(Json(admin.give_up(&known(&who, by.as_deref()), id, reason.as_deref()).await?))
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
    pub(super) count: u64,
    /// Not everything is done: ask again.
    pub(super) more: bool,
    /// The `after` to go on with, where that is to be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<DeliveryId>,
}

/// Gives up what a webhook holds, whether it is still there or not.
pub(super) async fn discard_held(
    State(admin): Admin,
    Extension(who): Who,
    request: Request,
) -> Result<Json<Counted>, Problem> {
    let limits = params::BodyLimits::of(&admin, params::SMALL_BODY_BYTES);
    let DiscardManyBody { webhook, state, by } = params::body(request, limits).await?;
    if state != delivery::State::Held {
        let detail = "`state` must be `held`: what is pending or retrying is given up one by one.";
        return Err(Problem::new(Kind::BadRequest, detail).with("field", "state"));
    }
    Ok(Json(admin.give_up_held(&known(&who, by.as_deref()), webhook).await?))
}

impl AdminState {
    /// Makes an unfinished delivery due now.
    pub(super) async fn hurry(&self, who: &Principal, id: DeliveryId) -> Result<Hurried, Problem> {
        let now = clock::now();
        let wrong = |detail| Err(Problem::new(Kind::WrongState, detail));
        match self.upkeep.retry(id, now).await? {
            Retried::Due(lane) => {
                self.dispatcher.wake(&lane, now);
                self.record(Change::by(who, "delivery.retry", id.to_string(), now)).await;
                let waits = waits(self, id, &lane.webhook).await?;
                Ok(Hurried { id, webhook: lane.webhook, due: now, waits })
            }
            Retried::Absent => Err(absent(id)),
            Retried::Finished(state) => {
                wrong(format!("Delivery {id} is finished: {state}. `hookwright delivery replay {id}` sends it again."))
            }
            Retried::UnderWay => wrong(under_way(id)),
            Retried::Waiting => {
                let view = self.administration.delivery(id).await?.ok_or_else(|| absent(id))?;
                wrong(not_tried_yet(id, &waits(self, id, &view.webhook).await?))
            }
        }
    }

    /// Gives an unfinished delivery up.
    pub(super) async fn give_up(
        &self,
        who: &Principal,
        id: DeliveryId,
        because: Option<&str>,
    ) -> Result<GivenUp, Problem> {
        let (reason, now) = (discarded_by(who, because)?, clock::now());
        let wrong = |detail| Err(Problem::new(Kind::WrongState, detail));
        match self.upkeep.discard(id, reason.clone(), now).await? {
            Discarded::Done(lane) => {
                self.dispatcher.wake(&lane, now);
                let to = json!({ "state": delivery::State::Failed });
                self.record(Change::by(who, "delivery.discard", id.to_string(), now).between(None, to)).await;
                Ok(GivenUp { id, webhook: lane.webhook, state: delivery::State::Failed, reason })
            }
            Discarded::Absent => Err(absent(id)),
            Discarded::Finished(state) => {
                wrong(format!("Delivery {id} is finished: {state}. There is nothing to give up."))
            }
            Discarded::UnderWay => wrong(under_way(id)),
        }
    }

    /// Gives up what a webhook holds, as much as [`WORK_TIME`] allows.
    pub(super) async fn give_up_held(&self, who: &Principal, webhook: WebhookId) -> Result<Counted, Problem> {
        let (reason, began, mut count) = (discarded_by(who, None)?, Instant::now(), 0);
        let outcome = loop {
            let now = clock::now();
            match self.upkeep.discard_held(webhook.clone(), reason.clone(), now).await {
                Err(error) => break Err(error),
                Ok(DiscardedHeld { lanes, more }) => {
                    for lane in &lanes {
                        self.dispatcher.wake(lane, now);
                    }
                    count += lanes.len() as u64;
                    if !more || began.elapsed() > WORK_TIME {
                        break Ok(more);
                    }
                }
            }
        };
        // Of what was done, whatever stopped it.
        if count > 0 {
            let change = Change::by(who, "delivery.discard", webhook.to_string(), clock::now());
            self.record(change.between(None, json!({ "discarded": count }))).await;
        }
        Ok(Counted { count, more: outcome?, next: None })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PurgeQuery {
    #[schemars(extend("enum" = ["failed", "delivered", "dropped"]))]
    state: delivery::State,
    webhook: Option<WebhookId>,
    before: Option<Timestamp>,
    /// Only count them.
    #[serde(default)]
    dry_run: bool,
    /// Where an earlier count ended.
    after: Option<DeliveryId>,
}

/// Forgets finished deliveries. Their events stay until retention takes them.
pub(super) async fn purge(State(admin): Admin, Extension(who): Who, uri: Uri) -> Result<Json<Counted>, Problem> {
    let PurgeQuery { state, webhook, before, dry_run, mut after } = params::query(&uri)?;
    let detail = match state {
        delivery::State::Superseded => Some(deliveries::NONE_IS_SUPERSEDED.to_owned()),
        state if state.is_finished() => None,
        state => Some(format!("`state` must be failed, delivered or dropped: what is {state} is not finished.")),
    };
    if let Some(detail) = detail {
        return Err(Problem::new(Kind::BadRequest, detail).with("field", "state"));
    }
    let selection = Selection { webhook, state, since: None, until: before, event_type: None, untouched: false };
    let (began, mut count) = (Instant::now(), 0);
    let outcome = loop {
        let step = if dry_run {
            let selected = admin.upkeep.select(selection.clone(), after).await;
            selected.map(|Selected { found, next, .. }| (found.len() as u64, next))
        } else {
            let purged = admin.upkeep.purge(selection.clone(), after).await;
            purged.map(|Purged { count, next }| (count, next))
        };
        match step {
            Err(error) => break Err(error),
            Ok((found, next)) => {
                count += found;
                after = next;
                if after.is_none() || began.elapsed() > WORK_TIME {
                    break Ok(after);
                }
            }
        }
    };
    if count > 0 && !dry_run {
        let Selection { webhook, state, until, .. } = selection;
        let subject = webhook.map_or_else(|| "deliveries".to_owned(), |webhook| webhook.to_string());
        let to = json!({ "purged": count, "state": state, "before": until });
        admin.record(Change::by(&who, "delivery.purge", subject, clock::now()).between(None, to)).await;
    }
    let next = outcome?;
    Ok(Json(Counted { count, more: next.is_some(), next }))
}

fn absent(id: DeliveryId) -> Problem {
    Problem::new(Kind::NotFound, format!("There is no delivery {id}."))
}

fn under_way(id: DeliveryId) -> String {
    format!("Delivery {id} is being run or sent right now. Look again in a moment.")
}

fn known(who: &Principal, said: Option<&str>) -> Principal {
    Principal { name: who.known_as(said), ..who.clone() }
}

/// Who, and why, if they said.
fn discarded_by(who: &Principal, because: Option<&str>) -> Result<String, Problem> {
    let because = because.map(str::trim).filter(|text| !text.is_empty());
    let Some(because) = because else { return Ok(format!("{DISCARDED_BY}{}", who.name)) };
    if because.chars().count() > LONGEST_REASON_CHARS || because.chars().any(char::is_control) {
        let detail = format!("`reason` is one line of at most {LONGEST_REASON_CHARS} characters.");
        return Err(Problem::new(Kind::BadRequest, detail).with("field", "reason"));
    }
    Ok(format!("{DISCARDED_BY}{}: {because}", who.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_tried_yet_is_told_what_it_waits_for() {
        let id = DeliveryId::from_bytes([1; 16]);
        assert!(not_tried_yet(id, &[]).ends_with("waits for its turn; it is sent by itself."));
        assert!(not_tried_yet(id, &["paused by ana".to_owned()]).ends_with("It waits: paused by ana."));
    }
}
