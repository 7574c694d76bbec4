//! The pages of the admin listener, for people: HTML made here, htmx where a page changes in part, no script that has to be
//! built.
//!
//! A room of `admin`, beside its API and over the same answers: what a page shows is what the API says, and what it does goes
//! by the same functions, with the same roles and records. Owns how things look and who is signed in; decides nothing else.
//! Every page works without a script: that only spares a reload.

mod assets;
mod diff;
mod door;
mod frame;
mod live;
mod login;
mod parts;
mod routes;
mod sent;
mod start;

use std::sync::Arc;

use axum::Router;

use super::AdminState;

/// Everything under the paths of pages.
pub(super) fn router(state: &Arc<AdminState>) -> Router {
    routes::router(state)
}
