//! The admin listener: a JSON API for looking and mending.
//!
//! Everything but `/health/*` needs the admin token, unknown paths included. Lists are bounded and page by
//! `before`. Owns no state: it reads the store, the revision in force and the dispatcher, and asks others to act.

mod auth;
mod budget;
mod deliveries;
mod events;
mod mending;
mod params;
mod quarantine;
mod replays;
mod shadows;
mod status;
mod switches;
mod tail;
mod views;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;

use crate::clock::Timestamp;
use crate::dispatch::Dispatcher;
use crate::http::{health, with_fallbacks};
use crate::ids::Digest;
use crate::intake::Intake;
use crate::reload::ReloadHandle;
use crate::replay::Replays;
use crate::rerun::Reruns;
use crate::retention::Retention;
use crate::revision::Live;
use crate::shadow::Shadows;
use crate::store::{Administration, Upkeep};

/// What the admin listener needs of the host.
#[derive(Clone)]
pub struct AdminState {
    pub live: Live,
    pub administration: Arc<dyn Administration>,
    pub dispatcher: Dispatcher,
    pub reload: ReloadHandle,
    pub intake: Arc<Intake>,
    pub upkeep: Arc<dyn Upkeep>,
    pub replays: Replays,
    pub retention: Arc<Retention>,
    pub reruns: Arc<Reruns>,
    pub shadows: Shadows,
    /// SHA-256 of the admin token.
    pub token: Digest,
    pub info: Arc<HostInfo>,
    /// Cancelled when the host drains.
    pub stop: CancellationToken,
}

/// What does not change while the host runs.
#[derive(Clone, Debug)]
pub struct HostInfo {
    pub environment: String,
    pub started: Timestamp,
    /// As bound, port included.
    pub listen: SocketAddr,
    pub admin: SocketAddr,
}

/// The routes of the admin listener.
pub fn router(state: AdminState) -> Router {
    let health = health::routes(Arc::clone(&state.administration), state.stop.clone());
    let guarded = Router::new()
        .route("/v1/status", get(status::status))
        .route("/v1/reload", post(status::reload))
        .route("/v1/webhooks/{id}/pause", post(switches::pause))
        .route("/v1/webhooks/{id}/resume", post(switches::resume))
        .route("/v1/webhooks/{id}/enable", post(switches::enable))
        .route("/v1/webhooks/{id}/disable", post(switches::disable))
        .route("/v1/events", get(events::list))
        .route("/v1/events/{id}", get(events::one))
        .route("/v1/events/{id}/why", get(events::why))
        .route("/v1/deliveries", get(deliveries::list).delete(mending::purge))
        .route("/v1/deliveries/discard", post(mending::discard_held))
        .route("/v1/deliveries/{id}", get(deliveries::one))
        .route("/v1/deliveries/{id}/rerun", post(deliveries::rerun))
        .route("/v1/deliveries/{id}/replay", post(replays::replay))
        .route("/v1/deliveries/{id}/retry", post(mending::retry))
        .route("/v1/deliveries/{id}/discard", post(mending::discard))
        .route("/v1/replays", get(replays::list).post(replays::begin))
        .route("/v1/replays/{id}", get(replays::one).delete(replays::cancel))
        .route("/v1/quarantine", get(quarantine::list))
        .route("/v1/quarantine/{id}", get(quarantine::one))
        .route("/v1/quarantine/{id}/admit", post(quarantine::admit))
        .route("/v1/shadows", get(shadows::list))
        .route("/v1/tail", get(tail::tail));
    auth::guarded(with_fallbacks(guarded), state.token).with_state(Arc::new(state)).merge(health)
}

/// What handlers are given.
type Admin = axum::extract::State<Arc<AdminState>>;
