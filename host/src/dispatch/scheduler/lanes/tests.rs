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
    let fresh = (0..2 * BURST_COUNT).filter(|_| lanes.reserve(&lane("a"), 10, NOW)).count();
    assert_eq!(fresh, BURST_COUNT);
    lanes.wake(&lane("a"), NOW);
    assert_eq!(lanes.orders(NOW, 8), []);
    for _ in MEMORY_COUNT / 2 - 1..BURST_COUNT {
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
fn a_webhook_is_behind_with_more_than_keeps_it_busy_unless_it_is_held_back() {
    let mut lanes = Lanes::default();
    let (site, later) = (webhook("a"), Timestamp::from_ms(2_000));
    assert_eq!(lanes.room(&site, NOW), MEMORY_COUNT);
    for _ in 0..REFILL_BELOW {
        lanes.reserve(&lane("a"), 10, NOW);
    }
    lanes.wake(&lane("a"), later);
    assert_eq!(lanes.room(&site, NOW), MEMORY_COUNT - REFILL_BELOW, "a retry due later");
    assert_eq!(lanes.room(&site, later), 0);
    lanes.give_back(&site, 10, None);
    assert_eq!(lanes.room(&site, later), 1, "what is on disk will be claimed");
    lanes.set_appetite(&site, Appetite { most: 1, ..Appetite::default() });
    assert_eq!(lanes.room(&site, later), MEMORY_COUNT, "its senders could not help");
    for _ in 0..BURST_COUNT {
        lanes.reserve(&lane("b"), 10, NOW);
    }
    assert_eq!(lanes.room(&webhook("b"), NOW), 0);
    lanes.reserve(&lane("c"), MEMORY_BYTES / 2, NOW);
    assert_eq!(lanes.room(&webhook("c"), NOW), 0);
}

#[test]
fn fresh_work_goes_on_while_the_last_of_the_old_is_claimed() {
    let mut lanes = Lanes::default();
    for (lane, goes_on) in [(lane("a"), true), (ordered("b", 1), false)] {
        lanes.wake(&lane, NOW);
        assert!(!lanes.reserve(&lane, 10, NOW));
        assert_eq!(lanes.orders(NOW, 8).len(), 1);
        assert_eq!(lanes.reserve(&lane, 10, NOW), goes_on);
        lanes.claimed(&lane, [10].into_iter(), None);
        assert_eq!(lanes.next_due(), None);
        assert!(lanes.reserve(&lane, 10, NOW));
    }
}

#[test]
fn what_a_claim_may_bring_is_nobody_elses() {
    let mut lanes = Lanes::default();
    let weight = MEMORY_BYTES / 8;
    lanes.wake(&lane("a"), NOW);
    let order = lanes.orders(NOW, 8).remove(0);
    assert_eq!((order.limit, order.max_bytes), (MEMORY_COUNT, MEMORY_BYTES / 2));
    assert_eq!((0..8).filter(|_| lanes.reserve(&lane("a"), weight, NOW)).count(), 4);
    lanes.claimed(&lane("a"), [weight; 4].into_iter(), None);
    assert_eq!(lanes.total_bytes, MEMORY_BYTES);
}

#[test]
fn a_burst_has_half_of_the_total_and_then_each_webhook_as_much_as_any() {
    let mut lanes = Lanes::default();
    let weight = TASK_BYTES + 512;
    let taken = |lanes: &mut Lanes, name: &str| (0..2_000).filter(|_| lanes.reserve(&lane(name), weight, NOW)).count();
    let counts: Vec<_> = (0..12).map(|index| taken(&mut lanes, &format!("w{index}"))).collect();
    assert_eq!((counts[0], counts[11]), (BURST_COUNT, MEMORY_COUNT), "{counts:?}");
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
            prop_assert_eq!(lanes.total_expected_bytes, 0);
            for (lane, held) in &memory {
                prop_assert!(held.len() <= BURST_COUNT);
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
