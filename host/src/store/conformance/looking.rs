//! People look.

use super::*;
use crate::delivery::State;
use crate::ids::QuarantineId;
use crate::store::{DeliveryFilter, QuarantineBounds, Quarantined, RunState, RunStateKind};

pub(crate) async fn pages_newest_first(database: &impl Database) {
    let store = database.handle().await;
    for ms in 0..6 {
        let lease = born_leased(&store, ms, if ms % 2 == 0 { "a" } else { "b" }).await;
        // Queue and history take turns.
        if ms % 3 == 0 {
            settle(&store, settlement(&lease, 9, Next::Failed { reason: "404".into() })).await;
        }
    }
    let times = |views: Vec<DeliveryView>| views.iter().map(|view| view.created).collect::<Vec<_>>();
    let all = DeliveryFilter::default();
    let first = store.deliveries(all.clone(), None, 4).await.expect("lists");
    let last = first.last().map(|view| view.id);
    assert_eq!(times(first), [at(5), at(4), at(3), at(2)]);
    assert_eq!(times(store.deliveries(all, last, 4).await.expect("lists")), [at(1), at(0)]);

    for (name, state, expected) in [
        (Some("a"), None, vec![at(4), at(2), at(0)]),
        (None, Some(State::Failed), vec![at(3), at(0)]),
        (Some("b"), Some(State::Pending), vec![at(5), at(1)]),
        (None, Some(State::Delivered), vec![]),
    ] {
        let filter = DeliveryFilter { webhook: name.map(webhook), state };
        assert_eq!(times(store.deliveries(filter, None, 9).await.expect("lists")), expected);
    }

    let events = store.events(None, 2).await.expect("lists");
    assert_eq!(events.iter().map(|event| event.received).collect::<Vec<_>>(), [at(5), at(4)]);
    assert_eq!(store.events(Some(events[1].id), 9).await.expect("lists").len(), 4);
}

fn refused(ms: i64, bytes: usize) -> Quarantined {
    Quarantined {
        id: QuarantineId::generate(at(ms)),
        source: "strapi".parse().expect("a source"),
        received: at(ms),
        content_type: "application/json".into(),
        headers: vec![("x-strapi-event".into(), "entry.create".into())],
        data: vec![b'x'; bytes].into(),
        idempotency_key: Some("k".into()),
        problem: "{}".into(),
    }
}

pub(crate) async fn quarantine_is_bounded(database: &impl Database) {
    let store = database.handle().await;
    let wide = QuarantineBounds { max_count: 3, max_bytes: 1 << 20, oldest: at(0) };
    let ages = async || {
        let listed = store.quarantined(None, 9).await.expect("lists");
        listed.iter().map(|one| one.received).collect::<Vec<_>>()
    };
    store.quarantine((0..5).map(|ms| refused(ms, 10)).collect(), wide).await.expect("keeps");
    assert_eq!(ages().await, [at(4), at(3), at(2)], "by number");
    store.quarantine(vec![refused(5, 10)], QuarantineBounds { oldest: at(4), ..wide }).await.expect("keeps");
    assert_eq!(ages().await, [at(5), at(4)], "by age");
    let narrow = QuarantineBounds { max_bytes: 950, ..wide };
    store.quarantine(vec![refused(6, 900), refused(7, 5_000)], narrow).await.expect("keeps");
    assert_eq!(ages().await, [at(6)], "by bytes; one that could never fit is not kept");

    let listed = store.quarantined(None, 9).await.expect("lists").remove(0);
    assert_eq!(listed, Quarantined { id: listed.id, ..refused(6, 900) });
    assert_eq!(store.unquarantine(listed.id).await.expect("takes"), Some(listed.clone()));
    assert_eq!(store.unquarantine(listed.id).await.expect("takes"), None);
    assert_eq!(store.counts().await.expect("counts").quarantined, 0);
}

pub(crate) async fn run_states(database: &impl Database) {
    let store = database.handle().await;
    let state = |url: &str| RunState {
        webhook: webhook("site"),
        kind: RunStateKind::Gone,
        since: at(3),
        by: "receiver (410 Gone)".into(),
        url: RunState::url_digest(&url.parse().expect("a URL")),
    };
    for url in ["https://build.example/hook", "https://build.example/new"] {
        store.set_run_state(state(url)).await.expect("writes");
        assert_eq!(store.run_states().await.expect("reads"), [state(url)]);
    }
    let paused = RunState { kind: RunStateKind::Paused, ..state("https://c.example/") };
    store.set_run_state(paused.clone()).await.expect("writes");
    store.clear_run_state(webhook("site"), RunStateKind::Gone).await.expect("clears");
    assert_eq!(store.run_states().await.expect("reads"), [paused], "one of each kind");
}

pub(crate) async fn says_how_durable(database: &impl Database) {
    let text = database.handle().await.durability().await.expect("says");
    assert!(!text.is_empty());
}
