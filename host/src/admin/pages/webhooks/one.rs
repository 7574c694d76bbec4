//! One webhook: how it is, what it is, and what can be done to it.

use axum::extract::{Path, State};
use maud::{Markup, html};
use serde_json::Value;

use super::{Back, fault_line, health, is_here, standing, switch, unfinished};
use crate::access::Role;
use crate::admin::pages::door::Ask;
use crate::admin::pages::frame::{Nav, Page};
use crate::admin::pages::{figures, parts};
use crate::admin::status::WebhookStatus;
use crate::admin::{Admin, AdminState, params};
use crate::clock::{self, Timestamp};
use crate::http::problem::{Kind, Problem};
use crate::ids::WebhookId;
use crate::managed::definition::SECRET;
use crate::revision::Revision;
use crate::store::RunStateKind;
use crate::webhook::{DEFAULT_DISABLE_AFTER, DEFAULT_RETRY_SCHEDULE, Webhook};

/// What was typed into the form that rotates, and why it was not taken.
pub(super) struct Refused {
    pub(super) typed: String,
    pub(super) error: String,
}

pub(in crate::admin::pages) async fn page(
    State(admin): Admin,
    ask: Ask,
    Path(id): Path<String>,
) -> Result<Page, Problem> {
    whole(&admin, &ask, &params::id(&id)?, None).await
}

pub(super) fn absent(id: &WebhookId) -> Problem {
    Problem::new(Kind::NotFound, format!("There is no webhook {id}. The list of webhooks shows all."))
}

pub(super) async fn whole(
    admin: &AdminState,
    ask: &Ask,
    id: &WebhookId,
    refused: Option<&Refused>,
) -> Result<Page, Problem> {
    let revision = admin.live.load_full();
    let webhook = revision.webhooks.get(id).ok_or_else(|| absent(id))?;
    let waiting = admin.administration.waiting(vec![id.clone()]).await?.into_iter().next().unwrap_or_default();
    let status = WebhookStatus::of(webhook, waiting, &revision, &admin.dispatcher);
    let now = clock::now();
    let body = html! {
        div.head {
            div { h1 { (parts::inert(&status.name)) } p.hint { code { (id) } } }
            (actions(ask, &status))
        }
        @if let Some(fault) = &status.fault { div.told.bad { p { "Its file is not in force as it is; its last good version is. " (fault_line(fault)) } } }
        (managed(ask, webhook, refused))
        div.head { h2 { "How it is" } (parts::live()) }
        div #state hx-get={ "/webhooks/" (id) } hx-select="#state" hx-trigger="live from:body" hx-swap="morph:outerHTML" {
            (state(admin, ask, &status, now))
        }
        h2 { "What it is" }
        (definition(webhook, &revision, now))
    };
    Ok(Page::new(Nav::Webhooks, status.name.clone(), body).live(format!("webhook={id}")))
}

fn actions(ask: &Ask, status: &WebhookStatus) -> Markup {
    let path = format!("/webhooks/{}", status.id);
    let is_paused = status.run_states.iter().any(|state| state.kind == RunStateKind::Paused);
    html! {
        div.actions {
            @if ask.may(Role::Operator) {
                a.button.main href={ (path) "/try" } { "Try it" }
                @if is_here(status) { a.button href={ (path) "/edit" } { "Edit" } }
                @if status.takes_new && status.receiver.open_until.is_some() {
                    (parts::act(ask, "Do not wait: probe it now", &format!("{path}/enable")))
                }
                @if is_paused { (parts::act(ask, "Resume", &format!("{path}/resume"))) } @else { (parts::act(ask, "Pause", &format!("{path}/pause"))) }
            }
            @if is_here(status) { a.button href={ (path) "/export" } { "Export" } }
            a.button href={ "/deliveries?webhook=" (status.id) } { "Deliveries" }
        }
    }
}

/// By what it is managed, and what may be done to one that is managed here.
fn managed(ask: &Ask, webhook: &Webhook, refused: Option<&Refused>) -> Markup {
    let id = &webhook.id;
    html! {
        @if webhook.managed().is_none() {
            p.card { "Managed by its file, " code { "config/webhooks/" (id) ".json" } ". Change, rotate and remove it there; it is read again at once." }
        } @else if ask.may(Role::Operator) {
            div.actions {
                @if ask.may(Role::Admin) { (rotation(ask, webhook, refused)) }
                (parts::confirm(ask, "Delete", "Deleted webhooks do not come back. What was not delivered is held.", &format!("/webhooks/{id}/delete")))
            }
        }
    }
}

fn rotation(ask: &Ask, webhook: &Webhook, refused: Option<&Refused>) -> Markup {
    html! {
        details.confirm open[refused.is_some()] {
            summary.button { "Rotate the signing secret" }
            div {
                p { "A new secret is made, and shown once. Deliveries are signed with the earlier ones too, until their time is over." }
                form method="post" action={ "/webhooks/" (webhook.id) "/rotate" } {
                    (parts::csrf(ask))
                    div.field {
                        label for="keepOld" { "Keep the earlier secrets for" }
                        input #keepOld name="keepOld" value=(refused.map_or("24h", |refused| refused.typed.as_str())) aria-invalid=[refused.map(|_| "true")]
                            aria-describedby={ "keepOld-hint" @if refused.is_some() { " keepOld-error" } } required;
                        p.hint #keepOld-hint { "Long enough to tell the receiver: 0s to 30d, such as 24h." }
                        @if let Some(refused) = refused { p.error #keepOld-error { (refused.error) } }
                    }
                    button.danger type="submit" { "Rotate" }
                }
            }
        }
    }
}

fn state(admin: &AdminState, ask: &Ask, status: &WebhookStatus, now: Timestamp) -> Markup {
    let recent = admin.dispatcher.recent(&status.id);
    let health = &status.health;
    html! {
        dl.facts {
            dt { "Enabled" }
            dd { (switch(ask, status, Back::Page)) (standing(status, now)) }
            @for state in &status.run_states {
                dt { (run_state_name(state.kind)) }
                dd { "since " (parts::time(state.since, now)) ", by " (parts::inert(&state.by)) }
            }
            dt { "Unfinished" } dd { (unfinished(status)) }
            @if let Some(next) = health.next_retry { dt { "Retry" } dd { (health::retry(next, now)) } }
            @if status.receiver.under_way > 0 { dt { "Under way" } dd { (status.receiver.under_way) } }
            @if let Some(most) = status.receiver.narrowed_to { dt { "At once" } dd { (most) ", fewer than configured: it was overloaded" } }
            dt { "Last attempts" }
            dd {
                @if let Some(last) = &health.last {
                    (health::sparkline(&recent))
                    (health::rate(health.good, health.attempts)) " of " (health.attempts) " were taken; "
                    @if let Some(median) = health.median_micros { "half within " (figures::span(median)) "; " }
                    "the last: " (health::outcome(last)) " " (parts::time(last.started, now))
                } @else { span.muted { "none yet" } }
            }
        }
    }
}

const fn run_state_name(kind: RunStateKind) -> &'static str {
    match kind {
        RunStateKind::Gone => "Gone (410)",
        RunStateKind::Paused => "Paused",
        RunStateKind::Disabled => "Switched off",
        RunStateKind::Failing => "Failing",
    }
}

/// What people may see of it, in words; the definition itself is below.
fn definition(webhook: &Webhook, revision: &Revision, now: Timestamp) -> Markup {
    let shown = webhook.shown();
    html! {
        dl.facts {
            dt { "Sends to" } dd { (webhook.method) " " code { (parts::inert(&webhook.shown_url)) } }
            dt { "Events" } dd { @for pattern in &webhook.events { span.tag { code { (pattern) } } } }
            @if let Some(filter) = shown.get("filter").filter(|filter| !filter.is_null()) { dt { "Filter" } dd { (json(filter)) } }
            dt { "Headers" } dd { (headers(&shown, revision)) }
            dt { "Plugins" } dd { (plugins(&shown)) }
            dt { "Signed with" } dd { (signing(webhook, now)) }
            dt { "Retries after" } dd { (retries(webhook)) }
            dt { "Timeout" } dd { (crate::duration::written(webhook.timeout)) }
            dt { "At once" } dd { (webhook.concurrency) }
            @for (key, name) in [("rateLimit", "Rate limit"), ("order", "Order"), ("debounce", "Debounce")] {
                @if let Some(value) = shown.get(key).filter(|value| !value.is_null()) { dt { (name) } dd { (plain(value)) } }
            }
            @if webhook.disable_after != Some(DEFAULT_DISABLE_AFTER) {
                dt { "Switched off" }
                dd { @match webhook.disable_after { Some(after) => { "after " (crate::duration::written(after)) " of failure" } None => { "never by itself" } } }
            }
            @if !webhook.labels.is_empty() {
                dt { "Labels" } dd { @for (key, value) in &webhook.labels { span.tag { (parts::inert(key)) ": " (parts::inert(value)) } } }
            }
            @if let Some(managed) = webhook.managed() {
                dt { "Changed" } dd { (parts::time(managed.changed, now)) ", version " (managed.version) "; made " (parts::time(managed.created, now)) }
            }
        }
        details.more { summary { "The definition as JSON" } (parts::payload(shown.to_string().as_bytes())) }
    }
}

fn json(value: &Value) -> Markup {
    parts::payload(value.to_string().as_bytes())
}

/// A text as it is, anything else as JSON.
fn plain(value: &Value) -> Markup {
    match value {
        Value::String(text) => html! { code { (parts::inert(text)) } },
        other => json(other),
    }
}

pub(super) fn is_secret(value: &Value) -> bool {
    value.get(SECRET).is_some()
}

fn headers(shown: &Value, revision: &Revision) -> Markup {
    let own = shown.get("headers").and_then(Value::as_object);
    html! {
        @for (name, value) in own.into_iter().flatten() {
            div { code { (parts::inert(name)) } ": " @if is_secret(value) { span.muted { "a secret" } } @else { (plain(value)) } }
        }
        (inherited(revision, own))
        @if own.is_none_or(serde_json::Map::is_empty) && revision.server.default_headers.iter().next().is_none() { span.muted { "none of its own" } }
    }
}

/// What every webhook sends unless it says otherwise, as this one does of its `own`.
pub(super) fn inherited(revision: &Revision, own: Option<&serde_json::Map<String, Value>>) -> Markup {
    let is_own = |name: &str| own.is_some_and(|own| own.keys().any(|known| known.eq_ignore_ascii_case(name)));
    html! {
        @for (name, value) in revision.server.default_headers.iter().filter(|(name, _)| !is_own(name.as_str())) {
            div.muted { code { (name) } ": " code { (parts::header_value(name, value)) } " from config/server.json" }
        }
    }
}

fn plugins(shown: &Value) -> Markup {
    let used: Vec<_> = shown.get("plugins").and_then(Value::as_array).into_iter().flatten().collect();
    html! {
        @if used.is_empty() { span.muted { "none: the payload goes out as it came" } } @else {
            ol.chain {
                @for used in used {
                    @let name = used.as_str().or_else(|| used.get("plugin")?.as_str()).unwrap_or_default();
                    li {
                        a href={ "/plugins/" (name) } { (parts::inert(name)) }
                        @if let Some(on_error) = used.get("onError").and_then(Value::as_str) { " " span.hint { "on an error: " (on_error) } }
                        @if let Some(config) = used.get("config") { details.more { summary { "Config" } (json(config)) } }
                        @if let Some(shadow) = used.get("shadow") { details.more { summary { "Shadow" } (json(shadow)) } }
                    }
                }
            }
        }
    }
}

fn signing(webhook: &Webhook, now: Timestamp) -> Markup {
    let count = webhook.signing_secrets.len();
    let retiring = webhook.managed().map(|managed| &managed.retiring);
    html! {
        @match count { 0 => { "no secret: it is sent unsigned" } 1 => { "one secret" } count => { (count) " secrets" } }
        @for end in retiring.into_iter().flat_map(std::collections::BTreeMap::values) { "; one goes " (parts::time(*end, now)) }
        @if !webhook.extra_signatures.is_empty() { "; and " (webhook.extra_signatures.len()) " further signatures" }
    }
}

fn retries(webhook: &Webhook) -> Markup {
    let waits: Vec<_> = webhook.retry_schedule.iter().map(|wait| crate::duration::written(*wait)).collect();
    html! {
        @if waits.is_empty() { "nothing: one attempt only" } @else { (waits.join(", ")) }
        @if webhook.retry_schedule == DEFAULT_RETRY_SCHEDULE { " " span.hint { "the default" } }
    }
}
