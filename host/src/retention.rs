//! Forgets what is old, in small steps: finished deliveries and events after an age, and the oldest of them when the
//! store takes up more than it may. Unfinished work is never touched, and whoever appends goes first.
//!
//! Decides when and how far; the store decides what may go.

mod pass;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::pass::Pass;
use crate::clock::{self, Timestamp};
use crate::config::RetentionRules;
use crate::revision::Live;
use crate::store::{StoreError, Sweep, Swept, Upkeep};

/// From one look to the next; less where what is kept is kept for less.
const PERIOD: Duration = Duration::from_mins(1);
const SHORTEST_PERIOD: Duration = Duration::from_millis(500);
/// After a step the writer is left to others for so many times as long as the step took.
const REST_PER_STEP: u32 = 2;
/// … and at least so long.
const SHORTEST_REST: Duration = Duration::from_millis(5);
/// While the store is busy, or fails, sweeping waits.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// The task and what it has done so far.
pub struct Retention {
    live: Live,
    upkeep: Arc<dyn Upkeep>,
    done: Mutex<Done>,
    /// It was said that unfinished work alone is too much.
    is_over: AtomicBool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Done {
    events: u64,
    deliveries: u64,
    last: Option<Timestamp>,
}

/// For status.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionStatus {
    /// `"30d"`, or `"forever"`.
    pub age: String,
    /// None: as many as the disk has.
    pub bytes: Option<u64>,
    pub used_bytes: u64,
    /// When the oldest event that is kept came.
    pub oldest_event: Option<Timestamp>,
    /// Since the host started.
    pub swept_events: u64,
    pub swept_deliveries: u64,
    pub last_swept: Option<Timestamp>,
}

impl Retention {
    pub fn new(live: Live, upkeep: Arc<dyn Upkeep>) -> Self {
        Self { live, upkeep, done: Mutex::default(), is_over: AtomicBool::new(false) }
    }

    /// # Errors
    /// When the store cannot be read.
    pub async fn status(&self) -> Result<RetentionStatus, StoreError> {
        let RetentionRules { age, bytes } = self.rules();
        let space = self.upkeep.space().await?;
        let done = *self.done();
        Ok(RetentionStatus {
            age: age.map_or_else(|| "forever".to_owned(), crate::duration::written),
            bytes,
            used_bytes: space.used_bytes,
            oldest_event: space.oldest_event,
            swept_events: done.events,
            swept_deliveries: done.deliveries,
            last_swept: done.last,
        })
    }

    /// Sweeps until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        stop.run_until_cancelled(self.sweep_for_ever()).await;
    }

    async fn sweep_for_ever(&self) {
        let (mut by_age, mut by_bytes) = (Pass::default(), Pass::default());
        loop {
            tokio::time::sleep(self.period()).await;
            while let Err(error) = self.sweep(&mut by_age, &mut by_bytes).await {
                if !matches!(error, StoreError::Busy) {
                    tracing::error!(%error, "sweeping failed; trying again");
                }
                tokio::time::sleep(BUSY_PAUSE).await;
            }
        }
    }

    fn period(&self) -> Duration {
        let age = self.rules().age.unwrap_or(PERIOD);
        (age / 4).clamp(SHORTEST_PERIOD, PERIOD)
    }

    fn rules(&self) -> RetentionRules {
        self.live.load().server.retention
    }

    async fn sweep(&self, by_age: &mut Pass, by_bytes: &mut Pass) -> Result<(), StoreError> {
        if let Some(age) = self.rules().age {
            by_age.begin(clock::now(), age);
            while self.step(by_age, clock::now().before(age)).await? {}
        }
        let Some(most) = self.rules().bytes else { return Ok(()) };
        by_bytes.begin(clock::now(), Duration::MAX);
        loop {
            let used = self.upkeep.space().await?.used_bytes;
            if used <= most {
                self.is_over.store(false, Ordering::Relaxed);
                return Ok(());
            }
            if !self.step(by_bytes, clock::now()).await? {
                self.warn_of(used, most);
                return Ok(());
            }
        }
    }

    /// False: there is no more that may go.
    async fn step(&self, pass: &mut Pass, older_than: Timestamp) -> Result<bool, StoreError> {
        let began = Instant::now();
        let after = pass.position();
        let Swept { events, deliveries, next } = self.upkeep.sweep(Sweep { older_than, after }).await?;
        if events > 0 {
            let mut done = self.done();
            done.events += events;
            done.deliveries += deliveries;
            done.last = Some(clock::now());
        }
        pass.came_to(next, older_than);
        tokio::time::sleep((began.elapsed() * REST_PER_STEP).max(SHORTEST_REST)).await;
        Ok(next.is_some())
    }

    fn warn_of(&self, used: u64, most: u64) {
        if !self.is_over.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                used_bytes = used,
                most_bytes = most,
                "the store is larger than `store.retention.bytes`, and only unfinished work is left in it"
            );
        }
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        // Numbers that are right one by one.
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
