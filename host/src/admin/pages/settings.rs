//! Settings and health: what the host runs with, how it is, who may use it, and who changed what. Most of it is set in files;
//! a page says in which.

mod audit;
mod sources;
mod tokens;

use axum::extract::State;
use maud::{Markup, html};

pub(super) use audit::page as audit;
pub(super) use sources::page as sources;
pub(super) use tokens::{create as create_token, page as tokens, revoke as revoke_token};

use super::door::Ask;
use super::frame::{Go, Nav, Page};
use super::parts;
use crate::access::{Role, Told};
use crate::admin::status::{self, Status};
use crate::admin::{Admin, AdminState};
use crate::clock::{self, Timestamp};
use crate::http::problem::Problem;
use crate::revision::{Fault, Revision};

/// The parts of the settings, one beside the other.
pub(super) fn tabs(ask: &Ask, current: &str) -> Markup {
    let all = [
        ("/settings", "Health", Role::Viewer),
        ("/settings/sources", "Sources", Role::Viewer),
        ("/settings/tokens", "Tokens", Role::Admin),
        ("/settings/audit", "Record of changes", Role::Admin),
    ];
    html! {
        nav.actions.tabs aria-label="Settings" {
            @for (path, name, role) in all {
                @if ask.may(role) { a.button href=(path) aria-current=[(path == current).then_some("page")] { (name) } }
            }
        }
    }
}

pub(super) async fn page(State(admin): Admin, ask: Ask) -> Result<Page, Problem> {
    let status = status::of(&admin).await?;
    let revision = admin.live.load_full();
    let now = clock::now();
    let body = html! {
        div.head { h1 { "Settings and health" } }
        (tabs(&ask, "/settings"))
        (health(&status, now))
        (faults(&status.revision.faults))
        (in_force(&admin, &ask, &revision, now))
        (counts(&status))
        (limits(&admin, &revision))
    };
    Ok(Page::new(Nav::Settings, "Settings and health", body))
}

pub(super) async fn reload(State(admin): Admin, ask: Ask) -> Result<Go, Problem> {
    let reloaded = status::reload_now(&admin, ask.who(), false).await?;
    let told = match reloaded.faults.len() {
        0 => Told::good(format!("Everything was read again. Revision {} is in force.", reloaded.revision)),
        faults => Told::bad(format!(
            "Everything was read again. Revision {} is in force; {faults} files are not in force as they are.",
            reloaded.revision
        )),
    };
    Ok(Go::to("/settings").telling(told))
}

fn health(status: &Status, now: Timestamp) -> Markup {
    html! {
        dl.facts {
            dt { "Version" } dd { (status.version) }
            dt { "Environment" } dd { (status.environment) " " span.hint { "HOOKWRIGHT_ENV says which; config/environments/ has what lies over config/." } }
            dt { "Started" } dd { (parts::time(status.started_at, now)) }
            dt { "Events come in at" } dd { code { "http://" (status.listen) "/v1/events" } }
            dt { "API and pages" } dd { code { "http://" (status.admin) } " " a href="/docs" { "API" } }
            dt { "Durability" } dd { (status.store.durability) }
            dt { "Kept" } dd {
                (status.store.retention.age)
                @if let Some(bytes) = status.store.retention.bytes { ", at most " (megabytes(bytes)) }
                "; now " (megabytes(status.store.retention.used_bytes))
                @if let Some(oldest) = status.store.retention.oldest_event { ", the oldest event " (parts::time(oldest, now)) }
            }
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

fn faults(faults: &[Fault]) -> Markup {
    html! {
        @if !faults.is_empty() {
            section.told.bad {
                h2 { "Files that are not in force as they are" }
                ul {
                    @for fault in faults {
                        li {
                            code { (fault.file) } @if !fault.pointer.is_empty() { " at " code { (fault.pointer) } }
                            ": " (parts::inert(&fault.message))
                            @if fault.last_good_in_force { " Its last good version stays in force." }
                        }
                    }
                }
            }
        }
    }
}

fn in_force(admin: &AdminState, ask: &Ask, revision: &Revision, now: Timestamp) -> Markup {
    html! {
        div.head {
            h2 { "Revisions" }
            @if ask.may(Role::Operator) { div.actions { (parts::act(ask, "Read everything again", "/settings/reload")) } }
        }
        p { "Revision " strong { (revision.number) } " is in force since " (parts::time(revision.loaded, now)) ". Files are read again by themselves." }
        div.table {
            table.cards {
                caption.sr-only { "The newest revisions" }
                thead { tr { th scope="col" { "Revision" } th scope="col" { "When" } th scope="col" { "What changed" } th scope="col" { "Faults" } } }
                tbody {
                    @for record in admin.reload.history().iter().take(20) {
                        tr {
                            td data-label="Revision" { (record.revision) }
                            td data-label="When" { (parts::time(record.at, now)) }
                            td data-label="What changed" { (parts::inert(&record.changed)) }
                            td data-label="Faults" { (record.faults) }
                        }
                    }
                }
            }
        }
    }
}

fn counts(status: &Status) -> Markup {
    let refused = status.refused.iter().filter(|(_, count)| **count > 0);
    html! {
        h2 { "Counts" }
        dl.facts {
            @for (name, count) in status.counts.named() { dt { (name) } dd { (count) } }
            @for (name, count) in refused { dt { "refused: " (name) } dd { (count) " since the start" } }
        }
    }
}

/// What is set in config/server.json.
fn limits(admin: &AdminState, revision: &Revision) -> Markup {
    let server = &revision.server;
    let file = format!("config/server.json, and config/environments/{}/server.json over it", admin.info.environment);
    html! {
        h2 { "Set in files" }
        p.hint { (file) }
        h3 #allow { "Addresses that may be reached" }
        p { "The public internet" @if server.egress_allow.is_empty() { ", and nothing else." } @else { ", and:" } }
        @if !server.egress_allow.is_empty() {
            ul { @for range in &server.egress_allow { li { code { (range) } } } }
        }
        p.hint { "Private addresses are refused unless " code { "egress.allow" } " opens them; metadata addresses always are." }
        h3 { "Names of these pages" }
        p {
            "localhost, addresses"
            @for name in &server.admin_hosts { ", " code { (name) } }
            ". " span.hint { code { "server.adminHosts" } " adds the names that a proxy serves them by." }
        }
        h3 { "Default headers" }
        (default_headers(revision))
        h3 { "Limits" }
        dl.facts {
            dt { "Body" } dd { (server.limits.max_body_bytes) " bytes" }
            dt { "Connections" } dd { (server.limits.max_connections) }
            dt { "Time for a head" } dd { (crate::duration::written(server.limits.head_timeout)) }
            dt { "Time for a body" } dd { (crate::duration::written(server.limits.body_timeout)) }
        }
    }
}

fn default_headers(revision: &Revision) -> Markup {
    let headers: Vec<_> = revision.server.default_headers.iter().collect();
    html! {
        @if headers.is_empty() {
            p { "None. " code { "webhooks.defaultHeaders" } " are sent with every delivery." }
        } @else {
            dl.facts {
                @for (name, value) in headers {
                    dt { code { (name) } }
                    dd { code { (parts::header_value(name, value)) } }
                }
            }
        }
    }
}
