//! The promise: what was appended is on disk before the call returns, and leaves the queue only by a settle.
//!
//! Shaped in batches, so that one durable write serves many callers. [`Store`] is the way of a delivery,
//! [`Administration`] is for looking and mending, [`Upkeep`] for repeating and clearing away, [`Registry`] and [`Managed`]
//! for what people make and change. Decides nothing
//! about time: every due time and every "now" arrives as an argument. Nor does it know what a retry, a plugin or a pause
//! is for.
//!
//! What any implementation must do is written as tests, in `conformance`.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use url::Url;

use crate::clock::Timestamp;
use crate::delivery::{Attempt, AttemptHead, ChainRecord, DeliveryView, HeldCause, Next};
use crate::event::Event;
use crate::ids::{DeliveryId, Digest, EventId, QuarantineId, SourceName, WebhookId};

#[cfg(test)]
mod conformance;
mod looking;
mod managed;
mod registry;
pub mod sqlite;
mod upkeep;

pub use looking::{
    Ahead, COUNTED_AT_MOST, DeliveryFilter, EventFilter, EventHead, Glance, HeldGroup, HeldGroups, MOST_HELD_GROUPS,
    Page, Waiting,
};
pub use managed::{MOST_MANAGED, Managed, ManagedRow, Written};
pub use registry::{CHANGES_KEPT, Change, ChangeFilter, Recorded, Registry};
pub use upkeep::{
    Discarded, DiscardedHeld, LeftOut, NoReplay, Purged, Replay, Replayed, Retried, Selected, Selection, Space, Sweep,
    Swept, Upkeep,
};

/// A store's answer, some time later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why the store could not do it. Nothing of the call was done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database said no: disk full, I/O error, locked. May pass.
    #[error("the store failed: {0}")]
    Failed(Arc<str>),
    /// The store is closed or its thread is gone.
    #[error("the store is closed")]
    Closed,
    /// The store's own queue is full: too much is waiting to be committed.
    #[error("the store is busy: too much waits to be committed")]
    Busy,
    /// A row holds what this version cannot read.
    #[error("the store holds a value that cannot be read: {0}")]
    Corrupt(Arc<str>),
}

/// The way of a delivery through the store.
///
/// Nothing starts before the answer is polled; then it is done even if the caller goes away. Leases in an answer that
/// nobody received (a cancelled request) are given back, due as before: whoever asks [`Store::lanes`] finds them.
pub trait Store: Send + Sync + 'static {
    /// Stores events with their deliveries, durable on return: all that were not there yet, or none. Idempotency keys
    /// are looked up and written in the same commit. Deliveries with `lease` come back leased to this owner.
    fn append(&self, events: Vec<NewEvent>) -> Answer<'_, Vec<Appended>>;

    /// Leases the deliveries of one lane that are due, oldest due first. At most [`PAGE_ROWS`].
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed>;

    /// Records what happened to leased deliveries and gives the leases up. Each answers on its own; a settlement
    /// whose fence is stale is [`Settled::Stale`] and changes nothing. [`Next::Released`] gives up the lease and
    /// sets the due time; whatever else it carries is not looked at.
    fn settle<'a>(&'a self, settlements: &'a [Settlement]) -> Answer<'a, Vec<Settled>>;

    /// Lanes that have deliveries which could be leased now or once they are due, with the earliest due time of each; ordered by
    /// lane, those after `after` only, at most `limit`. For start-up and as a slow safety net.
    fn lanes(&self, after: Option<Lane>, limit: usize) -> Answer<'_, Vec<LaneDue>>;

    /// Says this owner is alive and takes back the leases of owners that are not (silent for
    /// [`OWNER_SILENCE_MS`]). Returns how many deliveries were taken back.
    fn heartbeat(&self, now: Timestamp) -> Answer<'_, u64>;

    /// Holds every unleased, unheld delivery of the webhook, those that are behind in their lanes included: each keeps
    /// its place. Debounced ones gather no more. Returns how many. In steps, so that others are not kept
    /// waiting: after an error some may be held; repeating it does the rest.
    fn hold(&self, webhook: WebhookId, cause: HeldCause, reason: String, now: Timestamp) -> Answer<'_, u64>;

    /// Makes what this webhook holds pending again, due now, as far as `held` says; none overtakes another of its lane.
    /// What died too often starts counting anew. Returns how many. In steps, as
    /// [`Store::hold`].
    fn release(&self, webhook: WebhookId, held: HeldFor, now: Timestamp) -> Answer<'_, u64>;

    /// A host died while these were under way: to be asked at the next start, before anything is claimed. Counts one more
    /// crash for each that is neither finished nor held; a settlement other than [`Next::Released`] sets the count
    /// back. One that reaches `most` is held for [`HeldCause::Crashed`], whoever has it leased: in its place, so that
    /// its lane waits. Returns those.
    fn crashed(&self, ids: Vec<DeliveryId>, most: u32, now: Timestamp) -> Answer<'_, Vec<DeliveryId>>;

    /// Keeps refused bodies, within `bounds` (the oldest go first).
    fn quarantine(&self, refused: Vec<Quarantined>, bounds: QuarantineBounds) -> Answer<'_, ()>;
}

/// Looking and mending: for the API, the pages and the command line.
///
/// Pages hold at most [`PAGE_ROWS`], and end early when what they hold is large ([`PAGE_BYTES`]): only an empty page
/// is the end.
pub trait Administration: Send + Sync + 'static {
    fn event(&self, id: EventId) -> Answer<'_, Option<Event>>;

    /// Events newest first, those with an id below `before` only, at most `limit`.
    fn events(&self, before: Option<EventId>, limit: usize) -> Answer<'_, Vec<Event>>;

    /// In the order they were appended, without rewritten payloads.
    fn deliveries_of(&self, event: EventId) -> Answer<'_, Vec<DeliveryView>>;

    /// With its rewritten payload, if it has one.
    fn delivery(&self, id: DeliveryId) -> Answer<'_, Option<DeliveryView>>;

    /// Events that fit, newest first, those with an id below `before` only. Looks at a bounded number.
    fn event_heads(
        &self,
        filter: EventFilter,
        before: Option<EventId>,
        limit: usize,
    ) -> Answer<'_, Page<EventHead, EventId>>;

    /// Deliveries that fit, newest first, those with an id below `before` only; without rewritten payloads. Looks at a
    /// bounded number.
    fn deliveries(
        &self,
        filter: DeliveryFilter,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Answer<'_, Page<DeliveryView, DeliveryId>>;

    /// What an unfinished delivery waits for in the order of its lane; none: nothing.
    fn ahead_of(&self, delivery: DeliveryId) -> Answer<'_, Option<Ahead>>;

    /// Of each of these webhooks, in their order.
    fn waiting(&self, webhooks: Vec<WebhookId>) -> Answer<'_, Vec<Waiting>>;

    /// Of each of these deliveries and its event, in their order.
    fn glances(&self, deliveries: Vec<(DeliveryId, EventId)>) -> Answer<'_, Vec<Glance>>;

    /// The newest `limit` deliveries that repeat this one, newest first.
    fn replays_of(&self, delivery: DeliveryId, limit: usize) -> Answer<'_, Vec<DeliveryId>>;

    /// What is held, by webhook and cause.
    fn held_groups(&self) -> Answer<'_, HeldGroups>;

    /// How the newest attempts went, of whichever webhook, newest first: the last ones of `limit` finished deliveries, and
    /// `limit` of those that did not finish theirs.
    fn recent_attempts(&self, limit: usize) -> Answer<'_, Vec<(WebhookId, AttemptHead)>>;

    /// In order of their numbers.
    fn attempts_of(&self, delivery: DeliveryId) -> Answer<'_, Vec<Attempt>>;

    /// Exact, and as cheap with a million rows as with one.
    fn counts(&self) -> Answer<'_, Counts>;

    /// Quarantined bodies, newest first.
    fn quarantined(&self, before: Option<QuarantineId>, limit: usize) -> Answer<'_, Vec<Quarantined>>;

    /// Takes one out of quarantine; none if it is not there.
    fn unquarantine(&self, id: QuarantineId) -> Answer<'_, Option<Quarantined>>;

    /// By webhook.
    fn run_states(&self) -> Answer<'_, Vec<RunState>>;

    /// Writes one, in place of an earlier one of its webhook and kind.
    fn set_run_state(&self, state: RunState) -> Answer<'_, ()>;

    fn clear_run_state(&self, webhook: WebhookId, kind: RunStateKind) -> Answer<'_, ()>;

    /// How commits are made durable, as read back from the database: for status and tests.
    fn durability(&self) -> Answer<'_, String>;
}

/// Rows of one page at most, whatever limit is asked for.
pub const PAGE_ROWS: usize = 1000;

/// A page ends early once its bodies reach this sum, so that looking at large bodies does not fill the memory.
pub const PAGE_BYTES: usize = 16 << 20;

/// An owner that has not been heard of for this long has lost its leases.
pub const OWNER_SILENCE_MS: i64 = 30_000;

/// How long an idempotency key is remembered.
pub const IDEMPOTENCY_MS: i64 = 24 * 3_600_000;

/// Deliveries of one webhook with one order key wait in one lane. A lane with a key is ordered: its deliveries have
/// places, in the order they were committed, and only the unfinished one with the lowest place may be leased.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    pub webhook: WebhookId,
    /// Empty: unordered.
    pub key: Arc<str>,
}

impl Lane {
    /// The lane of a webhook without order.
    pub fn unordered(webhook: WebhookId) -> Self {
        static NO_KEY: LazyLock<Arc<str>> = LazyLock::new(|| "".into());
        Self { webhook, key: Arc::clone(&NO_KEY) }
    }

    /// Whether its deliveries go one after the other.
    pub fn is_ordered(&self) -> bool {
        !self.key.is_empty()
    }
}

/// A lane and when its next delivery is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneDue {
    pub lane: Lane,
    pub due: Timestamp,
}

/// An event to store. A second one of the same id is an error.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub event: Arc<Event>,
    pub idempotency: Option<Idempotency>,
    pub deliveries: Vec<NewDelivery>,
}

/// A sender's key for "the same event again", scoped by source.
#[derive(Clone, Debug)]
pub struct Idempotency {
    pub key: Arc<str>,
    /// Of the bytes: the same key with other bytes is a conflict.
    pub digest: Digest,
}

/// A delivery to store with its event. Due at once, or when its debounce window closes.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    pub id: DeliveryId,
    /// In a lane with a key it waits for all that came before it there.
    pub lane: Lane,
    /// Lease it to this owner right away: the caller holds a permit for it. Not done for one that waits for others in
    /// its lane or for its window.
    pub lease: bool,
    /// It is stored as an event of the open window of this key, or opens one. It takes no place in its lane.
    pub debounce: Option<Debounce>,
}

/// Gathers the events of one webhook and one key into one delivery. The first opens a window, each later one moves its
/// end, up to the longest wait. A delivery that was leased or held once gathers no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debounce {
    pub key: Arc<str>,
    /// Quiet time after the last event.
    pub window: Duration,
    /// After the first event.
    pub max_wait: Duration,
}

/// Members of a window that are remembered by their id: the newest. How many came is counted beyond.
pub const WINDOW_MEMBERS: usize = 100;

/// What became of one appended event.
#[derive(Debug)]
pub enum Appended {
    /// Stored; what became of each delivery, in their order.
    Stored { deliveries: Vec<Placed> },
    /// This key was seen with the same bytes: nothing stored, here is the first.
    Repeated { event: EventId, deliveries: Vec<(DeliveryId, WebhookId)> },
    /// This key was seen with other bytes, before or earlier in the call: nothing of the call is stored.
    Conflict { event: EventId },
    /// Another event of the call is a conflict.
    Withheld,
}

/// Where an appended delivery stands.
#[derive(Debug)]
pub struct Placed {
    /// As asked for, or that of the window which took the event.
    pub id: DeliveryId,
    pub place: Place,
}

#[derive(Debug)]
pub enum Place {
    Leased(Box<Lease>),
    /// In its lane, to be claimed at this time.
    Due(Timestamp),
    /// Waits until those before it in its lane are finished.
    Behind,
}

/// Proof of ownership of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseToken {
    pub delivery: DeliveryId,
    /// Which owner, by the epoch it was given when it opened the store.
    pub epoch: i64,
    /// Counts the leases of this delivery: an old one no longer fits.
    pub fence: i64,
}

/// A delivery leased to this owner, with all that is needed to work on it.
#[derive(Clone, Debug)]
pub struct Lease {
    pub token: LeaseToken,
    pub lane: Lane,
    pub event: Arc<Event>,
    /// The other members of its debounce window, newest first.
    pub earlier: Vec<EventId>,
    /// Attempts made so far.
    pub attempts: u32,
    /// Chain runs made so far.
    pub runs: u32,
    /// The outcome of the chain, once an attempt was made with it: it is fixed. None: the chain is to run, even if an
    /// earlier run (that failed, or was never sent) is on record.
    pub chain: Option<ChainRecord>,
}

impl Lease {
    /// What it costs in memory, for budgets: its event, and its payload if a chain rewrote it.
    pub fn weight(&self) -> usize {
        self.event.weight() + self.chain.as_ref().and_then(ChainRecord::data).map_or(0, Bytes::len)
    }
}

/// Which deliveries to lease.
#[derive(Clone, Debug)]
pub struct Claim {
    pub lane: Lane,
    pub now: Timestamp,
    pub limit: usize,
    /// Stop once the weights of the events and the lengths of their rewritten payloads reach this sum (at least one
    /// is returned).
    pub max_bytes: usize,
}

/// Leased deliveries, and when there will be more.
#[derive(Debug)]
pub struct Claimed {
    pub leases: Vec<Lease>,
    /// Due time of the lane's next unleased, unheld delivery, if there is one.
    pub next_due: Option<Timestamp>,
}

/// What happened to one leased delivery.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub token: LeaseToken,
    pub now: Timestamp,
    pub next: Next,
    /// The attempt that was made, if one was.
    pub attempt: Option<Attempt>,
    /// The chain run that was made, if one was. Kept as the delivery's outcome.
    pub chain: Option<ChainRecord>,
    /// Chain runs made so far, this one included.
    pub runs: u32,
    /// Another member of its window that is sent in place of the newest: the delivery's event from then on. None: as
    /// before. One that the window does not remember is logged as an error and not taken; the rest is recorded, since
    /// it happened.
    pub carrier: Option<EventId>,
    /// A held delivery gives up its place in its lane: those behind it go on. It is unordered from then on.
    pub gives_up_place: bool,
}

/// What became of one settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    Done,
    /// Somebody else owns the delivery now; nothing was changed.
    Stale,
}

/// Which held deliveries to release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldFor {
    /// What is held for exactly this.
    Cause(HeldCause),
    /// What is held for a plugin, unless for one of these causes.
    PluginsExcept(Vec<HeldCause>),
}

/// A refused body, kept so that it can be admitted after the schema is mended.
#[derive(Clone, Debug, PartialEq)]
pub struct Quarantined {
    pub id: QuarantineId,
    pub source: SourceName,
    pub received: Timestamp,
    pub content_type: Arc<str>,
    pub headers: Vec<(String, String)>,
    pub data: Bytes,
    pub idempotency_key: Option<Arc<str>>,
    /// The problem document that was answered, as JSON text.
    pub problem: String,
}

/// How much quarantine keeps. What is alone above `max_bytes` is not kept at all.
#[derive(Clone, Copy, Debug)]
pub struct QuarantineBounds {
    pub max_count: u64,
    pub max_bytes: u64,
    /// Older ones than this go.
    pub oldest: Timestamp,
}

/// What is known of a webhook beyond its definition; one of each kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunState {
    pub webhook: WebhookId,
    pub kind: RunStateKind,
    pub since: Timestamp,
    /// Who or what: `receiver (410 Gone)`.
    pub by: String,
    /// Of the URL it was set for: another URL clears what no person set.
    pub url: Digest,
}

impl RunState {
    /// What tells a URL from others. The URL itself may hold a secret, which does not rest in the store.
    pub fn url_digest(url: &Url) -> Digest {
        Digest::of(url.as_str().as_bytes())
    }

    /// How the host names itself in `by`.
    pub const HOST: &str = "hookwright";

    /// Whether somebody set it, and not the host for what its receiver did.
    pub fn is_a_persons(&self) -> bool {
        match self.kind {
            RunStateKind::Paused => true,
            RunStateKind::Disabled => !self.by.starts_with(Self::HOST),
            RunStateKind::Gone | RunStateKind::Failing => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunStateKind {
    /// The receiver answered 410.
    Gone,
    /// Deliveries gather, none is sent.
    Paused,
    /// Switched off here, whatever its file says.
    Disabled,
    /// The receiver is ill since then: its circuit breaker opened, and nothing was delivered after.
    Failing,
}

/// How much of everything there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    pub events: u64,
    pub pending: u64,
    pub retrying: u64,
    pub held: u64,
    pub delivered: u64,
    pub dropped: u64,
    /// Events, not deliveries: gathered by one that is finished, and not the one it carried.
    pub superseded: u64,
    pub failed: u64,
    pub quarantined: u64,
}

impl Counts {
    /// Each with its name.
    pub fn named(&self) -> [(&'static str, u64); 9] {
        let Self { events, pending, retrying, held, delivered, dropped, superseded, failed, quarantined } = *self;
        [
            ("events", events),
            ("pending", pending),
            ("retrying", retrying),
            ("held", held),
            ("delivered", delivered),
            ("dropped", dropped),
            ("superseded", superseded),
            ("failed", failed),
            ("quarantined", quarantined),
        ]
    }
}
