//! The golden list: every route of the admin listener, and the least role that may use it.

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::{self, Next};
use axum::routing::{MethodFilter, MethodRouter, on};
use std::sync::Arc;

use super::{AdminState, auth};
use super::{
    deliveries, events, mending, quarantine, replays, schemas, shadows, status, switches, tail, trials, webhooks,
};
use crate::access::Role::{self, Admin, Operator, Viewer};

/// One way in.
pub(super) struct Route {
    method: &'static str,
    path: &'static str,
    role: Role,
    handler: MethodRouter<Arc<AdminState>>,
}

/// All of them. What is not here is not served.
pub(super) fn all() -> Vec<Route> {
    vec![
        Route::get("/v1/status", Viewer, status::status),
        Route::post("/v1/reload", Operator, status::reload),
        Route::get("/v1/webhooks", Viewer, webhooks::list),
        Route::post("/v1/webhooks", Operator, webhooks::create),
        Route::get("/v1/webhooks/{id}", Viewer, webhooks::one),
        Route::put("/v1/webhooks/{id}", Operator, webhooks::replace),
        Route::patch("/v1/webhooks/{id}", Operator, webhooks::patch),
        Route::delete("/v1/webhooks/{id}", Operator, webhooks::remove),
        Route::get("/v1/webhooks/{id}/export", Viewer, webhooks::export),
        Route::post("/v1/webhooks/{id}/rotate-secret", Admin, webhooks::rotate),
        Route::post("/v1/webhooks/{id}/test", Operator, trials::test),
        Route::post("/v1/webhooks/{id}/pause", Operator, switches::pause),
        Route::post("/v1/webhooks/{id}/resume", Operator, switches::resume),
        Route::post("/v1/webhooks/{id}/enable", Operator, switches::enable),
        Route::post("/v1/webhooks/{id}/disable", Operator, switches::disable),
        Route::get("/v1/events", Viewer, events::list),
        Route::get("/v1/events/{id}", Viewer, events::one),
        Route::get("/v1/events/{id}/why", Viewer, events::why),
        Route::get("/v1/deliveries", Viewer, deliveries::list),
        Route::delete("/v1/deliveries", Operator, mending::purge),
        Route::post("/v1/deliveries/discard", Operator, mending::discard_held),
        Route::get("/v1/deliveries/{id}", Viewer, deliveries::one),
        Route::post("/v1/deliveries/{id}/rerun", Operator, deliveries::rerun),
        Route::post("/v1/deliveries/{id}/replay", Operator, replays::replay),
        Route::post("/v1/deliveries/{id}/retry", Operator, mending::retry),
        Route::post("/v1/deliveries/{id}/discard", Operator, mending::discard),
        Route::get("/v1/replays", Viewer, replays::list),
        Route::post("/v1/replays", Operator, replays::begin),
        Route::get("/v1/replays/{id}", Viewer, replays::one),
        Route::delete("/v1/replays/{id}", Operator, replays::cancel),
        Route::get("/v1/quarantine", Viewer, quarantine::list),
        Route::get("/v1/quarantine/{id}", Viewer, quarantine::one),
        Route::post("/v1/quarantine/{id}/admit", Operator, quarantine::admit),
        Route::post("/v1/secrets/rotate-key", Admin, webhooks::rotate_key),
        Route::get("/v1/schemas", Viewer, schemas::list),
        Route::get("/v1/schemas/{type}", Viewer, schemas::one),
        Route::get("/v1/shadows", Viewer, shadows::list),
        Route::get("/v1/tail", Viewer, tail::tail),
    ]
}

/// The routes, each behind its role. Who asks must be known by then.
pub(super) fn router() -> Router<Arc<AdminState>> {
    all().into_iter().fold(Router::new(), |router, Route { path, role, handler, .. }| {
        let guard = move |request: Request, next: Next| auth::allow(role, request, next);
        router.route(path, handler.layer(middleware::from_fn(guard)))
    })
}

impl Route {
    fn get<T: 'static>(path: &'static str, role: Role, handler: impl Handler<T, Arc<AdminState>>) -> Self {
        Self { method: "GET", path, role, handler: on(MethodFilter::GET, handler) }
    }

    fn post<T: 'static>(path: &'static str, role: Role, handler: impl Handler<T, Arc<AdminState>>) -> Self {
        Self { method: "POST", path, role, handler: on(MethodFilter::POST, handler) }
    }

    fn put<T: 'static>(path: &'static str, role: Role, handler: impl Handler<T, Arc<AdminState>>) -> Self {
        Self { method: "PUT", path, role, handler: on(MethodFilter::PUT, handler) }
    }

    fn patch<T: 'static>(path: &'static str, role: Role, handler: impl Handler<T, Arc<AdminState>>) -> Self {
        Self { method: "PATCH", path, role, handler: on(MethodFilter::PATCH, handler) }
    }

    fn delete<T: 'static>(path: &'static str, role: Role, handler: impl Handler<T, Arc<AdminState>>) -> Self {
        Self { method: "DELETE", path, role, handler: on(MethodFilter::DELETE, handler) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_the_role_that_was_decided_for_it() {
        let lines: Vec<_> =
            all().iter().map(|Route { method, path, role, .. }| format!("{role:<8} {method:<6} {path}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        viewer GET    /v1/status
        operator POST   /v1/reload
        operator POST   /v1/webhooks/{id}/pause
        operator POST   /v1/webhooks/{id}/resume
        operator POST   /v1/webhooks/{id}/enable
        operator POST   /v1/webhooks/{id}/disable
        viewer GET    /v1/events
        viewer GET    /v1/events/{id}
        viewer GET    /v1/events/{id}/why
        viewer GET    /v1/deliveries
        operator DELETE /v1/deliveries
        operator POST   /v1/deliveries/discard
        viewer GET    /v1/deliveries/{id}
        operator POST   /v1/deliveries/{id}/rerun
        operator POST   /v1/deliveries/{id}/replay
        operator POST   /v1/deliveries/{id}/retry
        operator POST   /v1/deliveries/{id}/discard
        viewer GET    /v1/replays
        operator POST   /v1/replays
        viewer GET    /v1/replays/{id}
        operator DELETE /v1/replays/{id}
        viewer GET    /v1/quarantine
        viewer GET    /v1/quarantine/{id}
        operator POST   /v1/quarantine/{id}/admit
        viewer GET    /v1/shadows
        viewer GET    /v1/tail
        ");
    }
}
