//! Deliveries wait for somebody, and go on.

use super::*;
use crate::delivery::{HeldCause, State};
use crate::store::HeldFor;

pub(crate) async fn holds_what_waits(database: &impl Database) {
    let store = database.handle().await;
    append(&store, new_event(0, &["site", "search"], false)).await;
    let busy = born_leased(&store, 1, "site").await;
    let cause = HeldCause::WebhookRemoved;
    let held = store.hold(webhook("site"), cause.clone(), "file is gone".into(), at(5)).await.expect("holds");
    assert_eq!(held, 1, "not the leased one, not another webhook's");
    assert_eq!(claim(&store, "site", 9).await.next_due, None);

    let filter = crate::store::DeliveryFilter { state: Some(State::Held), ..Default::default() };
    let views = store.deliveries(filter, None, 10).await.expect("lists").found;
    let [view] = &views[..] else { panic!("{views:?}") };
    assert_eq!((&view.held_for, view.reason.as_deref(), view.changed), (&Some(cause), Some("file is gone"), at(5)));
    assert_eq!(settle(&store, settlement(&busy, 6, Next::Delivered)).await, Settled::Done);
}

pub(crate) async fn releases_what_was_fixed(database: &impl Database) {
    let store = database.handle().await;
    for (ms, name, cause) in
        [(0, "a", HeldCause::WebhookGone), (1, "b", HeldCause::WebhookGone), (2, "a", HeldCause::WebhookDisabled)]
    {
        hold_leased(&store, ms, name, cause).await;
    }
    assert_eq!(release(&store, "a", HeldCause::WebhookGone, 10).await, 1);
    let view = look(&store, &claim_one(&store, "a", 10).await).await;
    assert_eq!((view.state, view.due, view.reason, view.held_for), (State::Pending, Some(at(10)), None, None));
    assert_eq!(release(&store, "a", HeldCause::WebhookGone, 11).await, 0);
    assert_eq!(store.counts().await.expect("counts").held, 2, "another cause and another webhook are not fixed");
}

pub(crate) async fn releases_what_another_plugin_held(database: &impl Database) {
    let store = database.handle().await;
    let (old, new, other) = (plugin_cause("x", "1"), plugin_cause("x", "2"), plugin_cause("y", "1"));
    for (ms, name, cause) in [(0, "a", &old), (1, "b", &old), (2, "a", &other), (3, "a", &HeldCause::WebhookGone)] {
        hold_leased(&store, ms, name, cause.clone()).await;
    }
    let still_in_force = HeldFor::PluginsExcept(vec![new, other]);
    assert_eq!(store.release(webhook("a"), still_in_force, at(10)).await.expect("releases"), 1, "x was replaced");
    claim_one(&store, "a", 10).await;
    let no_plugins = HeldFor::PluginsExcept(vec![]);
    assert_eq!(store.release(webhook("a"), no_plugins, at(11)).await.expect("releases"), 1, "y left the chain");
    assert_eq!(store.counts().await.expect("counts").held, 2);
}

async fn hold_leased(store: &impl Store, ms: i64, name: &str, cause: HeldCause) {
    let lease = born_leased(store, ms, name).await;
    settle(store, settlement(&lease, 3, Next::Held { cause, reason: "broken".into() })).await;
}

pub(crate) async fn large_backlogs(database: &impl Database) {
    let store = database.handle().await;
    let backlog = (0..2_500).map(|ms| new_event(ms, &[if ms % 2 == 0 { "a" } else { "b" }], false)).collect();
    store.append(backlog).await.expect("appends");
    let mut held = 0;
    for name in ["a", "b"] {
        held += store.hold(webhook(name), HeldCause::WebhookGone, "410".into(), at(9)).await.expect("holds");
    }
    assert_eq!((held, store.counts().await.expect("counts").held), (2_500, 2_500));
    let mut released = 0;
    for name in ["a", "b"] {
        released += release(&store, name, HeldCause::WebhookGone, 10).await;
    }
    assert_eq!(released, 2_500);
    assert_eq!(store.counts().await.expect("counts").pending, 2_500);
}
