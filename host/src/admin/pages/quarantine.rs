//! Bodies that were refused, why, and letting them in.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::Uri;
use maud::{Markup, html};
use serde_json::Value;

use super::door::Ask;
use super::events::reason;
use super::figures;
use super::frame::{Go, Nav, Page};
use super::parts::{act, headers, inert, payload, time};
use crate::access::{Role, Told};
use crate::admin::{Admin, params};
use crate::clock;
use crate::http::problem::{Kind, Problem};
use crate::ids::QuarantineId;
use crate::intake::{Accepted, Receipt};
use crate::store::Quarantined;

/// Of one page.
const MOST: usize = 50;
/// Of one problem.
const MOST_ERRORS: usize = 50;

pub(super) async fn list(State(admin): Admin, ask: Ask) -> Result<Page, Problem> {
    let before = before(&ask.uri);
    let found = admin.administration.quarantined(before, MOST).await?;
    // Pages of large entries are short: only a look tells whether there are more.
    let older = match found.last() {
        Some(last) => admin.administration.quarantined(Some(last.id), 1).await?.pop().map(|_| last.id),
        None => None,
    };
    let body = html! {
        div.head {
            h1 { "Refused bodies" }
            div.actions { a.button href="/events" { "Events" } }
        }
        p { "What was answered with 422 is kept for a while, and can be let in once it fits. "
            "A schema of your own in " code { "schemas/" } " changes what fits." }
        @if found.is_empty() {
            div.empty { p { @if before.is_some() { "There are no older ones." } @else { "Nothing was refused." } } }
        } @else {
            (table(&found))
        }
        nav.pager aria-label="Pages of the list" {
            @if before.is_some() { a.button href="/events/quarantine" { "Newest" } }
            @if let Some(last) = older { a.button rel="next" href={ "/events/quarantine?before=" (last) } { "Older" } }
        }
    };
    Ok(Page::new(Nav::Events, "Refused bodies", body))
}

fn before(uri: &Uri) -> Option<QuarantineId> {
    let mut pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.find_map(|(name, value)| if name == "before" { value.parse().ok() } else { None })
}

fn table(found: &[Quarantined]) -> Markup {
    let now = clock::now();
    html! {
        div.table { table.cards {
            thead { tr {
                th scope="col" { "Received" } th scope="col" { "Source" } th scope="col" { "Why" } th.num scope="col" { "Size" }
            } }
            tbody {
                @for entry in found {
                    tr {
                        th.tight scope="row" { a href={ "/events/quarantine/" (entry.id) } { (time(entry.received, now)) } }
                        td data-label="Source" { (entry.source) }
                        td data-label="Why" { div { (reason(&problem(entry))) } }
                        td.num.tight data-label="Size" { (figures::bytes(entry.data.len() as u64)) }
                    }
                }
            }
        } }
    }
}

pub(super) async fn one(State(admin): Admin, ask: Ask, Path(id): Path<String>) -> Result<Page, Problem> {
    let entry = admin.intake.quarantined(params::id(&id)?).await?;
    Ok(page(&ask, &entry, None))
}

pub(super) async fn admit(State(admin): Admin, ask: Ask, Path(id): Path<String>) -> Result<Response, Problem> {
    let id: QuarantineId = params::id(&id)?;
    let problem = match admin.admit(ask.who(), id).await {
        Ok(receipt) => return Ok(let_in(&receipt).into_response()),
        Err(problem) if problem.kind() == Kind::NotFound => return Err(problem),
        Err(problem) => problem,
    };
    let entry = admin.intake.quarantined(id).await?;
    Ok(page(&ask, &entry, Some(&problem)).status(problem.kind().status()).into_response())
}

fn let_in(receipt: &Receipt) -> Go {
    let deliveries = |accepted: &Accepted| accepted.deliveries.len() as u64;
    match receipt {
        Receipt::Event(accepted) => {
            let made = figures::of(deliveries(accepted), "delivery", "deliveries");
            Go::to(format!("/events/{}", accepted.id))
                .telling(Told::good(format!("Let in as this event; {made} made.")))
        }
        Receipt::Batch { events } => {
            let made: u64 = events.iter().map(deliveries).sum();
            let told = format!("Let in: {} events with {made} deliveries.", events.len());
            Go::to("/events").telling(Told::good(told))
        }
    }
}

fn page(ask: &Ask, entry: &Quarantined, still: Option<&Problem>) -> Page {
    let id = entry.id;
    let body = html! {
        div.head {
            h1 { "A refused body" }
            @if ask.may(Role::Operator) {
                div.actions { (act(ask, "Let it in", &format!("/events/quarantine/{id}/admit"))) }
            }
        }
        @if let Some(problem) = still {
            div.told.bad role="alert" {
                p { strong { "It was not let in." } }
                (told(&serde_json::to_value(problem).unwrap_or_default()))
            }
        }
        dl.facts {
            dt { "Id" } dd { code { (id) } }
            dt { "Received" } dd { (time(entry.received, clock::now())) ", " (entry.received) }
            dt { "Source" } dd { (entry.source) }
            dt { "Content type" } dd { (inert(&entry.content_type)) ", " (figures::bytes(entry.data.len() as u64)) }
        }
        h2 { "Why it was refused" }
        (told(&problem(entry)))
        h2 { "Body" }
        (payload(&entry.data))
        h2 { "Headers" }
        (headers(&entry.headers))
    };
    Page::new(Nav::Events, "A refused body", body)
}

/// What was answered: the sentence, and each place it is about.
fn told(problem: &Value) -> Markup {
    let errors = problem.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |error: &Value, name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    html! {
        p { (reason(problem)) }
        @if !errors.is_empty() {
            dl.facts {
                @for error in errors.iter().take(MOST_ERRORS) {
                    @let pointer = text(error, "pointer");
                    dt { code { @if pointer.is_empty() { "(the whole body)" } @else { (inert(&pointer)) } } }
                    dd { (inert(&text(error, "message"))) }
                }
            }
        }
    }
}

/// Written by us as JSON; whatever else it may be is shown as it is.
fn problem(entry: &Quarantined) -> Value {
    serde_json::from_str(&entry.problem).unwrap_or_else(|_| Value::String(entry.problem.clone()))
}
