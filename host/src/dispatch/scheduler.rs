//! What goes out next, webhook by webhook. Pure: no clock, no dice, no store; simulated in its tests.
//!
//! [`Lanes`] says what may come from disk into memory, a [`Governor`] for each webhook says what of it may be sent.
//! What a governor will not have sent is not brought into memory either.

use std::collections::HashMap;

use self::governor::{Appetite, Governor};
use self::lanes::Lanes;
use crate::clock::Timestamp;
use crate::ids::WebhookId;
use crate::store::Lane;

pub use self::governor::Condition;
pub(super) use self::governor::{Admission, Change, Health, Limits, PATIENCE, Ticket};
pub(super) use self::lanes::{ClaimOrder, TASK_BYTES};

mod governor;
mod lanes;
mod rate;
#[cfg(test)]
mod simulation;

#[derive(Default)]
pub(super) struct Scheduler {
    lanes: Lanes,
    governors: HashMap<WebhookId, Governor>,
}

impl Scheduler {
    /// Takes room for a fresh delivery, unless its webhook is full, is not to be sent to now, or its lane has older work
    /// due on disk.
    pub(super) fn reserve(&mut self, lane: &Lane, weight: usize, now: Timestamp) -> bool {
        self.lanes.reserve(lane, weight, now)
    }

    /// How many fresh deliveries may come before the webhook is behind.
    pub(super) fn room(&self, webhook: &WebhookId, now: Timestamp) -> usize {
        self.lanes.room(webhook, now)
    }

    /// More room for a delivery that has some: its payload was rewritten. False: there is none now.
    pub(super) fn enlarge(&mut self, webhook: &WebhookId, more: usize) -> bool {
        self.lanes.enlarge(webhook, more)
    }

    /// Gives back the room of one delivery, with `more` of it if it was enlarged by that. True when this lets something
    /// be claimed; so it is below.
    pub(super) fn give_back(&mut self, webhook: &WebhookId, weight: usize, more: Option<usize>) -> bool {
        self.lanes.give_back(webhook, weight, more)
    }

    /// A delivery of the lane is on disk, due at `due`.
    pub(super) fn wake(&mut self, lane: &Lane, due: Timestamp) -> bool {
        self.lanes.wake(lane, due)
    }

    /// Lanes to claim from now, at most `most`; each is marked as being claimed until [`Self::claimed`].
    pub(super) fn orders(&mut self, now: Timestamp, most: usize) -> Vec<ClaimOrder> {
        self.lanes.orders(now, most)
    }

    /// A claim brought deliveries of these weights; `next_due` is what the store said is left.
    pub(super) fn claimed(&mut self, lane: &Lane, weights: impl Iterator<Item = usize>, next_due: Option<Timestamp>) {
        self.lanes.claimed(lane, weights, next_due);
    }

    /// When something will be due that has room, if nothing else happens.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.lanes.next_due()
    }

    /// A webhook that has room again for lanes that were not remembered: all of its lanes are to be woken.
    pub(super) fn has_forgotten(&mut self) -> Option<WebhookId> {
        self.lanes.has_forgotten()
    }

    /// Whether a delivery of this webhook that is in memory may begin.
    pub(super) fn admit(&mut self, webhook: &WebhookId, limits: &Limits, now: Timestamp) -> Admission {
        let governor = self.governors.entry(webhook.clone()).or_default();
        let admission = governor.admit(limits, now);
        let appetite = governor.appetite(limits, now);
        self.lanes.set_appetite(webhook, appetite);
        admission
    }

    /// An attempt is over. What changed about its webhook, and whether this lets something be claimed. `dice` is uniform
    /// in 0..1.
    pub(super) fn finish(
        &mut self,
        webhook: &WebhookId,
        ticket: &Ticket,
        health: Health,
        limits: &Limits,
        now: Timestamp,
        dice: f64,
    ) -> (Option<Change>, bool) {
        let governor = self.governors.entry(webhook.clone()).or_default();
        let change = governor.finish(ticket, health, limits, now, dice);
        (change, self.look_again(webhook, limits, now))
    }

    pub(super) fn pause(&mut self, webhook: &WebhookId, paused: bool, limits: &Limits, now: Timestamp) -> bool {
        self.governors.entry(webhook.clone()).or_default().pause(paused);
        self.look_again(webhook, limits, now)
    }

    /// As after a restart: nothing was taken since then.
    pub(super) fn set_failing(&mut self, webhook: &WebhookId, since: Timestamp, now: Timestamp) {
        self.governors.entry(webhook.clone()).or_default().set_failing(since, now);
    }

    /// Whether it took nothing lately.
    pub(super) fn is_failing(&self, webhook: &WebhookId) -> bool {
        self.governors.get(webhook).is_some_and(Governor::is_failing)
    }

    /// Forgets what was learned of the receiver: it is another one, or was mended.
    pub(super) fn forgive(&mut self, webhook: &WebhookId, limits: &Limits, now: Timestamp) -> bool {
        if let Some(governor) = self.governors.get_mut(webhook) {
            governor.forgive();
        }
        self.look_again(webhook, limits, now)
    }

    /// What people are shown of a receiver.
    pub(super) fn condition(&self, webhook: &WebhookId, limits: &Limits, now: Timestamp) -> Condition {
        self.governors.get(webhook).map(|governor| governor.condition(limits, now)).unwrap_or_default()
    }

    /// Also to be called when the limits of a webhook changed: what was refused under others may go now.
    pub(super) fn look_again(&mut self, webhook: &WebhookId, limits: &Limits, now: Timestamp) -> bool {
        let appetite =
            self.governors.get_mut(webhook).map(|governor| governor.appetite(limits, now)).unwrap_or_default();
        if appetite == Appetite::default() && self.governors.get(webhook).is_some_and(Governor::is_idle) {
            self.governors.remove(webhook);
        }
        self.lanes.set_appetite(webhook, appetite)
    }
}
