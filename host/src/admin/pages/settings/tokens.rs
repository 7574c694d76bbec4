//! Tokens: made, shown once, revoked.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use maud::{Markup, html};

use super::super::door::Ask;
use super::super::frame::{Go, Nav, Page};
use super::super::parts;
use super::tabs;
use crate::access::{Role, TokenState, Told};
use crate::admin::{Admin, AdminState, params, tokens};
use crate::clock::{self, Timestamp};
use crate::http::problem::Problem;

/// What was typed, and what is wrong with it.
#[derive(Default)]
struct Typed {
    name: String,
    role: String,
    expires: String,
    source: String,
    events: String,
    wrong: Option<Problem>,
}

pub(in super::super) async fn page(State(admin): Admin, ask: Ask) -> Page {
    shown(&admin, &ask, &Typed { role: Role::Viewer.as_str().to_owned(), ..Typed::default() })
}

pub(in super::super) async fn create(State(admin): Admin, ask: Ask) -> Response {
    let text = |name: &str| ask.sent.text(name).trim().to_owned();
    let typed = Typed {
        name: text("name"),
        role: text("role"),
        expires: text("expires"),
        source: text("source"),
        events: text("events"),
        wrong: None,
    };
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let is_source = typed.role == Role::Source.as_str();
    let events: Vec<String> = typed.events.split([',', '\n', ' ']).filter_map(filled).collect();
    let wanted = tokens::Wanted {
        name: filled(&typed.name),
        role: filled(&typed.role),
        expires: filled(&typed.expires),
        source: filled(&typed.source).or_else(|| filled(&typed.name)).filter(|_| is_source),
        events: (is_source && !events.is_empty()).then_some(events),
    };
    match tokens::made(&admin, wanted, ask.who().clone()).await {
        Ok(made) => {
            let told = Told::good(format!("Token {} is made.", made.view.name)).with_secret(Some(made.token));
            Go::to("/settings/tokens").telling(told).into_response()
        }
        Err(problem) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            shown(&admin, &ask, &Typed { wrong: Some(problem), ..typed }).status(status).into_response()
        }
    }
}

pub(in super::super) async fn revoke(State(admin): Admin, ask: Ask, Path(id): Path<String>) -> Result<Go, Problem> {
    let revoked = admin.tokens.revoke(params::id(&id)?, ask.who().clone(), clock::now()).await?;
    Ok(Go::to("/settings/tokens").telling(Told::good(format!("Token {} opens nothing any more.", revoked.name))))
}

fn shown(admin: &AdminState, ask: &Ask, typed: &Typed) -> Page {
    let now = clock::now();
    let body = html! {
        h1 { "Tokens" }
        (tabs(ask, "/settings/tokens"))
        (list(admin, ask, now))
        h2 { "Make a token" }
        (form(ask, typed))
    };
    Page::new(Nav::Settings, "Tokens", body)
}

fn list(admin: &AdminState, ask: &Ask, now: Timestamp) -> Markup {
    let tokens = tokens::all(admin, now);
    html! {
        @if tokens.is_empty() { p.empty { "There is no token but the host's own in data/admin.token." } }
        @else {
            div.table { table.cards {
                thead { tr {
                    th scope="col" { "Name" } th scope="col" { "Role" } th scope="col" { "State" } th scope="col" { "Made" }
                    th scope="col" { "Ends" } th scope="col" { "Used last" } th scope="col" { span.sr-only { "Revoke" } }
                } }
                tbody { @for token in &tokens {
                    tr {
                        th scope="row" { (token.name) }
                        td data-label="Role" {
                            (token.role)
                            @if let Some(source) = &token.source { " " span.tag { (source) } }
                            @for pattern in token.events.iter().flatten() { span.tag { (pattern) } }
                        }
                        td data-label="State" { (state(token.state)) }
                        td data-label="Made" { (parts::time(token.created, now)) " by " (token.created_by) }
                        td data-label="Ends" { @if let Some(at) = token.expires { (parts::time(at, now)) } @else { "never" } }
                        td data-label="Used last" { @if let Some(at) = token.last_used { (parts::time(at, now)) } @else { "never" } }
                        td {
                            @if token.state == TokenState::Valid {
                                (parts::confirm(ask, "Revoke", "Whoever uses it is refused from then on. This cannot be taken back.",
                                    &format!("/settings/tokens/{}/revoke", token.id)))
                            }
                        }
                    }
                } }
            } }
        }
    }
}

fn state(state: TokenState) -> Markup {
    match state {
        TokenState::Valid => parts::badge("good", "valid"),
        TokenState::Expired => parts::badge("warn", "expired"),
        TokenState::Revoked => parts::badge("", "revoked"),
    }
}

fn form(ask: &Ask, typed: &Typed) -> Markup {
    let wrong = |field: &str| typed.wrong.as_ref().filter(|problem| problem.field() == Some(field));
    let general = typed.wrong.as_ref().filter(|problem| {
        problem.field().is_none_or(|field| !["name", "role", "expires", "source", "events"].contains(&field))
    });
    let field = |name: &str, label: &str, value: &str, hint: &str| {
        let wrong = wrong(name);
        html! {
            div.field {
                label for=(name) { (label) }
                input id=(name) name=(name) value=(value) autocomplete="off" spellcheck="false"
                    aria-invalid=[wrong.map(|_| "true")] aria-describedby={ (name) "-hint " (name) "-error" };
                p.hint id={ (name) "-hint" } { (hint) }
                @if let Some(problem) = wrong { p.error id={ (name) "-error" } { (problem.detail()) } }
            }
        }
    };
    html! {
        form method="post" action="/settings/tokens" {
            (parts::csrf(ask))
            @if let Some(problem) = general { p.told.bad role="alert" { (problem.detail()) } }
            (field("name", "Name", &typed.name, "What the record of changes calls whoever holds it, such as grafana."))
            div.field {
                label for="role" { "Role" }
                select #role name="role" {
                    @for (role, told) in [
                        (Role::Viewer, "viewer: looks"),
                        (Role::Operator, "operator: changes everything but secrets and tokens"),
                        (Role::Admin, "admin: everything"),
                        (Role::Source, "source: posts events, nothing else"),
                    ] { option value=(role) selected[typed.role == role.as_str()] { (told) } }
                }
            }
            (field("expires", "Ends", &typed.expires, "Such as 90d, or a time; empty: when it is revoked."))
            fieldset {
                legend { "For the role source" }
                (field("source", "Posts as", &typed.source, "The source it posts as; empty: its name."))
                (field("events", "Only events of these types", &typed.events, "Patterns such as entry.*, with commas between; empty: all."))
            }
            button.main type="submit" { "Make it" }
        }
    }
}
