//! Old deliveries are repeated, unfinished ones hurried or given up.

use super::*;
use crate::delivery::State;
use crate::store::{Discarded, NoReplay, Replay, Replayed, Retried};

fn replay_of(lease: &Lease, ms: i64) -> Replay {
    Replay { of: lease.token.delivery, id: DeliveryId::generate(at(ms)), now: at(ms), event: None }
}

/// Delivered with a rewritten payload.
async fn delivered(store: &impl Store, ms: i64, name: &str) -> Lease {
    let lease = born_leased(store, ms, name).await;
    let done = settlement(&lease, ms, Next::Delivered);
    let done = Settlement { attempt: Some(attempt(1, 204)), chain: Some(rewrote(r#"{"less":1}"#)), runs: 1, ..done };
    assert_eq!(settle(store, done).await, Settled::Done);
    lease
}

pub(crate) async fn the_recorded_outcome_goes_out_again(database: &impl Database) {
    let store = database.handle().await;
    let old = delivered(&store, 0, "site").await;
    let before = look(&store, &old).await;
    let replay = replay_of(&old, 5);
    let queued = Replayed::Queued { event: old.event.id, lane: lane("site") };
    assert_eq!(store.replay(replay.clone()).await.expect("replays"), queued);

    let again = claim_one(&store, "site", 5).await;
    assert_eq!((again.token.delivery, &again.event, again.runs, again.attempts), (replay.id, &old.event, 0, 0));
    assert_eq!(again.chain, Some(rewrote(r#"{"less":1}"#)), "fixed: no plugin runs");
    settle(&store, settlement(&again, 6, Next::Delivered)).await;
    let view = look(&store, &again).await;
    assert_eq!((view.replay_of, view.chain), (Some(old.token.delivery), before.chain.clone()));
    assert_eq!(look(&store, &old).await, before, "the old one stays as it is");
    let of_event = store.deliveries_of(old.event.id).await.expect("reads");
    assert_eq!(of_event.iter().map(|view| view.id).collect::<Vec<_>>(), [old.token.delivery, replay.id]);
    assert_eq!(store.counts().await.expect("counts").delivered, 2);
}

pub(crate) async fn another_event_goes_through_the_chain(database: &impl Database) {
    let store = database.handle().await;
    let old = delivered(&store, 0, "site").await;
    let replay = Replay { event: Some(event(5)), ..replay_of(&old, 5) };
    let new = replay.event.clone().expect("as made");
    let queued = Replayed::Queued { event: new.id, lane: lane("site") };
    assert_eq!(store.replay(replay).await.expect("replays"), queued);
    let again = claim_one(&store, "site", 5).await;
    assert_eq!((&again.event, again.chain.as_ref()), (&new, None));
    assert_eq!(look(&store, &again).await.replay_of, Some(old.token.delivery));
    assert_eq!(store.deliveries_of(new.id).await.expect("reads").len(), 1);
    assert_eq!(store.counts().await.expect("counts").events, 2);
}

pub(crate) async fn what_cannot_be_repeated_is_refused(database: &impl Database) {
    let store = database.handle().await;
    let held = born_leased(&store, 0, "site").await;
    let anew = |lease| Replay { event: Some(event(9)), ..replay_of(lease, 9) };
    let refused = async |replay| match store.replay(replay).await.expect("answers") {
        Replayed::Refused(why) => Some(why),
        Replayed::Queued { .. } => None,
    };
    assert_eq!(refused(anew(&held)).await, Some(NoReplay::Unfinished(State::Pending)));
    settle(&store, settlement(&held, 1, Next::Held { cause: HeldCause::WebhookGone, reason: "410".into() })).await;
    assert_eq!(refused(replay_of(&held, 9)).await, Some(NoReplay::Unfinished(State::Held)));
    assert_eq!(refused(anew(&held)).await, None);

    let dropped = born_leased(&store, 2, "site").await;
    settle(&store, settlement(&dropped, 3, Next::Dropped { reason: "no".into() })).await;
    assert_eq!(refused(replay_of(&dropped, 9)).await, Some(NoReplay::NothingSent(State::Dropped)));
    let absent = Replay { of: DeliveryId::generate(at(1)), ..replay_of(&held, 9) };
    assert_eq!(refused(absent).await, Some(NoReplay::Absent));
    assert_eq!(store.counts().await.expect("counts").events, 3, "a refusal stores nothing");
}

pub(crate) async fn one_is_hurried(database: &impl Database) {
    let store = database.handle().await;
    let leases = [born_leased(&store, 0, "site").await, born_leased(&store, 1, "site").await];
    let [first, second] = leases.map(|lease| (lease.token.delivery, lease));
    assert_eq!(store.retry(first.0, at(2)).await.expect("answers"), Retried::UnderWay);
    settle(&store, settlement(&first.1, 2, retry_at(1_000))).await;
    let cause = HeldCause::WebhookGone;
    settle(&store, settlement(&second.1, 2, Next::Held { cause, reason: "410".into() })).await;
    for id in [first.0, second.0] {
        assert_eq!(store.retry(id, at(3)).await.expect("answers"), Retried::Due(lane("site")));
    }
    let leases = claim(&store, "site", 3).await.leases;
    assert_eq!(leases.iter().map(|lease| lease.token.delivery).collect::<Vec<_>>(), [first.0, second.0]);
    assert_eq!(store.counts().await.expect("counts").held, 0);
    settle(&store, settlement(&leases[0], 4, Next::Delivered)).await;
    assert_eq!(store.retry(first.0, at(5)).await.expect("answers"), Retried::Finished(State::Delivered));
}

pub(crate) async fn what_is_given_up_is_history(database: &impl Database) {
    let store = database.handle().await;
    let lease = born_leased(&store, 0, "site").await;
    let id = lease.token.delivery;
    let discard = async |id| store.discard(id, "discarded by ana".into(), at(9)).await.expect("answers");
    assert_eq!(discard(id).await, Discarded::UnderWay);
    let tried = Settlement {
        attempt: Some(attempt(1, 503)),
        chain: Some(rewrote("{}")),
        runs: 1,
        ..settlement(&lease, 1, retry_at(1_000))
    };
    settle(&store, tried).await;
    assert_eq!(discard(id).await, Discarded::Done(lane("site")));
    let view = look(&store, &lease).await;
    assert_eq!((view.state, view.reason.as_deref(), view.attempts), (State::Failed, Some("discarded by ana"), 1));
    assert_eq!(view.chain, Some(rewrote("{}")), "what was made of it stays on record");
    assert_eq!(store.attempts_of(id).await.expect("reads").len(), 1);
    assert_eq!(discard(id).await, Discarded::Finished(State::Failed));
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.retrying, counts.failed), (0, 1));
}

pub(crate) async fn all_that_is_held_is_given_up(database: &impl Database) {
    let store = database.handle().await;
    for name in ["site", "search"] {
        store.append((0..450).map(|ms| new_event(ms, &[name], false)).collect()).await.expect("appends");
        store.hold(webhook(name), HeldCause::WebhookGone, "410".into(), at(500)).await.expect("holds");
    }
    let mut given_up = 0;
    loop {
        let step = store.discard_held(webhook("site"), "discarded".into(), at(501)).await.expect("discards");
        given_up += step.lanes.len();
        if !step.more {
            break;
        }
    }
    assert_eq!(given_up, 450);
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.held, counts.failed), (450, 450));
}
