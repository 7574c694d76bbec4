//! The pages of the admin listener, for people: HTML made here, htmx where a page changes in part, no script that has to be
//! built.
//!
//! A room of `admin`, beside its API and over the same answers: what a page shows is what the API says, and what it does goes
//! by the same functions, with the same roles and records. Owns how things look and who is signed in; decides nothing else.
//! Every page works without a script: that only spares a reload.

mod assets;
mod deliveries;
mod diff;
mod door;
mod events;
mod figures;
mod frame;
mod live;
mod login;
mod parts;
mod plugins;
mod quarantine;
mod replays;
mod routes;
mod schemas;
mod sent;
mod settings;
mod start;
mod steps;
mod troubles;
mod try_out;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode, header};
use maud::html;

use super::AdminState;

/// What a browser is answered where nothing is.
pub(super) async fn nothing_at(path: &str) -> Response {
    let body = html! {
        h1 { "There is nothing here" }
        p { code { (path) } }
        p { a href="/" { "To the start" } }
    };
    frame::secured(frame::bare(StatusCode::NOT_FOUND, "Nothing here", &body)).await
}

/// Whether somebody looks with a browser, and not at the API.
pub(super) fn is_looked_at(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    method.is_safe() && !path.starts_with("/v1/") && accepted.contains("text/html")
}

/// Everything under the paths of pages.
pub(super) fn router(state: &Arc<AdminState>) -> Router {
    routes::router(state)
}
