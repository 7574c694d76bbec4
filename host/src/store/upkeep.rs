//! What people and time do to deliveries: repeat them, hurry them, give them up, clear them away.

use std::ops::AddAssign;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::delivery::State;
use crate::event::Event;
use crate::ids::{DeliveryId, EventId, WebhookId};
use crate::pattern::EventPattern;
use crate::store::{Answer, Lane};

/// Everything here is done in one commit, or in steps of a few hundred rows: others' commits come between.
pub trait Upkeep: Send + Sync + 'static {
    /// Makes a new delivery of an old one, unordered and due now.
    fn replay(&self, replay: Replay) -> Answer<'_, Replayed>;

    /// Makes one unfinished delivery due now: what is held is released, what retries does not wait.
    fn retry(&self, id: DeliveryId, now: Timestamp) -> Answer<'_, Retried>;

    /// Gives one unfinished delivery up: it is failed, for this reason, and those behind it in its lane go on.
    fn discard(&self, id: DeliveryId, reason: String, now: Timestamp) -> Answer<'_, Discarded>;

    /// The same for some of what a webhook holds. To be called until nothing is left.
    fn discard_held(&self, webhook: WebhookId, reason: String, now: Timestamp) -> Answer<'_, DiscardedHeld>;

    /// Deliveries that fit, oldest first, after `after`. Looks at a bounded number, whether they fit or not.
    fn select(&self, selection: Selection, after: Option<DeliveryId>) -> Answer<'_, Selected>;

    /// Forgets finished deliveries that fit, oldest first, after `after`; their events stay. Looks at a bounded number.
    fn purge(&self, selection: Selection, after: Option<DeliveryId>) -> Answer<'_, Purged>;

    /// Forgets events with all their deliveries, oldest first, where all of these are finished. One step.
    /// [`crate::store::StoreError::Busy`] when others wait.
    fn sweep(&self, sweep: Sweep) -> Answer<'_, Swept>;

    fn space(&self) -> Answer<'_, Space>;
}

/// A delivery to make of an old one.
#[derive(Clone, Debug)]
pub struct Replay {
    pub of: DeliveryId,
    /// Of the new delivery.
    pub id: DeliveryId,
    pub now: Timestamp,
    /// An event to store and to deliver instead, through today's chain. None: the old event, with the outcome of its
    /// chain as it was recorded and sent.
    pub event: Option<Arc<Event>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It waits in this lane.
    Queued {
        event: EventId,
        lane: Lane,
    },
    Refused(NoReplay),
}

/// Why there is no replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReplay {
    /// There is no such delivery (any more).
    Absent,
    /// It is still under way by itself, or held and nothing of it was sent.
    Unfinished(State),
    /// It is finished, but nothing of it was ever to be sent.
    NothingSent(State),
    /// Its event was swept meanwhile.
    EventGone,
    /// Its event has as many deliveries as one may have, [`crate::store::PAGE_ROWS`].
    TooMany,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retried {
    /// Due now, in this lane.
    Due(Lane),
    Absent,
    Finished(State),
    /// Somebody has it leased: it is being run or sent.
    UnderWay,
    /// It was not tried yet and waits for its turn.
    Waiting,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discarded {
    /// The lane may have another one ready now.
    Done(Lane),
    Absent,
    Finished(State),
    UnderWay,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscardedHeld {
    /// One for each delivery; a lane may stand there more than once.
    pub lanes: Vec<Lane>,
    /// There may be more.
    pub more: bool,
}

/// Which deliveries are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    pub webhook: Option<WebhookId>,
    pub state: State,
    /// Made at this time or later.
    pub since: Option<Timestamp>,
    /// Made before this time.
    pub until: Option<Timestamp>,
    pub event_type: Option<EventPattern>,
    /// Without what was replayed, and without what somebody gave up.
    pub untouched: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    pub found: Vec<DeliveryId>,
    /// How many fit as well, were they not left out as touched.
    pub left_out: LeftOut,
    /// Where to go on; none: there is no more.
    pub next: Option<DeliveryId>,
}

/// What a selection of untouched deliveries leaves out; each is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LeftOut {
    /// A replay of it was made.
    pub replayed: u64,
    /// Somebody gave it up.
    pub discarded: u64,
}

impl AddAssign for LeftOut {
    fn add_assign(&mut self, other: Self) {
        self.replayed += other.replayed;
        self.discarded += other.discarded;
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    pub count: u64,
    /// Where to go on; none: there is no more.
    pub next: Option<DeliveryId>,
}

/// Which events to forget.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// Received before this time, and every delivery finished before it.
    pub older_than: Timestamp,
    pub after: Option<EventId>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub events: u64,
    pub deliveries: u64,
    /// Where to go on; none: there is no more.
    pub next: Option<EventId>,
}

/// What the store takes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// In use: room of what was forgotten is used again, and not counted.
    pub used_bytes: u64,
    pub oldest_event: Option<Timestamp>,
}
