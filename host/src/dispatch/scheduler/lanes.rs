//! Which webhooks have what in memory, which of their lanes wait on disk, and what may be claimed next.
//!
//! A webhook has a bounded number of leased deliveries in memory; the rest of it stays on disk. A lane whose disk part is
//! due takes no fresh deliveries into memory, so that old ones go first. While a claim is under way it does, if it has no
//! order: else what comes during the claim would be the reason for the next one, and a burst that is long over would
//! send all that follows the long way over the disk.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::governor::Appetite;
use crate::clock::Timestamp;
use crate::ids::WebhookId;
use crate::store::Lane;

#[cfg(test)]
mod tests;

/// Leased deliveries one webhook may have in memory: enough to keep its concurrency busy between two claims.
pub(super) const MEMORY_COUNT: usize = 256;
/// The same, of a burst of fresh ones while all webhooks together take less than half: one that is read back from disk
/// costs a sixth more. What few slow receivers may take, all others still have a share beside.
const BURST_COUNT: usize = 1024;
/// Their weight: a webhook of large payloads has fewer.
pub(super) const MEMORY_BYTES: usize = 8 << 20;
/// What a delivery in memory takes beside its payload: its task, what it waits for, its place in tables. To be part of
/// each weight, so that many small ones take no more than few large ones.
pub(in super::super) const TASK_BYTES: usize = 6 << 10;
/// The weight of all webhooks together.
pub(super) const TOTAL_MEMORY_BYTES: usize = 64 << 20;
/// So many deliveries a webhook may always have, however full the total is: others' backlog never stops it.
const MEMORY_ALWAYS: usize = 2;
/// Below this many, a webhook with work on disk is refilled: one claim fetches at least half of what it may have.
const REFILL_BELOW: usize = MEMORY_COUNT / 2;
/// What a claim may bring for each delivery that it may bring; one delivery it brings in any case. So there is room for
/// fresh ones beside it.
const CLAIM_BYTES: usize = MEMORY_BYTES / 2 / MEMORY_COUNT;
/// Lanes of one webhook on disk that are remembered; what is beyond is looked up when there are fewer. A dead receiver's
/// lanes take nobody else's room.
const MOST_LANES: usize = 10_000;

/// The lanes of this host, webhook by webhook.
#[derive(Default)]
pub(super) struct Lanes {
    webhooks: HashMap<WebhookId, Queue>,
    /// Webhooks with work on disk that have room for it.
    waiting: BTreeSet<Turn>,
    /// The same, but with what every webhook may have already: these have room only while all together have.
    waiting_for_total: BTreeSet<Turn>,
    total_bytes: usize,
    /// What claims under way may bring, of all webhooks.
    total_expected_bytes: usize,
    /// Webhooks that have more lanes on disk than are remembered.
    forgotten: BTreeSet<WebhookId>,
    /// When claims were ordered last.
    ordered: Timestamp,
}

/// By when something is due, or when the webhook was served last if that is later: among those that are due, each has
/// its turn.
type Turn = (Timestamp, WebhookId);

#[derive(Default)]
struct Queue {
    count: usize,
    bytes: usize,
    /// Deliveries that were given more room than they began with.
    enlarged: usize,
    /// What claims under way may bring.
    expected: usize,
    expected_bytes: usize,
    lanes: HashMap<Arc<str>, OnDisk>,
    /// Its lanes that may be claimed from.
    due: BTreeSet<(Timestamp, Arc<str>)>,
    appetite: Appetite,
    served: Timestamp,
    /// Where it stands in one of the waiting sets.
    entry: Option<Timestamp>,
}

#[derive(Default)]
struct OnDisk {
    /// When the earliest delivery on disk is due.
    due: Option<Timestamp>,
    /// A claim is under way; what is woken meanwhile counts as due after it.
    claiming: Option<Expected>,
}

/// What a claim may bring.
#[derive(Clone, Copy, Default)]
struct Expected {
    count: usize,
    bytes: usize,
}

/// Permission to claim from one lane.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct ClaimOrder {
    pub(in super::super) lane: Lane,
    pub(in super::super) limit: usize,
    pub(in super::super) max_bytes: usize,
}

impl Lanes {
    /// Takes room for a fresh delivery, unless its webhook is full or its lane has older work due on disk.
    pub(super) fn reserve(&mut self, lane: &Lane, weight: usize, now: Timestamp) -> bool {
        let total = self.total_bytes + self.total_expected_bytes + weight;
        let most = if total <= TOTAL_MEMORY_BYTES / 2 { BURST_COUNT } else { MEMORY_COUNT };
        let queue = self.webhooks.entry(lane.webhook.clone()).or_default();
        let is_overdue = queue.lanes.get(&lane.key).is_some_and(|disk| {
            (lane.is_ordered() && disk.claiming.is_some()) || disk.due.is_some_and(|due| due <= now)
        });
        let in_memory = queue.count + queue.expected;
        let is_full = in_memory >= queue.appetite.most.min(most)
            || (in_memory > 0 && queue.bytes + queue.expected_bytes + weight > MEMORY_BYTES)
            || (in_memory >= MEMORY_ALWAYS && total > TOTAL_MEMORY_BYTES);
        if is_overdue || is_full || queue.appetite.not_before > now {
            self.forget_if_idle(&lane.webhook);
            return false;
        }
        queue.count += 1;
        queue.bytes += weight;
        self.total_bytes += weight;
        true
    }

    /// How many fresh deliveries may come before the webhook is behind: has more than keeps its concurrency busy, or half of
    /// it and more of that due on disk, where they would go too. One that its governor holds back is not behind.
    pub(super) fn room(&self, webhook: &WebhookId, now: Timestamp) -> usize {
        let Some(queue) = self.webhooks.get(webhook) else { return MEMORY_COUNT };
        if queue.appetite != Appetite::default() {
            return MEMORY_COUNT;
        }
        if queue.bytes >= MEMORY_BYTES / 2 {
            return 0;
        }
        let is_overdue = queue.lanes.get("").and_then(|disk| disk.due).is_some_and(|due| due <= now);
        let most = if is_overdue { REFILL_BELOW } else { MEMORY_COUNT };
        most.saturating_sub(queue.count)
    }

    /// More room for a delivery that has some: its payload was rewritten. Refused where all together are full, unless
    /// the webhook has fewer than what every one may always have.
    pub(super) fn enlarge(&mut self, webhook: &WebhookId, more: usize) -> bool {
        let Some(queue) = self.webhooks.get_mut(webhook) else { return false };
        if queue.enlarged >= MEMORY_ALWAYS && self.total_bytes + more > TOTAL_MEMORY_BYTES {
            return false;
        }
        queue.enlarged += 1;
        queue.bytes += more;
        self.total_bytes += more;
        true
    }

    /// Gives back the room of one delivery, with `more` of it if it was enlarged by that. True when this lets something
    /// be claimed.
    pub(super) fn give_back(&mut self, webhook: &WebhookId, weight: usize, more: Option<usize>) -> bool {
        let Some(queue) = self.webhooks.get_mut(webhook) else { return false };
        queue.count = queue.count.saturating_sub(1);
        queue.enlarged = queue.enlarged.saturating_sub(usize::from(more.is_some()));
        let weight = weight + more.unwrap_or_default();
        queue.bytes = queue.bytes.saturating_sub(weight);
        let was_full = self.is_full();
        self.total_bytes = self.total_bytes.saturating_sub(weight);
        let total_has_room = was_full && !self.is_full() && !self.waiting_for_total.is_empty();
        let has_room = self.index(webhook);
        self.forget_if_idle(webhook);
        has_room || total_has_room
    }

    /// What the governor of a webhook lets in from now on. True when this changes what is claimed next.
    pub(super) fn set_appetite(&mut self, webhook: &WebhookId, appetite: Appetite) -> bool {
        let known = self.webhooks.get(webhook).map_or(Appetite::default(), |queue| queue.appetite);
        if known == appetite {
            return false;
        }
        self.webhooks.entry(webhook.clone()).or_default().appetite = appetite;
        let changed = self.index(webhook);
        self.forget_if_idle(webhook);
        changed
    }

    /// A delivery of the lane is on disk, due at `due`. True when this changes what is claimed next.
    pub(super) fn wake(&mut self, lane: &Lane, due: Timestamp) -> bool {
        let queue = self.webhooks.entry(lane.webhook.clone()).or_default();
        let is_new = !queue.lanes.contains_key(&lane.key);
        if is_new && lane.is_ordered() && queue.lanes.len() >= MOST_LANES {
            self.forgotten.insert(lane.webhook.clone());
            return false;
        }
        let disk = queue.lanes.entry(Arc::clone(&lane.key)).or_default();
        if disk.due.is_some_and(|known| known <= due) {
            return false;
        }
        let earlier = disk.due.replace(due);
        if disk.claiming.is_none() {
            if let Some(earlier) = earlier {
                queue.due.remove(&(earlier, Arc::clone(&lane.key)));
            }
            queue.due.insert((due, Arc::clone(&lane.key)));
        }
        self.index(&lane.webhook)
    }

    /// A webhook that has room again for lanes that were not remembered: all of its lanes are to be woken.
    pub(super) fn has_forgotten(&mut self) -> Option<WebhookId> {
        let lanes = |webhook| self.webhooks.get(webhook).map_or(0, |queue: &Queue| queue.lanes.len());
        let webhook = self.forgotten.iter().find(|webhook| lanes(webhook) < MOST_LANES / 2).cloned()?;
        self.forgotten.remove(&webhook);
        Some(webhook)
    }

    /// Lanes to claim from now, at most `most`; each is marked as being claimed until [`Self::claimed`].
    pub(super) fn orders(&mut self, now: Timestamp, most: usize) -> Vec<ClaimOrder> {
        if self.ordered > now {
            self.come_back_to(now);
        }
        self.ordered = now;
        let due_in = |set: &BTreeSet<Turn>, most| -> Vec<WebhookId> {
            set.iter().take_while(|(due, _)| *due <= now).take(most).map(|(_, webhook)| webhook.clone()).collect()
        };
        let is_full = self.is_full();
        let mut due = due_in(&self.waiting, most);
        if !is_full {
            due.extend(due_in(&self.waiting_for_total, most - due.len()));
        }
        let mut orders = Vec::new();
        let mut turn = due.clone();
        // Each its first lane, then each its second, and so on.
        while orders.len() < most && !turn.is_empty() {
            turn.retain(|webhook| {
                let queue = self.webhooks.get_mut(webhook).filter(|_| orders.len() < most);
                let order = queue.and_then(|queue| queue.order(webhook, is_full, now));
                let is_served = order.is_some();
                orders.extend(order);
                is_served
            });
        }
        for webhook in &due {
            if let Some(queue) = self.webhooks.get_mut(webhook) {
                queue.served = now;
            }
            self.index(webhook);
        }
        // Half of what is left, shared among the lanes claimed now: together they stay within the total, and so do fresh
        // ones meanwhile. A claim brings one delivery at least.
        let left = TOTAL_MEMORY_BYTES.saturating_sub(self.total_bytes + self.total_expected_bytes);
        let share = left / 2 / orders.len().max(1);
        for order in &mut orders {
            self.bound(order, share);
        }
        orders
    }

    /// Settles what the claim may bring, at most `share` bytes.
    fn bound(&mut self, order: &mut ClaimOrder, share: usize) {
        let Some(queue) = self.webhooks.get_mut(&order.lane.webhook) else { return };
        let room = MEMORY_BYTES.saturating_sub(queue.bytes + queue.expected_bytes);
        order.max_bytes = (order.limit * CLAIM_BYTES).min(room).min(share);
        let limit = order.limit.min(order.max_bytes / TASK_BYTES).max(1);
        queue.expected -= order.limit - limit;
        order.limit = limit;
        queue.expected_bytes += order.max_bytes;
        self.total_expected_bytes += order.max_bytes;
        if let Some(disk) = queue.lanes.get_mut(&order.lane.key) {
            disk.claiming = Some(Expected { count: limit, bytes: order.max_bytes });
        }
    }

    /// A claim brought deliveries of these weights; `next_due` is what the store said is left.
    pub(super) fn claimed(&mut self, lane: &Lane, weights: impl Iterator<Item = usize>, next_due: Option<Timestamp>) {
        let queue = self.webhooks.entry(lane.webhook.clone()).or_default();
        for weight in weights {
            queue.count += 1;
            queue.bytes += weight;
            self.total_bytes += weight;
        }
        if let Some(disk) = queue.lanes.get_mut(&lane.key) {
            let Expected { count, bytes } = disk.claiming.take().unwrap_or_default();
            queue.expected = queue.expected.saturating_sub(count);
            queue.expected_bytes = queue.expected_bytes.saturating_sub(bytes);
            self.total_expected_bytes = self.total_expected_bytes.saturating_sub(bytes);
            // What was woken during the claim may be there already; the earlier of both counts.
            disk.due = [disk.due, next_due].into_iter().flatten().min();
            if let Some(due) = disk.due {
                queue.due.insert((due, Arc::clone(&lane.key)));
            } else {
                queue.lanes.remove(&lane.key);
            }
        }
        self.index(&lane.webhook);
        self.forget_if_idle(&lane.webhook);
    }

    /// When something will be due that has room, if nothing else happens.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let of_total = self.waiting_for_total.first().filter(|_| !self.is_full());
        [self.waiting.first(), of_total].into_iter().flatten().map(|(due, _)| *due).min()
    }

    /// The clock was set back: whoever was served later than now had its turn now.
    fn come_back_to(&mut self, now: Timestamp) {
        for webhook in self.webhooks.keys().cloned().collect::<Vec<_>>() {
            if let Some(queue) = self.webhooks.get_mut(&webhook) {
                queue.served = queue.served.min(now);
            }
            self.index(&webhook);
        }
    }

    fn is_full(&self) -> bool {
        self.total_bytes >= TOTAL_MEMORY_BYTES
    }

    /// Puts the webhook where it belongs. True when this changes what can be claimed.
    fn index(&mut self, webhook: &WebhookId) -> bool {
        let Some(queue) = self.webhooks.get_mut(webhook) else { return false };
        let turn = queue.turn();
        let waits_for_total = queue.count + queue.expected >= MEMORY_ALWAYS;
        let (wanted, other) = if waits_for_total {
            (&mut self.waiting_for_total, &mut self.waiting)
        } else {
            (&mut self.waiting, &mut self.waiting_for_total)
        };
        if let Some(entry) = queue.entry {
            let entry = (entry, webhook.clone());
            other.remove(&entry);
            if queue.entry != turn {
                wanted.remove(&entry);
            }
        }
        queue.entry = turn;
        let Some(turn) = turn else { return false };
        wanted.insert((turn, webhook.clone())) && !(waits_for_total && self.is_full())
    }

    fn forget_if_idle(&mut self, webhook: &WebhookId) {
        let is_idle =
            |queue: &Queue| queue.count == 0 && queue.lanes.is_empty() && queue.appetite == Appetite::default();
        if self.webhooks.get(webhook).is_some_and(is_idle) {
            self.webhooks.remove(webhook);
        }
    }
}

impl Queue {
    /// When it may be claimed from; none: nothing to claim, or no room for it.
    fn turn(&self) -> Option<Timestamp> {
        let (due, _) = self.due.first()?;
        let in_memory = self.count + self.expected;
        let has_room = in_memory < self.appetite.most.min(REFILL_BELOW) && self.bytes < MEMORY_BYTES / 2;
        has_room.then(|| self.served.max(*due).max(self.appetite.not_before))
    }

    /// The lane of this webhook that is due first, as far as there is room.
    fn order(&mut self, webhook: &WebhookId, is_full: bool, now: Timestamp) -> Option<ClaimOrder> {
        let most = if is_full { MEMORY_ALWAYS } else { MEMORY_COUNT };
        let room = self.appetite.most.min(most).saturating_sub(self.count + self.expected);
        let (due, key) = self.due.first().filter(|(due, _)| *due <= now && room > 0).cloned()?;
        let disk = self.lanes.get_mut(&key)?;
        self.due.remove(&(due, Arc::clone(&key)));
        disk.due = None;
        // Of an ordered lane only the first can be leased.
        let limit = if key.is_empty() { room } else { 1 };
        disk.claiming = Some(Expected { count: limit, bytes: 0 });
        self.expected += limit;
        Some(ClaimOrder { lane: Lane { webhook: webhook.clone(), key }, limit, max_bytes: 0 })
    }
}
