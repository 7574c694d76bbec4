//! Lanes, permits, the life of one delivery, retry decisions, run state.
//!
//! A permit (count and bytes) is taken before a delivery is leased and is owned by its task; what has no
//! permit stays on disk and is claimed later, lane by lane. Does not know SQL, HTTP details or wasm.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Notify, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{self, Timestamp};
use crate::delivery::State;
use crate::ids::{DeliveryId, EventId, EventType, WebhookId};
use crate::revision::{Live, Revision};
use crate::shadow::Shadows;
use crate::store::{Administration, Lane, Lease, RunState, Store, StoreError};
use crate::tasks::{self, OnPanic};
use crate::transform::TransformPool;
use crate::webhook::Webhook;

pub use self::breaks::Stopped;

use self::breaks::Breaks;
use self::lanes::Lanes;
use self::run_states::RunStates;

mod binding;
mod breaks;
mod claim;
mod follow;
mod lanes;
mod request;
mod retry;
mod run_states;
mod work;

/// Notices kept for a watcher that is behind.
const NOTICES_KEPT: usize = 1024;

/// Works on deliveries. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {
    inner: Arc<Inner>,
}

/// What the dispatcher works with.
pub struct Parts {
    /// The revision to begin with. Later ones that are in force already must be told by [`Dispatcher::follow`].
    pub first: Arc<Revision>,
    pub live: Live,
    pub store: Arc<dyn Store>,
    pub administration: Arc<dyn Administration>,
    pub transform: TransformPool,
    pub shadows: Shadows,
}

struct Inner {
    live: Live,
    store: Arc<dyn Store>,
    administration: Arc<dyn Administration>,
    transform: TransformPool,
    shadows: Shadows,
    breaks: Breaks,
    lanes: Mutex<Lanes>,
    /// Attempts under way at once, per webhook, with the size each was made for.
    slots: Mutex<HashMap<WebhookId, (u32, Arc<Semaphore>)>>,
    run_states: RunStates,
    notices: broadcast::Sender<Notice>,
    /// Something new may be claimed.
    claimable: Notify,
    deliveries: TaskTracker,
    draining: CancellationToken,
}

/// Room in memory for one delivery. Given back when dropped.
pub struct Permit {
    inner: Arc<Inner>,
    lane: Lane,
    weight: usize,
    /// What it was enlarged by.
    more: Option<usize>,
}

impl Permit {
    /// Makes room for a payload that was rewritten. False: there is none now.
    fn enlarge(&mut self, more: usize) -> bool {
        let granted = self.inner.lanes().enlarge(&self.lane, more);
        if granted {
            self.more = Some(more);
        }
        granted
    }
}

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
    /// Reads the run states, brings the store in line with the first revision, and begins to claim.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start_up(parts: Parts) -> Result<Self, StoreError> {
        let Parts { first, live, store, administration, transform, shadows } = parts;
        let run_states = administration.run_states().await?;
        let inner = Arc::new(Inner {
            live,
            store,
            administration,
            transform,
            shadows,
            breaks: Breaks::default(),
            lanes: Mutex::default(),
            slots: Mutex::default(),
            run_states: RunStates::new(run_states),
            notices: broadcast::channel(NOTICES_KEPT).0,
            claimable: Notify::new(),
            deliveries: TaskTracker::new(),
            draining: CancellationToken::new(),
        });
        follow::bring_in_line(&inner, None, &first).await?;
        tasks::spawn("claim", OnPanic::Abort, claim::run(Arc::clone(&inner)));
        tasks::spawn("heartbeat", OnPanic::Abort, claim::keep_alive(Arc::clone(&inner)));
        Ok(Self { inner })
    }

    /// Room for one delivery of `weight` bytes, if its webhook and the host have it and nothing older of the
    /// webhook waits on disk.
    pub fn reserve(&self, lane: &Lane, weight: usize) -> Option<Permit> {
        if self.inner.draining.is_cancelled() {
            return None;
        }
        let granted = self.inner.lanes().reserve(lane, weight, clock::now());
        granted.then(|| Permit { inner: Arc::clone(&self.inner), lane: lane.clone(), weight, more: None })
    }

    /// Takes over a freshly leased delivery. Returns at once.
    pub fn start(&self, lease: Lease, permit: Permit) {
        work::spawn(&self.inner, lease, permit);
    }

    /// A delivery without a permit went to disk, due at `due`.
    pub fn wake(&self, lane: &Lane, due: Timestamp) {
        self.inner.wake(lane, due);
    }

    /// Whether new deliveries may be made for this webhook: its file says enabled, and nothing switched it off.
    pub fn takes_new(&self, webhook: &Webhook) -> bool {
        webhook.enabled && !self.inner.run_states.is_off(&webhook.id)
    }

    /// By kind.
    pub fn run_states(&self, webhook: &WebhookId) -> Vec<RunState> {
        self.inner.run_states.of(webhook)
    }

    /// The plugins that are not run any more for a webhook of this revision, because they kept breaking.
    pub fn stopped(&self, revision: &Revision) -> Vec<Stopped> {
        self.inner.breaks.list(revision)
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.inner.notices.subscribe()
    }

    /// A new revision is in force: holds what it switched off, releases what it fixed.
    ///
    /// # Errors
    /// When the store fails; calling again is safe.
    pub async fn follow(&self, old: &Revision, new: &Revision) -> Result<(), StoreError> {
        follow::bring_in_line(&self.inner, Some(old), new).await
    }

    /// Stops claiming and lets attempts under way finish, for at most `deadline`. What has not begun is given
    /// back to the store; what is cut off is sent again after the next start, with the same `webhook-id`.
    pub async fn drain(&self, deadline: Duration) {
        self.inner.draining.cancel();
        self.inner.deliveries.close();
        if tokio::time::timeout(deadline, self.inner.deliveries.wait()).await.is_err() {
            tracing::warn!(
                deliveries = self.inner.deliveries.len(),
                "the drain deadline passed; these deliveries are sent again after the next start"
            );
        }
    }
}

impl Inner {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        // Every method leaves the lanes consistent, so a panic elsewhere is no reason to stop.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, lane: &Lane, due: Timestamp) {
        if self.lanes().wake(lane, due) {
            self.claimable.notify_one();
        }
    }

    /// The semaphore of a webhook's attempts, of the size today's revision says.
    fn slots(&self, webhook: &Webhook) -> Arc<Semaphore> {
        let size = webhook.concurrency.get();
        let fresh = || (size, Arc::new(Semaphore::new(usize::try_from(size).unwrap_or(usize::MAX))));
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = slots.entry(webhook.id.clone()).or_insert_with(fresh);
        if entry.0 != size {
            *entry = fresh();
        }
        Arc::clone(&entry.1)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.inner.lanes().give_back(&self.lane, self.weight, self.more) {
            self.inner.claimable.notify_one();
        }
    }
}
