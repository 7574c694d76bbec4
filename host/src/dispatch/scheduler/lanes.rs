//! Which webhooks have what in memory, which of their lanes wait on disk, and what may be claimed next.
//!
//! A webhook has a bounded number of leased deliveries in memory; the rest of it stays on disk. A lane whose disk part is
//! due takes no fresh deliveries into memory, so that old ones go first.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::governor::Appetite;
use crate::clock::Timestamp;
use crate::ids::WebhookId;
use crate::store::Lane;

/// Leased deliveries one webhook may have in memory: enough to keep its concurrency busy between two claims.
pub(super) const MEMORY_COUNT: usize = 256;
/// Their weight: a webhook of large payloads has fewer.
pub(super) const MEMORY_BYTES: usize = 8 << 20;
/// The weight of all webhooks together.
pub(super) const TOTAL_MEMORY_BYTES: usize = 64 << 20;
/// So many deliveries a webhook may always have, however full the total is: others' backlog never stops it.
const MEMORY_ALWAYS: usize = 2;
/// Below this many, a webhook with work on disk is refilled: one claim fetches at least half of what it may have.
const REFILL_BELOW: usize = MEMORY_COUNT / 2;
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
    /// Deliveries that claims under way may bring.
    expected: usize,
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
    /// A claim for so many is under way; what is woken meanwhile counts as due after it.
    claiming: Option<usize>,
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
        let total_has_room = self.total_bytes + weight <= TOTAL_MEMORY_BYTES;
        let queue = self.webhooks.entry(lane.webhook.clone()).or_default();
        let is_overdue = queue
            .lanes
            .get(&lane.key)
            .is_some_and(|disk| disk.claiming.is_some() || disk.due.is_some_and(|due| due <= now));
        let in_memory = queue.count + queue.expected;
        let is_full = in_memory >= queue.appetite.most.min(MEMORY_COUNT)
            || (queue.count > 0 && queue.bytes + weight > MEMORY_BYTES);
        if is_overdue || is_full || queue.appetite.not_before > now || (in_memory >= MEMORY_ALWAYS && !total_has_room) {
            self.forget_if_idle(&lane.webhook);
            return false;
        }
        queue.count += 1;
        queue.bytes += weight;
        self.total_bytes += weight;
        true
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
        // Shared among the lanes claimed now, so that together they stay within the total. A claim brings one
        // delivery at least.
        let share = TOTAL_MEMORY_BYTES.saturating_sub(self.total_bytes) / orders.len().max(1);
        for order in &mut orders {
            order.max_bytes = order.max_bytes.min(share);
        }
        orders
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
            queue.expected = queue.expected.saturating_sub(disk.claiming.take().unwrap_or_default());
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
        disk.claiming = Some(limit);
        self.expected += limit;
        let max_bytes = MEMORY_BYTES.saturating_sub(self.bytes);
        Some(ClaimOrder { lane: Lane { webhook: webhook.clone(), key }, limit, max_bytes })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn webhook(name: &str) -> WebhookId {
        name.parse().unwrap()
    }

    fn lane(name: &str) -> Lane {
        Lane::unordered(webhook(name))
    }

    fn ordered(name: &str, key: usize) -> Lane {
        Lane { webhook: webhook(name), key: format!("={key}").into() }
    }

    const NOW: Timestamp = Timestamp::from_ms(1_000);

    #[test]
    fn old_work_on_disk_goes_before_fresh_work() {
        let mut lanes = Lanes::default();
        assert!(lanes.reserve(&lane("a"), 10, NOW));
        lanes.wake(&lane("a"), Timestamp::from_ms(2_000));
        assert!(lanes.reserve(&lane("a"), 10, NOW), "a retry due later does not stop fresh ones");
        lanes.wake(&lane("a"), NOW);
        assert!(!lanes.reserve(&lane("a"), 10, NOW));
        assert!(lanes.reserve(&lane("b"), 10, NOW), "another lane is not concerned");
    }

    #[test]
    fn a_full_lane_is_claimed_from_when_half_of_it_is_done() {
        let mut lanes = Lanes::default();
        while lanes.reserve(&lane("a"), 10, NOW) {}
        lanes.wake(&lane("a"), NOW);
        assert_eq!(lanes.orders(NOW, 8), []);
        for _ in 0..=MEMORY_COUNT / 2 {
            lanes.give_back(&webhook("a"), 10, None);
        }
        let orders = lanes.orders(NOW, 8);
        assert_eq!(orders.len(), 1);
        assert_eq!(orders[0].limit, MEMORY_COUNT / 2 + 1);
        assert_eq!(lanes.orders(NOW, 8), [], "not twice at once");
        lanes.wake(&lane("a"), NOW);
        lanes.claimed(&lane("a"), std::iter::empty(), None);
        assert_eq!(lanes.next_due(), Some(NOW), "what was woken during the claim is not forgotten");
    }

    #[test]
    fn one_delivery_of_any_weight_has_room() {
        let mut lanes = Lanes::default();
        assert!(lanes.reserve(&lane("a"), MEMORY_BYTES * 2, NOW));
        assert!(!lanes.reserve(&lane("a"), 1, NOW));
    }

    #[test]
    fn rewritten_payloads_take_room_too_and_each_lane_may_have_two_beyond_the_total() {
        let mut lanes = Lanes::default();
        let large = TOTAL_MEMORY_BYTES / 4;
        for name in ["a", "b"] {
            for _ in 0..10 {
                assert!(lanes.reserve(&lane(name), 10, NOW));
            }
        }
        let granted = (0..10).filter(|_| lanes.enlarge(&webhook("a"), large)).count();
        assert_eq!(granted, 3, "as long as the total has room");
        let granted = (0..10).filter(|_| lanes.enlarge(&webhook("b"), large)).count();
        assert_eq!(granted, MEMORY_ALWAYS, "whatever others have");
        assert!(!lanes.reserve(&lane("a"), 10, NOW), "the lane is full by its payloads");
        for _ in 0..2 {
            lanes.give_back(&webhook("b"), 10, Some(large));
        }
        lanes.give_back(&webhook("a"), 10, Some(large));
        assert_eq!(lanes.total_bytes, 2 * large + 17 * 10);
        assert!(lanes.enlarge(&webhook("a"), large));
    }

    #[test]
    fn each_webhook_has_its_turn_and_of_an_order_only_the_first_is_claimed() {
        let mut lanes = Lanes::default();
        for key in 0..100 {
            lanes.wake(&ordered("a", key), Timestamp::from_ms(1));
        }
        lanes.wake(&lane("b"), Timestamp::from_ms(2));
        let orders = lanes.orders(NOW, 8);
        let of_b = orders.iter().filter(|order| order.lane.webhook == webhook("b")).count();
        assert_eq!((orders.len(), of_b), (8, 1));
        assert!(orders.iter().all(|order| order.lane.key.is_empty() || order.limit == 1));

        // Whoever was served goes behind those that were not.
        lanes.wake(&lane("c"), Timestamp::from_ms(500));
        let next = lanes.orders(NOW, 1);
        assert_eq!(next[0].lane, lane("c"));
    }

    #[test]
    fn what_may_not_be_sent_stays_on_disk() {
        let mut lanes = Lanes::default();
        let later = Timestamp::from_ms(5_000);
        lanes.wake(&lane("a"), NOW);
        lanes.set_appetite(&webhook("a"), Appetite { not_before: later, most: 1 });
        assert!(!lanes.reserve(&lane("a"), 10, NOW));
        assert_eq!((lanes.orders(NOW, 8), lanes.next_due()), (vec![], Some(later)));
        assert_eq!(lanes.orders(later, 8)[0].limit, 1, "a probe");
        lanes.claimed(&lane("a"), [10].into_iter(), Some(NOW));
        assert_eq!(lanes.orders(later, 8), []);
        assert!(lanes.set_appetite(&webhook("a"), Appetite::default()));
        assert_eq!(lanes.orders(later, 8)[0].limit, MEMORY_COUNT - 1);
    }

    #[test]
    fn lanes_beyond_what_is_remembered_are_looked_up_later() {
        let mut lanes = Lanes::default();
        for key in 0..=MOST_LANES {
            lanes.wake(&ordered("a", key), NOW);
        }
        let tracked = |lanes: &Lanes| lanes.webhooks[&webhook("a")].lanes.len();
        assert_eq!((tracked(&lanes), lanes.has_forgotten()), (MOST_LANES, None));
        lanes.wake(&lane("b"), NOW);
        assert!(lanes.orders(NOW, 8).iter().any(|order| order.lane == lane("b")), "others are remembered all the same");
        while tracked(&lanes) >= MOST_LANES / 2 {
            for order in lanes.orders(NOW, 64) {
                lanes.claimed(&order.lane, [1].into_iter(), None);
                lanes.give_back(&order.lane.webhook, 1, None);
            }
        }
        assert_eq!(lanes.has_forgotten(), Some(webhook("a")));
        assert_eq!(lanes.has_forgotten(), None, "once");
    }

    #[test]
    fn a_clock_set_back_makes_nobody_wait_for_the_old_time() {
        let mut lanes = Lanes::default();
        for key in 0..3 {
            lanes.wake(&ordered("a", key), Timestamp::from_ms(1));
        }
        assert_eq!(lanes.orders(Timestamp::from_ms(1_000_000), 1).len(), 1);
        assert_eq!(lanes.orders(NOW, 8).len(), 2);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Fresh(usize),
        Finish,
        Wake(i64),
        Claim(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<(u8, Step)>> {
        let step = prop_oneof![
            (1..MEMORY_BYTES / 4).prop_map(Step::Fresh),
            Just(Step::Finish),
            (0..3_000_i64).prop_map(Step::Wake),
            (0..300_usize).prop_map(Step::Claim),
        ];
        prop::collection::vec((0..3_u8, step), 0..300)
    }

    #[test]
    fn a_backlog_of_many_lanes_stays_within_the_total() {
        let heavy = 1 << 20;
        let mut lanes = Lanes::default();
        let all: Vec<Lane> = (0..200).map(|index| lane(&format!("w{index}"))).collect();
        for lane in &all {
            lanes.wake(lane, NOW);
        }
        loop {
            let orders = lanes.orders(NOW, 16);
            if orders.is_empty() {
                break;
            }
            for order in orders {
                let taken = (order.max_bytes / heavy).clamp(1, order.limit);
                lanes.claimed(&order.lane, vec![heavy; taken].into_iter(), Some(NOW));
            }
        }
        assert_eq!(lanes.next_due(), None, "nothing to wait for but what is in memory");
        assert!(lanes.total_bytes <= TOTAL_MEMORY_BYTES + 200 * MEMORY_ALWAYS * heavy, "{}", lanes.total_bytes);
        assert!(lanes.webhooks.values().all(|queue| queue.count >= MEMORY_ALWAYS), "each has its share");

        // When enough is done, those that wait for the total go on.
        let mut can_claim = false;
        for _ in 0..MEMORY_ALWAYS {
            for lane in &all {
                can_claim |= lanes.give_back(&lane.webhook, heavy, None);
            }
        }
        assert!(can_claim && !lanes.orders(NOW, 16).is_empty());
    }

    proptest! {
        /// A model of disk and memory: whatever happens, nothing on disk is forgotten and no lane is overfull.
        #[test]
        fn nothing_is_forgotten_and_memory_is_bounded(steps in steps()) {
            let mut lanes = Lanes::default();
            let mut memory: HashMap<Lane, Vec<usize>> = HashMap::new();
            let mut disk: HashMap<Lane, usize> = HashMap::new();
            for (which, step) in steps {
                let lane = lane(&format!("w{which}"));
                let held = memory.entry(lane.clone()).or_default();
                match step {
                    Step::Fresh(weight) => {
                        if lanes.reserve(&lane, weight, NOW) {
                            held.push(weight);
                        } else {
                            *disk.entry(lane.clone()).or_default() += 1;
                            lanes.wake(&lane, NOW);
                        }
                    }
                    Step::Finish => {
                        if let Some(weight) = held.pop() {
                            lanes.give_back(&lane.webhook, weight, None);
                        }
                    }
                    Step::Wake(ms) => {
                        *disk.entry(lane.clone()).or_default() += 1;
                        lanes.wake(&lane, Timestamp::from_ms(ms));
                    }
                    Step::Claim(most) => {
                        for order in lanes.orders(Timestamp::from_ms(3_000), most) {
                            let on_disk = disk.entry(order.lane.clone()).or_default();
                            let taken = order.limit.min(*on_disk);
                            *on_disk -= taken;
                            memory.entry(order.lane.clone()).or_default().extend(vec![1; taken]);
                            lanes.claimed(&order.lane, vec![1; taken].into_iter(), (*on_disk > 0).then_some(NOW));
                        }
                    }
                }
                // Beyond the total, each lane has at most what it may always have, and one claim's first delivery.
                let beyond: usize = memory.values().flat_map(|held| held.iter().rev().take(MEMORY_ALWAYS + 1)).sum();
                let total: usize = memory.values().flatten().sum();
                prop_assert!(total <= TOTAL_MEMORY_BYTES + beyond);
                prop_assert_eq!(total, lanes.total_bytes);
                for (lane, held) in &memory {
                    prop_assert!(held.len() <= MEMORY_COUNT);
                    let idle = held.is_empty();
                    let waits = disk.get(lane).is_some_and(|count| *count > 0);
                    if idle && waits {
                        let is_waiting = lanes.waiting.iter().any(|(_, webhook)| *webhook == lane.webhook);
                        prop_assert!(is_waiting, "{:?} is forgotten", lane);
                    }
                }
            }
        }
    }
}
