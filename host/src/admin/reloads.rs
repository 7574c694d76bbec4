//! `GET /v1/reloads`: the newest revisions, and what each changed.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::Admin;
use crate::reload::ReloadRecord;

#[derive(Serialize, JsonSchema)]
pub(super) struct ReloadList {
    /// Newest first, since the start of the host; at most 100.
    reloads: Vec<ReloadRecord>,
}

pub(super) async fn list(State(admin): Admin) -> Json<ReloadList> {
    Json(ReloadList { reloads: admin.reload.history() })
}
