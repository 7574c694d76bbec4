//! Lanes with a key are worked on one by one, in the order of their commits.

use futures_util::future::{join, join_all};

use super::*;
use crate::delivery::HeldCause;

/// The lane of `key` at the webhook `site`.
fn ordered(key: &str) -> Lane {
    Lane { webhook: webhook("site"), key: key.into() }
}

/// An event at `ms` with one delivery in the lane of `key`; it wants a lease.
pub(super) fn new_in(ms: i64, key: &str) -> NewEvent {
    let mut new = new_event(ms, &["site"], true);
    new.deliveries[0].lane = ordered(key);
    new
}

/// Appends one delivery to the lane of `key`.
async fn place_in(store: &impl Store, ms: i64, key: &str) -> Placed {
    placed(store, new_in(ms, key)).await
}

async fn leased_in(store: &impl Store, ms: i64, key: &str) -> Lease {
    leased(place_in(store, ms, key).await).expect("is the first of its lane")
}

/// Claims at most `limit` of what is due at `ms` in the lane of `key`.
pub(super) async fn claim_page(store: &impl Store, key: &str, ms: i64, limit: usize) -> Claimed {
    let claim = Claim { lane: ordered(key), now: at(ms), limit, max_bytes: usize::MAX };
    store.claim(claim).await.expect("claims")
}

async fn claim_in(store: &impl Store, key: &str, ms: i64) -> Claimed {
    claim_page(store, key, ms, 100).await
}

async fn next_in(store: &impl Store, key: &str, ms: i64) -> Option<Lease> {
    let mut leases = claim_in(store, key, ms).await.leases;
    assert!(leases.len() <= 1, "one at a time: {leases:?}");
    leases.pop()
}

pub(crate) async fn one_at_a_time_lowest_first(database: &impl Database) {
    let store = database.handle().await;
    // The second is older by its clock: what counts is the order of the commits.
    let first = leased_in(&store, 5, "a").await;
    for ms in [2, 7, 8] {
        assert!(matches!(place_in(&store, ms, "a").await.place, Place::Behind));
    }
    assert_eq!(store.lanes(None, 9).await.expect("lists"), [], "nothing of it can be leased");
    assert!(next_in(&store, "a", 99).await.is_none());

    settle(&store, settlement(&first, 9, Next::Delivered)).await;
    let second = next_in(&store, "a", 9).await.expect("the next");
    assert_eq!((second.event.received, &second.lane), (at(2), &ordered("a")));
    settle(&store, settlement(&second, 10, retry_at(20))).await;
    assert_eq!(claim_in(&store, "a", 19).await.next_due, Some(at(20)), "one that is retried is waited for");
    let again = next_in(&store, "a", 20).await.expect("again");
    assert_eq!(again.token.delivery, second.token.delivery);
    settle(&store, settlement(&again, 21, Next::Released { due: at(21) })).await;
    let again = next_in(&store, "a", 21).await.expect("kept its place");
    assert_eq!(again.token.delivery, second.token.delivery);

    settle(&store, settlement(&again, 22, Next::Failed { reason: "404".into() })).await;
    let third = next_in(&store, "a", 22).await.expect("a failed one is finished");
    settle(&store, settlement(&third, 23, Next::Dropped { reason: "no".into() })).await;
    let last = next_in(&store, "a", 23).await.expect("a dropped one is finished");
    assert_eq!((third.event.received, last.event.received), (at(7), at(8)));
    settle(&store, settlement(&last, 24, Next::Delivered)).await;
    leased_in(&store, 25, "a").await;
}

pub(crate) async fn only_its_own_lane_waits(database: &impl Database) {
    let store = database.handle().await;
    let mut together = new_in(0, "a");
    for key in ["b", "a", "", ""] {
        together.deliveries.extend(new_in(0, key).deliveries);
    }
    let places: Vec<_> = all_placed(&store, together).await.into_iter().map(|placed| placed.place).collect();
    let [Place::Leased(_), Place::Leased(_), Place::Behind, Place::Leased(_), Place::Leased(_)] = &places[..] else {
        panic!("another key does not wait, and without a key nothing does: {places:?}")
    };
}

pub(crate) async fn a_held_one_keeps_or_gives_up_its_place(database: &impl Database) {
    let store = database.handle().await;
    let cause = HeldCause::WebhookGone;
    let held = || Next::Held { cause: cause.clone(), reason: "410".into() };
    let keeps = leased_in(&store, 0, "keeps").await;
    place_in(&store, 1, "keeps").await;
    settle(&store, settlement(&keeps, 2, held())).await;
    assert_eq!(claim_in(&store, "keeps", 9).await.next_due, None, "it blocks its lane");

    let gives_up = leased_in(&store, 3, "gives up").await;
    place_in(&store, 4, "gives up").await;
    settle(&store, Settlement { gives_up_place: true, ..settlement(&gives_up, 5, held()) }).await;
    let next = next_in(&store, "gives up", 5).await.expect("does not wait for it");
    assert_eq!(next.event.received, at(4));
    assert!(matches!(place_in(&store, 6, "gives up").await.place, Place::Behind));

    assert_eq!(release(&store, "site", cause, 10).await, 2);
    assert_eq!(next_in(&store, "keeps", 10).await.expect("is the first").token.delivery, keeps.token.delivery);
    let beside = next_in(&store, "gives up", 10).await.expect("unordered from then on");
    assert_eq!(beside.token.delivery, gives_up.token.delivery);
    // Its end does not let go those that wait for another.
    settle(&store, settlement(&beside, 11, Next::Delivered)).await;
    assert!(next_in(&store, "gives up", 11).await.is_none());
    settle(&store, settlement(&next, 12, Next::Delivered)).await;
    assert_eq!(next_in(&store, "gives up", 12).await.expect("the next").event.received, at(6));
}

pub(crate) async fn holds_and_releases_whole_lanes(database: &impl Database) {
    let store = database.handle().await;
    let first = leased_in(&store, 0, "a").await;
    for ms in 1..4 {
        place_in(&store, ms, "a").await;
    }
    let hold = |ms| store.hold(webhook("site"), HeldCause::WebhookDisabled, "off".into(), at(ms));
    assert_eq!(hold(5).await.expect("holds"), 3, "all but the leased one");
    assert_eq!(hold(5).await.expect("holds"), 0);
    settle(&store, settlement(&first, 6, Next::Delivered)).await;
    assert_eq!(claim_in(&store, "a", 9).await.next_due, None, "the next is held, and blocks");
    place_in(&store, 7, "a").await;

    assert_eq!(release(&store, "site", HeldCause::WebhookDisabled, 10).await, 3);
    for ms in [1, 2, 3, 7] {
        let lease = next_in(&store, "a", 10).await.expect("goes on");
        assert_eq!(lease.event.received, at(ms), "in the old order");
        settle(&store, settlement(&lease, 10, Next::Delivered)).await;
    }
}

pub(crate) async fn two_handles_keep_one_order(database: &impl Database) {
    let (one, two) = (database.handle().await, database.handle().await);
    let appends = (0..40).map(|ms| {
        let new = vec![new_in(ms, if ms % 2 == 0 { "a" } else { "b" })];
        if ms % 3 == 0 { one.append(new) } else { two.append(new) }
    });
    let answers = join_all(appends).await.into_iter().flat_map(|answer| answer.expect("appends"));
    let born: Vec<_> = answers.flat_map(stored).filter_map(leased).collect();
    assert_eq!(born.len(), 2, "the first of each lane: {born:?}");
    for lease in &born {
        assert_eq!(settle(&two, settlement(lease, 50, Next::Delivered)).await, Settled::Done);
    }
    let mut done = 2;
    while done < 40 {
        for key in ["a", "b"] {
            let (left, right) = join(next_in(&one, key, 60), next_in(&two, key, 60)).await;
            assert!(left.is_none() || right.is_none(), "two of one lane: {left:?}, {right:?}");
            let lease = left.or(right).expect("somebody gets the next");
            settle(&one, settlement(&lease, 60, Next::Delivered)).await;
            done += 1;
        }
    }
    assert_eq!(one.counts().await.expect("counts").delivered, 40);
}

pub(crate) async fn large_lanes(database: &impl Database) {
    let store = database.handle().await;
    store.append((0..2_500).map(|ms| new_in(ms, "a")).collect()).await.expect("appends");
    let held = store.hold(webhook("site"), HeldCause::WebhookDisabled, "off".into(), at(9)).await.expect("holds");
    assert_eq!((held, store.counts().await.expect("counts").held), (2_499, 2_499));
    assert_eq!(release(&store, "site", HeldCause::WebhookDisabled, 10).await, 2_499);
    assert_eq!(store.counts().await.expect("counts").pending, 2_500);
}
