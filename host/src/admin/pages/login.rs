//! Signing in, by a one-time link of `hookwright login` or with a token, and out.
//!
//! A link is followed to a page with a button: what looks at links before people do (chats, mail filters) does not use it
//! up, and the session begins by a request from our own page.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use maud::{Markup, html};
use serde::Deserialize;

use super::door::{self, Ask};
use super::frame::{self, Go};
use super::sent::{Sent, Takes};
use crate::access::{Found, Principal, Role, SESSION_LIFETIME};
use crate::admin::{Admin, AdminState};
use crate::clock;
use crate::http::Peer;

const SPENT: &str = "This link was used already, or is too old. Ask for another.";

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    code: String,
    next: String,
}

pub(super) async fn page(State(admin): Admin, Query(wanted): Query<Wanted>, request: Request) -> Response {
    if wanted.code.is_empty() && door::session(&admin, request.headers()).is_some() {
        return Go::to(local(&wanted.next)).answer(false);
    }
    let known = admin.sessions.linked(&wanted.code, clock::now());
    let is_spent = !wanted.code.is_empty() && known.is_none();
    let (status, wrong) = if is_spent { (StatusCode::UNAUTHORIZED, Some(SPENT)) } else { (StatusCode::OK, None) };
    frame::bare(status, "Sign in", &form(&wanted, known.as_ref(), wrong))
}

fn form(wanted: &Wanted, known: Option<&Principal>, wrong: Option<&str>) -> Markup {
    html! {
        h1 { "Sign in" }
        @if let Some(wrong) = wrong { p.told.bad role="alert" { (wrong) } }
        @if let Some(Principal { name, role, .. }) = known {
            form method="post" action="/login" {
                input type="hidden" name="code" value=(wanted.code);
                input type="hidden" name="next" value=(wanted.next);
                p { "As " strong { (name) } ", with the role " strong { (role) } "." }
                button.main type="submit" autofocus { "Sign in" }
            }
        } @else {
            p { "On the machine of this host, this prints a link that signs you in:" }
            pre { "hookwright login" }
            form method="post" action="/login" {
                input type="hidden" name="next" value=(wanted.next);
                label for="token" { "Or with a token" }
                input #token type="password" name="token" autocomplete="current-password" required spellcheck="false"
                    aria-describedby="token-hint";
                p.hint #token-hint { "One of the roles viewer, operator and admin: " code { "hookwright token create" } " makes them." }
                button.main type="submit" { "Sign in" }
            }
        }
    }
}

pub(super) async fn sign_in(State(admin): Admin, request: Request) -> Response {
    let peer = Peer::address(request.extensions());
    let (parts, body) = request.into_parts();
    let sent = match Sent::read(&admin, Takes::Little, &parts.headers, body).await {
        Ok(sent) => sent,
        Err(problem) => {
            return frame::bare(
                problem.kind().status(),
                "Sign in",
                &form(&Wanted::default(), None, Some(problem.detail())),
            );
        }
    };
    let wanted = Wanted { code: String::new(), next: sent.text("next").to_owned() };
    let now = clock::now();
    let refuse = |wrong: &str| frame::bare(StatusCode::UNAUTHORIZED, "Sign in", &form(&wanted, None, Some(wrong)));
    let principal = if let Some(code) = sent.filled("code") {
        match admin.sessions.redeem(code, now) {
            Some(principal) => principal,
            None => return refuse(SPENT),
        }
    } else {
        match admin.tokens.find(sent.text("token").trim(), now) {
            Ok(Found { principal, .. }) if principal.role.may(Role::Viewer) => principal,
            Ok(_) => {
                return refuse("This token only posts events. One with the role viewer, operator or admin is needed.");
            }
            Err(_) if admin.attempts.check(peer, now).is_err() => {
                return frame::bare(
                    StatusCode::TOO_MANY_REQUESTS,
                    "Sign in",
                    &form(&wanted, None, Some("Too many wrong tokens were tried. Wait a minute.")),
                );
            }
            Err(_) => {
                admin.attempts.note(peer, now);
                return refuse("This token opens nothing here.");
            }
        }
    };
    let cookie = admin.sessions.begin(principal, now);
    let origin = parts.headers.get(header::ORIGIN).map_or(&b""[..], HeaderValue::as_bytes);
    let mut response = Go::to(local(&wanted.next)).answer(false);
    set_cookie(
        &mut response,
        &door::cookie_name(&admin),
        &cookie,
        SESSION_LIFETIME.as_secs(),
        origin.starts_with(b"https:"),
    );
    response
}

pub(super) async fn sign_out(State(admin): Admin, ask: Ask) -> Response {
    admin.sessions.end(&ask.session);
    let mut response = Go::to("/login").answer(false);
    set_cookie(&mut response, &door::cookie_name(&admin), "", 0, false);
    response
}

fn set_cookie(response: &mut Response, name: &str, value: &str, max_age: u64, is_tls: bool) {
    let secure = if is_tls { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age}{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}

/// A path of this host, whatever was asked for.
fn local(next: &str) -> String {
    let is_path = next.starts_with('/') && !next.starts_with("//") && !next.contains('\\');
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic());
    if is_path && is_plain { next.to_owned() } else { "/".to_owned() }
}

/// Not a page that needs anybody to be signed in.
pub(super) fn routes() -> axum::Router<Arc<AdminState>> {
    axum::Router::new().route("/login", axum::routing::get(page).post(sign_in))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        assert_eq!(local("/deliveries?state=failed"), "/deliveries?state=failed");
        for other in ["", "https://evil.example", "//evil.example", "/\\evil.example", "/a\r\nb", "deliveries"] {
            assert_eq!(local(other), "/", "{other}");
        }
    }
}
