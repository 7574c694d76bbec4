//! `POST /v1/webhooks/{id}/test`: a webhook tried out with one event, as Strapi's "Trigger" does.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::SemaphorePermit;

use super::steps::Step;
use super::views::{Data, mask_credentials};
use super::{Admin, AdminState, Who, params};
use crate::access::Principal;
use crate::clock;
use crate::delivery::{Attempt, ChainRecord};
use crate::dispatch::{Trial, Tried};
use crate::event::Event;
use crate::http::problem::{Kind, Problem};
use crate::ids::{DeliveryId, EventId, EventType, SourceName, WebhookId};
use crate::intake;
use crate::plugin::Handed;
use crate::revision::Revision;
use crate::schemas::{Check, Violation};
use crate::store::Change;
use crate::webhook::Webhook;

/// What Strapi's "Trigger" sends.
pub(super) const USUAL_SAMPLE: &str = "trigger-test";

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TestBody {
    /// An event type whose schema has an example.
    pub(super) sample: Option<String>,
    /// An event that was accepted once.
    pub(super) event: Option<EventId>,
    /// A body as a CMS would post it, or the data of a CloudEvent.
    pub(super) data: Option<Value>,
    /// The type of `data`, where its body does not say it.
    #[serde(rename = "type")]
    pub(super) event_type: Option<EventType>,
    pub(super) send: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Test {
    pub(super) webhook: WebhookId,
    pub(super) delivery: DeliveryId,
    pub(super) event: TestedEvent,
    pub(super) schema: SchemaResult,
    /// Whether the webhook would be sent such an event: its patterns, then its filter.
    pub(super) matches: Matches,
    pub(super) chain: ChainRecord,
    /// What each plugin handed on; fewer than ran, where their payloads together are too much.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) steps: Vec<Step>,
    /// The same for the pages, and the event that the first was given.
    #[serde(skip)]
    pub(super) handed: (Arc<Event>, Vec<Handed>),
    /// None: the chain does not deliver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request: Option<RequestView>,
    /// None: nothing was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attempt: Option<Attempt>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct TestedEvent {
    pub(super) id: EventId,
    #[serde(rename = "type")]
    pub(super) event_type: EventType,
    #[serde(flatten)]
    pub(super) data: Data,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct SchemaResult {
    /// `valid`, `unknown` or `violations`.
    pub(super) result: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<Violation>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Matches {
    pub(super) pattern: bool,
    /// Why the filter stops it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filter: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct RequestView {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    #[serde(flatten)]
    pub(super) body: Data,
}

pub(super) async fn test(
    State(admin): Admin,
    Extension(who): Who,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Test>, Problem> {
    let id: WebhookId = params::id(&id)?;
    let max_bytes = admin.live.load().server.limits.max_body_bytes;
    let asked: TestBody = params::body(request, params::BodyLimits::of(&admin, max_bytes)).await?;
    Ok(Json(admin.test(&who, &id, asked).await?))
}

/// Leave to try something out; given back when dropped.
pub(super) fn permit(admin: &AdminState) -> Result<SemaphorePermit<'_>, Problem> {
    let busy = |_| Problem::new(Kind::TooManyRuns, "Too many webhooks are tried out at once. Try again in a moment.");
    admin.trials.try_acquire().map_err(busy)
}

pub(super) fn shutting_down() -> Problem {
    Problem::new(Kind::ShuttingDown, "The host is shutting down; nothing was tried.")
}

pub(super) fn no_webhook(id: &WebhookId) -> Problem {
    Problem::new(Kind::NotFound, format!("There is no webhook {id}. `hookwright webhook list` shows all."))
}

impl TestBody {
    pub(super) fn of(sample: Option<String>, event: Option<EventId>, data: Option<Value>) -> Self {
        Self { sample, event, data, event_type: None, send: None }
    }
}

impl AdminState {
    /// Tries a webhook out. What is sent is on record.
    pub(super) async fn test(&self, who: &Principal, id: &WebhookId, asked: TestBody) -> Result<Test, Problem> {
        let revision = self.live.load_full();
        let webhook = revision.webhooks.get(id).cloned().ok_or_else(|| no_webhook(id))?;
        let _permit = permit(self)?;
        let send = asked.send.unwrap_or(true);
        let event = Arc::new(self.event_to_try(&revision, asked).await?);
        if send {
            let to = json!({ "event": event.id, "type": event.event_type });
            self.record(Change::by(who, "webhook.test", id.to_string(), clock::now()).between(None, to)).await;
        }
        let trial = Trial { webhook: Arc::clone(&webhook), event: Arc::clone(&event), send };
        let tried = self.dispatcher.try_out(&revision, trial).await.map_err(|_| shutting_down())?;
        Ok(Test::of(&revision, &webhook, &event, tried))
    }

    pub(super) async fn event_to_try(&self, revision: &Revision, asked: TestBody) -> Result<Event, Problem> {
        let one_of = || {
            Problem::new(
                Kind::Unfit,
                "Send one of `sample`, `event` and `data` (which may have a `type` beside it), or none of them.",
            )
        };
        let of_strapi = |body: &Value| intake::event_type(body).map_err(|refusal| Problem::from(&refusal));
        let (event_type, body) = match (asked.sample, asked.event, asked.data, asked.event_type) {
            (None, Some(id), None, None) => {
                let absent = || Problem::new(Kind::NotFound, format!("There is no event {id}."));
                let event = self.administration.event(id).await?.ok_or_else(absent)?;
                // A receiver that knows this message already would not look at it, nor at the real one after it.
                return Ok(Event { id: EventId::generate(clock::now()), ..event });
            }
            (None, None, Some(data), Some(event_type)) => (event_type, data),
            (None, None, Some(data), None) => (of_strapi(&data)?, data),
            (sample, None, None, None) => {
                let sample = sample.as_deref().unwrap_or(USUAL_SAMPLE);
                let example = revision.schemas.example(sample).zip(sample.parse().ok());
                let Some((example, event_type)) = example else {
                    let detail = "No schema of this event type has an example. `/v1/schemas` says which have one.";
                    return Err(Problem::new(Kind::Unfit, detail).with("field", "sample"));
                };
                (event_type, example.clone())
            }
            _ => return Err(one_of()),
        };
        if event_type.is_operational() {
            let detail = format!("{event_type} is reserved for the host itself.");
            return Err(Problem::new(Kind::Unfit, detail).with("field", "type"));
        }
        let now = clock::now();
        Ok(Event {
            id: EventId::generate(now),
            headers: vec![("x-strapi-event".to_owned(), event_type.to_string())],
            attributes: Vec::new(),
            event_type,
            source: SourceName::hookwright(),
            received: now,
            content_type: "application/json".into(),
            data: body.to_string().into(),
        })
    }
}

impl Test {
    fn of(revision: &Revision, webhook: &Webhook, event: &Arc<Event>, tried: Tried) -> Self {
        let Tried { delivery, mut chain, steps: handed, request, attempt } = tried;
        let mut attempts: Vec<Attempt> = attempt.into_iter().collect();
        let mut request = request.map(|request| RequestView {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: Data::of(&request.body),
        });
        let headers = request.as_mut().map(|request| &mut request.headers);
        mask_credentials(Some(&mut chain), &mut attempts, headers);
        let body = serde_json::from_slice(&event.data).unwrap_or_default();
        let (result, errors) = match revision.schemas.check(&event.event_type, &body) {
            Check::Valid => ("valid", Vec::new()),
            Check::Unknown => ("unknown", Vec::new()),
            Check::Violations(errors) => ("violations", errors),
        };
        Self {
            webhook: webhook.id.clone(),
            delivery,
            event: TestedEvent { id: event.id, event_type: event.event_type.clone(), data: Data::of(&event.data) },
            schema: SchemaResult { result, errors },
            matches: Matches {
                pattern: webhook.wants_type(&event.event_type),
                filter: webhook.filter.as_ref().and_then(|filter| filter.objection(&body)),
            },
            chain,
            steps: Step::all(&handed),
            handed: (Arc::clone(event), handed),
            request,
            attempt: attempts.pop(),
        }
    }
}
