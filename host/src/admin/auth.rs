//! Who may use the admin listener: whoever holds the admin token.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use subtle::ConstantTimeEq as _;

use crate::http::bearer;
use crate::http::problem::{Kind, Problem};
use crate::ids::Digest;

/// Lets requests with the admin token pass. Compares digests in constant time.
pub(super) async fn guard(State(expected): State<Digest>, request: Request, next: Next) -> Response {
    let detail = match bearer(request.headers()) {
        Some(token) if bool::from(Digest::of(token.as_bytes()).as_bytes().ct_eq(expected.as_bytes())) => {
            return next.run(request).await;
        }
        Some(_) => "This is not the admin token; the host keeps it in data/admin.token.",
        None => "No token was sent. Send `Authorization: Bearer <admin token>`; the host keeps it in data/admin.token.",
    };
    Problem::new(Kind::Unauthorized, detail).into_response()
}
