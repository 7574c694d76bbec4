//! `POST /v1/deliveries/{id}/replay`, and `/v1/replays`: runs of many.

use axum::extract::{Path, Request, State};
use axum::{Extension, Json};
use bytes::Bytes;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::{Admin, AdminState, Who, params};
use crate::access::Principal;
use crate::clock::{self, Timestamp};
use crate::delivery;
use crate::http::problem::{Kind, Problem};
use crate::ids::{DeliveryId, ReplayId, WebhookId};
use crate::pattern::EventPattern;
use crate::replay::{Content, Counted, Made, Mode, RunView, Wanted};
use crate::store::{Change, LeftOut};

/// An edited payload, escaped, with what stands around it.
fn most_bytes(admin: &AdminState) -> usize {
    admin.live.load().server.limits.max_body_bytes.saturating_mul(2).saturating_add(64 << 10)
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ReplayBody {
    mode: One,
    /// Text, or JSON, which is sent as it is written here.
    #[schemars(with = "Option<serde_json::Value>")]
    data: Option<Box<RawValue>>,
    content_type: Option<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum One {
    #[default]
    Recorded,
    Today,
    Edited,
}

pub(super) async fn replay(
    State(admin): Admin,
    Extension(who): Who,
    Path(id): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let id: DeliveryId = params::id(&id)?;
    let limits = params::BodyLimits::of(&admin, most_bytes(&admin));
    let content = content(params::body(request, limits).await?)?;
    Ok((StatusCode::ACCEPTED, Json(admin.send_again(&who, id, content).await?)))
}

fn content(body: ReplayBody) -> Result<Content, Problem> {
    let ReplayBody { mode, data, content_type } = body;
    let wrong = |detail: &str| Err(Problem::new(Kind::Unfit, detail).with("field", "data"));
    match (mode, data) {
        (One::Edited, Some(data)) => Ok(Content::Edited { data: bytes_of(&data), content_type }),
        (One::Edited, None) => wrong("`data` is missing: the mode `edited` sends it instead of the recorded bytes."),
        (_, None) if content_type.is_none() => {
            Ok(Content::As(if mode == One::Today { Mode::Today } else { Mode::Recorded }))
        }
        _ => wrong("`data` and `contentType` are for the mode `edited` only."),
    }
}

/// A JSON text stands for what it says, everything else for itself.
fn bytes_of(data: &RawValue) -> Bytes {
    match serde_json::from_str::<String>(data.get()) {
        Ok(text) => text.into(),
        Err(_) => data.get().to_owned().into(),
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ManyBody {
    webhook: WebhookId,
    #[serde(default = "failed")]
    state: delivery::State,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    #[schemars(with = "Option<EventPattern>")]
    event_type: Option<String>,
    #[serde(default)]
    mode: Mode,
    /// Also what was replayed already, and what somebody gave up.
    #[serde(default)]
    again: bool,
    #[serde(default)]
    dry_run: bool,
}

const fn failed() -> delivery::State {
    delivery::State::Failed
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Begun {
    /// What a run with this `until` would replay.
    #[serde(rename_all = "camelCase")]
    Counted {
        count: u64,
        left_out: LeftOut,
        until: Timestamp,
    },
    Run(Box<RunView>),
}

pub(super) async fn begin(
    State(admin): Admin,
    Extension(who): Who,
    request: Request,
) -> Result<(StatusCode, Json<Begun>), Problem> {
    let limits = params::BodyLimits::of(&admin, params::SMALL_BODY_BYTES);
    let ManyBody { webhook, state, since, until, event_type, mode, again, dry_run } =
        params::body(request, limits).await?;
    let event_type = params::pattern("eventType", event_type)?;
    let wanted = Wanted { webhook, state, since, until, event_type, mode, again };
    if dry_run {
        let (Counted { count, left_out }, until) = admin.replays.count(&wanted, clock::now()).await?;
        return Ok((StatusCode::OK, Json(Begun::Counted { count, left_out, until })));
    }
    let run = admin.begin_replays(&who, wanted).await?;
    Ok((StatusCode::ACCEPTED, Json(Begun::Run(Box::new(run)))))
}

#[derive(Serialize, JsonSchema)]
pub(super) struct RunList {
    /// Newest first.
    replays: Vec<RunView>,
}

pub(super) async fn list(State(admin): Admin) -> Json<RunList> {
    Json(RunList { replays: admin.replays.list() })
}

pub(super) async fn one(State(admin): Admin, Path(id): Path<String>) -> Result<Json<RunView>, Problem> {
    Ok(Json(admin.replays.run(params::id(&id)?)?))
}

pub(super) async fn cancel(
    State(admin): Admin,
    Extension(who): Who,
    Path(id): Path<String>,
) -> Result<Json<RunView>, Problem> {
    Ok(Json(admin.cancel_replays(&who, params::id(&id)?).await?))
}

impl AdminState {
    /// Makes a replay of one delivery.
    pub(super) async fn send_again(&self, who: &Principal, id: DeliveryId, content: Content) -> Result<Made, Problem> {
        let now = clock::now();
        let is_edited = matches!(content, Content::Edited { .. });
        let made = self.replays.replay(id, content, now).await?;
        let to = json!({ "made": made, "edited": is_edited });
        self.record(Change::by(who, "delivery.replay", id.to_string(), now).between(None, to)).await;
        Ok(made)
    }

    /// Begins a run of many.
    pub(super) async fn begin_replays(&self, who: &Principal, wanted: Wanted) -> Result<RunView, Problem> {
        let now = clock::now();
        let run = self.replays.begin(wanted, now)?;
        self.record(Change::by(who, "replay.begin", run.id.to_string(), now).between(None, json!(run))).await;
        Ok(run)
    }

    pub(super) async fn cancel_replays(&self, who: &Principal, id: ReplayId) -> Result<RunView, Problem> {
        let run = self.replays.cancel(id)?;
        self.record(Change::by(who, "replay.cancel", run.id.to_string(), clock::now()).between(None, json!(run))).await;
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Content, String> {
        let body = serde_json::from_str(text).map_err(|error| error.to_string())?;
        content(body).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn edited_bytes_are_sent_as_they_are_written() {
        for (text, sent) in [
            (r#"{"mode":"edited","data":{"n": 1.10, "b":[ ]}}"#, r#"{"n": 1.10, "b":[ ]}"#),
            (r#"{"mode":"edited","data":"{\"a\":\n1}"}"#, "{\"a\":\n1}"),
        ] {
            let Ok(Content::Edited { data, .. }) = read(text) else { panic!("{text}") };
            assert_eq!(data, sent);
        }
        assert!(matches!(read("{}"), Ok(Content::As(Mode::Recorded))));
        assert!(matches!(read(r#"{"mode":"today"}"#), Ok(Content::As(Mode::Today))));
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        for (text, named) in [
            (r#"{"mode":"edited"}"#, "`data` is missing"),
            (r#"{"data":{}}"#, "for the mode `edited` only"),
            (r#"{"mode":"today","contentType":"application/json"}"#, "for the mode `edited` only"),
            (r#"{"mode":"yesterday"}"#, "unknown variant `yesterday`"),
        ] {
            let wrong = read(text).map(drop).expect_err(text);
            assert!(wrong.contains(named), "{text}: {wrong}");
        }
    }
}
