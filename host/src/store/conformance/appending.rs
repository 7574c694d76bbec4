//! Events come in.

use super::*;
use crate::delivery::State;
use crate::ids::Digest;
use crate::store::{IDEMPOTENCY_MS, Idempotency};

pub(crate) async fn reads_back(database: &impl Database) {
    let store = database.handle().await;
    let mut new = new_event(0, &["site", "search"], false);
    new.deliveries[0].lease = true;
    let leases = append(&store, new.clone()).await;

    let [lease] = &leases[..] else { panic!("one asked for a lease: {leases:?}") };
    assert_eq!(lease.token.delivery, new.deliveries[0].id);
    assert!(Arc::ptr_eq(&lease.event, &new.event), "bytes are shared, not copied");
    assert_eq!((lease.attempts, lease.runs, &lease.chain), (0, 0, &None));

    assert_eq!(store.event(new.event.id).await.expect("reads").as_ref(), Some(&*new.event));
    let views = store.deliveries_of(new.event.id).await.expect("reads");
    let seen: Vec<_> = views.iter().map(|view| (view.id, view.webhook.as_str(), view.state, view.due)).collect();
    let pending = |index: usize, name| (new.deliveries[index].id, name, State::Pending, Some(at(0)));
    assert_eq!(seen, [pending(0, "site"), pending(1, "search")]);
    assert_eq!(store.event(EventId::generate(at(0))).await.expect("reads"), None);
}

pub(crate) async fn all_or_nothing(database: &impl Database) {
    let store = database.handle().await;
    let good = new_event(0, &["site"], false);
    store.append(vec![good.clone(), good.clone()]).await.expect_err("an id cannot be stored twice");
    assert_eq!(store.event(good.event.id).await.expect("reads"), None, "nothing of the call was done");
    append(&store, good).await;
    assert_eq!(store.counts().await.expect("counts").events, 1);
}

/// An event with a key, the digest being that of `bytes`.
fn keyed(ms: i64, key: &str, bytes: &str) -> NewEvent {
    let idempotency = Some(Idempotency { key: key.into(), digest: Digest::of(bytes.as_bytes()) });
    NewEvent { idempotency, ..new_event(ms, &["site"], true) }
}

pub(crate) async fn repeated_keys(database: &impl Database) {
    let store = database.handle().await;
    let first = keyed(0, "k", "same");
    let lease = append(&store, first.clone()).await.remove(0);
    // The first answer is repeated as long as the key is known, finished or not.
    settle(&store, settlement(&lease, 1, Next::Delivered)).await;

    let answers = store.append(vec![keyed(1, "k", "same"), keyed(2, "l", "other")]).await.expect("appends");
    match &answers[..] {
        [Appended::Repeated { event, deliveries }, Appended::Stored { .. }] => {
            assert_eq!(*event, first.event.id);
            assert_eq!(deliveries, &[(first.deliveries[0].id, webhook("site"))]);
        }
        other => panic!("{other:?}"),
    }
    let conflict = store.append(vec![keyed(3, "k", "other")]).await.expect("appends");
    assert!(matches!(conflict[..], [Appended::Conflict { event }] if event == first.event.id), "{conflict:?}");
    assert_eq!(store.counts().await.expect("counts").events, 2);

    let mut elsewhere = keyed(4, "k", "same");
    elsewhere.event = Arc::new(Event { source: "other".parse().expect("a source"), ..(*elsewhere.event).clone() });
    append(&store, elsewhere).await;
}

pub(crate) async fn keys_in_one_batch(database: &impl Database) {
    let store = database.handle().await;
    let first = keyed(0, "k", "same");
    let id = first.event.id;
    let answers = store.append(vec![first, keyed(1, "k", "same")]).await.expect("appends");
    assert!(matches!(&answers[1], Appended::Repeated { event, .. } if *event == id), "{answers:?}");
}

/// A conflict with an earlier event, or within the call.
pub(crate) async fn a_conflict_withholds_the_whole_call(database: &impl Database) {
    let store = database.handle().await;
    let first = keyed(0, "k", "same");
    append(&store, first.clone()).await;
    let one = keyed(4, "m", "one");
    let id = one.event.id;
    for (call, conflict, of) in [
        (vec![keyed(1, "l", "new"), keyed(2, "k", "other"), keyed(3, "k", "same")], 1, first.event.id),
        (vec![one, keyed(5, "m", "one"), keyed(6, "m", "other")], 2, id),
    ] {
        let answers = store.append(call).await.expect("appends");
        for (index, answer) in answers.iter().enumerate() {
            match answer {
                Appended::Conflict { event } => assert_eq!((index, *event), (conflict, of)),
                Appended::Withheld => assert_ne!(index, conflict),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(store.counts().await.expect("counts").events, 1);
    assert_eq!(store.lanes(None, 10).await.expect("lanes"), [], "and no delivery waits");
    append(&store, keyed(7, "l", "new")).await;
}

pub(crate) async fn keys_are_forgotten(database: &impl Database) {
    let store = database.handle().await;
    append(&store, keyed(0, "k", "same")).await;
    let last = store.append(vec![keyed(IDEMPOTENCY_MS - 1, "k", "same")]).await.expect("appends");
    assert!(matches!(last[..], [Appended::Repeated { .. }]), "{last:?}");
    append(&store, keyed(IDEMPOTENCY_MS, "k", "other")).await;
    let again = store.append(vec![keyed(IDEMPOTENCY_MS + 1, "k", "other")]).await.expect("appends");
    assert!(matches!(again[..], [Appended::Repeated { .. }]), "the new one is remembered: {again:?}");
}

pub(crate) async fn one_event_for_concurrent_keys(database: &impl Database) {
    let (one, two) = (database.handle().await, database.handle().await);
    let calls = (0..20).map(|n| {
        if n % 2 == 0 { one.append(vec![keyed(n, "k", "same")]) } else { two.append(vec![keyed(n, "k", "same")]) }
    });
    let answers = futures_util::future::join_all(calls).await;
    let stored = answers.iter().filter(|answer| matches!(answer.as_deref(), Ok([Appended::Stored { .. }])));
    assert_eq!(stored.count(), 1);
    assert_eq!(one.counts().await.expect("counts").events, 1);
}
