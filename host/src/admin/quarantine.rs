//! `/v1/quarantine`: what was refused with 422, and letting it in.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::{StatusCode, Uri};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::params::{self, Page};
use super::views::QuarantineEntry;
use super::{Admin, AdminState, Who};
use crate::access::Principal;
use crate::clock;
use crate::http::problem::Problem;
use crate::ids::QuarantineId;
use crate::intake::Receipt;
use crate::store::Change;

#[derive(Serialize, JsonSchema)]
pub(super) struct QuarantineList {
    quarantined: Vec<QuarantineEntry>,
    /// The `before` of the next page. Pages of large entries are short: only none is the end.
    next: Option<QuarantineId>,
}

pub(super) async fn list(State(admin): Admin, uri: Uri) -> Result<Json<QuarantineList>, Problem> {
    let page: Page<QuarantineId> = params::query(&uri)?;
    let limit = page.limit()?;
    let found = admin.administration.quarantined(page.before, limit).await?;
    let next = found.last().map(|entry| entry.id);
    Ok(Json(QuarantineList { quarantined: found.into_iter().map(QuarantineEntry::from).collect(), next }))
}

pub(super) async fn one(State(admin): Admin, Path(id): Path<String>) -> Result<Json<QuarantineEntry>, Problem> {
    let entry = admin.intake.quarantined(params::id(&id)?).await?;
    Ok(Json(entry.into()))
}

pub(super) async fn admit(
    State(admin): Admin,
    Extension(who): Who,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Receipt>), Problem> {
    let accepted = admin.admit(&who, params::id(&id)?).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

impl AdminState {
    /// Lets a refused body in, if it fits now.
    pub(super) async fn admit(&self, who: &Principal, id: QuarantineId) -> Result<Receipt, Problem> {
        let now = clock::now();
        let accepted = self.intake.admit(id, now).await?;
        let to = json!({ "accepted": accepted });
        self.record(Change::by(who, "quarantine.admit", id.to_string(), now).between(None, to)).await;
        Ok(accepted)
    }
}
