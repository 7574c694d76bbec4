//! Windows gather events into one delivery.

use std::time::Duration;

use futures_util::future::join_all;

use super::*;
use crate::delivery::{State, Window};
use crate::ids::Digest;
use crate::store::{Debounce, Idempotency, WINDOW_MEMBERS};

const WINDOW_MS: i64 = 100;
const MAX_WAIT_MS: i64 = 250;

/// An event at `ms` with one delivery to `site`, debounced by `key`.
pub(super) fn debounced(ms: i64, key: &str) -> NewEvent {
    let mut new = new_event(ms, &["site"], true);
    new.deliveries[0].debounce = Some(Debounce {
        key: key.into(),
        window: Duration::from_millis(WINDOW_MS.unsigned_abs()),
        max_wait: Duration::from_millis(MAX_WAIT_MS.unsigned_abs()),
    });
    new
}

/// Appends them one by one; the answer is the delivery of each with when it is due.
async fn gather(store: &impl Store, events: &[NewEvent]) -> Vec<(DeliveryId, Timestamp)> {
    let mut answers = Vec::new();
    for new in events {
        match placed(store, new.clone()).await {
            Placed { id, place: Place::Due(due) } => answers.push((id, due)),
            other => panic!("waits for its window: {other:?}"),
        }
    }
    answers
}

fn ids<'a>(events: impl IntoIterator<Item = &'a NewEvent>) -> Vec<EventId> {
    events.into_iter().map(|new| new.event.id).collect()
}

async fn window(store: &impl Administration, id: DeliveryId) -> Window {
    let view = store.delivery(id).await.expect("reads").expect("is there");
    view.window.expect("is debounced")
}

pub(crate) async fn a_window_gathers_into_one_delivery(database: &impl Database) {
    let store = database.handle().await;
    let events = [0, 40, 90].map(|ms| debounced(ms, "a"));
    let answers = gather(&store, &events).await;
    let shared = events[0].deliveries[0].id;
    assert_eq!(answers, [(shared, at(100)), (shared, at(140)), (shared, at(190))]);
    let [(other, _)] = gather(&store, &[debounced(50, "b")]).await[..] else { panic!("one") };
    assert_ne!(other, shared, "another key");

    let members: Vec<_> = ids(&events).into_iter().rev().collect();
    for new in &events {
        let views = store.deliveries_of(new.event.id).await.expect("reads");
        let [view] = &views[..] else { panic!("the shared one: {views:?}") };
        assert_eq!((view.id, view.event, view.state, view.due), (shared, members[0], State::Pending, Some(at(190))));
        let expected = Window { count: 3, members: members.clone(), closes: Some(at(190)) };
        assert_eq!(view.window.as_ref(), Some(&expected));
    }
    assert_eq!(store.counts().await.expect("counts").pending, 2);

    assert_eq!(claim(&store, "site", 149).await.next_due, Some(at(150)), "not before its window closes");
    let leases = claim(&store, "site", 190).await.leases;
    let lease = leases.into_iter().find(|lease| lease.token.delivery == shared).expect("is due");
    assert_eq!((&lease.event, &lease.earlier[..]), (&events[2].event, &members[1..]));
    settle(&store, settlement(&lease, 191, Next::Delivered)).await;
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.delivered, counts.superseded, counts.events), (1, 2, 4));
    assert_eq!(window(&store, shared).await, Window { count: 3, members, closes: None }, "history tells it too");
}

pub(crate) async fn a_window_ends_at_the_longest_wait(database: &impl Database) {
    let store = database.handle().await;
    let events = [0, 90, 180, 240, 400].map(|ms| debounced(ms, "a"));
    let due: Vec<_> = gather(&store, &events).await.into_iter().map(|(_, due)| due).collect();
    // Nobody leased it in time: it still gathers, and stays due.
    assert_eq!(due, [at(100), at(190), at(250), at(250), at(250)]);
}

pub(crate) async fn leasing_closes(database: &impl Database) {
    let store = database.handle().await;
    let first = debounced(0, "a");
    gather(&store, std::slice::from_ref(&first)).await;
    let lease = claim_one(&store, "site", 100).await;
    assert_eq!((&lease.event, lease.earlier.len()), (&first.event, 0));
    let second = debounced(101, "a");
    assert_eq!(gather(&store, std::slice::from_ref(&second)).await, [(second.deliveries[0].id, at(201))]);

    // Given back or tried in vain, it still gathers no more.
    settle(&store, settlement(&lease, 102, Next::Released { due: at(102) })).await;
    let lease = claim_one(&store, "site", 102).await;
    settle(&store, settlement(&lease, 103, retry_at(500))).await;
    assert_eq!(gather(&store, &[debounced(110, "a")]).await, [(second.deliveries[0].id, at(210))]);
    assert_eq!(window(&store, lease.token.delivery).await.count, 1);
}

pub(crate) async fn holding_closes(database: &impl Database) {
    let store = database.handle().await;
    let gathered = [0, 1].map(|ms| debounced(ms, "a"));
    let [(held, _), _] = gather(&store, &gathered).await[..] else { panic!("two") };
    let cause = HeldCause::WebhookDisabled;
    assert_eq!(store.hold(webhook("site"), cause.clone(), "off".into(), at(5)).await.expect("holds"), 1);
    let [(next, _)] = gather(&store, &[debounced(6, "a")]).await[..] else { panic!("one") };
    assert_ne!(next, held);
    let members: Vec<_> = ids(&gathered).into_iter().rev().collect();
    assert_eq!(window(&store, held).await, Window { count: 2, members: members.clone(), closes: None });

    assert_eq!(release(&store, "site", cause, 10).await, 1);
    let lease = claim_one(&store, "site", 10).await;
    assert_eq!((lease.token.delivery, lease.event.id, &lease.earlier[..]), (held, members[0], &members[1..]));
}

pub(crate) async fn members_are_capped_and_counted(database: &impl Database) {
    let store = database.handle().await;
    let events: Vec<_> = (0..110).map(|_| debounced(0, "a")).collect();
    let shared = stored(store.append(events.clone()).await.expect("appends").remove(0)).remove(0).id;
    let newest: Vec<_> = ids(events.iter().rev().take(WINDOW_MEMBERS));
    assert_eq!(window(&store, shared).await, Window { count: 110, members: newest.clone(), closes: Some(at(100)) });
    let lease = claim_one(&store, "site", 100).await;
    assert_eq!((lease.event.id, &lease.earlier[..]), (newest[0], &newest[1..]));
    settle(&store, settlement(&lease, 101, Next::Failed { reason: "404".into() })).await;
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.failed, counts.superseded), (1, 109), "also those that are not remembered");
    let forgotten = store.deliveries_of(events[0].event.id).await.expect("reads");
    assert_eq!(forgotten.iter().map(|view| view.id).collect::<Vec<_>>(), [shared]);
}

pub(crate) async fn another_member_is_sent(database: &impl Database) {
    let store = database.handle().await;
    let events = [0, 1, 2].map(|ms| debounced(ms, "a"));
    gather(&store, &events).await;
    let [oldest, middle, newest] = ids(&events)[..] else { panic!("three") };
    let lease = claim_one(&store, "site", 102).await;
    let carried = |carrier, lease: &Lease, ms, next| Settlement {
        attempt: Some(attempt(lease.attempts + 1, 503)),
        chain: Some(rewrote("sent")),
        carrier: Some(carrier),
        ..settlement(lease, ms, next)
    };
    settle(&store, carried(middle, &lease, 103, retry_at(110))).await;
    let again = claim_one(&store, "site", 110).await;
    assert_eq!((&again.event, &again.earlier[..]), (&events[1].event, &[newest, oldest][..]), "it stays the one");

    // One that is no member changes nothing but is no reason to send again what was sent.
    let stranger = debounced(3, "b");
    gather(&store, std::slice::from_ref(&stranger)).await;
    assert_eq!(settle(&store, carried(stranger.event.id, &again, 111, retry_at(120))).await, Settled::Done);
    assert_eq!(look(&store, &lease).await.event, middle);

    let last = claim(&store, "site", 120).await.leases;
    let last = last.iter().find(|again| again.token.delivery == lease.token.delivery).expect("is due");
    settle(&store, carried(oldest, last, 121, Next::Delivered)).await;
    let view = look(&store, &lease).await;
    assert_eq!((view.event, view.state, view.attempts), (oldest, State::Delivered, 3));
    assert_eq!(store.counts().await.expect("counts").superseded, 2);
}

pub(crate) async fn keys_answer_the_shared_delivery(database: &impl Database) {
    let store = database.handle().await;
    let first = debounced(0, "a");
    gather(&store, std::slice::from_ref(&first)).await;
    let keyed = |ms| {
        let idempotency = Some(Idempotency { key: "k".into(), digest: Digest::of(b"same") });
        NewEvent { idempotency, ..debounced(ms, "a") }
    };
    let second = keyed(1);
    gather(&store, std::slice::from_ref(&second)).await;
    let repeated = store.append(vec![keyed(2)]).await.expect("appends");
    let [Appended::Repeated { event, deliveries }] = &repeated[..] else { panic!("{repeated:?}") };
    assert_eq!((*event, &deliveries[..]), (second.event.id, &[(first.deliveries[0].id, webhook("site"))][..]));
    assert_eq!(window(&store, first.deliveries[0].id).await.count, 2, "a repetition is no event");
}

pub(crate) async fn two_handles_share_a_window(database: &impl Database) {
    let (one, two) = (database.handle().await, database.handle().await);
    let appends = (0..60).map(|ms| if ms % 2 == 0 { &one } else { &two }.append(vec![debounced(ms, "a")]));
    let answers = join_all(appends).await.into_iter().flat_map(|answer| answer.expect("appends"));
    let mut shared: Vec<_> = answers.flat_map(stored).map(|placed| placed.id).collect();
    shared.dedup();
    assert_eq!(shared.len(), 1, "one delivery for a burst");
    assert_eq!(window(&one, shared[0]).await.count, 60);
    let lease = claim_one(&one, "site", 200).await;
    settle(&two, settlement(&lease, 201, Next::Delivered)).await;
    let counts = two.counts().await.expect("counts");
    assert_eq!((counts.events, counts.delivered, counts.superseded), (60, 1, 59));
}
