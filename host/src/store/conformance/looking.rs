//! People look.

use super::*;
use crate::delivery::{AttemptHead, State};
use crate::ids::QuarantineId;
use crate::store::conformance::ordering::new_in;
use crate::store::{DeliveryFilter, EventFilter, Page, QuarantineBounds, Quarantined, RunState, RunStateKind, Waiting};

pub(crate) async fn pages_newest_first(database: &impl Database) {
    let store = database.handle().await;
    for ms in 0..6 {
        let lease = born_leased(&store, ms, if ms % 2 == 0 { "a" } else { "b" }).await;
        // Queue and history take turns.
        if ms % 3 == 0 {
            settle(&store, settlement(&lease, 9, Next::Failed { reason: "404".into() })).await;
        }
    }
    let times = |page: Page<DeliveryView, _>| page.found.iter().map(|view| view.created).collect::<Vec<_>>();
    let all = DeliveryFilter::default();
    let first = store.deliveries(all.clone(), None, 4).await.expect("lists");
    let last = first.next;
    assert_eq!(times(first), [at(5), at(4), at(3), at(2)]);
    assert_eq!(times(store.deliveries(all, last, 4).await.expect("lists")), [at(1), at(0)]);

    for (name, state, expected) in [
        (Some("a"), None, vec![at(4), at(2), at(0)]),
        (None, Some(State::Failed), vec![at(3), at(0)]),
        (Some("b"), Some(State::Pending), vec![at(5), at(1)]),
        (None, Some(State::Delivered), vec![]),
    ] {
        let filter = DeliveryFilter { webhook: name.map(webhook), state, ..DeliveryFilter::default() };
        assert_eq!(times(store.deliveries(filter, None, 9).await.expect("lists")), expected);
    }

    let between = DeliveryFilter { since: Some(at(1)), until: Some(at(4)), ..DeliveryFilter::default() };
    assert_eq!(times(store.deliveries(between, None, 9).await.expect("lists")), [at(3), at(2), at(1)]);
    for (pattern, count) in [("entry.*", 6), ("media.*", 0)] {
        let event_type = Some(pattern.parse().expect("a pattern"));
        let typed = DeliveryFilter { event_type, ..DeliveryFilter::default() };
        assert_eq!(times(store.deliveries(typed, None, 9).await.expect("lists")).len(), count, "{pattern}");
    }

    let events = store.events(None, 2).await.expect("lists");
    assert_eq!(events.iter().map(|event| event.received).collect::<Vec<_>>(), [at(5), at(4)]);
    assert_eq!(store.events(Some(events[1].id), 9).await.expect("lists").len(), 4);
}

pub(crate) async fn events_that_fit(database: &impl Database) {
    let store = database.handle().await;
    for ms in 0..4 {
        append(&store, new_event(ms, &["a"], false)).await;
    }
    let times = async |filter: EventFilter, before| {
        let page = store.event_heads(filter, before, 2).await.expect("lists");
        (page.found.iter().map(|head| head.received).collect::<Vec<_>>(), page.next)
    };
    let all = EventFilter::default();
    let (first, next) = times(all.clone(), None).await;
    assert_eq!(first, [at(3), at(2)]);
    let (second, next) = times(all.clone(), next).await;
    assert_eq!((second, times(all.clone(), next).await), (vec![at(1), at(0)], (vec![], None)));
    let between = EventFilter { since: Some(at(1)), until: Some(at(2)), ..all.clone() };
    assert_eq!(times(between, None).await, (vec![at(1)], None));
    for (source, pattern, count) in [("strapi", "entry.*", 2), ("ghost", "*", 0), ("strapi", "media.*", 0)] {
        let (source, event_type) = (source.parse().ok(), pattern.parse().ok());
        assert_eq!(times(EventFilter { event_type, source, ..all.clone() }, None).await.0.len(), count, "{pattern}");
    }
    let head = store.event_heads(all, None, 1).await.expect("lists").found.remove(0);
    assert_eq!((head.bytes, head.headers), (event(3).data.len(), event(3).headers.clone()));
}

pub(crate) async fn what_waits_and_behind_what(database: &impl Database) {
    let store = database.handle().await;
    let mut ids = Vec::new();
    for ms in 0..3 {
        ids.push(placed(&store, new_in(ms, "=1")).await.id);
    }
    let waiting = async || store.waiting(vec![webhook("site"), webhook("none")]).await.expect("counts");
    assert_eq!(
        waiting().await,
        [Waiting { waiting: 2, ..Waiting::default() }, Waiting::default()],
        "the first is leased"
    );
    let ahead = async |id| store.ahead_of(id).await.expect("looks");
    assert_eq!(ahead(ids[0]).await, None);
    let third = ahead(ids[2]).await.expect("is behind");
    assert_eq!((third.first, third.count, third.under_way), (ids[0], 2, true));
    let reason = format!("{}ana", crate::delivery::DISCARDED_BY);
    for id in &ids[1..] {
        store.discard(*id, reason.clone(), at(9)).await.expect("gives up");
    }
    store.hold(webhook("site"), crate::delivery::HeldCause::Stuck, "r".into(), at(9)).await.expect("holds");
    assert_eq!(waiting().await[0], Waiting::default(), "what is leased neither waits nor is held");
}

pub(crate) async fn next_retries_and_recent_attempts(database: &impl Database) {
    let store = database.handle().await;
    let mut ended = Vec::new();
    for (ms, status, next) in [
        (0, 503, retry_at(500)),
        (1, 502, retry_at(300)),
        (2, 200, Next::Delivered),
        (3, 400, Next::Failed { reason: "400".into() }),
    ] {
        let lease = born_leased(&store, ms, "site").await;
        let made = Attempt { started: at(ms), ..attempt(1, status) };
        ended.push((webhook("site"), AttemptHead::of(&made)));
        settle(&store, Settlement { attempt: Some(made), ..settlement(&lease, ms, next) }).await;
    }
    append(&store, new_event(4, &["site"], false)).await;
    let found = store.waiting(vec![webhook("site"), webhook("none")]).await.expect("looks");
    assert_eq!(found[0], Waiting { waiting: 3, held: 0, next_retry: Some(at(300)) }, "what was not tried is no retry");
    assert_eq!(found[1], Waiting::default());
    ended.reverse();
    assert_eq!(store.recent_attempts(9).await.expect("looks"), ended);
    assert_eq!(store.recent_attempts(1).await.expect("looks"), [ended[0].clone(), ended[2].clone()]);
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
