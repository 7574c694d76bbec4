//! Webhooks: all of them at a glance, one of them as a whole, the form that makes and changes one, and what can be done to it.
//!
//! What is done goes by the functions of the API; what is in a file is changed in its file.

mod acts;
mod chain;
mod draft;
mod fields;
mod form;
mod health;
mod one;
mod schema;
mod sections;

use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;

pub(super) use acts::{disable, enable, export, pause, remove, resume, rotate};
pub(super) use form::{create, edit, new, save};
pub(super) use one::page as one;

use super::door::Ask;
use super::frame::{Nav, Page};
use super::parts;
use crate::access::Role;
use crate::admin::status::WebhookStatus;
use crate::admin::webhooks::WebhookList;
use crate::admin::{Admin, AdminState, params};
use crate::clock::{self, Timestamp};
use crate::http::problem::Problem;
use crate::ids::WebhookId;
use crate::revision::Fault;
use crate::store::{COUNTED_AT_MOST, RunStateKind};

const PER_PAGE: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    after: Option<WebhookId>,
}

pub(super) async fn list(State(admin): Admin, ask: Ask) -> Result<Page, Problem> {
    let Query { after } = params::query(&ask.uri)?;
    let list = admin.webhook_list(after.as_ref(), PER_PAGE).await?;
    let path = ask.uri.path_and_query().map_or("/webhooks", |path| path.as_str());
    let body = html! {
        div.head {
            h1 { "Webhooks" }
            div.actions {
                (parts::live())
                @if ask.may(Role::Operator) { a.button.main href="/webhooks/new" { "New webhook" } }
            }
        }
        div #list hx-get=(path) hx-select="#list" hx-trigger="live from:body" hx-swap="morph:outerHTML" {
            (left_out(&list.left_out))
            (table(&admin, &ask, &list, after.as_ref()))
        }
    };
    Ok(Page::new(Nav::Webhooks, "Webhooks", body).live(""))
}

/// What looks as if nobody had declared it, because it was never good.
fn left_out(faults: &[Fault]) -> Markup {
    html! {
        @if !faults.is_empty() {
            section.told.bad aria-label="Webhooks that take no events" {
                p { "These take no events: what they are made of was never good. Mend the file; it is read again at once." }
                ul { @for fault in faults { li { (fault_line(fault)) } } }
            }
        }
    }
}

fn fault_line(fault: &Fault) -> Markup {
    html! {
        code { (fault.file) }
        @if !fault.pointer.is_empty() { " at " code { (fault.pointer) } }
        ": " (parts::inert(&fault.message))
    }
}

fn table(admin: &AdminState, ask: &Ask, list: &WebhookList, after: Option<&WebhookId>) -> Markup {
    let now = clock::now();
    html! {
        @if list.webhooks.is_empty() {
            div.empty {
                @if after.is_some() {
                    p { "There are no more." }
                } @else {
                    p { "There is no webhook yet." }
                    @if ask.may(Role::Operator) {
                        p { a href="/webhooks/new" { "Make one" } ", or put a file into " code { "config/webhooks/" } "." }
                    } @else {
                        p { "Whoever has the role operator can make one here, or a file in " code { "config/webhooks/" } " does." }
                    }
                }
            }
        } @else {
            div.table {
                table.cards.webhooks {
                    caption.sr-only { "Webhooks by id" }
                    thead { tr {
                        th scope="col" { "Webhook" } th scope="col" { "Events" } th scope="col" { "Enabled" }
                        th scope="col" { "Last attempts" } th scope="col" { "Unfinished" }
                    } }
                    tbody { @for webhook in &list.webhooks { (row(admin, ask, webhook, after, now)) } }
                }
            }
        }
        @if after.is_some() || list.next.is_some() {
            nav.pager aria-label="Pages of the list" {
                @if after.is_some() { a href="/webhooks" { "First page" } }
                @if let Some(next) = &list.next { a rel="next" href={ "/webhooks?after=" (next) } { "Next page" } }
            }
        }
    }
}

fn row(admin: &AdminState, ask: &Ask, status: &WebhookStatus, after: Option<&WebhookId>, now: Timestamp) -> Markup {
    html! {
        tr {
            th scope="row" {
                div {
                    a href={ "/webhooks/" (status.id) } { (parts::inert(&status.name)) } " "
                    span.tag title=(if is_here(status) { "Managed over the API and these pages" } else { "Managed by a file" }) { (status.managed_by) }
                    div.hint { code { (parts::inert(&status.url)) } }
                    @if let Some(fault) = &status.fault { div.error { "Not in force as it is: " (fault_line(fault)) } }
                }
            }
            td data-label="Events" { div { (events(&status.events)) } }
            td data-label="Enabled" { div { (switch(ask, status, Back::List(after))) (standing(status, now)) } }
            td data-label="Last attempts" { (health::glance(&admin.dispatcher.recent(&status.id), &status.health, now)) }
            td data-label="Unfinished" { div { (unfinished(status)) } }
        }
    }
}

fn is_here(status: &WebhookStatus) -> bool {
    status.managed_by == "here"
}

/// The first few; more do not fit beside the others.
fn events(patterns: &[String]) -> Markup {
    const MOST: usize = 4;
    html! {
        @for pattern in patterns.iter().take(MOST) { span.tag { code { (pattern) } } }
        @if patterns.len() > MOST { span.muted { "and " (patterns.len() - MOST) " more" } }
    }
}

/// Where a switch leads back to.
#[derive(Clone, Copy)]
enum Back<'a> {
    /// The webhook's own page.
    Page,
    /// The list, as far as it was turned.
    List(Option<&'a WebhookId>),
}

/// A form with one button that says what it is.
fn switch(ask: &Ask, status: &WebhookStatus, back: Back<'_>) -> Markup {
    let is_on = status.takes_new;
    // A file has the last word.
    let is_off_in_file = !status.enabled && !is_here(status);
    html! {
        @if !ask.may(Role::Operator) || is_off_in_file {
            (parts::badge(if is_on { "good" } else { "" }, if is_on { "on" } else if is_off_in_file { "off in its file" } else { "off" }))
        } @else {
            form method="post" action={ "/webhooks/" (status.id) (if is_on { "/disable" } else { "/enable" }) } {
                (parts::csrf(ask))
                @if let Back::List(after) = back {
                    input type="hidden" name="list" value=(after.map(WebhookId::as_str).unwrap_or_default());
                }
                button type="submit" role="switch" aria-checked=(if is_on { "true" } else { "false" }) aria-label={ "Enabled: " (status.name) } {
                    (if is_on { "On" } else { "Off" })
                }
            }
        }
    }
}

/// What stands in the way of its deliveries, if anything does.
fn standing(status: &WebhookStatus, now: Timestamp) -> Markup {
    let has = |kind| status.run_states.iter().any(|state| state.kind == kind);
    html! {
        @if has(RunStateKind::Gone) { " " (parts::badge("bad", "gone (410)")) }
        @if has(RunStateKind::Paused) { " " (parts::badge("warn", "paused")) }
        @if has(RunStateKind::Failing) { " " (parts::badge("bad", "failing")) }
        @if let Some(until) = status.receiver.open_until.filter(|until| *until > now) {
            " " span.hint { "left alone, probed " (parts::time(until, now)) }
        }
    }
}

fn unfinished(status: &WebhookStatus) -> Markup {
    let link = |count: u64, state: &str| {
        let shown = if count >= COUNTED_AT_MOST { format!("{count}+") } else { count.to_string() };
        html! { a href={ "/deliveries?webhook=" (status.id) "&state=" (state) } { (shown) " " (if state == "held" { "held" } else { "waiting" }) } }
    };
    // Those that wait are pending, retrying, or both: the more telling list first.
    let waiting = if status.health.next_retry.is_some() { "retrying" } else { "pending" };
    html! {
        @if status.waiting == 0 && status.held == 0 { span.muted { "nothing" } }
        @if status.waiting > 0 { div { (link(status.waiting, waiting)) } }
        @if status.held > 0 { div { (link(status.held, "held")) } }
    }
}
