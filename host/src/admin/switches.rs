//! Webhooks paused, resumed, switched off and on again: recorded beside their definition, which stays as it is.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Admin;
use super::mending::named;
use super::params;
use super::status::RunStateView;
use crate::access::Principal;
use crate::dispatch::Enabled;
use crate::http::problem::{Kind, Problem};
use crate::ids::WebhookId;
use crate::managed::Asked;
use crate::webhook::Webhook;

/// Who asks, for the record.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct By {
    by: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Switched {
    id: WebhookId,
    /// False: so it was already.
    changed: bool,
    /// Of `enable`: its receiver was failing, and is tried again at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    was_ill: Option<bool>,
    takes_new: bool,
    run_states: Vec<RunStateView>,
}

pub(super) async fn pause(admin: Admin, id: Path<String>, request: Request) -> Result<Json<Switched>, Problem> {
    let (webhook, by) = asked(&admin, &id, request).await?;
    let changed = admin.dispatcher.pause(Arc::clone(&webhook), true, by).await?;
    Ok(answer(&admin, &webhook, changed))
}

pub(super) async fn resume(admin: Admin, id: Path<String>, request: Request) -> Result<Json<Switched>, Problem> {
    let (webhook, by) = asked(&admin, &id, request).await?;
    let changed = admin.dispatcher.pause(Arc::clone(&webhook), false, by).await?;
    Ok(answer(&admin, &webhook, changed))
}

pub(super) async fn disable(admin: Admin, id: Path<String>, request: Request) -> Result<Json<Switched>, Problem> {
    let (webhook, by) = asked(&admin, &id, request).await?;
    let changed = admin.dispatcher.disable(Arc::clone(&webhook), by).await?;
    Ok(answer(&admin, &webhook, changed))
}

pub(super) async fn enable(
    admin: Admin,
    Extension(who): Extension<Principal>,
    id: Path<String>,
    request: Request,
) -> Result<Json<Switched>, Problem> {
    let (mut webhook, _) = asked(&admin, &id, request).await?;
    let mut changed = false;
    if !webhook.enabled && webhook.managed().is_some() {
        let asked = Asked { who, known: None };
        changed = admin.managed.patch(webhook.id.clone(), json!({ "enabled": true }), asked).await?.changed;
        webhook = admin.live.load().webhooks.get(&webhook.id).cloned().unwrap_or(webhook);
    } else if !webhook.enabled {
        let detail = format!(
            "config/webhooks/{}.json says \"enabled\": false, and a file has the last word. Edit it.",
            webhook.id
        );
        return Err(Problem::new(Kind::WrongState, detail));
    }
    let Enabled { was_off, was_ill } = admin.dispatcher.enable(Arc::clone(&webhook)).await?;
    let Json(answer) = answer(&admin, &webhook, changed || was_off);
    Ok(Json(Switched { was_ill: Some(was_ill), ..answer }))
}

async fn asked(
    State(admin): &Admin,
    Path(id): &Path<String>,
    request: Request,
) -> Result<(Arc<Webhook>, String), Problem> {
    let id: WebhookId = params::id(id)?;
    let limits = params::BodyLimits::of(admin, params::SMALL_BODY_BYTES);
    let By { by } = params::body(request, limits).await?;
    let webhook = admin.live.load().webhooks.get(&id).cloned();
    let absent =
        || Problem::new(Kind::NotFound, format!("There is no webhook {id}. `hookwright webhook list` shows all."));
    Ok((webhook.ok_or_else(absent)?, named(by.as_deref())))
}

fn answer(State(admin): &Admin, webhook: &Webhook, changed: bool) -> Json<Switched> {
    let run_states = admin.dispatcher.run_states(&webhook.id).into_iter().map(RunStateView::from).collect();
    let takes_new = admin.dispatcher.takes_new(webhook);
    Json(Switched { id: webhook.id.clone(), changed, was_ill: None, takes_new, run_states })
}
