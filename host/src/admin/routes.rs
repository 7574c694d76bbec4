//! The golden list: every route of the admin listener, and the least role that may use it.

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::{self, Next};
use axum::routing::{MethodFilter, MethodRouter, on};
use std::sync::Arc;

use schemars::JsonSchema;

use super::openapi::{Doc, Header, schema_of};
use super::{AdminState, auth, params};
use super::{
    audit, deliveries, events, login_links, mending, plugins, quarantine, reloads, replays, schemas, shadows, sources,
    status, switches, tail, tokens, trials, webhooks,
};
use crate::access::Role::{self, Admin, Operator, Viewer};
use crate::http::problem::Kind;

/// One way in.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) role: Role,
    pub(super) doc: Doc,
    handler: MethodRouter<Arc<AdminState>>,
}

/// All of them. What is not here is not served.
#[expect(clippy::too_many_lines, reason = "one list, to be read as one")]
pub(super) fn all() -> Vec<Route> {
    vec![
        Route::get("/v1/status", Viewer, status::status)
            .about("The state of the host on one page")
            .answers::<status::Status>(200),
        Route::post("/v1/reload", Operator, status::reload)
            .about("Read every folder again")
            .query::<status::ReloadQuery>()
            .answers::<status::Reloaded>(200),
        Route::get("/v1/webhooks", Viewer, webhooks::list)
            .about("All webhooks, by id")
            .query::<webhooks::ListQuery>()
            .answers::<webhooks::WebhookList>(200),
        Route::post("/v1/webhooks", Operator, webhooks::create)
            .about("Make a webhook; its signing secret is shown once")
            .body::<webhooks::NewDefinition>()
            .header(Header::IdempotencyKey)
            .answers::<webhooks::FullWebhook>(200)
            .answers::<webhooks::FullWebhook>(201)
            .refuses(&[Kind::Exists, Kind::InvalidDefinition]),
        Route::get("/v1/webhooks/{id}", Viewer, webhooks::one)
            .about("A webhook with its definition")
            .answers::<webhooks::FullWebhook>(200),
        Route::put("/v1/webhooks/{id}", Operator, webhooks::replace)
            .about("Put another definition in its place")
            .body::<webhooks::Definition>()
            .header(Header::IfMatch { required: true })
            .answers::<webhooks::FullWebhook>(200)
            .refuses(CHANGES)
            .refuses(&[Kind::PreconditionRequired]),
        Route::patch("/v1/webhooks/{id}", Operator, webhooks::patch)
            .about("Change what is named: RFC 7396, JSON Merge Patch")
            .body::<webhooks::Definition>()
            .header(Header::IfMatch { required: false })
            .answers::<webhooks::FullWebhook>(200)
            .refuses(CHANGES),
        Route::delete("/v1/webhooks/{id}", Operator, webhooks::remove)
            .about("Delete it; what it has not delivered is held")
            .header(Header::IfMatch { required: false })
            .nothing(204)
            .refuses(CHANGES),
        Route::get("/v1/webhooks/{id}/export", Viewer, webhooks::export)
            .about("Its definition as a file, secrets as variables")
            .answers::<webhooks::Export>(200)
            .refuses(&[Kind::ManagedByFile]),
        Route::post("/v1/webhooks/{id}/rotate-secret", Admin, webhooks::rotate)
            .about("Sign with a fresh secret, which is shown once")
            .body::<webhooks::RotateBody>()
            .header(Header::IfMatch { required: false })
            .answers::<webhooks::FullWebhook>(200)
            .refuses(CHANGES),
        Route::post("/v1/webhooks/{id}/test", Operator, trials::test)
            .about("Send one event through its plugins to its receiver, now")
            .body::<trials::TestBody>()
            .answers::<trials::Test>(200)
            .refuses(&[Kind::NotAnEvent, Kind::Unfit]),
        Route::post("/v1/webhooks/{id}/pause", Operator, switches::pause)
            .about("Let deliveries gather")
            .body::<switches::By>()
            .answers::<switches::Switched>(200),
        Route::post("/v1/webhooks/{id}/resume", Operator, switches::resume)
            .about("Send what gathered, and go on")
            .body::<switches::By>()
            .answers::<switches::Switched>(200),
        Route::post("/v1/webhooks/{id}/enable", Operator, switches::enable)
            .about("Take back whatever switched it off")
            .body::<switches::By>()
            .answers::<switches::Switched>(200)
            .refuses(&[Kind::WrongState]),
        Route::post("/v1/webhooks/{id}/disable", Operator, switches::disable)
            .about("Take no new events, and hold what waits")
            .body::<switches::By>()
            .answers::<switches::Switched>(200),
        Route::get("/v1/events", Viewer, events::list)
            .about("Events, newest first")
            .query::<events::Filter>()
            .answers::<events::EventList>(200),
        Route::get("/v1/events/{id}", Viewer, events::one)
            .about("An event with its bytes and deliveries")
            .answers::<events::FullEvent>(200),
        Route::get("/v1/events/{id}/why", Viewer, events::why)
            .about("Why it was, or was not, delivered")
            .answers::<crate::why::Why>(200),
        Route::get("/v1/deliveries", Viewer, deliveries::list)
            .about("Deliveries, newest first")
            .query::<deliveries::Filter>()
            .answers::<deliveries::DeliveryList>(200),
        Route::delete("/v1/deliveries", Operator, mending::purge)
            .about("Forget finished deliveries")
            .query::<mending::PurgeQuery>()
            .answers::<mending::Counted>(200),
        Route::post("/v1/deliveries/discard", Operator, mending::discard_held)
            .about("Give up what a webhook holds")
            .body::<mending::DiscardManyBody>()
            .answers::<mending::Counted>(200),
        Route::get("/v1/deliveries/{id}", Viewer, deliveries::one)
            .about("A delivery with its attempts")
            .answers::<super::views::FullDelivery>(200),
        Route::post("/v1/deliveries/{id}/rerun", Operator, deliveries::rerun)
            .about("Repeat the last run of its plugins, and compare")
            .query::<deliveries::RerunQuery>()
            .answers::<crate::rerun::Rerun>(200)
            .refuses(&[Kind::NotRepeatable]),
        Route::post("/v1/deliveries/{id}/replay", Operator, replays::replay)
            .about("Send a finished delivery once more")
            .body::<replays::ReplayBody>()
            .answers::<crate::replay::Made>(202)
            .refuses(&[
                Kind::NotReplayable,
                Kind::Unfit,
                Kind::WebhookOff,
                Kind::NotAnEvent,
                Kind::SchemaViolation,
                Kind::UnsupportedMediaType,
            ]),
        Route::post("/v1/deliveries/{id}/retry", Operator, mending::retry)
            .about("Do not wait: make it due now")
            .answers::<mending::Hurried>(200)
            .refuses(&[Kind::WrongState]),
        Route::post("/v1/deliveries/{id}/discard", Operator, mending::discard)
            .about("Give it up")
            .body::<mending::DiscardBody>()
            .answers::<mending::GivenUp>(200)
            .refuses(&[Kind::WrongState]),
        Route::get("/v1/replays", Viewer, replays::list)
            .about("Runs that replay many, newest first")
            .answers::<replays::RunList>(200),
        Route::post("/v1/replays", Operator, replays::begin)
            .about("Replay many, or count them")
            .body::<replays::ManyBody>()
            .answers::<replays::Begun>(200)
            .answers::<replays::Begun>(202)
            .refuses(&[Kind::NotReplayable, Kind::WebhookOff, Kind::NotFound]),
        Route::get("/v1/replays/{id}", Viewer, replays::one)
            .about("A run that replays many")
            .answers::<crate::replay::RunView>(200),
        Route::post("/v1/replays/{id}/cancel", Operator, replays::cancel)
            .about("Stop a run that replays many")
            .answers::<crate::replay::RunView>(200),
        Route::get("/v1/quarantine", Viewer, quarantine::list)
            .about("Refused bodies that were kept, newest first")
            .query::<params::Page<crate::ids::QuarantineId>>()
            .answers::<quarantine::QuarantineList>(200),
        Route::get("/v1/quarantine/{id}", Viewer, quarantine::one)
            .about("A refused body")
            .answers::<super::views::QuarantineEntry>(200),
        Route::post("/v1/quarantine/{id}/admit", Operator, quarantine::admit)
            .about("Let a refused body in, if it fits now")
            .answers::<crate::intake::Receipt>(202)
            .refuses(&[Kind::NotAnEvent, Kind::SchemaViolation, Kind::IdempotencyConflict]),
        Route::post("/v1/secrets/rotate-key", Admin, webhooks::rotate_key)
            .about("Seal every secret of the store with a fresh key")
            .answers::<webhooks::RotatedKey>(200),
        Route::get("/v1/schemas", Viewer, schemas::list)
            .about("The event types that are known")
            .answers::<schemas::SchemaList>(200),
        Route::get("/v1/schemas/{type}", Viewer, schemas::one)
            .about("What an event of this type must look like")
            .answers::<schemas::FullSchema>(200),
        Route::get("/v1/plugins", Viewer, plugins::list)
            .about("The plugins in force")
            .answers::<plugins::PluginList>(200),
        Route::get("/v1/plugins/{id}", Viewer, plugins::one)
            .about("A plugin: the schema of its config, whose chains it is in, its versions")
            .answers::<plugins::FullPlugin>(200),
        Route::put("/v1/plugins/{id}", Admin, plugins::upload)
            .about("Put a file in its place, if it passes every check of a reload")
            .bytes("application/octet-stream")
            .answers::<plugins::FullPlugin>(200)
            .answers::<plugins::FullPlugin>(201)
            .refuses(&[Kind::InvalidDefinition, Kind::WrongState]),
        Route::post("/v1/plugins/{id}/run", Operator, plugins::run)
            .about("Run it over one event; nothing is stored or sent")
            .body::<plugins::RunBody>()
            .answers::<plugins::Ran>(200)
            .refuses(&[Kind::NotAnEvent, Kind::Unfit]),
        Route::get("/v1/reloads", Viewer, reloads::list)
            .about("The newest revisions, and what each changed")
            .answers::<reloads::ReloadList>(200),
        Route::get("/v1/shadows", Viewer, shadows::list)
            .about("Candidates beside live plugins, and where they differ")
            .query::<shadows::Filter>()
            .answers::<shadows::ShadowList>(200)
            .refuses(&[Kind::NotFound]),
        Route::get("/v1/tail", Viewer, tail::tail)
            .about("Changes of deliveries as they happen, a JSON object a line")
            .lines::<crate::dispatch::Notice>(),
        Route::get("/v1/sources", Viewer, sources::list)
            .about("Who may post events, and how they came to")
            .answers::<sources::SourceList>(200),
        Route::post("/v1/login-links", Viewer, login_links::create)
            .about("Make a link that signs in to the pages, once, with the role of the token")
            .answers::<login_links::LoginLink>(201),
        Route::get("/v1/tokens", Admin, tokens::list)
            .about("All tokens but the host's own, newest first; not their texts")
            .answers::<tokens::TokenList>(200),
        Route::post("/v1/tokens", Admin, tokens::create)
            .about("Make a token; its text is shown once")
            .body::<tokens::Wanted>()
            .answers::<tokens::MadeToken>(201)
            .refuses(&[Kind::Exists, Kind::TooMany, Kind::Unfit]),
        Route::get("/v1/tokens/{id}", Admin, tokens::one).about("A token").answers::<tokens::TokenView>(200),
        Route::post("/v1/tokens/{id}/revoke", Admin, tokens::revoke)
            .about("Revoke a token: it opens nothing from then on")
            .answers::<tokens::TokenView>(200),
        Route::get("/v1/audit", Admin, audit::list)
            .about("Who changed what, newest first")
            .query::<audit::Filter>()
            .answers::<audit::ChangeList>(200),
    ]
}

/// The routes, each behind its role. Who asks must be known by then.
pub(super) fn router() -> Router<Arc<AdminState>> {
    all().into_iter().fold(Router::new(), |router, Route { method, path, role, handler, .. }| {
        let guard = move |request: Request, next: Next| auth::allow(role, [method, path], request, next);
        router.route(path, handler.layer(middleware::from_fn(guard)))
    })
}

impl Route {
    fn get<T: 'static>(path: &'static str, role: Role, handler: impl Handler<T, Arc<AdminState>>) -> Undescribed {
        Undescribed { method: "GET", path, role, handler: on(MethodFilter::GET, handler) }
    }

    fn post<T: 'static>(path: &'static str, role: Role, handler: impl Handler<T, Arc<AdminState>>) -> Undescribed {
        Undescribed { method: "POST", path, role, handler: on(MethodFilter::POST, handler) }
    }

    fn put<T: 'static>(path: &'static str, role: Role, handler: impl Handler<T, Arc<AdminState>>) -> Undescribed {
        Undescribed { method: "PUT", path, role, handler: on(MethodFilter::PUT, handler) }
    }

    fn patch<T: 'static>(path: &'static str, role: Role, handler: impl Handler<T, Arc<AdminState>>) -> Undescribed {
        Undescribed { method: "PATCH", path, role, handler: on(MethodFilter::PATCH, handler) }
    }

    fn delete<T: 'static>(path: &'static str, role: Role, handler: impl Handler<T, Arc<AdminState>>) -> Undescribed {
        Undescribed { method: "DELETE", path, role, handler: on(MethodFilter::DELETE, handler) }
    }
}

/// A route of which nothing is said yet.
struct Undescribed {
    method: &'static str,
    path: &'static str,
    role: Role,
    handler: MethodRouter<Arc<AdminState>>,
}

impl Undescribed {
    fn about(self, summary: &'static str) -> Route {
        let Self { method, path, role, handler } = self;
        let (answers, refusals, headers) = (Vec::new(), Vec::new(), Vec::new());
        let doc = Doc { summary, query: None, body: None, bytes: None, answers, refusals, headers };
        Route { method, path, role, doc, handler }
    }
}

impl Route {
    /// What its query is read as.
    fn query<T: JsonSchema>(mut self) -> Self {
        self.doc.query = Some(T::json_schema);
        self
    }

    /// What its body is read as; there may be none.
    fn body<T: JsonSchema>(mut self) -> Self {
        self.doc.body = Some(schema_of::<T>);
        self
    }

    /// Its body is no JSON.
    fn bytes(mut self, content_type: &'static str) -> Self {
        self.doc.bytes = Some(content_type);
        self
    }

    fn header(mut self, header: Header) -> Self {
        self.doc.headers.push(header);
        self
    }

    fn answers<T: JsonSchema>(mut self, status: u16) -> Self {
        self.doc.answers.push((status, "application/json", Some(schema_of::<T>)));
        self
    }

    /// An answer without end, an object a line.
    fn lines<T: JsonSchema>(mut self) -> Self {
        self.doc.answers.push((200, "application/x-ndjson", Some(schema_of::<T>)));
        self
    }

    fn nothing(mut self, status: u16) -> Self {
        self.doc.answers.push((status, "", None));
        self
    }

    /// Beside what every route may refuse.
    fn refuses(mut self, kinds: &[Kind]) -> Self {
        self.doc.refusals.extend(kinds);
        self
    }
}

/// Why a webhook may not be changed.
const CHANGES: &[Kind] =
    &[Kind::ManagedByFile, Kind::IdempotencyConflict, Kind::PreconditionFailed, Kind::InvalidDefinition];

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documentation says, `tests/scenarios/access.rs` tries out.
    const DOCUMENTED: &str = include_str!("../../../docs/access.md");

    /// A row such as ``| `GET /v1/status` | viewer | … |``, as `viewer GET /v1/status`.
    fn row(line: &str) -> Option<String> {
        let (route, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let (role, _) = rest.split_once(" | ")?;
        Some(format!("{role} {route}"))
    }

    #[test]
    fn every_route_has_the_role_that_is_documented_for_it() {
        let served: Vec<_> =
            all().iter().map(|Route { method, path, role, .. }| format!("{role} {method} {path}")).collect();
        let documented: Vec<_> = DOCUMENTED.lines().filter_map(row).collect();
        assert_eq!(served.join("\n"), documented.join("\n"), "routes as served, and as docs/access.md has them");
    }
}
