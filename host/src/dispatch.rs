//! The scheduler, permits, the life of one delivery, retry decisions, run state.
//!
//! A permit (count and bytes) is taken before a delivery is leased and is owned by its task; what has no
//! permit stays on disk and is claimed later, lane by lane. Does not know SQL, HTTP details or wasm.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{self, Timestamp};
use crate::delivery::{AttemptHead, State};
use crate::ids::{DeliveryId, EventId, EventType, WebhookId};
use crate::operations::Operations;
use crate::revision::{Live, Revision};
use crate::shadow::Shadows;
use crate::store::{Administration, Lane, Lease, RunState, Store, StoreError};
use crate::tasks::{self, OnPanic};
use crate::transform::TransformPool;
use crate::webhook::Webhook;

pub use self::breaks::{Stopped, remedy};
pub use self::health::RECENT_KEPT;
pub use self::scheduler::Condition;
pub use self::trial::{Trial, Tried, TriedRequest};

use self::backpressure::Backpressure;
use self::breaks::Breaks;
use self::health::Recent;
use self::pace::Pace;
use self::run_states::RunStates;
use self::scheduler::{Limits, Scheduler, TASK_BYTES};

mod backpressure;
mod binding;
mod breaks;
mod chains;
mod claim;
mod follow;
mod health;
mod pace;
mod request;
mod retry;
mod run_states;
mod scheduler;
mod switch;
mod trial;
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
    pub operations: Operations,
}

struct Inner {
    live: Live,
    store: Arc<dyn Store>,
    administration: Arc<dyn Administration>,
    transform: TransformPool,
    shadows: Shadows,
    operations: Operations,
    breaks: Arc<Breaks>,
    scheduler: Mutex<Scheduler>,
    pace: Pace,
    backpressure: Backpressure,
    run_states: RunStates,
    recent: Recent,
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
        let granted = self.inner.scheduler().enlarge(&self.lane.webhook, more);
        if granted {
            self.more = Some(more);
        }
        granted
    }
}

/// A change of a delivery, for whoever watches (`tail`). Watchers that are too slow miss some and are told.
#[derive(Clone, Debug, Serialize, JsonSchema)]
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

/// What [`Dispatcher::enable`] took back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enabled {
    /// It was switched off.
    pub was_off: bool,
    /// Its receiver was failing, or was left alone for a while: it is tried again at once.
    pub was_ill: bool,
}

impl Dispatcher {
    /// Reads the run states, brings the store in line with the first revision, and begins to claim.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start_up(parts: Parts) -> Result<Self, StoreError> {
        let Parts { first, live, store, administration, transform, shadows, operations } = parts;
        let run_states = administration.run_states().await?;
        let recent = Recent::read(&*administration, &first).await;
        let inner = Arc::new(Inner {
            live,
            store,
            administration,
            transform,
            shadows,
            operations,
            breaks: Arc::default(),
            scheduler: Mutex::default(),
            pace: Pace::default(),
            backpressure: Backpressure::default(),
            run_states: RunStates::new(run_states),
            recent,
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

    /// To be awaited before what brings deliveries to these webhooks is stored: a tenth of a second at most, and nothing
    /// unless one of them is behind. Who waits is overtaken: not for what has an order.
    pub async fn make_way(&self, webhooks: impl Iterator<Item = &WebhookId>) {
        backpressure::make_way(&self.inner, webhooks).await;
    }

    /// Room for one delivery of `weight` bytes, if its webhook and the host have it and nothing older of the
    /// webhook waits on disk.
    pub fn reserve(&self, lane: &Lane, weight: usize) -> Option<Permit> {
        if self.inner.draining.is_cancelled() {
            return None;
        }
        let weight = weight + TASK_BYTES;
        let granted = self.inner.scheduler().reserve(lane, weight, clock::now());
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

    /// How the last attempts of a webhook went, oldest first; at most [`RECENT_KEPT`].
    pub fn recent(&self, webhook: &WebhookId) -> Vec<AttemptHead> {
        self.inner.recent.of(webhook)
    }

    /// The plugins that are not run any more for a webhook of this revision, because they kept breaking.
    pub fn stopped(&self, revision: &Revision) -> Vec<Stopped> {
        self.inner.breaks.list(revision)
    }

    /// How the receiver of a webhook is, as far as its deliveries tell.
    pub fn condition(&self, webhook: &Webhook) -> Condition {
        self.inner.scheduler().condition(&webhook.id, &Limits::of(webhook), clock::now())
    }

    /// Lets deliveries gather, or go again. False: so it was already.
    ///
    /// # Errors
    /// When the store fails; so it is below. Nothing changed then.
    pub async fn pause(&self, webhook: Arc<Webhook>, paused: bool, by: String) -> Result<bool, StoreError> {
        self.see_through(|inner| async move { switch::pause(&inner, &webhook, paused, by).await }).await
    }

    /// Switches a webhook off: no new deliveries, unfinished ones are held. False: so it was already.
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub async fn disable(&self, webhook: Arc<Webhook>, by: String) -> Result<bool, StoreError> {
        self.see_through(|inner| async move { switch::disable(&inner, &webhook, by, None).await }).await
    }

    /// Takes back whatever switched it off here, a receiver's 410 included, and forgets what its receiver failed.
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub async fn enable(&self, webhook: Arc<Webhook>) -> Result<Enabled, StoreError> {
        self.see_through(|inner| async move { switch::enable(&inner, &webhook).await }).await
    }

    /// Whoever asks may hang up: half of it would hold what nothing releases.
    async fn see_through<T, F>(&self, work: impl FnOnce(Arc<Inner>) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        tasks::see_through("switch", OnPanic::Log, work(Arc::clone(&self.inner))).await
    }

    /// Forgets what was recorded of a webhook that was deleted: one made anew under its id begins without it. The store
    /// has forgotten it already.
    pub fn forget(&self, webhook: &Webhook) {
        self.inner.run_states.forget(&webhook.id);
        self.inner.recent.forget(&webhook.id);
        let (limits, now) = (Limits::of(webhook), clock::now());
        let can_claim = {
            let mut scheduler = self.inner.scheduler();
            let was_paused = scheduler.pause(&webhook.id, false, &limits, now);
            scheduler.forgive(&webhook.id, &limits, now) || was_paused
        };
        switch::go_on(&self.inner, webhook, can_claim);
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
    fn scheduler(&self) -> MutexGuard<'_, Scheduler> {
        // Every method leaves it consistent, so a panic elsewhere is no reason to stop.
        self.scheduler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A delivery left its lane: in an order, the next one may go.
    fn wake_next(&self, lane: &Lane) {
        if lane.is_ordered() {
            self.wake(lane, clock::now());
        }
    }

    fn wake(&self, lane: &Lane, due: Timestamp) {
        if self.scheduler().wake(lane, due) {
            self.claimable.notify_one();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.inner.scheduler().give_back(&self.lane.webhook, self.weight, self.more) {
            self.inner.claimable.notify_one();
        }
    }
}
