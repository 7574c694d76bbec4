//! The golden list of pages: every address of a page, and the least role that may use it. `docs/pages.md` has it too.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::handler::Handler;
use axum::middleware::{self, Next};
use axum::routing::{MethodFilter, MethodRouter, on};

use super::sent::Takes;
use super::{
    assets, deliveries, door, events, frame, live, login, plugins, quarantine, replays, schemas, settings, start,
    troubles, try_out, webhooks,
};
use crate::access::Role::{self, Admin, Operator, Viewer};
use crate::admin::AdminState;
use crate::tasks::{self, OnPanic};

/// One way in.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) role: Role,
    takes: Takes,
    handler: MethodRouter<Arc<AdminState>>,
}

/// All of them but `/login` and what pages are made of, which are open.
pub(super) fn all() -> Vec<Route> {
    vec![
        get("/", Viewer, start::home),
        get("/start", Viewer, start::page),
        post("/start/send", Operator, start::send),
        get("/webhooks", Viewer, webhooks::list),
        get("/webhooks/new", Operator, webhooks::new),
        post("/webhooks/new", Operator, webhooks::create),
        get("/webhooks/{id}", Viewer, webhooks::one),
        get("/webhooks/{id}/edit", Operator, webhooks::edit),
        post("/webhooks/{id}/edit", Operator, webhooks::save),
        post("/webhooks/{id}/enable", Operator, webhooks::enable),
        post("/webhooks/{id}/disable", Operator, webhooks::disable),
        post("/webhooks/{id}/pause", Operator, webhooks::pause),
        post("/webhooks/{id}/resume", Operator, webhooks::resume),
        post("/webhooks/{id}/rotate", Admin, webhooks::rotate),
        post("/webhooks/{id}/delete", Operator, webhooks::remove),
        get("/webhooks/{id}/export", Viewer, webhooks::export),
        get("/webhooks/{id}/try", Operator, try_out::page),
        post("/webhooks/{id}/try", Operator, try_out::run),
        get("/deliveries", Viewer, deliveries::list),
        get("/deliveries/{id}", Viewer, deliveries::page),
        post("/deliveries/{id}/retry", Operator, deliveries::retry),
        post("/deliveries/{id}/discard", Operator, deliveries::discard),
        get("/deliveries/{id}/replay", Operator, deliveries::edit),
        post("/deliveries/{id}/replay", Operator, deliveries::replay),
        get("/deliveries/{id}/steps", Operator, deliveries::steps),
        get("/troubles", Viewer, troubles::page),
        post("/troubles/replay", Operator, troubles::replay),
        post("/troubles/discard", Operator, troubles::discard),
        get("/replays", Viewer, replays::list),
        post("/replays", Operator, replays::begin),
        get("/replays/{id}", Viewer, replays::one),
        post("/replays/{id}/cancel", Operator, replays::cancel),
        get("/events", Viewer, events::list),
        get("/events/{id}", Viewer, events::one),
        get("/events/quarantine", Viewer, quarantine::list),
        get("/events/quarantine/{id}", Viewer, quarantine::one),
        post("/events/quarantine/{id}/admit", Operator, quarantine::admit),
        get("/schemas", Viewer, schemas::list),
        get("/schemas/{type}", Viewer, schemas::one),
        get("/plugins", Viewer, plugins::list),
        get("/plugins/{name}", Viewer, plugins::one),
        get("/plugins/upload", Admin, plugins::form),
        upload("/plugins/upload", Admin, plugins::upload),
        get("/settings", Viewer, settings::page),
        post("/settings/reload", Operator, settings::reload),
        get("/settings/sources", Viewer, settings::sources),
        get("/settings/tokens", Admin, settings::tokens),
        post("/settings/tokens", Admin, settings::create_token),
        post("/settings/tokens/{id}/revoke", Admin, settings::revoke_token),
        get("/settings/audit", Admin, settings::audit),
        get("/live", Viewer, live::live),
        post("/logout", Viewer, login::sign_out),
    ]
}

fn get<T: 'static>(path: &'static str, role: Role, handler: impl Handler<T, Arc<AdminState>>) -> Route {
    Route { method: "GET", path, role, takes: Takes::Fields, handler: on(MethodFilter::GET, handler) }
}

fn post<T: 'static>(path: &'static str, role: Role, handler: impl Handler<T, Arc<AdminState>>) -> Route {
    Route { method: "POST", path, role, takes: Takes::Fields, handler: on(MethodFilter::POST, handler) }
}

fn upload<T: 'static>(path: &'static str, role: Role, handler: impl Handler<T, Arc<AdminState>>) -> Route {
    Route { takes: Takes::File, ..post(path, role, handler) }
}

/// The pages, each behind its role.
pub(super) fn router(state: &Arc<AdminState>) -> Router {
    let closed = all().into_iter().fold(Router::new(), |router, Route { method, role, takes, path, handler }| {
        let admin = Arc::clone(state);
        let guard = move |request: Request, next: Next| {
            let admin = Arc::clone(&admin);
            async move {
                if method == "GET" {
                    return door::let_in(&admin, role, takes, request, next).await;
                }
                // Seen through even if the browser goes away, up to its record.
                let change = async move { door::let_in(&admin, role, takes, request, next).await };
                tasks::see_through("admin-page", OnPanic::Log, change).await
            }
        };
        router.route(path, handler.layer(middleware::from_fn(guard)))
    });
    closed
        .merge(login::routes())
        .merge(assets::routes())
        // Bodies are read by `Sent`, within limits of its own.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(Arc::clone(state), door::judge))
        .layer(middleware::map_response(frame::secured))
        .with_state(Arc::clone(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documentation says, `tests/scenarios/pages.rs` tries out.
    const DOCUMENTED: &str = include_str!("../../../../docs/pages.md");

    /// A row such as ``| `GET /webhooks` | viewer | … |``, as `viewer GET /webhooks`.
    fn row(line: &str) -> Option<String> {
        let (route, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let (role, _) = rest.split_once(" | ")?;
        Some(format!("{role} {route}"))
    }

    #[test]
    fn every_page_has_the_role_that_is_documented_for_it() {
        let served: Vec<_> =
            all().iter().map(|Route { method, path, role, .. }| format!("{role} {method} {path}")).collect();
        let documented: Vec<_> = DOCUMENTED.lines().filter_map(row).collect();
        assert_eq!(served.join("\n"), documented.join("\n"), "pages as served, and as docs/pages.md has them");
    }
}
