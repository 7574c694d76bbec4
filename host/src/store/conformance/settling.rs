//! What happened to a delivery is recorded.

use super::*;
use crate::delivery::{HeldCause, State};

pub(crate) async fn delivered_is_history(database: &impl Database) {
    let store = database.handle().await;
    let lease = born_leased(&store, 0, "site").await;
    let done = Settlement {
        attempt: Some(attempt(1, 204)),
        chain: Some(rewrote("new")),
        runs: 1,
        ..settlement(&lease, 5, Next::Delivered)
    };
    assert_eq!(settle(&store, done.clone()).await, Settled::Done);

    let view = look(&store, &lease).await;
    assert_eq!((view.state, view.created, view.changed, view.due), (State::Delivered, at(0), at(5), None));
    assert_eq!((view.attempts, view.runs, view.reason), (1, 1, None));
    assert_eq!(view.chain, Some(rewrote("new")), "with the payload that was sent");
    assert_eq!(store.attempts_of(lease.token.delivery).await.expect("reads"), [attempt(1, 204)]);
    assert_eq!(store.lanes(None, 10).await.expect("lists"), []);
    assert_eq!(settle(&store, done).await, Settled::Stale, "finished deliveries never change");
}

pub(crate) async fn outcomes_have_reasons(database: &impl Database) {
    let store = database.handle().await;
    let cause = plugin_cause("redact", "1");
    for (next, state) in [
        (Next::Dropped { reason: "why".into() }, State::Dropped),
        (Next::Failed { reason: "why".into() }, State::Failed),
        (Next::Held { cause: cause.clone(), reason: "why".into() }, State::Held),
        (Next::RetryAt { due: at(90), reason: "why".into() }, State::Retrying),
    ] {
        let lease = born_leased(&store, 0, "site").await;
        settle(&store, Settlement { runs: 3, ..settlement(&lease, 5, next) }).await;
        let view = look(&store, &lease).await;
        assert_eq!((view.state, view.changed, view.runs), (state, at(5), 3));
        assert_eq!(view.reason.as_deref(), Some("why"));
        assert_eq!(view.held_for, (state == State::Held).then(|| cause.clone()));
        assert_eq!(view.due, (state == State::Retrying).then(|| at(90)));
    }
    let claimed = claim(&store, "site", 89).await;
    assert_eq!((claimed.leases.len(), claimed.next_due), (0, Some(at(90))), "only the retry is waited for");
}

pub(crate) async fn released_is_untouched(database: &impl Database) {
    let store = database.handle().await;
    let lease = born_leased(&store, 0, "site").await;
    let before = look(&store, &lease).await;
    settle(&store, settlement(&lease, 5, Next::Released { due: at(20) })).await;
    assert_eq!(look(&store, &lease).await, DeliveryView { due: Some(at(20)), ..before });
    let again = claim_one(&store, "site", 20).await;
    assert_eq!(again.token.fence, lease.token.fence + 1);
}

pub(crate) async fn a_sent_outcome_is_fixed(database: &impl Database) {
    let store = database.handle().await;
    let lease = born_leased(&store, 0, "site").await;
    let first = Settlement {
        attempt: Some(attempt(1, 503)),
        chain: Some(rewrote("fixed")),
        runs: 1,
        ..settlement(&lease, 5, retry_at(10))
    };
    settle(&store, first).await;
    let retry = claim_one(&store, "site", 10).await;
    assert_eq!((retry.attempts, retry.runs), (1, 1));
    assert_eq!(retry.chain, Some(rewrote("fixed")));

    // Neither another attempt, nor being held and released, nor being given back changes it.
    let second = Settlement { attempt: Some(attempt(2, 410)), ..settlement(&retry, 11, gone()) };
    settle(&store, second).await;
    release(&store, "site", HeldCause::WebhookGone, 12).await;
    let third = claim_one(&store, "site", 12).await;
    settle(&store, settlement(&third, 13, Next::Released { due: at(13) })).await;
    let fourth = claim_one(&store, "site", 13).await;
    assert_eq!((fourth.attempts, fourth.chain.clone()), (2, Some(rewrote("fixed"))));

    settle(&store, Settlement { attempt: Some(attempt(3, 204)), ..settlement(&fourth, 14, Next::Delivered) }).await;
    assert_eq!(look(&store, &fourth).await.chain, Some(rewrote("fixed")));
    let attempts = store.attempts_of(lease.token.delivery).await.expect("reads");
    assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2, 3]);
}

pub(crate) async fn evidence_is_not_an_outcome(database: &impl Database) {
    let store = database.handle().await;
    let again =
        record(ChainVerdict::Again { plugin: "redact".parse().expect("a name"), reason: "busy".into(), after_ms: 5 });
    // The chain failed; or it delivered but nothing was sent yet. Either way it runs anew.
    for (chain, runs) in [(again, 1), (rewrote("unsent"), 2)] {
        let lease = if runs == 1 { born_leased(&store, 0, "site").await } else { claim_one(&store, "site", 10).await };
        let next = if runs == 1 { retry_at(10) } else { gone() };
        let chain = Some(chain);
        settle(&store, Settlement { chain: chain.clone(), runs, ..settlement(&lease, 5, next) }).await;
        assert_eq!(look(&store, &lease).await.chain, chain, "kept as evidence");
    }
    release(&store, "site", HeldCause::WebhookGone, 20).await;
    let lease = claim_one(&store, "site", 20).await;
    assert_eq!((lease.chain, lease.runs, lease.attempts), (None, 2, 0));
}

pub(crate) async fn stale_changes_nothing(database: &impl Database) {
    let store = database.handle().await;
    let old = born_leased(&store, 0, "site").await;
    settle(&store, settlement(&old, 1, Next::Released { due: at(1) })).await;
    let new = claim_one(&store, "site", 1).await;
    let before = look(&store, &new).await;

    let late = Settlement { attempt: Some(attempt(1, 204)), ..settlement(&old, 2, Next::Delivered) };
    let fresh = born_leased(&store, 3, "site").await;
    let both = store.settle(&[late, settlement(&fresh, 4, Next::Delivered)]).await.expect("settles");
    assert_eq!(both, [Settled::Stale, Settled::Done], "each answers on its own");
    assert_eq!(look(&store, &new).await, before);
    assert_eq!(store.attempts_of(new.token.delivery).await.expect("reads"), []);
}

fn gone() -> Next {
    Next::Held { cause: HeldCause::WebhookGone, reason: "410".into() }
}
