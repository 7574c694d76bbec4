//! `/v1/webhooks`: webhooks looked at, made, changed, rotated and removed. Those of files are changed in their files.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::params;
use super::status::WebhookStatus;
use super::{Admin, AdminState};
use crate::access::Principal;
use crate::clock::Timestamp;
use crate::duration;
use crate::http::problem::{Kind, Problem};
use crate::ids::{Digest, WebhookId};
use crate::managed::{Asked, Edited, LONGEST_RETIREMENT, NewWebhook};
use crate::pattern::EventPattern;
use crate::revision::{self, Fault, Revision};
use crate::webhook::Webhook;

/// A definition with all its plugin configs.
const MAX_DEFINITION_BYTES: usize = 128 << 10;

const MAX_KEY_BYTES: usize = 255;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookList {
    pub(super) webhooks: Vec<WebhookStatus>,
    /// Why others take no events: their definitions were never good.
    pub(super) left_out: Vec<Fault>,
    /// The `after` of the next page; none: this is the last.
    pub(super) next: Option<WebhookId>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    after: Option<WebhookId>,
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
}

pub(super) async fn list(State(admin): Admin, uri: Uri) -> Result<Json<WebhookList>, Problem> {
    let ListQuery { after, limit } = params::query(&uri)?;
    let limit = params::Page::new(after.clone(), limit).limit()?;
    Ok(Json(admin.webhook_list(after.as_ref(), limit).await?))
}

/// A webhook with its definition.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FullWebhook {
    #[serde(flatten)]
    status: WebhookStatus,
    /// In the form of a file. A secret is `{"$secret": true}`; sent back, it stays.
    definition: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    managed: Option<ManagedFacts>,
    /// A signing secret that was made just now. It is not shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct ManagedFacts {
    version: i64,
    created: Timestamp,
    changed: Timestamp,
    /// Which signing secrets go when, by their id.
    retiring: std::collections::BTreeMap<String, Timestamp>,
}

pub(super) async fn one(State(admin): Admin, Path(id): Path<String>) -> Result<Response, Problem> {
    let id = params::id(&id)?;
    let revision = admin.live.load_full();
    admin.full(&revision, &id, StatusCode::OK, None).await
}

/// The `id` stands beside the definition.
pub(super) async fn create(
    State(admin): Admin,
    Extension(who): Extension<Principal>,
    request: Request,
) -> Result<Response, Problem> {
    let key = idempotency_key(request.headers())?;
    let draft: Value = definition(&admin, request).await?;
    let edited = admin.create_webhook(draft, key, who).await?;
    let status = if edited.changed { StatusCode::CREATED } else { StatusCode::OK };
    admin.edited(edited, status).await
}

pub(super) async fn replace(
    State(admin): Admin,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let id: WebhookId = params::id(&id)?;
    let Known::Said(known) = admin.known(&id, request.headers())? else {
        let detail = "Send the ETag of what was read as If-Match: so nobody's change is lost. PATCH does not need it.";
        return Err(Problem::new(Kind::PreconditionRequired, detail));
    };
    let draft = definition(&admin, request).await?;
    let edited = admin.managed.replace(id, draft, Asked { who, known }).await?;
    admin.edited(edited, StatusCode::OK).await
}

pub(super) async fn patch(
    State(admin): Admin,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let id: WebhookId = params::id(&id)?;
    let known = admin.known(&id, request.headers())?.version();
    let patch = definition(&admin, request).await?;
    let edited = admin.managed.patch(id, patch, Asked { who, known }).await?;
    admin.edited(edited, StatusCode::OK).await
}

pub(super) async fn remove(
    State(admin): Admin,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let id: WebhookId = params::id(&id)?;
    let known = admin.known(&id, &headers)?.version();
    admin.remove_webhook(id, Asked { who, known }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub(super) struct RotateBody {
    /// For how long receivers may still verify with the earlier secrets.
    #[schemars(
        with = "Option<String>",
        regex(pattern = r"^([0-9]{1,6}s|[0-9]{1,4}m|[0-9]{1,2}h|([0-9]|[12][0-9]|30)d)$")
    )]
    keep_old: Option<String>,
}

/// Long enough to tell receivers.
const USUAL_RETIREMENT: Duration = Duration::from_hours(24);

pub(super) async fn rotate(
    State(admin): Admin,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let id: WebhookId = params::id(&id)?;
    let known = admin.known(&id, request.headers())?.version();
    let RotateBody { keep_old } =
        params::body(request, params::BodyLimits::of(&admin, params::SMALL_BODY_BYTES)).await?;
    let keep_old = retirement(keep_old.as_deref())?;
    let edited = admin.managed.rotate(id, keep_old, Asked { who, known }).await?;
    admin.edited(edited, StatusCode::OK).await
}

/// For how long the earlier secrets of a webhook are kept, as it is written.
///
/// # Errors
/// A problem, when it is no duration or too long.
pub(super) fn retirement(keep_old: Option<&str>) -> Result<Duration, Problem> {
    match keep_old.map(duration::parse) {
        None => Ok(USUAL_RETIREMENT),
        Some(Ok(keep_old)) if keep_old <= LONGEST_RETIREMENT => Ok(keep_old),
        Some(_) => {
            let detail = "`keepOld` must be a duration from 0s to 30d, such as \"24h\".";
            Err(Problem::new(Kind::BadRequest, detail).with("field", "keepOld"))
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Export {
    /// For `config/webhooks/`.
    path: String,
    file: Value,
    /// What the file refers to. Their values are shown nowhere.
    variables: Vec<String>,
}

pub(super) async fn export(State(admin): Admin, Path(id): Path<String>) -> Result<Json<Export>, Problem> {
    let id: WebhookId = params::id(&id)?;
    let exported = admin.managed.export(&id).await?;
    let path = format!("config/webhooks/{id}.json");
    Ok(Json(Export { path, file: exported.file, variables: exported.variables }))
}

#[derive(Serialize, JsonSchema)]
pub(super) struct RotatedKey {
    /// How many webhooks have secrets, all sealed anew.
    webhooks: usize,
    /// The id of the key that seals.
    key: String,
    /// False: it did so before. A key of `HOOKWRIGHT_KEY` is changed there.
    fresh: bool,
}

pub(super) async fn rotate_key(
    State(admin): Admin,
    Extension(who): Extension<Principal>,
) -> Result<Json<RotatedKey>, Problem> {
    let (webhooks, key, fresh) = admin.managed.rotate_key(who).await?;
    Ok(Json(RotatedKey { webhooks, key, fresh }))
}

/// The definition of a webhook, in the form of a file of `config/webhooks/`. A secret is sent as `{"$secret": "text"}`, and
/// kept as `{"$secret": true}`.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes what is read by the code that reads files")]
pub(super) struct Definition {
    #[serde(flatten)]
    members: Map<String, Value>,
}

/// A text, or one that is not shown.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "as above")]
enum Secretive {
    Shown(String),
    Secret {
        #[serde(rename = "$secret")]
        secret: String,
    },
}

/// A definition, with the id it is to have beside it.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "as above")]
pub(super) struct NewDefinition {
    /// Made of its name if it is absent.
    id: Option<WebhookId>,
    /// What an earlier webhook of this id left behind is sent to this one.
    #[serde(rename = "adoptHeld")]
    adopt_held: Option<bool>,
    url: Secretive,
    #[schemars(length(min = 1, max = 100))]
    events: Vec<EventPattern>,
    #[serde(flatten)]
    members: Map<String, Value>,
}

pub(super) async fn definition(admin: &AdminState, request: Request) -> Result<Value, Problem> {
    params::body(request, params::BodyLimits::of(admin, MAX_DEFINITION_BYTES)).await
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let is_good =
        |key: &&str| (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    match value.to_str().ok().filter(is_good) {
        Some(key) => Ok(Some(key.to_owned())),
        None => {
            Err(Problem::new(Kind::BadRequest, "The header Idempotency-Key must be 1 to 255 visible ASCII characters.")
                .with("field", "idempotency-key"))
        }
    }
}

/// Which version a caller wants to change.
enum Known {
    Unsaid,
    /// None: whichever there is.
    Said(Option<i64>),
}

impl Known {
    fn version(&self) -> Option<i64> {
        match self {
            Self::Unsaid => None,
            Self::Said(version) => *version,
        }
    }
}

/// Tells versions of a definition apart.
fn etag(webhook: &Webhook) -> String {
    match webhook.managed() {
        Some(managed) => format!("\"{}.{}\"", managed.version, managed.created.as_ms()),
        None => format!("\"{}\"", Digest::of(webhook.shown().to_string().as_bytes()).short()),
    }
}

impl AdminState {
    /// Those after `after`, by id.
    pub(super) async fn webhook_list(&self, after: Option<&WebhookId>, limit: usize) -> Result<WebhookList, Problem> {
        let revision = self.live.load_full();
        let is_after = |id: &WebhookId| after.is_none_or(|after| id > after);
        let mut found = revision.webhooks.values().filter(|webhook| is_after(&webhook.id));
        let webhooks: Vec<_> = found.by_ref().take(limit).collect();
        let next = found.next().and(webhooks.last()).map(|webhook| webhook.id.clone());
        let waiting = self.administration.waiting(webhooks.iter().map(|webhook| webhook.id.clone()).collect()).await?;
        let webhooks = webhooks
            .into_iter()
            .zip(waiting)
            .map(|(webhook, waiting)| WebhookStatus::of(webhook, waiting, &revision, &self.dispatcher))
            .collect();
        Ok(WebhookList { webhooks, left_out: revision::left_out(&revision.faults, &revision.webhooks), next })
    }

    /// Of a definition with `id` and `adoptHeld` beside it.
    pub(super) async fn create_webhook(
        &self,
        mut draft: Value,
        key: Option<String>,
        who: Principal,
    ) -> Result<Edited, Problem> {
        let id = match draft.as_object_mut().and_then(|draft| draft.shift_remove("id")) {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) => Some(params::id(&id)?),
            Some(_) => return Err(Problem::new(Kind::BadRequest, "`id` must be a text.").with("field", "id")),
        };
        let adopt_held = match draft.as_object_mut().and_then(|draft| draft.shift_remove("adoptHeld")) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(adopt)) => adopt,
            Some(_) => {
                return Err(
                    Problem::new(Kind::BadRequest, "`adoptHeld` must be true or false.").with("field", "adoptHeld")
                );
            }
        };
        Ok(self.managed.create(NewWebhook { id, draft, key, adopt_held }, who).await?)
    }

    pub(super) async fn remove_webhook(&self, id: WebhookId, asked: Asked) -> Result<(), Problem> {
        let webhook = self.live.load().webhooks.get(&id).cloned();
        self.managed.remove(id, asked).await?;
        if let Some(webhook) = webhook.filter(|webhook| webhook.managed().is_some()) {
            self.dispatcher.forget(&webhook);
        }
        Ok(())
    }

    /// What the caller says he knows.
    ///
    /// # Errors
    /// When that is not what there is.
    fn known(&self, id: &WebhookId, headers: &HeaderMap) -> Result<Known, Problem> {
        let mut sent = headers.get_all(header::IF_MATCH).iter().peekable();
        if sent.peek().is_none() {
            return Ok(Known::Unsaid);
        }
        let tags: Vec<_> =
            sent.flat_map(|value| value.to_str().unwrap_or_default().split(',')).map(str::trim).collect();
        if tags.contains(&"*") {
            return Ok(Known::Said(None));
        }
        let revision = self.live.load();
        // What is absent, or in a file, is said by whoever is asked to change it.
        let Some(webhook) = revision.webhooks.get(id) else { return Ok(Known::Said(None)) };
        let Some(managed) = webhook.managed() else { return Ok(Known::Said(None)) };
        let current = etag(webhook);
        if tags.contains(&current.as_str()) {
            return Ok(Known::Said(Some(managed.version)));
        }
        let detail = format!("Webhook {id} was changed meanwhile: its ETag is {current}. Read it again.");
        Err(Problem::new(Kind::PreconditionFailed, detail).with("etag", current))
    }

    async fn edited(&self, edited: Edited, status: StatusCode) -> Result<Response, Problem> {
        let secret = edited.secret.map(|secret| secret.expose());
        self.full(&self.live.load_full(), &edited.id, status, secret).await
    }

    async fn full(
        &self,
        revision: &Revision,
        id: &WebhookId,
        status: StatusCode,
        secret: Option<String>,
    ) -> Result<Response, Problem> {
        let Some(webhook) = revision.webhooks.get(id) else {
            let detail = format!("There is no webhook {id}. `hookwright webhook list` shows all.");
            return Err(Problem::new(Kind::NotFound, detail));
        };
        let waiting = self.administration.waiting(vec![id.clone()]).await?.into_iter().next().unwrap_or_default();
        let facts = |managed: &Arc<crate::webhook::Managed>| ManagedFacts {
            version: managed.version,
            created: managed.created,
            changed: managed.changed,
            retiring: managed.retiring.clone(),
        };
        let full = FullWebhook {
            status: WebhookStatus::of(webhook, waiting, revision, &self.dispatcher),
            definition: webhook.shown(),
            managed: webhook.managed().map(facts),
            secret,
        };
        let mut response = (status, Json(full)).into_response();
        if let Ok(etag) = HeaderValue::from_str(&etag(webhook)) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        if status == StatusCode::CREATED
            && let Ok(location) = HeaderValue::from_str(&format!("/v1/webhooks/{id}"))
        {
            response.headers_mut().insert(header::LOCATION, location);
        }
        // It may hold a secret that is shown once.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}
