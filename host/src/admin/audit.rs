//! `GET /v1/audit`: who changed what, when, from what to what.

use axum::Json;
use axum::extract::State;
use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Admin;
use super::params::{self, Page};
use crate::clock::Timestamp;
use crate::http::problem::Problem;
use crate::store::{Change, ChangeFilter, Recorded};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    subject: Option<String>,
    action: Option<String>,
    before: Option<i64>,
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
struct ChangeView {
    number: i64,
    at: Timestamp,
    who: String,
    action: String,
    subject: String,
    from: Option<Value>,
    to: Option<Value>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ChangeList {
    /// Newest first.
    changes: Vec<ChangeView>,
    /// The `before` of the next page. Pages of large entries are short: only none is the end.
    next: Option<i64>,
}

pub(super) async fn list(State(admin): Admin, uri: Uri) -> Result<Json<ChangeList>, Problem> {
    let Filter { subject, action, before, limit } = params::query(&uri)?;
    let limit = Page::new(before, limit).limit()?;
    let found = admin.registry.changes(ChangeFilter { subject, action }, before, limit).await?;
    let next = found.last().map(|recorded| recorded.number);
    Ok(Json(ChangeList { changes: found.into_iter().map(ChangeView::from).collect(), next }))
}

impl From<Recorded> for ChangeView {
    fn from(Recorded { number, change }: Recorded) -> Self {
        let Change { at, who, action, subject, from, to } = change;
        Self { number, at, who, action, subject, from, to }
    }
}
