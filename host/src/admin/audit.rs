//! `GET /v1/audit`: who changed what, when, from what to what.

use axum::Json;
use axum::extract::State;
use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::params::{self, Page};
use super::{Admin, AdminState};
use crate::clock::Timestamp;
use crate::http::problem::Problem;
use crate::store::{Change, ChangeFilter, Recorded};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    pub(super) subject: Option<String>,
    pub(super) action: Option<String>,
    pub(super) before: Option<i64>,
    #[schemars(range(min = 1, max = 200))]
    pub(super) limit: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ChangeView {
    pub(super) number: i64,
    pub(super) at: Timestamp,
    pub(super) who: String,
    pub(super) action: String,
    pub(super) subject: String,
    pub(super) from: Option<Value>,
    pub(super) to: Option<Value>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ChangeList {
    /// Newest first.
    pub(super) changes: Vec<ChangeView>,
    /// The `before` of the next page. Pages of large entries are short: only none is the end.
    pub(super) next: Option<i64>,
}

pub(super) async fn list(State(admin): Admin, uri: Uri) -> Result<Json<ChangeList>, Problem> {
    Ok(Json(found(&admin, params::query(&uri)?).await?))
}

pub(super) async fn found(admin: &AdminState, filter: Filter) -> Result<ChangeList, Problem> {
    let Filter { subject, action, before, limit } = filter;
    let limit = Page::new(before, limit).limit()?;
    let found = admin.registry.changes(ChangeFilter { subject, action }, before, limit).await?;
    let next = found.last().map(|recorded| recorded.number);
    Ok(ChangeList { changes: found.into_iter().map(ChangeView::from).collect(), next })
}

impl From<Recorded> for ChangeView {
    fn from(Recorded { number, change }: Recorded) -> Self {
        let Change { at, who, action, subject, from, to } = change;
        Self { number, at, who, action, subject, from, to }
    }
}
