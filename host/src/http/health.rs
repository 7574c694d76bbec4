//! `/health/live` and `/health/ready`, on both listeners, for anyone.
//!
//! Live: the process answers. Ready: the store answers too, and no drain has begun.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio_util::sync::CancellationToken;

use super::problem::{Kind, Problem};
use crate::store::Administration;

/// A store that takes longer to say one word is not ready.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Health {
    store: Arc<dyn Administration>,
    stop: CancellationToken,
}

/// The two routes. Ready turns into 503 once `stop` is cancelled.
pub fn routes<S>(store: Arc<dyn Administration>, stop: CancellationToken) -> Router<S> {
    Router::new()
        .route("/health/live", get(async || Json(serde_json::json!({ "status": "live" }))))
        .route("/health/ready", get(ready))
        .method_not_allowed_fallback(super::method_not_allowed)
        .with_state(Health { store, stop })
}

async fn ready(State(health): State<Health>) -> Response {
    if health.stop.is_cancelled() {
        return Problem::new(Kind::ShuttingDown, "The host is shutting down.").into_response();
    }
    match tokio::time::timeout(STORE_PATIENCE, health.store.durability()).await {
        Ok(Ok(_)) => Json(serde_json::json!({ "status": "ready" })).into_response(),
        Ok(Err(error)) => Problem::from(error).into_response(),
        Err(_) => Problem::new(Kind::StoreUnavailable, "The store does not answer.").into_response(),
    }
}
