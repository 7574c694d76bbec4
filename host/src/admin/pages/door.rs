//! What stands before every page: the name it was asked for by, who is signed in, and whether a change was meant.
//!
//! A name that is not this host's own is refused, so that no other page's script reaches us by DNS rebinding. What changes
//! something must come from our own pages: by `Origin`, and by the session's token.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};

use super::frame::{self, Go};
use super::sent::{Sent, Takes};
use crate::access::{Principal, Role, Session};
use crate::admin::AdminState;
use crate::clock;
use crate::http::problem::{Kind, Problem};

/// The cookie of a session: browsers do not tell ports of one host apart, and several of ours may run on one machine. Not
/// `__Host-`: that is for TLS only, and most are looked at over loopback.
pub(super) fn cookie_name(admin: &AdminState) -> String {
    format!("hookwright_session_{}", admin.info.admin.port())
}

/// A request to a page by somebody who is signed in, judged.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Ask {
    pub(in crate::admin) session: Session,
    pub(in crate::admin) uri: Uri,
    /// What a form sent; nothing of a request that only looks.
    pub(in crate::admin) sent: Arc<Sent>,
    /// htmx asks, for a part of a page.
    pub(super) in_part: bool,
    /// Whoever asks will read what a page says at its top.
    pub(super) is_told: bool,
}

impl Ask {
    pub(in crate::admin) fn who(&self) -> &Principal {
        &self.session.principal
    }

    pub(in crate::admin) fn may(&self, role: Role) -> bool {
        self.session.principal.role.may(role)
    }
}

impl<S: Sync> FromRequestParts<S> for Ask {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Not reached: everything is behind `let_in`.
        parts.extensions.get().cloned().ok_or_else(|| Problem::new(Kind::Unauthorized, "Nobody is signed in."))
    }
}

/// Refuses names that are not this host's own, and changes that other pages ask for.
pub(super) async fn judge(State(admin): State<Arc<AdminState>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !is_own(host, &admin.live.load().server.admin_hosts) {
        let text = format!(
            "This host is not known as {host}. To look at its pages by that name, add it to server.adminHosts in \
             config/server.json."
        );
        return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
    }
    if !request.method().is_safe() && !is_same_origin(headers, host) {
        return (StatusCode::FORBIDDEN, "This was sent by another site's page, or by no page at all.").into_response();
    }
    next.run(request).await
}

/// Lets in who is signed in and whose role is enough; others are sent to the way in.
pub(super) async fn let_in(
    admin: &Arc<AdminState>,
    needed: Role,
    takes: Takes,
    request: Request,
    next: Next,
) -> Response {
    let in_part = request.headers().contains_key("hx-request");
    let Some(session) = session(admin, request.headers()) else {
        return Go::to(format!("/login?next={}", wanted(&request))).answer(in_part);
    };
    let (uri, is_safe) = (request.uri().clone(), request.method().is_safe());
    let is_told = request.method() == Method::GET && !in_part;
    let mut ask = Ask { session, uri, sent: Arc::default(), in_part, is_told };
    if !ask.may(needed) {
        let Principal { name, role, .. } = ask.who();
        let detail = format!("This needs the role {needed}; {name} has the role {role}.");
        return frame::around(admin, &ask, Problem::new(Kind::Forbidden, detail).into_response());
    }
    let mut request = request;
    if !is_safe {
        let (parts, body) = request.into_parts();
        let sent = match Sent::read(admin, takes, &parts.headers, body).await {
            Ok(sent) if ask.session.is_csrf(sent.text("csrf")) => sent,
            Ok(_) => {
                let detail = "The page was too old for this. Load it again, and repeat what you did.";
                return frame::around(admin, &ask, Problem::new(Kind::Forbidden, detail).into_response());
            }
            Err(problem) => return frame::around(admin, &ask, problem.into_response()),
        };
        ask.sent = Arc::new(sent);
        request = Request::from_parts(parts, axum::body::Body::empty());
    }
    request.extensions_mut().insert(ask.clone());
    request.extensions_mut().insert(ask.who().clone());
    let answer = next.run(request).await;
    frame::around(admin, &ask, answer)
}

/// The session of a request, if its principal's token is still good.
pub(super) fn session(admin: &AdminState, headers: &HeaderMap) -> Option<Session> {
    let now = clock::now();
    let session = admin.sessions.find(cookie(headers, &cookie_name(admin))?, now)?;
    admin.tokens.is_valid(session.principal.token, now).then_some(session)
}

fn cookie<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| (name == wanted).then_some(value))
}

/// Where to go on after signing in: what was looked for.
fn wanted(request: &Request) -> String {
    // Of what was to be changed, the page that it was to be changed on.
    let page = if request.method().is_safe() { None } else { request.headers().get(header::REFERER) };
    let page = request.headers().get("hx-current-url").or(page);
    let current = page.and_then(|url| url.to_str().ok());
    let current = current.and_then(|url| url.parse::<Uri>().ok());
    let uri = current.as_ref().unwrap_or(request.uri());
    let is_look = request.method().is_safe() || current.is_some();
    let path = uri.path_and_query().filter(|_| is_look).map_or("/", |path| path.as_str());
    url::form_urlencoded::byte_serialize(path.as_bytes()).collect()
}

/// Addresses cannot be rebound, `localhost` is nobody else's.
fn is_own(host: &str, known: &[String]) -> bool {
    let name = without_port(host).to_ascii_lowercase();
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
    bare.parse::<IpAddr>().is_ok() || name == "localhost" || name.ends_with(".localhost") || known.contains(&name)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// Browsers say where a change comes from.
fn is_same_origin(headers: &HeaderMap, host: &str) -> bool {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    match headers.get(header::ORIGIN).and_then(text) {
        Some(origin) => origin.split_once("://").is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host)),
        None => headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_host_are_taken() {
        let known = ["hooks.example".to_owned()];
        for own in ["localhost", "127.0.0.1:4401", "[::1]:4401", "[::1]", "a.localhost:1", "Hooks.example:443"] {
            assert!(is_own(own, &known), "{own}");
        }
        for other in ["", "evil.example", "hooks.example.evil.example", "127.0.0.1.evil.example:80", "localhost.evil"] {
            assert!(!is_own(other, &known), "{other}");
        }
    }

    #[test]
    fn a_change_comes_from_our_own_pages() {
        let headers = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static(value))])
        };
        let host = "127.0.0.1:4401";
        assert!(is_same_origin(&headers("origin", "http://127.0.0.1:4401"), host));
        assert!(is_same_origin(&headers("sec-fetch-site", "same-origin"), host));
        for (name, value) in [
            ("origin", "http://127.0.0.1:8080"),
            ("origin", "null"),
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "none"),
        ] {
            assert!(!is_same_origin(&headers(name, value), host), "{value}");
        }
        assert!(!is_same_origin(&HeaderMap::new(), host));
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let headers =
            HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("a=b; session_1=x; session_12=d"))]);
        assert_eq!(cookie(&headers, "session_1"), Some("x"));
        assert_eq!(cookie(&HeaderMap::new(), "session_1"), None);
    }
}
