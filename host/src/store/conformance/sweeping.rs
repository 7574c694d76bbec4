//! Deliveries are selected, and what is old is forgotten.

use super::*;
use crate::delivery::{DISCARDED_BY, State};
use crate::store::{LeftOut, Replay, Selection, Sweep, Swept};

const ALL_FAILED: Selection =
    Selection { webhook: None, state: State::Failed, since: None, until: None, event_type: None, untouched: false };

async fn finished(store: &impl Store, ms: i64, name: &str, next: Next) -> Lease {
    let lease = born_leased(store, ms, name).await;
    let done = Settlement { attempt: Some(attempt(1, 503)), ..settlement(&lease, ms + 1, retry_at(ms + 1)) };
    settle(store, done).await;
    let again = claim_one(store, name, ms + 1).await;
    settle(store, Settlement { attempt: Some(attempt(2, 204)), ..settlement(&again, ms + 2, next) }).await;
    lease
}

fn failed() -> Next {
    Next::Failed { reason: "503".into() }
}

pub(crate) async fn selects_what_is_named(database: &impl Database) {
    let store = database.handle().await;
    let mut failures = Vec::new();
    for (ms, name) in [(0, "a"), (10, "b"), (20, "a")] {
        failures.push(finished(&store, ms, name, failed()).await.token.delivery);
    }
    finished(&store, 30, "a", Next::Delivered).await;
    let select = async |selection| store.select(selection, None).await.expect("selects").found;
    assert_eq!(select(ALL_FAILED).await, failures);
    let of = |name| Selection { webhook: Some(webhook(name)), ..ALL_FAILED };
    assert_eq!(select(of("a")).await, [failures[0], failures[2]]);
    let between = Selection { since: Some(at(10)), until: Some(at(20)), ..ALL_FAILED };
    assert_eq!(select(between).await, [failures[1]]);
    for (pattern, count) in [("entry.*", 3), ("media.*", 0), ("entry.create", 3)] {
        let typed = Selection { event_type: Some(pattern.parse().expect("a pattern")), ..ALL_FAILED };
        assert_eq!(select(typed).await.len(), count, "{pattern}");
    }
    assert_eq!(select(Selection { state: State::Delivered, ..ALL_FAILED }).await.len(), 1);
    let rest = store.select(ALL_FAILED, Some(failures[0])).await.expect("selects");
    assert_eq!((rest.found, rest.next), (failures[1..].to_vec(), None));
}

pub(crate) async fn leaves_out_what_was_touched(database: &impl Database) {
    let store = database.handle().await;
    let mut ids = Vec::new();
    for (ms, name) in [(0, "a"), (10, "b"), (20, "c"), (30, "d")] {
        ids.push(finished(&store, ms, name, failed()).await.token.delivery);
    }
    let replay = async |of: DeliveryId, ms: i64, event| {
        let replay = Replay { of, id: DeliveryId::generate(at(ms)), now: at(ms), event };
        store.replay(replay).await.expect("answers");
    };
    // As another event, which knows nothing of the first.
    replay(ids[1], 40, Some(event(40))).await;
    let waits = append(&store, new_event(50, &["e"], false)).await;
    assert!(waits.is_empty());
    let e = store.deliveries(crate::store::DeliveryFilter::default(), None, 1).await.expect("lists").found.remove(0);
    store.discard(e.id, format!("{DISCARDED_BY}ana"), at(51)).await.expect("gives up");
    let untouched = store.select(Selection { untouched: true, ..ALL_FAILED }, None).await.expect("selects");
    assert_eq!(untouched.found, [ids[0], ids[2], ids[3]]);
    assert_eq!(untouched.left_out, LeftOut { replayed: 1, discarded: 1 });
    let all = store.select(ALL_FAILED, None).await.expect("selects");
    assert_eq!((all.found.len(), all.left_out), (5, LeftOut::default()));
}

pub(crate) async fn purges_finished_ones_only(database: &impl Database) {
    let store = database.handle().await;
    let gone = finished(&store, 0, "a", failed()).await;
    finished(&store, 10, "b", failed()).await;
    born_leased(&store, 20, "a").await;
    let of_a = Selection { webhook: Some(webhook("a")), ..ALL_FAILED };
    let purged = store.purge(of_a, None).await.expect("purges");
    assert_eq!((purged.count, purged.next), (1, None));
    assert_eq!(store.delivery(gone.token.delivery).await.expect("reads"), None);
    assert_eq!(store.attempts_of(gone.token.delivery).await.expect("reads"), []);
    assert!(store.event(gone.event.id).await.expect("reads").is_some(), "its event is no delivery");
    assert_eq!(store.deliveries_of(gone.event.id).await.expect("reads"), []);
    let pending = Selection { state: State::Pending, ..ALL_FAILED };
    assert_eq!(store.purge(pending, None).await.expect("answers").count, 0);
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.events, counts.failed, counts.pending), (3, 1, 1));
}

async fn sweep(store: &impl Upkeep, older_than: i64) -> Swept {
    let (mut total, mut after) = (Swept::default(), None);
    loop {
        let step = store.sweep(Sweep { older_than: at(older_than), after }).await.expect("sweeps");
        total.events += step.events;
        total.deliveries += step.deliveries;
        after = step.next;
        if after.is_none() {
            return total;
        }
    }
}

pub(crate) async fn old_events_go_with_their_deliveries(database: &impl Database) {
    let store = database.handle().await;
    let old = finished(&store, 0, "a", failed()).await;
    let late = finished(&store, 10, "a", Next::Delivered).await;
    append(&store, new_event(1, &["a", "b"], false)).await;
    append(&store, new_event(2, &[], false)).await;
    assert_eq!(sweep(&store, 11).await, Swept { events: 2, deliveries: 1, next: None });
    assert_eq!(store.event(old.event.id).await.expect("reads"), None);
    assert_eq!(store.delivery(old.token.delivery).await.expect("reads"), None);
    assert_eq!(store.attempts_of(old.token.delivery).await.expect("reads"), []);
    assert!(store.event(late.event.id).await.expect("reads").is_some(), "finished at 12");
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.events, counts.pending, counts.delivered, counts.failed), (2, 2, 1, 0));
    assert_eq!(store.space().await.expect("says").oldest_event, Some(at(1)), "unfinished work stays");
    assert_eq!(sweep(&store, 100).await, Swept { events: 1, deliveries: 1, next: None });
}

pub(crate) async fn a_replay_keeps_its_event(database: &impl Database) {
    let store = database.handle().await;
    let lease = born_leased(&store, 0, "a").await;
    settle(&store, Settlement { chain: Some(rewrote("{}")), ..settlement(&lease, 1, Next::Delivered) }).await;
    let replay =
        crate::store::Replay { of: lease.token.delivery, id: DeliveryId::generate(at(50)), now: at(50), event: None };
    store.replay(replay).await.expect("replays");
    assert_eq!(sweep(&store, 100).await, Swept::default());
    let again = claim_one(&store, "a", 50).await;
    settle(&store, settlement(&again, 60, Next::Delivered)).await;
    assert_eq!(sweep(&store, 100).await, Swept { events: 1, deliveries: 2, next: None });
    assert_eq!(store.counts().await.expect("counts"), crate::store::Counts::default());
}

pub(crate) async fn much_is_swept_in_steps(database: &impl Database) {
    let store = database.handle().await;
    store.append((0..2_500).map(|ms| new_event(ms, &[], false)).collect()).await.expect("appends");
    append(&store, new_event(2, &["a"], false)).await;
    let first = store.sweep(Sweep { older_than: at(3_000), after: None }).await.expect("sweeps");
    assert!(first.events < 1_000 && first.next.is_some(), "{first:?}");
    assert_eq!(sweep(&store, 3_000).await.events, 2_500 - first.events);
    assert_eq!(store.counts().await.expect("counts").events, 1);
}
