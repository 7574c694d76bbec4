//! What pages are made of beside their text: style, scripts and the icon, in the binary. `assets/NOTICE.md` says whose the
//! vendored ones are.
//!
//! Each has its digest in its path: a browser keeps it for good, and asks anew after an update.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};

use crate::ids::Digest;

struct Asset {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
}

const ASSETS: [Asset; 5] = [
    Asset { name: "app.css", content_type: "text/css; charset=utf-8", text: include_str!("assets/app.css") },
    Asset { name: "app.js", content_type: SCRIPT, text: include_str!("assets/app.js") },
    Asset { name: "htmx.min.js", content_type: SCRIPT, text: include_str!("assets/htmx.min.js") },
    Asset { name: "idiomorph-ext.min.js", content_type: SCRIPT, text: include_str!("assets/idiomorph-ext.min.js") },
    Asset { name: "icon.svg", content_type: "image/svg+xml", text: include_str!("assets/icon.svg") },
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Of all together: they change together.
static DIGEST: LazyLock<String> = LazyLock::new(|| {
    let all: String = ASSETS.iter().map(|asset| asset.text).collect();
    Digest::of(all.as_bytes()).short()
});

/// Where an asset is.
pub(super) fn path(name: &str) -> String {
    format!("/assets/{}/{name}", *DIGEST)
}

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{digest}/{name}", get(asset))
}

async fn asset(Path((digest, name)): Path<(String, String)>) -> Response {
    let found = ASSETS.iter().find(|asset| asset.name == name && digest == *DIGEST);
    let Some(Asset { content_type, text, .. }) = found else {
        return (StatusCode::NOT_FOUND, "There is no such file.").into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, *text).into_response()
}
