//! Which lanes have what in memory and on disk, and what may be claimed next. Pure: no clock, no store.
//!
//! A lane holds a bounded number of leased deliveries; the rest of it stays on disk. A lane whose disk part
//! is due takes no fresh deliveries into memory, so that old ones go first.

use std::collections::{BTreeSet, HashMap};

use crate::clock::Timestamp;
use crate::store::Lane;

/// Leased deliveries one lane may have in memory: enough to keep its concurrency busy between two claims.
pub(super) const LANE_MEMORY_COUNT: usize = 256;
/// Their weight: a lane of large payloads holds fewer.
pub(super) const LANE_MEMORY_BYTES: usize = 8 << 20;
/// The weight of all lanes together.
pub(super) const TOTAL_MEMORY_BYTES: usize = 64 << 20;
/// So many deliveries a lane may always have, however full the total is: other lanes' backlog never stops it.
const LANE_MEMORY_ALWAYS: usize = 2;
/// Below this many, a lane with work on disk is refilled: one claim fetches at least half a lane.
const REFILL_BELOW: usize = LANE_MEMORY_COUNT / 2;

/// The lanes of this host.
#[derive(Default)]
pub(super) struct Lanes {
    states: HashMap<Lane, State>,
    /// Lanes with work on disk that have room for it, by when it is due.
    waiting: BTreeSet<(Timestamp, Lane)>,
    /// The same, but with what every lane may have already: these have room only while all together have.
    waiting_for_total: BTreeSet<(Timestamp, Lane)>,
    total_bytes: usize,
}

#[derive(Default)]
struct State {
    count: usize,
    bytes: usize,
    /// Deliveries that were given more room than they began with.
    enlarged: usize,
    /// When the earliest delivery on disk is due.
    disk_due: Option<Timestamp>,
    /// A claim for this lane is under way; what is woken meanwhile counts as due after it.
    claiming: bool,
}

impl State {
    fn has_room(&self) -> bool {
        self.count < REFILL_BELOW && self.bytes < LANE_MEMORY_BYTES / 2
    }
}

/// Permission to claim from one lane.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClaimOrder {
    pub(super) lane: Lane,
    pub(super) limit: usize,
    pub(super) max_bytes: usize,
}

impl Lanes {
    /// Takes room for a fresh delivery, unless the lane is full or has older work due on disk.
    pub(super) fn reserve(&mut self, lane: &Lane, weight: usize, now: Timestamp) -> bool {
        let state = self.states.entry(lane.clone()).or_default();
        let overdue = state.claiming || state.disk_due.is_some_and(|due| due <= now);
        let lane_full =
            state.count >= LANE_MEMORY_COUNT || (state.count > 0 && state.bytes + weight > LANE_MEMORY_BYTES);
        let total_full = state.count >= LANE_MEMORY_ALWAYS && self.total_bytes + weight > TOTAL_MEMORY_BYTES;
        if overdue || lane_full || total_full {
            self.forget_if_idle(lane);
            return false;
        }
        state.count += 1;
        state.bytes += weight;
        self.total_bytes += weight;
        true
    }

    /// More room for a delivery that has some: its payload was rewritten. Refused where all together are full, unless
    /// the lane has fewer than what every lane may always have.
    pub(super) fn enlarge(&mut self, lane: &Lane, more: usize) -> bool {
        let Some(state) = self.states.get_mut(lane) else { return false };
        if state.enlarged >= LANE_MEMORY_ALWAYS && self.total_bytes + more > TOTAL_MEMORY_BYTES {
            return false;
        }
        state.enlarged += 1;
        state.bytes += more;
        self.total_bytes += more;
        true
    }

    /// Gives back the room of one delivery, with `more` of it if it was enlarged by that. True when this lets a lane be
    /// claimed from.
    pub(super) fn give_back(&mut self, lane: &Lane, weight: usize, more: Option<usize>) -> bool {
        let Some(state) = self.states.get_mut(lane) else { return false };
        state.count = state.count.saturating_sub(1);
        state.enlarged = state.enlarged.saturating_sub(usize::from(more.is_some()));
        let weight = weight + more.unwrap_or_default();
        state.bytes = state.bytes.saturating_sub(weight);
        let was_full = self.is_full();
        self.total_bytes = self.total_bytes.saturating_sub(weight);
        let total_has_room = was_full && !self.is_full() && !self.waiting_for_total.is_empty();
        let lane_has_room = self.index(lane);
        self.forget_if_idle(lane);
        lane_has_room || total_has_room
    }

    /// A delivery of the lane is on disk, due at `due`. True when this changes what is claimed next.
    pub(super) fn wake(&mut self, lane: &Lane, due: Timestamp) -> bool {
        let state = self.states.entry(lane.clone()).or_default();
        if state.disk_due.is_some_and(|known| known <= due) {
            return false;
        }
        self.unindex(lane);
        if let Some(state) = self.states.get_mut(lane) {
            state.disk_due = Some(due);
        }
        self.index(lane)
    }

    /// Lanes to claim from now, at most `most`; each is marked as being claimed until [`Self::claimed`].
    pub(super) fn orders(&mut self, now: Timestamp, most: usize) -> Vec<ClaimOrder> {
        let due_in = |set: &BTreeSet<(Timestamp, Lane)>, most| -> Vec<Lane> {
            set.iter().take_while(|(due, _)| *due <= now).take(most).map(|(_, lane)| lane.clone()).collect()
        };
        let mut due = due_in(&self.waiting, most);
        if !self.is_full() {
            due.extend(due_in(&self.waiting_for_total, most - due.len()));
        }
        // Shared among the lanes claimed now, so that together they stay within the total. A claim brings one
        // delivery at least.
        let share = TOTAL_MEMORY_BYTES.saturating_sub(self.total_bytes) / due.len().max(1);
        due.into_iter()
            .filter_map(|lane| {
                self.unindex(&lane);
                let state = self.states.get_mut(&lane)?;
                state.claiming = true;
                state.disk_due = None;
                let limit = LANE_MEMORY_COUNT.saturating_sub(state.count);
                let max_bytes = LANE_MEMORY_BYTES.saturating_sub(state.bytes).min(share);
                Some(ClaimOrder { lane, limit, max_bytes })
            })
            .collect()
    }

    /// A claim brought deliveries of these weights; `next_due` is what the store said is left.
    pub(super) fn claimed(&mut self, lane: &Lane, weights: impl Iterator<Item = usize>, next_due: Option<Timestamp>) {
        let state = self.states.entry(lane.clone()).or_default();
        state.claiming = false;
        for weight in weights {
            state.count += 1;
            state.bytes += weight;
            self.total_bytes += weight;
        }
        // What was woken during the claim may be in `disk_due` already; the earlier of both counts.
        state.disk_due = [state.disk_due, next_due].into_iter().flatten().min();
        self.index(lane);
        self.forget_if_idle(lane);
    }

    /// When something will be due that has room, if nothing else happens.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let of_total = self.waiting_for_total.first().filter(|_| !self.is_full());
        [self.waiting.first(), of_total].into_iter().flatten().map(|(due, _)| *due).min()
    }

    fn is_full(&self) -> bool {
        self.total_bytes >= TOTAL_MEMORY_BYTES
    }

    /// True when this changes what can be claimed.
    fn index(&mut self, lane: &Lane) -> bool {
        let Some(state) = self.states.get(lane) else { return false };
        let Some(due) = state.disk_due.filter(|_| !state.claiming && state.has_room()) else { return false };
        let entry = (due, lane.clone());
        if state.count < LANE_MEMORY_ALWAYS {
            self.waiting_for_total.remove(&entry);
            self.waiting.insert(entry)
        } else {
            self.waiting.remove(&entry);
            self.waiting_for_total.insert(entry) && !self.is_full()
        }
    }

    fn unindex(&mut self, lane: &Lane) {
        if let Some(due) = self.states.get(lane).and_then(|state| state.disk_due) {
            let entry = (due, lane.clone());
            self.waiting.remove(&entry);
            self.waiting_for_total.remove(&entry);
        }
    }

    fn forget_if_idle(&mut self, lane: &Lane) {
        if self.states.get(lane).is_some_and(|state| state.count == 0 && state.disk_due.is_none() && !state.claiming) {
            self.states.remove(lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lane(name: &str) -> Lane {
        Lane::unordered(name.parse().unwrap())
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
        for _ in 0..=LANE_MEMORY_COUNT / 2 {
            lanes.give_back(&lane("a"), 10, None);
        }
        let orders = lanes.orders(NOW, 8);
        assert_eq!(orders.len(), 1);
        assert_eq!(orders[0].limit, LANE_MEMORY_COUNT / 2 + 1);
        assert_eq!(lanes.orders(NOW, 8), [], "not twice at once");
        lanes.wake(&lane("a"), NOW);
        lanes.claimed(&lane("a"), std::iter::empty(), None);
        assert_eq!(lanes.next_due(), Some(NOW), "what was woken during the claim is not forgotten");
    }

    #[test]
    fn one_delivery_of_any_weight_has_room() {
        let mut lanes = Lanes::default();
        assert!(lanes.reserve(&lane("a"), LANE_MEMORY_BYTES * 2, NOW));
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
        let granted = (0..10).filter(|_| lanes.enlarge(&lane("a"), large)).count();
        assert_eq!(granted, 3, "as long as the total has room");
        let granted = (0..10).filter(|_| lanes.enlarge(&lane("b"), large)).count();
        assert_eq!(granted, LANE_MEMORY_ALWAYS, "whatever others have");
        assert!(!lanes.reserve(&lane("a"), 10, NOW), "the lane is full by its payloads");
        for _ in 0..2 {
            lanes.give_back(&lane("b"), 10, Some(large));
        }
        lanes.give_back(&lane("a"), 10, Some(large));
        assert_eq!(lanes.total_bytes, 2 * large + 17 * 10);
        assert!(lanes.enlarge(&lane("a"), large));
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
            (1..LANE_MEMORY_BYTES / 4).prop_map(Step::Fresh),
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
        assert!(lanes.total_bytes <= TOTAL_MEMORY_BYTES + 200 * LANE_MEMORY_ALWAYS * heavy, "{}", lanes.total_bytes);
        let most = all.iter().filter_map(|lane| lanes.states.get(lane)).map(|state| state.count).max();
        assert!(
            lanes.states.values().all(|state| state.count >= LANE_MEMORY_ALWAYS),
            "each has its share; most: {most:?}"
        );

        // When enough is done, those that wait for the total go on.
        let mut can_claim = false;
        for _ in 0..LANE_MEMORY_ALWAYS {
            for lane in &all {
                can_claim |= lanes.give_back(lane, heavy, None);
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
                            lanes.give_back(&lane, weight, None);
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
                let beyond: usize = memory.values().flat_map(|held| held.iter().rev().take(LANE_MEMORY_ALWAYS + 1)).sum();
                let total: usize = memory.values().flatten().sum();
                prop_assert!(total <= TOTAL_MEMORY_BYTES + beyond);
                prop_assert_eq!(total, lanes.total_bytes);
                for (lane, held) in &memory {
                    prop_assert!(held.len() <= LANE_MEMORY_COUNT);
                    let idle = held.is_empty();
                    let waits = disk.get(lane).is_some_and(|count| *count > 0);
                    if idle && waits {
                        prop_assert!(lanes.waiting.iter().any(|(_, waiting)| waiting == lane), "{:?} is forgotten", lane);
                    }
                }
            }
        }
    }
}
