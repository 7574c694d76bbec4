//! `POST /v1/login-links`: links that sign in to the pages.

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Admin, Who};
use crate::access::Role;
use crate::clock::{self, Timestamp};

#[derive(Serialize, JsonSchema)]
pub(super) struct LoginLink {
    /// Behind the address of the admin listener. Good once.
    path: String,
    expires: Timestamp,
    role: Role,
}

/// For whoever asks, with the role he has.
pub(super) async fn create(State(admin): Admin, Extension(who): Who) -> (StatusCode, Json<LoginLink>) {
    let role = who.role;
    let (code, expires) = admin.sessions.link(who, clock::now());
    (StatusCode::CREATED, Json(LoginLink { path: format!("/login?code={code}"), expires, role }))
}
