//! `/deliveries`: what became of events, newest first, and each delivery with all that is known of it.
//!
//! The list looks at a bounded number of rows each time, so a page may be short without being the last: then it says so, and
//! offers to go on.

mod actions;
mod chain;
mod curl;
mod detail;
mod edit;
mod filter;
mod steps;
mod table;
mod timeline;

use std::time::{Duration, Instant};

use axum::extract::State;
use maud::{Markup, html};

pub(super) use self::actions::{discard, replay, retry};
pub(super) use self::detail::page;
pub(super) use self::edit::form as edit;
pub(super) use self::filter::{Asked, sentence, webhooks_field};
pub(super) use self::steps::page as steps;
pub(super) use self::table::{Row, cells, cut, heads, link, rows};

use super::door::Ask;
use super::frame::{Nav, Page};
use super::parts;
use crate::admin::{Admin, AdminState};
use crate::http::problem::Problem;
use crate::ids::DeliveryId;
use crate::store::DeliveryFilter;

/// Rows of one page.
const PAGE: usize = 50;

/// One request looks for what is rare for so long; then it says where it is.
const LOOK_TIME: Duration = Duration::from_millis(40);

pub(super) async fn list(State(admin): Admin, ask: Ask) -> Result<Page, Problem> {
    let asked = Asked::of(&ask.uri);
    let found = match asked.filter() {
        Some(filter) => Some(look(&admin, filter, asked.before()).await?),
        None => None,
    };
    let address = ask.uri.path_and_query().map_or("/deliveries", |address| address.as_str());
    let body = html! {
        div.head {
            div {
                h1 { "Deliveries" }
                p.muted { "What became of each event at each webhook, newest first." }
            }
            div.actions {
                (parts::live())
                a.button href="/replays" { "Replay many" }
            }
        }
        (asked.form(&admin, "/deliveries"))
        div #list hx-get=(address) hx-select="#list" hx-trigger="live from:body" hx-swap="morph:outerHTML" {
            @match &found {
                None => { p.empty { "Nothing is listed until the filter is right." } }
                Some(found) => { (listed(&asked, found)) }
            }
        }
    };
    Ok(Page::new(Nav::Deliveries, "Deliveries", body).live(asked.about()))
}

/// A page of rows, and where to go on.
pub(super) struct Found {
    pub(super) rows: Vec<Row>,
    pub(super) next: Option<DeliveryId>,
}

/// Looks until a page is full, nothing is left, or enough was looked at.
pub(super) async fn look(
    admin: &AdminState,
    filter: &DeliveryFilter,
    mut before: Option<DeliveryId>,
) -> Result<Found, Problem> {
    let (began, mut views) = (Instant::now(), Vec::new());
    loop {
        let page = admin.administration.deliveries(filter.clone(), before, PAGE - views.len()).await?;
        views.extend(page.found);
        before = page.next;
        if before.is_none() || views.len() >= PAGE || began.elapsed() > LOOK_TIME {
            return Ok(Found { rows: rows(admin, views).await?, next: before });
        }
    }
}

fn listed(asked: &Asked, found: &Found) -> Markup {
    let Found { rows, next } = found;
    html! {
        @if !rows.is_empty() {
            div.table {
                table.cards {
                    caption.sr-only { "Deliveries, newest first" }
                    thead { tr { (heads()) } }
                    tbody { @for row in rows { tr id=(row.view.id) { (cells(row)) } } }
                }
            }
        } @else if next.is_some() {
            p.empty { "None among those that were looked at. There are older ones." }
        } @else if asked.is_all() {
            div.empty {
                p { "There is no delivery yet." }
                p { "Send an event: " code { "hookwright send" } ", or " a href="/start" { "in three steps" } "." }
            }
        } @else {
            p.empty { "No delivery fits. " a href="/deliveries" { "Show all" } }
        }
        (pager(asked, rows.len(), *next, "/deliveries"))
    }
}

/// Older ones, and back to the newest.
pub(super) fn pager(asked: &Asked, shown: usize, next: Option<DeliveryId>, path: &str) -> Markup {
    html! {
        @if next.is_some() || asked.before().is_some() {
            nav.pager aria-label="Older and newer" {
                @if asked.before().is_some() { a.button href=(asked.address(path, None)) { "Newest" } }
                @if let Some(next) = next {
                    @let is_short = shown < PAGE;
                    a.button href=(asked.address(path, Some(next))) { (if is_short { "Go on looking" } else { "Older" }) }
                    @if is_short { span.muted { "Looked back to " time { (next.time()) } "." } }
                }
            }
        }
    }
}
