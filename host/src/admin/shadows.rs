//! `GET /v1/shadows`: candidates that run beside live plugins, and what they do differently.

use axum::Json;
use axum::extract::State;
use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Admin, params};
use crate::http::problem::{Kind, Problem};
use crate::ids::WebhookId;
use crate::shadow::ShadowView;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    webhook: Option<WebhookId>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ShadowList {
    shadows: Vec<ShadowView>,
}

pub(super) async fn list(State(admin): Admin, uri: Uri) -> Result<Json<ShadowList>, Problem> {
    let Filter { webhook } = params::query(&uri)?;
    if let Some(webhook) = webhook.as_ref().filter(|webhook| !admin.live.load().webhooks.contains_key(*webhook)) {
        return Err(Problem::new(Kind::NotFound, format!("There is no webhook {webhook}.")));
    }
    Ok(Json(ShadowList { shadows: admin.shadows.views(webhook.as_ref()) }))
}
