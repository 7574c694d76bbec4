//! Who may use the admin listener: whoever holds a token, and of that what its role may.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName};

use super::pages;
use crate::access::{Attempts, Blocked, Found, Principal, Refused, Role, Tokens};
use crate::clock;
use crate::http::answers::too_many_attempts;
use crate::http::problem::{Kind, Problem};
use crate::http::{Peer, bearer};
use crate::tasks::{self, OnPanic};

/// How whoever holds the host's own token says who he is, for the record of changes.
pub(crate) const BY: HeaderName = HeaderName::from_static("x-hookwright-by");

/// What it takes to come in.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) tokens: Tokens,
    pub(super) attempts: Arc<Attempts>,
}

/// Puts everything of `router` behind a token, its fallbacks included.
pub(super) fn guarded<S: Clone + Send + Sync + 'static>(router: Router<S>, door: Door) -> Router<S> {
    router.layer(middleware::from_fn_with_state(door, guard))
}

async fn guard(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let Some(token) = bearer(request.headers()) else {
        if pages::is_looked_at(request.method(), request.uri().path(), request.headers()) {
            return pages::nothing_at(request.uri().path()).await;
        }
        let detail =
            "No token was sent. Send `Authorization: Bearer <token>`; the host keeps its own in data/admin.token.";
        return Problem::new(Kind::Unauthorized, detail).into_response();
    };
    match door.open(token, &request) {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

impl Door {
    /// Whose the token is. It is judged before its peer is: whoever shares an address with a guesser is not locked out, and
    /// 256 random bits are not found by trying.
    fn open(&self, token: &str, request: &Request) -> Result<Principal, Problem> {
        let now = clock::now();
        match self.tokens.find(token, now) {
            Ok(Found { principal, .. }) => {
                let name = principal.known_as(said(request.headers()));
                Ok(Principal { name, ..principal })
            }
            Err(refused) => {
                let peer = Peer::address(request.extensions());
                self.attempts.check(peer, now).map_err(|Blocked { wait }| too_many_attempts(wait))?;
                self.attempts.note(peer, now);
                Err(Problem::new(Kind::Unauthorized, detail(&refused)))
            }
        }
    }
}

fn said(headers: &HeaderMap) -> Option<&str> {
    std::str::from_utf8(headers.get(BY)?.as_bytes()).ok()
}

fn detail(refused: &Refused) -> String {
    match refused {
        Refused::Unknown => "This token is not known here; the host keeps its own in data/admin.token.".to_owned(),
        ended => format!("The {ended}. An admin makes another: `hookwright token create`."),
    }
}

/// Lets through whose role is enough. What changes something is seen through even if the caller hangs up, up to its
/// record.
pub(super) async fn allow(needed: Role, route: [&str; 2], request: Request, next: Next) -> Response {
    match request.extensions().get::<Principal>() {
        Some(principal) if principal.role.may(needed) && request.method().is_safe() => next.run(request).await,
        Some(principal) if principal.role.may(needed) => {
            let change = async move { next.run(request).await };
            tasks::see_through("admin-change", OnPanic::Log, change).await
        }
        Some(Principal { role, .. }) => {
            let detail = format!(
                "{} needs the role {needed}; the token sent has the role {role}. An admin makes another: `hookwright \
                 token create --role {needed} --name NAME`.",
                route.join(" ")
            );
            Problem::new(Kind::Forbidden, detail).with("needed", needed.as_str()).into_response()
        }
        // Not reached: everything is behind `guard`.
        None => Problem::new(Kind::Unauthorized, "No token was sent.").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use http::{Method, header};
    use tower::ServiceExt as _;

    use super::*;
    use crate::access::fresh_tokens;
    use crate::http::with_fallbacks;

    /// A listener that says who asks.
    async fn listener() -> Router {
        let tokens = fresh_tokens("right").await;
        let who = async |axum::Extension(who): axum::Extension<Principal>| who.name;
        let inner = with_fallbacks(Router::new().route("/v1/status", get(who)));
        guarded(inner, Door { tokens, attempts: Arc::new(Attempts::new("admin")) })
    }

    async fn answer(router: &Router, method: Method, path: &str, token: Option<&str>) -> Response {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect(path);
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().expect("a header");
            request.headers_mut().insert(header::AUTHORIZATION, value);
            request.headers_mut().insert(BY, "Jörg".parse().expect("a header"));
        }
        router.clone().oneshot(request).await.expect("answers")
    }

    #[tokio::test]
    async fn nothing_is_said_without_the_token() {
        let router = listener().await;
        for path in ["/v1/status", "/v1/nothing"] {
            for token in [None, Some("wrong"), Some("right2")] {
                let status = answer(&router, Method::GET, path, token).await.status();
                assert_eq!(status, 401, "{path} {token:?}");
            }
        }
        assert_eq!(answer(&router, Method::POST, "/v1/status", None).await.status(), 401);
    }

    #[tokio::test]
    async fn with_the_token_also_misses_are_answered_as_problems() {
        let router = listener().await;
        let right = Some("right");
        let fine = answer(&router, Method::GET, "/v1/status", right).await;
        assert_eq!(axum::body::to_bytes(fine.into_body(), 99).await.unwrap(), "Jörg");
        let missing = answer(&router, Method::GET, "/v1/nothing", right).await;
        let unfit = answer(&router, Method::POST, "/v1/status", right).await;
        assert_eq!((missing.status().as_u16(), unfit.status().as_u16()), (404, 405));
        assert_eq!(unfit.headers()[header::ALLOW], "GET,HEAD");
        for response in [missing, unfit] {
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        }
    }

    #[tokio::test]
    async fn whoever_fails_too_often_is_told_to_wait_and_locks_nobody_out() {
        let router = listener().await;
        let ask = async |token| answer(&router, Method::GET, "/v1/status", token).await;
        for _ in 0..20 {
            assert_eq!(ask(Some("wrong")).await.status(), 401);
        }
        let told = ask(Some("wrong")).await;
        assert_eq!(told.status(), 429);
        assert!(told.headers().contains_key(header::RETRY_AFTER));
        assert_eq!(ask(Some("right")).await.status(), 200);
        assert_eq!(ask(None).await.status(), 401, "nothing was tried");
    }
}
