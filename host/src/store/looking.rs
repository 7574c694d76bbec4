//! What people ask of lists, and what they are answered.

use crate::clock::Timestamp;
use crate::delivery::{Attempt, HeldCause, State};
use crate::ids::{DeliveryId, EventId, EventType, SourceName, WebhookId};
use crate::pattern::EventPattern;

/// A part of a list, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, Id> {
    pub found: Vec<T>,
    /// The `before` to go on with; none: there is no more. A page may be short, or empty, and not be the last: so many
    /// rows are looked at, whether they fit or not.
    pub next: Option<Id>,
}

/// Which deliveries to list.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    pub webhook: Option<WebhookId>,
    pub state: Option<State>,
    pub event_type: Option<EventPattern>,
    /// Made at this time or later.
    pub since: Option<Timestamp>,
    /// Made before this time.
    pub until: Option<Timestamp>,
}

/// Which events to list.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    pub event_type: Option<EventPattern>,
    pub source: Option<SourceName>,
    /// Received at this time or later.
    pub since: Option<Timestamp>,
    /// Received before this time.
    pub until: Option<Timestamp>,
}

/// An event without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventHead {
    pub id: EventId,
    pub event_type: EventType,
    pub source: SourceName,
    pub received: Timestamp,
    pub content_type: String,
    pub headers: Vec<(String, String)>,
    /// Of a CloudEvent.
    pub attributes: Vec<(String, String)>,
    /// How many bytes it has.
    pub bytes: usize,
}

/// What stands before a delivery in the order of its lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// The first of the lane: all others wait for it.
    pub first: DeliveryId,
    pub state: State,
    /// When it is due; not of one that is held.
    pub due: Option<Timestamp>,
    pub reason: Option<String>,
    /// It is being run or sent.
    pub under_way: bool,
    /// How many stand before the delivery, the first included; at most [`COUNTED_AT_MOST`].
    pub count: u64,
}

/// What of a webhook is unfinished. Both are counted up to [`COUNTED_AT_MOST`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// To be sent, and nobody is at it.
    pub waiting: u64,
    pub held: u64,
    /// The earliest of those that were tried and are tried again, if it is among those that are due first.
    pub next_retry: Option<Timestamp>,
}

/// No more are counted of one thing: a list of webhooks costs as much with a backlog of a million as with one of a
/// thousand.
pub const COUNTED_AT_MOST: u64 = 1_000;

/// What a list says of a delivery beside the delivery.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Glance {
    /// None: its event is not kept any more.
    pub event_type: Option<EventType>,
    /// The last attempt.
    pub last: Option<Attempt>,
}

/// What is held, by webhook and cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldGroups {
    pub groups: Vec<HeldGroup>,
    /// There are more than [`MOST_HELD_GROUPS`].
    pub more: bool,
}

/// What one webhook holds for one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldGroup {
    pub webhook: WebhookId,
    pub cause: HeldCause,
    /// At most [`COUNTED_AT_MOST`].
    pub count: u64,
    pub oldest: DeliveryId,
    /// Of the oldest.
    pub reason: Option<String>,
}

/// No more groups are told.
pub const MOST_HELD_GROUPS: usize = 100;
