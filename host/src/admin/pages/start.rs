//! The start: three steps to the first delivered event while nothing was delivered yet.

use axum::extract::State;
use maud::html;

use super::door::Ask;
use super::frame::{Go, Nav, Page};
use crate::admin::Admin;
use crate::http::problem::Problem;

/// Where to begin.
pub(super) async fn home(State(admin): Admin, _: Ask) -> Result<Go, Problem> {
    let counts = admin.administration.counts().await?;
    Ok(Go::to(if counts.delivered == 0 { "/start" } else { "/webhooks" }))
}

pub(super) async fn page(State(_admin): Admin, _: Ask) -> Result<Page, Problem> {
    Ok(Page::new(Nav::Start, "Three steps to the first event", html! { h1 { "Three steps to the first event" } }))
}
