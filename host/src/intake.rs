//! The public listener: who may post, what is accepted, what is refused and how that is said.
//!
//! Promises that 202 is answered only after `store.append` returned, that a refused event leaves no trace but a
//! count, and a 422 of a known source one entry in quarantine. Checks cheap things first: token, headers, size,
//! and only then bytes, JSON, shape, schema. Does not deliver: leases and permits go to `dispatch`.

mod accept;
mod cloudevents;
mod emit;
mod judge;
mod message;
mod naming;
mod post;
mod quarantine;
mod refusal;
mod shape;
mod token;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::routing::post;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use accept::{Accepted, AcceptedDelivery, Receipt};
pub use emit::Emitted;
pub(crate) use judge::{judge_again, judge_refused};
pub(crate) use post::json_type;
pub use quarantine::AdmitError;
pub use refusal::{Refusal, Shape};
pub use shape::Malformed;
pub(crate) use shape::event_type;

use accept::Candidate;

use crate::access::{Attempts, Tokens};
use crate::clock::Timestamp;
use crate::config::Source;
use crate::dispatch::Dispatcher;
use crate::http::{health, with_fallbacks};
use crate::ids::SourceName;
use crate::operations::Operations;
use crate::revision::{Live, Revision};
use crate::store::{Administration, Store};

/// Bodies being received, parsed or committed at once, in bytes. What does not fit is answered 503.
pub const BODIES_IN_FLIGHT_BYTES: usize = 64 << 20;

/// What the intake needs of the host.
pub struct Parts {
    pub live: Live,
    pub store: Arc<dyn Store>,
    pub administration: Arc<dyn Administration>,
    pub dispatcher: Dispatcher,
    pub operations: Operations,
    pub tokens: Tokens,
    /// The source that the host made, in force while the configuration names none.
    pub local: Option<Source>,
}

/// Accepts events.
pub struct Intake {
    parts: Parts,
    /// One permit per byte of [`BODIES_IN_FLIGHT_BYTES`].
    room: Arc<Semaphore>,
    tally: refusal::Tally,
    /// With tokens of no source.
    attempts: Attempts,
    /// When each source posted last, accepted or not.
    uses: Mutex<BTreeMap<SourceName, Timestamp>>,
}

/// More than there are sources and tokens: names that are gone are forgotten with all others.
const MOST_USES: usize = 2_000;

impl Intake {
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            room: Arc::new(Semaphore::new(BODIES_IN_FLIGHT_BYTES)),
            tally: refusal::Tally::default(),
            attempts: Attempts::new("public"),
            uses: Mutex::default(),
        }
    }

    /// The sources in force under `revision`.
    pub fn sources<'a>(&'a self, revision: &'a Revision) -> &'a [Source] {
        match revision.server.sources.as_slice() {
            [] => self.parts.local.as_slice(),
            configured => configured,
        }
    }

    /// When this source posted last, since the start.
    pub fn last_use(&self, source: &SourceName) -> Option<Timestamp> {
        self.uses().get(source).copied()
    }

    fn note_use(&self, source: &SourceName, now: Timestamp) {
        let mut uses = self.uses();
        if let Some(last) = uses.get_mut(source) {
            *last = now;
            return;
        }
        if uses.len() >= MOST_USES {
            uses.clear();
        }
        uses.insert(source.clone(), now);
    }

    fn uses(&self) -> MutexGuard<'_, BTreeMap<SourceName, Timestamp>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests were refused since the start, by reason.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.tally.counts()
    }
}

/// The routes of the public listener. `/health/ready` turns into 503 once `stop` is cancelled.
pub fn router(intake: Arc<Intake>, stop: CancellationToken) -> Router {
    let health = health::routes(Arc::clone(&intake.parts.administration), stop);
    let events = Router::new().route("/v1/events", post(post::post_event)).with_state(intake);
    with_fallbacks(events.merge(health))
}
