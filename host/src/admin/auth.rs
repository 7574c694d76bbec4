//! Who may use the admin listener: whoever holds a token, and of that what its role may.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use subtle::ConstantTimeEq as _;

use crate::access::{Principal, Role};
use crate::http::bearer;
use crate::http::problem::{Kind, Problem};
use crate::ids::Digest;

/// Puts everything of `router` behind the token with this digest, its fallbacks included.
pub(super) fn guarded<S: Clone + Send + Sync + 'static>(router: Router<S>, token: Digest) -> Router<S> {
    router.layer(middleware::from_fn_with_state(token, guard))
}

/// Compares digests in constant time.
async fn guard(State(expected): State<Digest>, mut request: Request, next: Next) -> Response {
    let detail = match bearer(request.headers()) {
        Some(token) if bool::from(Digest::of(token.as_bytes()).as_bytes().ct_eq(expected.as_bytes())) => {
            request.extensions_mut().insert(Principal::local());
            return next.run(request).await;
        }
        Some(_) => "This is not the admin token; the host keeps it in data/admin.token.",
        None => "No token was sent. Send `Authorization: Bearer <admin token>`; the host keeps it in data/admin.token.",
    };
    Problem::new(Kind::Unauthorized, detail).into_response()
}

/// Lets through whose role is enough.
pub(super) async fn allow(needed: Role, request: Request, next: Next) -> Response {
    match request.extensions().get::<Principal>() {
        Some(principal) if principal.role.may(needed) => next.run(request).await,
        Some(Principal { role, .. }) => {
            let detail = format!("This needs the role {needed}; the token sent has the role {role}.");
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
    use crate::http::with_fallbacks;

    async fn answer(method: Method, path: &str, token: Option<&str>) -> Response {
        let inner = Router::new().route("/v1/status", get(async || "fine"));
        let router: Router = guarded(with_fallbacks(inner), Digest::of(b"right"));
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect(path);
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().expect("a header");
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        router.oneshot(request).await.expect("answers")
    }

    #[tokio::test]
    async fn nothing_is_said_without_the_token() {
        for path in ["/v1/status", "/v1/nothing"] {
            for token in [None, Some("wrong"), Some("right2")] {
                assert_eq!(answer(Method::GET, path, token).await.status(), 401, "{path} {token:?}");
            }
        }
        assert_eq!(answer(Method::POST, "/v1/status", None).await.status(), 401);
    }

    #[tokio::test]
    async fn with_the_token_also_misses_are_answered_as_problems() {
        let right = Some("right");
        assert_eq!(answer(Method::GET, "/v1/status", right).await.status(), 200);
        let missing = answer(Method::GET, "/v1/nothing", right).await;
        let unfit = answer(Method::POST, "/v1/status", right).await;
        assert_eq!((missing.status().as_u16(), unfit.status().as_u16()), (404, 405));
        assert_eq!(unfit.headers()[header::ALLOW], "GET,HEAD");
        for response in [missing, unfit] {
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        }
    }
}
