//! Lanes, permits, the life of one delivery, retry decisions, run state.
//!
//! A permit (count and bytes) is taken before a delivery is leased and is owned by its task; what has no
//! permit stays on disk and is claimed later. Does not know SQL, HTTP details or wasm.

use serde::Serialize;
use tokio::sync::broadcast;

use crate::clock::Timestamp;
use crate::delivery::State;
use crate::ids::{DeliveryId, EventId, EventType, WebhookId};
use crate::store::{Lane, Lease, RunState};
use crate::webhook::Webhook;

/// Works on deliveries. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {}

/// Room in memory for one delivery. Given back when dropped.
#[derive(Debug)]
pub struct Permit {}

/// A change of a delivery, for whoever watches (`tail`). Watchers that are too slow miss some and are told.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    pub at: Timestamp,
    pub event: EventId,
    pub event_type: EventType,
    pub delivery: DeliveryId,
    pub webhook: WebhookId,
    pub state: State,
    /// Attempts made so far.
    pub attempts: u32,
    /// Status of the last attempt, if it was answered.
    pub status: Option<u16>,
    pub micros: Option<u64>,
    pub reason: Option<String>,
    /// When the next attempt is due.
    pub due: Option<Timestamp>,
    /// One line per plugin that ran in this step.
    pub plugins: Vec<String>,
}

impl Dispatcher {
    /// Room for one delivery of `weight` bytes, if its webhook and the host have it and nothing older of the
    /// webhook waits on disk.
    pub fn reserve(&self, _webhook: &WebhookId, _weight: usize) -> Option<Permit> {
        todo!()
    }

    /// Takes over a freshly leased delivery. Returns at once.
    pub fn start(&self, _lease: Lease, _permit: Permit) {
        todo!()
    }

    /// A delivery without a permit went to disk, due at `due`.
    pub fn wake(&self, _lane: Lane, _due: Timestamp) {
        todo!()
    }

    /// Whether new deliveries may be made for this webhook: its file says enabled, and no run state (410,
    /// disabled) says otherwise.
    pub fn takes_new(&self, _webhook: &Webhook) -> bool {
        todo!()
    }

    pub fn run_state(&self, _webhook: &WebhookId) -> Option<RunState> {
        todo!()
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        todo!()
    }
}
