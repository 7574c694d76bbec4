//! Deliveries come out, lane by lane.

use super::*;
use crate::store::LaneDue;

pub(crate) async fn one_lane_oldest_first(database: &impl Database) {
    let store = database.handle().await;
    for ms in [30, 10, 20, 90] {
        append(&store, new_event(ms, &["site", "search"], false)).await;
    }
    born_leased(&store, 5, "site").await;

    let claimed = claim(&store, "site", 50).await;
    let due: Vec<_> = claimed.leases.iter().map(|lease| lease.event.received).collect();
    assert_eq!(due, [at(10), at(20), at(30)]);
    assert!(claimed.leases.iter().all(|lease| lease.lane == lane("site") && lease.token.fence == 1));
    assert_eq!(claimed.next_due, Some(at(90)));

    let again = claim(&store, "site", 50).await;
    assert!(again.leases.is_empty(), "what is leased is not leased twice");
    let none = claim(&store, "nobody", 50).await;
    assert_eq!((none.leases.len(), none.next_due), (0, None));
}

pub(crate) async fn bounded_pages(database: &impl Database) {
    let store = database.handle().await;
    for ms in 0..5 {
        append(&store, new_event(ms, &["site"], false)).await;
    }
    let weight = event(0).weight();
    let page = |limit, max_bytes| Claim { lane: lane("site"), now: at(9), limit, max_bytes };

    let by_number = store.claim(page(2, usize::MAX)).await.expect("claims");
    assert_eq!((by_number.leases.len(), by_number.next_due), (2, Some(at(2))));
    let at_least_one = store.claim(page(9, 1)).await.expect("claims");
    assert_eq!(at_least_one.leases.len(), 1);
    let by_bytes = store.claim(page(9, weight + 1)).await.expect("claims");
    assert_eq!((by_bytes.leases.len(), by_bytes.next_due), (2, None));
}

pub(crate) async fn one_copy_of_an_event(database: &impl Database) {
    let store = database.handle().await;
    append(&store, new_event(0, &["site", "site"], false)).await;
    let claimed = claim(&store, "site", 0).await;
    let [one, two] = &claimed.leases[..] else { panic!("{claimed:?}") };
    assert!(Arc::ptr_eq(&one.event, &two.event));
}

pub(crate) async fn lanes_in_order(database: &impl Database) {
    let store = database.handle().await;
    append(&store, new_event(8, &["b", "a", "c"], false)).await;
    append(&store, new_event(4, &["b"], false)).await;
    born_leased(&store, 1, "leased").await;
    let mut keyed = new_event(6, &["b"], false);
    keyed.deliveries[0].lane.key = "article:1".into();
    append(&store, keyed.clone()).await;

    let due = |lane, ms| LaneDue { lane, due: at(ms) };
    let keyed = keyed.deliveries[0].lane.clone();
    let all = [due(lane("a"), 8), due(lane("b"), 4), due(keyed.clone(), 6), due(lane("c"), 8)];
    assert_eq!(store.lanes(None, 100).await.expect("lists"), all);
    assert_eq!(store.lanes(None, 1).await.expect("lists"), all[..1]);
    assert_eq!(store.lanes(Some(lane("b")), 100).await.expect("lists"), all[2..]);
}
