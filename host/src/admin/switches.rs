//! Webhooks paused, resumed, switched off and on again: recorded beside their definition, which stays as it is.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::status::RunStateView;
use super::{Admin, AdminState, Who, params};
use crate::access::Principal;
use crate::clock;
use crate::dispatch::Enabled;
use crate::http::problem::{Kind, Problem};
use crate::ids::WebhookId;
use crate::managed::Asked;
use crate::store::{Change, RunState};
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
    pub(super) changed: bool,
    /// Of `enable`: its receiver was failing, and is tried again at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) was_ill: Option<bool>,
    takes_new: bool,
    run_states: Vec<RunStateView>,
}

pub(super) async fn pause(admin: Admin, who: Who, id: Path<String>, request: Request) -> Switching {
    Switch::read(admin, who, id, request).await?.pause().await
}

pub(super) async fn resume(admin: Admin, who: Who, id: Path<String>, request: Request) -> Switching {
    Switch::read(admin, who, id, request).await?.resume().await
}

pub(super) async fn disable(admin: Admin, who: Who, id: Path<String>, request: Request) -> Switching {
    Switch::read(admin, who, id, request).await?.disable().await
}

pub(super) async fn enable(admin: Admin, who: Who, id: Path<String>, request: Request) -> Switching {
    Switch::read(admin, who, id, request).await?.enable().await
}

pub(super) type Switching = Result<Json<Switched>, Problem>;

/// What was asked for, by whom, and how it was before.
pub(super) struct Switch {
    admin: Arc<AdminState>,
    webhook: Arc<Webhook>,
    who: Principal,
    by: String,
    before: Vec<RunState>,
}

impl Switch {
    async fn read(
        State(admin): Admin,
        Extension(who): Who,
        Path(id): Path<String>,
        request: Request,
    ) -> Result<Self, Problem> {
        let id: WebhookId = params::id(&id)?;
        let limits = params::BodyLimits::of(&admin, params::SMALL_BODY_BYTES);
        let By { by } = params::body(request, limits).await?;
        Self::of(admin, who, &id, by.as_deref())
    }

    /// `by`: who asks, in the words of the one who does.
    pub(super) fn of(
        admin: Arc<AdminState>,
        who: Principal,
        id: &WebhookId,
        by: Option<&str>,
    ) -> Result<Self, Problem> {
        let webhook = admin.live.load().webhooks.get(id).cloned();
        let absent =
            || Problem::new(Kind::NotFound, format!("There is no webhook {id}. `hookwright webhook list` shows all."));
        let (webhook, by) = (webhook.ok_or_else(absent)?, who.known_as(by));
        let before = admin.dispatcher.run_states(id);
        Ok(Self { admin, webhook, who, by, before })
    }

    pub(super) async fn pause(self) -> Switching {
        let changed = self.admin.dispatcher.pause(Arc::clone(&self.webhook), true, self.by.clone()).await?;
        self.answer("webhook.pause", changed).await
    }

    pub(super) async fn resume(self) -> Switching {
        let changed = self.admin.dispatcher.pause(Arc::clone(&self.webhook), false, self.by.clone()).await?;
        self.answer("webhook.resume", changed).await
    }

    pub(super) async fn disable(self) -> Switching {
        let changed = self.admin.dispatcher.disable(Arc::clone(&self.webhook), self.by.clone()).await?;
        self.answer("webhook.disable", changed).await
    }

    /// One that is managed over the API is also enabled in its definition; of that a record is kept there.
    pub(super) async fn enable(mut self) -> Switching {
        let id = self.webhook.id.clone();
        let mut was_defined_off = false;
        if !self.webhook.enabled && self.webhook.managed().is_some() {
            let by = Asked { who: Principal { name: self.by.clone(), ..self.who.clone() }, known: None };
            was_defined_off = self.admin.managed.patch(id.clone(), json!({ "enabled": true }), by).await?.changed;
            self.webhook = self.admin.live.load().webhooks.get(&id).cloned().unwrap_or(self.webhook);
        } else if !self.webhook.enabled {
            let detail =
                format!("config/webhooks/{id}.json says \"enabled\": false, and a file has the last word. Edit it.");
            return Err(Problem::new(Kind::WrongState, detail));
        }
        let Enabled { was_off, was_ill } = self.admin.dispatcher.enable(Arc::clone(&self.webhook)).await?;
        let Json(switched) = self.answer("webhook.enable", was_off).await?;
        Ok(Json(Switched { changed: was_off || was_defined_off, was_ill: Some(was_ill), ..switched }))
    }

    async fn answer(self, action: &str, changed: bool) -> Switching {
        let Self { admin, webhook, who: _, by, before } = self;
        let after = admin.dispatcher.run_states(&webhook.id);
        if changed {
            let change = Change {
                at: clock::now(),
                who: by,
                action: action.to_owned(),
                subject: webhook.id.to_string(),
                from: Some(kinds(&before)),
                to: Some(kinds(&after)),
            };
            admin.record(change).await;
        }
        let run_states = after.into_iter().map(RunStateView::from).collect();
        let takes_new = admin.dispatcher.takes_new(&webhook);
        Ok(Json(Switched { id: webhook.id.clone(), changed, was_ill: None, takes_new, run_states }))
    }
}

fn kinds(states: &[RunState]) -> Value {
    json!({ "runStates": states.iter().map(|state| state.kind).collect::<Vec<_>>() })
}
