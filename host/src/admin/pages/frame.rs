//! The frame around every page, and the two ways a request to a page ends: with a page, or with going to another.
//!
//! Handlers answer with [`Page`] or [`Go`], and failures as problems; what they mean for a browser is decided here, once.
//! Every address answers a whole page: where a page is changed in part, htmx takes the part it needs out of the whole.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::door::Ask;
use super::parts;
use crate::access::Told;
use crate::admin::AdminState;
use crate::http::problem::Problem;

/// Nothing from elsewhere, nothing inline: whatever text a peer gets onto a page, it stays text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// How htmx behaves: no inline styles, no code in attributes, and forms that were refused are shown as they are.
const HTMX: &str = r#"{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"historyCacheSize":0,"refreshOnHistoryMiss":true,"scrollIntoViewOnBoost":false,"responseHandling":[{"code":"204","swap":false},{"code":"[23]..","swap":true},{"code":"4(09|12|22)","swap":true},{"code":"...","swap":true,"target":"body","select":"body","swapOverride":"outerHTML"}]}"#;

/// Where in the menu a page belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin) enum Nav {
    Start,
    Webhooks,
    Deliveries,
    Troubles,
    Events,
    Schemas,
    Plugins,
    Settings,
}

const MENU: [(Nav, &str, &str); 7] = [
    (Nav::Webhooks, "/webhooks", "Webhooks"),
    (Nav::Deliveries, "/deliveries", "Deliveries"),
    (Nav::Troubles, "/troubles", "Failed and held"),
    (Nav::Events, "/events", "Events"),
    (Nav::Schemas, "/schemas", "Schemas"),
    (Nav::Plugins, "/plugins", "Plugins"),
    (Nav::Settings, "/settings", "Settings"),
];

/// A page without its frame.
#[derive(Clone)]
pub(in crate::admin) struct Page {
    title: String,
    nav: Nav,
    body: Markup,
    status: StatusCode,
    /// What `/live` is asked for while the page is looked at.
    live: Option<String>,
}

impl Page {
    /// Its title is its heading too, which `body` writes.
    pub(in crate::admin) fn new(nav: Nav, title: impl Into<String>, body: Markup) -> Self {
        Self { title: title.into(), nav, body, status: StatusCode::OK, live: None }
    }

    #[must_use]
    pub(in crate::admin) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Elements with `hx-trigger="live from:body"` are told when something happens: to any delivery, or to those that `query`
    /// says: `delivery=dlv_…`.
    #[must_use]
    pub(in crate::admin) fn live(self, query: impl Into<String>) -> Self {
        Self { live: Some(query.into()), ..self }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// To another page, which may say what was done.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Go {
    to: String,
    told: Option<Told>,
}

impl Go {
    pub(in crate::admin) fn to(path: impl Into<String>) -> Self {
        Self { to: path.into(), told: None }
    }

    #[must_use]
    pub(in crate::admin) fn telling(self, told: Told) -> Self {
        Self { told: Some(told), ..self }
    }

    /// As htmx or a browser takes it.
    pub(super) fn answer(&self, in_part: bool) -> Response {
        // Only paths of ours are made, and those hold no such characters.
        let to = HeaderValue::from_str(&self.to).unwrap_or(HeaderValue::from_static("/"));
        if in_part {
            return (StatusCode::OK, [(HeaderName::from_static("hx-redirect"), to)]).into_response();
        }
        (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
    }
}

impl IntoResponse for Go {
    fn into_response(self) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Puts the frame around what a handler answered.
pub(super) fn around(admin: &AdminState, ask: &Ask, mut answer: Response) -> Response {
    if let Some(go) = answer.extensions_mut().remove::<Arc<Go>>() {
        if let Some(told) = &go.told {
            admin.sessions.tell(&ask.session, path_of(&go.to), told.clone());
        }
        return go.answer(ask.in_part);
    }
    if let Some(page) = answer.extensions_mut().remove::<Arc<Page>>() {
        let told = if ask.is_told { admin.sessions.told(&ask.session, ask.uri.path()) } else { Vec::new() };
        return (page.status, parts::as_html(whole(admin, ask, &page, &told))).into_response();
    }
    if let Some(problem) = answer.extensions_mut().remove::<Arc<Problem>>() {
        let page = trouble(&problem).status(answer.status());
        return (page.status, parts::as_html(whole(admin, ask, &page, &[]))).into_response();
    }
    answer
}

/// Without query and fragment.
fn path_of(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or_default()
}

/// What went wrong, as a page.
fn trouble(problem: &Problem) -> Page {
    let body = html! {
        h1 { (problem.title()) }
        p.lead { (parts::ticked(problem.detail())) }
        p { a href="/" { "To the start" } }
    };
    Page::new(Nav::Start, problem.title(), body)
}

fn whole(admin: &AdminState, ask: &Ask, page: &Page, told: &[Told]) -> Markup {
    let principal = ask.who();
    let environment = &admin.info.environment;
    html! {
        (head(&page.title))
        body data-live=[page.live.as_ref().map(|query| format!("/live?{query}"))] hx-ext="morph" {
            a.skip href="#main" { "Skip to the content" }
            header.top {
                a.brand href="/" { (mark()) "Hookwright" }
                nav aria-label="Pages" {
                    @for (nav, path, name) in MENU {
                        a href=(path) aria-current=[(nav == page.nav).then_some("page")] { (name) }
                    }
                }
                div.who {
                    span.env title="The environment of this host" { (environment) }
                    span title={ "Signed in with the role " (principal.role) } { (principal.name) " · " (principal.role) }
                    form method="post" action="/logout" { (parts::csrf(ask)) button.quiet type="submit" { "Sign out" } }
                }
            }
            main #main tabindex="-1" {
                @for told in told { (said(told)) }
                (page.body)
            }
        }
    }
}

/// What became of what was done on the page before.
fn said(told: &Told) -> Markup {
    html! {
        div.told.bad[told.is_bad] role=(if told.is_bad { "alert" } else { "status" }) {
            p { (parts::ticked(&told.text)) }
            @if let Some(secret) = &told.secret {
                p.secret { code { (secret) } " " button.quiet type="button" data-copy=(secret) { "Copy" } }
                p.hint { "It is shown this once." }
            }
        }
    }
}

fn head(title: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en";
        head {
            meta charset="utf-8";
            title { (title) " · Hookwright" }
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="htmx-config" content=(HTMX);
            link rel="icon" type="image/svg+xml" href=(assets::path("icon.svg"));
            link rel="stylesheet" href=(assets::path("app.css"));
            script src=(assets::path("htmx.min.js")) defer {}
            script src=(assets::path("idiomorph-ext.min.js")) defer {}
            script src=(assets::path("app.js")) defer {}
        }
    }
}

/// A page before anybody is signed in.
pub(super) fn bare(status: StatusCode, title: &str, body: &Markup) -> Response {
    let page = html! {
        (head(title))
        body.bare { main #main { p.brand { (mark()) "Hookwright" } (body) } }
    };
    (status, parts::as_html(page)).into_response()
}

fn mark() -> Markup {
    html! { svg.mark viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" {
        path d="M6 3v9a6 6 0 0 0 12 0v-2l-3 3m3-3 3 3" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round" {}
    } }
}

/// What a browser must not do with any answer of ours.
pub(super) async fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: with it browsers do not say where a form comes from.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Pages hold what only whoever is signed in may see; assets say otherwise themselves.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
