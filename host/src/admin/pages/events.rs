//! Events: what came in, what became of each, and what was refused.

mod came_in;
mod explained;

use axum::extract::{Path, State};
use maud::{Markup, html};

use self::came_in::Wanted;
use super::door::Ask;
use super::figures;
use super::frame::{Nav, Page};
use super::parts::{badge, headers, inert, live, payload, time};
use crate::access::Role;
use crate::admin::events::Found;
use crate::admin::{Admin, AdminState};
use crate::clock;
use crate::event::Event;
use crate::http::problem::Problem;
use crate::store::EventHead;
use crate::why::Why;

/// Of one page.
const MOST: usize = 50;

pub(super) async fn list(State(admin): Admin, ask: Ask) -> Result<Page, Problem> {
    let wanted = Wanted::of(&ask.uri);
    let (filter, before, wrong) = wanted.filter();
    let found =
        if wrong.is_empty() { Some(admin.administration.event_heads(filter, before, MOST).await?) } else { None };
    let sources = admin.source_names(&admin.live.load());
    let body = html! {
        div.head {
            h1 { "Events" }
            div.actions { a.button href="/events/quarantine" { "Refused bodies" } (live()) }
        }
        (wanted.form(&sources, &wrong))
        @if let Some(found) = &found {
            // Only the first page changes by itself.
            @let path = ask.uri.path_and_query().map_or("/events", |path| path.as_str());
            @let is_first = before.is_none();
            div #list hx-get=[is_first.then_some(path)] hx-select="#list" hx-trigger=[is_first.then_some("live from:body")]
                hx-swap="morph:outerHTML" {
                @if found.found.is_empty() { (none(&wanted, found.next.is_some())) } @else { (table(&found.found)) }
                (pager(&wanted, is_first, found.next.map(|id| id.to_string())))
            }
        }
    };
    Ok(Page::new(Nav::Events, "Events", body).live(""))
}

fn table(found: &[EventHead]) -> Markup {
    let now = clock::now();
    html! {
        div.table { table.cards {
            thead { tr {
                th scope="col" { "Type" } th scope="col" { "Received" } th scope="col" { "Source" }
                th.num scope="col" { "Size" } th scope="col" { "Id" }
            } }
            tbody {
                @for head in found {
                    tr id={ "event-" (head.id) } {
                        th scope="row" { a href={ "/events/" (head.id) } { (head.event_type) } }
                        td.tight data-label="Received" { (time(head.received, now)) }
                        td data-label="Source" { (head.source) }
                        td.num.tight data-label="Size" { (figures::bytes(head.bytes as u64)) }
                        td data-label="Id" { code { (head.id) } }
                    }
                }
            }
        } }
    }
}

fn none(wanted: &Wanted, is_more: bool) -> Markup {
    html! {
        div.empty {
            @if is_more {
                p { "None of the newest fits. Older ones may." }
            } @else if wanted.is_anything() {
                p { "No event fits." }
                p { a href="/events" { "All events" } }
            } @else {
                p { "No event came in yet. " a href="/start" { "Three steps to the first one" } ", or:" }
                p { code { "hookwright send examples/entry.create.json" } }
            }
        }
    }
}

fn pager(wanted: &Wanted, is_first: bool, next: Option<String>) -> Markup {
    html! {
        nav.pager aria-label="Pages of the list" {
            @if !is_first { a.button href={ "/events?" (wanted.query(None)) } { "Newest" } }
            @if let Some(next) = next { a.button rel="next" href={ "/events?" (wanted.query(Some(&next))) } { "Older" } }
        }
    }
}

pub(super) async fn one(State(admin): Admin, ask: Ask, Path(id): Path<String>) -> Result<Page, Problem> {
    let (found, why) = admin.explained(&id).await?;
    let page = Page::new(Nav::Events, format!("Event {}", found.event.event_type), event(&admin, &ask, &found, &why));
    Ok(page.live(format!("event={}", found.event.id)))
}

fn event(admin: &AdminState, ask: &Ask, found: &Found, why: &Why) -> Markup {
    let Event { id, event_type, source, received, content_type, data, attributes, .. } = &found.event;
    let has_schema = admin.live.load().schemas.document(event_type.as_str()).is_some();
    html! {
        div.head {
            h1 { (event_type) }
            (live())
        }
        dl.facts {
            dt { "Id" } dd { code { (id) } }
            dt { "Received" } dd { (time(*received, clock::now())) ", " (received) }
            dt { "Source" } dd { a href={ "/events?source=" (source) } { (source) } }
            dt { "Content type" } dd { @if data.is_empty() { "no data" } @else { (inert(content_type)) ", " (figures::bytes(data.len() as u64)) } }
            dt { "Schema" } dd { @if has_schema { a href={ "/schemas/" (event_type) } { (event_type) } } @else { "none" } }
        }
        h2 { "What became of it" }
        (explained::webhooks(why, *id, ask.may(Role::Operator)))
        h2 { "Payload" }
        @if data.is_empty() { p.muted { "None." } } @else { (payload(data)) }
        @if !attributes.is_empty() {
            h2 { "CloudEvents attributes" }
            (headers(attributes))
        }
        h2 { "Headers" }
        p.hint { "Those that are kept, and go out again." }
        (headers(&found.event.headers))
    }
}

/// Why a body was refused, in a sentence.
pub(super) fn reason(problem: &serde_json::Value) -> Markup {
    let text = |name: &str| problem.get(name).and_then(serde_json::Value::as_str);
    html! {
        @if let Some(title) = text("title") { (badge("bad", title)) " " }
        (inert(text("detail").or(problem.as_str()).unwrap_or("No reason was kept.")))
    }
}
