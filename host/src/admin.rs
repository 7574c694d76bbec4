//! The admin listener: a JSON API for looking and mending.
//!
//! Everything but `/health/*` needs a token, unknown paths included, and `routes` says of which role. Lists are bounded and page by
//! `before`. Owns no state: it reads the store, the revision in force and the dispatcher, and asks others to act.

mod audit;
mod auth;
mod budget;
mod deliveries;
mod docs;
mod events;
mod login_links;
mod mending;
pub(crate) mod openapi;
mod pages;
mod params;
mod plugins;
mod quarantine;
mod reloads;
mod replays;
mod routes;
mod schemas;
mod shadows;
mod sources;
mod status;
mod steps;
mod switches;
mod tail;
mod tokens;
mod trials;
mod views;
mod webhooks;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::access::{Attempts, Principal, Sessions, Tokens};
use crate::clock::Timestamp;
use crate::dispatch::Dispatcher;
use crate::http::{health, with_fallbacks};
use crate::intake::Intake;
use crate::managed::ManagedWebhooks;
use crate::reload::ReloadHandle;
use crate::replay::Replays;
use crate::rerun::Reruns;
use crate::retention::Retention;
use crate::revision::Live;
use crate::shadow::Shadows;
use crate::store::{Administration, Change, Registry, Upkeep};

/// What the admin listener needs of the host.
#[derive(Clone)]
pub struct AdminState {
    pub live: Live,
    pub administration: Arc<dyn Administration>,
    pub dispatcher: Dispatcher,
    pub reload: ReloadHandle,
    pub intake: Arc<Intake>,
    pub upkeep: Arc<dyn Upkeep>,
    pub registry: Arc<dyn Registry>,
    pub managed: Arc<ManagedWebhooks>,
    /// One permit per webhook that is tried out at once.
    pub trials: Arc<Semaphore>,
    /// One: a plugin is checked with a whole processor.
    pub uploads: Arc<Semaphore>,
    /// The home folder.
    pub home: PathBuf,
    pub replays: Replays,
    pub retention: Arc<Retention>,
    pub reruns: Arc<Reruns>,
    pub shadows: Shadows,
    pub tokens: Tokens,
    /// With wrong tokens.
    pub attempts: Arc<Attempts>,
    /// Who is signed in to the pages.
    pub sessions: Arc<Sessions>,
    pub info: Arc<HostInfo>,
    /// Cancelled when the host drains.
    pub stop: CancellationToken,
}

/// Webhooks that are tried out at once.
pub const MOST_TRIALS: usize = 8;

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
    let door = auth::Door { tokens: state.tokens.clone(), attempts: Arc::clone(&state.attempts) };
    let state = Arc::new(state);
    let pages = pages::router(&state);
    auth::guarded(with_fallbacks(routes::router()), door)
        .with_state(state)
        .merge(pages)
        .merge(health)
        .merge(docs::routes())
}

pub(crate) use auth::BY;

/// What handlers are given.
type Admin = axum::extract::State<Arc<AdminState>>;

/// Who asks.
type Who = axum::Extension<Principal>;

impl AdminState {
    /// Keeps the record of what was just done. Should the store not take it, the log has it; what was done stays.
    async fn record(&self, change: Change) {
        let Change { who, action, subject, .. } = change.clone();
        if let Err(error) = self.registry.record(change).await {
            tracing::error!(%error, who, action, subject, "failed to keep the record of a change");
        }
    }
}
