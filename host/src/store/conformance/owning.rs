//! Several owners on one database.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::{FutureExt as _, join};

use super::*;
use crate::delivery::State;
use crate::store::OWNER_SILENCE_MS;

pub(crate) async fn two_handles_share_nothing(database: &impl Database) {
    let (one, two) = (database.handle().await, database.handle().await);
    for ms in 0..60 {
        append(&one, new_event(ms, &["site"], false)).await;
    }
    let mut seen = HashSet::new();
    for _ in 0..6 {
        let (first, second) = join(one.claim(page("site")), two.claim(page("site"))).await;
        let (first, second) = (first.expect("claims").leases, second.expect("claims").leases);
        for lease in &first {
            assert_eq!(
                settle(&two, settlement(lease, 100, Next::Delivered)).await,
                Settled::Done,
                "the token is the proof"
            );
        }
        assert!(first.iter().chain(&second).all(|lease| seen.insert(lease.token.delivery)), "leased twice");
    }
    assert_eq!(seen.len(), 60);
}

pub(crate) async fn silent_owners_lose_their_leases(database: &impl Database) {
    let (silent, alive) = (database.handle().await, database.handle().await);
    silent.heartbeat(at(0)).await.expect("beats");
    let lost = born_leased(&silent, 0, "site").await;

    assert_eq!(alive.heartbeat(at(OWNER_SILENCE_MS - 1)).await.expect("beats"), 0, "not yet");
    assert_eq!(alive.heartbeat(at(OWNER_SILENCE_MS)).await.expect("beats"), 1);
    assert_eq!(settle(&silent, settlement(&lost, 1, Next::Delivered)).await, Settled::Stale);
    let taken = claim_one(&alive, "site", OWNER_SILENCE_MS).await;
    assert!(taken.token.epoch != lost.token.epoch && taken.token.fence > lost.token.fence);
}

pub(crate) async fn an_owner_comes_back(database: &impl Database) {
    let (slow, alive) = (database.handle().await, database.handle().await);
    slow.heartbeat(at(0)).await.expect("beats");
    alive.heartbeat(at(OWNER_SILENCE_MS)).await.expect("beats");

    // It was only slow, and goes on; then it dies without another heartbeat.
    let lease = born_leased(&slow, OWNER_SILENCE_MS, "site").await;
    assert_eq!(alive.heartbeat(at(OWNER_SILENCE_MS + 1)).await.expect("beats"), 0);
    assert_eq!(alive.heartbeat(at(2 * OWNER_SILENCE_MS)).await.expect("beats"), 1);
    assert_eq!(claim_one(&alive, "site", 3 * OWNER_SILENCE_MS).await.token.delivery, lease.token.delivery);
}

pub(crate) async fn leases_nobody_received_are_given_back(database: &impl Database) {
    let store = database.handle().await;
    // Asked, and gone before the answer: a request that was cancelled.
    let mut asked = store.append(vec![new_event(0, &["cancelled"], true)]);
    assert!((&mut asked).now_or_never().is_none(), "not answered at once");
    drop(asked);
    // Answered, but never looked at.
    append(&store, new_event(0, &["unread"], false)).await;
    let mut answered = store.claim(page("unread"));
    assert!((&mut answered).now_or_never().is_none(), "not answered at once");
    store.heartbeat(at(0)).await.expect("beats, after all that was asked before");
    drop(answered);

    let given_back = async {
        for name in ["cancelled", "unread"] {
            while store.claim(page(name)).await.expect("claims").leases.is_empty() {}
        }
    };
    tokio::time::timeout(Duration::from_secs(10), given_back).await.expect("given back");
}

fn page(name: &str) -> Claim {
    Claim { lane: lane(name), now: at(100), limit: 7, max_bytes: usize::MAX }
}

/// The host died while it was worked on, and starts again.
async fn crash(store: &impl Store, lease: &Lease, ms: i64) -> Vec<DeliveryId> {
    store.crashed(vec![lease.token.delivery; 2], 3, at(ms)).await.expect("counts")
}

pub(crate) async fn what_kills_the_host_is_held(database: &impl Database) {
    let (dead, store) = (database.handle().await, database.handle().await);
    let poisonous = born_leased(&dead, 0, "site").await;
    let finished = born_leased(&dead, 0, "site").await;
    settle(&store, settlement(&finished, 1, Next::Delivered)).await;
    for ms in [1, 2] {
        assert_eq!(crash(&store, &poisonous, ms).await, [], "not yet");
    }
    assert_eq!(crash(&store, &finished, 2).await, [], "finished in time");
    assert_eq!(crash(&store, &poisonous, 3).await, [poisonous.token.delivery]);
    let view = look(&store, &poisonous).await;
    assert_eq!((view.state, view.held_for, view.changed), (State::Held, Some(HeldCause::Crashed), at(3)));
    assert!(view.reason.as_ref().is_some_and(|reason| reason.contains("died 3 times")), "{:?}", view.reason);
    assert_eq!(settle(&dead, settlement(&poisonous, 4, Next::Delivered)).await, Settled::Stale, "no longer its own");
    assert_eq!(crash(&store, &poisonous, 5).await, [], "held already");
    assert_eq!(store.counts().await.expect("counts").held, 1);

    assert_eq!(release(&store, "site", HeldCause::Crashed, 6).await, 1);
    let again = claim_one(&store, "site", 6).await;
    assert_eq!(crash(&store, &again, 7).await, [], "a person let it go: it starts anew");
}

pub(crate) async fn an_outcome_ends_the_counting(database: &impl Database) {
    let store = database.handle().await;
    let mut lease = born_leased(&store, 0, "site").await;
    for (ms, next) in [(1, retry_at(2)), (2, retry_at(3)), (3, Next::Released { due: at(4) })] {
        crash(&store, &lease, ms).await;
        crash(&store, &lease, ms).await;
        settle(&store, settlement(&lease, ms, next)).await;
        lease = claim_one(&store, "site", ms + 1).await;
    }
    assert_eq!(crash(&store, &lease, 9).await, [lease.token.delivery], "given back: nothing came of it");
}
