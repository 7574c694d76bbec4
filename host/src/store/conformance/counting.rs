//! Counters agree with the rows, whatever happens.

use super::debouncing::debounced;
use super::ordering::{claim_page, new_in};
use super::*;
use crate::delivery::{HeldCause, State};
use crate::store::{Counts, DeliveryFilter};

/// Something that happens. Numbers choose among what is there.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Append { lease: bool },
    AppendOrdered,
    AppendDebounced,
    AppendTwice,
    Claim,
    ClaimOrdered,
    Crash { which: usize },
    Settle { which: usize, how: usize },
    SettleStale,
    Hold,
    Release,
}

pub(crate) async fn agree(database: &impl Database, steps: Vec<Step>) {
    let store = database.handle().await;
    let (mut leases, mut used) = (Vec::new(), Vec::new());
    for (ms, step) in (0..).zip(steps) {
        match step {
            Step::Append { lease } => leases.extend(append(&store, new_event(ms, &["site", "site"], lease)).await),
            Step::AppendOrdered => leases.extend(append(&store, new_in(ms, "a")).await),
            // Long ago: its window closes at the next claim.
            Step::AppendDebounced => leases.extend(append(&store, debounced(ms - 100, "a")).await),
            Step::AppendTwice => {
                let new = new_event(ms, &["site"], true);
                store.append(vec![new.clone(), new]).await.expect_err("an id cannot be stored twice");
            }
            Step::Claim => leases.extend(claim(&store, "site", ms).await.leases),
            Step::ClaimOrdered => leases.extend(claim_page(&store, "a", ms, 9).await.leases),
            Step::Crash { which } if !leases.is_empty() => {
                let id = leases[which % leases.len()].token.delivery;
                let held = store.crashed(vec![id], 2, at(ms)).await.expect("counts");
                used.extend(leases.extract_if(.., |lease| held.contains(&lease.token.delivery)));
            }
            Step::Settle { which, how } if !leases.is_empty() => {
                let lease = leases.swap_remove(which % leases.len());
                assert_eq!(settle(&store, settlement(&lease, ms, outcome(how, ms))).await, Settled::Done);
                used.push(lease);
            }
            Step::SettleStale => {
                for lease in &used {
                    assert_eq!(settle(&store, settlement(lease, ms, Next::Delivered)).await, Settled::Stale);
                }
            }
            Step::Settle { .. } | Step::Crash { .. } => {}
            Step::Hold => {
                let cause = HeldCause::WebhookDisabled;
                store.hold(webhook("site"), cause, "off".into(), at(ms)).await.expect("holds");
            }
            Step::Release => {
                release(&store, "site", HeldCause::WebhookDisabled, ms).await;
            }
        }
    }
    assert_eq!(store.counts().await.expect("counts"), counted(&store).await);
}

fn outcome(how: usize, ms: i64) -> Next {
    let reason = "why".to_owned();
    match how % 6 {
        0 => Next::Delivered,
        1 => Next::Dropped { reason },
        2 => Next::Failed { reason },
        3 => Next::Held { cause: HeldCause::WebhookDisabled, reason },
        4 => Next::RetryAt { due: at(ms + 2), reason },
        _ => Next::Released { due: at(ms) },
    }
}

async fn counted(store: &impl Administration) -> Counts {
    let views = store.deliveries(DeliveryFilter::default(), None, 1_000).await.expect("lists").found;
    let of = |state| views.iter().filter(|view| view.state == state).count() as u64;
    let finished = views.iter().filter(|view| view.state.is_finished());
    let gathered = finished.filter_map(|view| view.window.as_ref());
    Counts {
        events: store.events(None, 1_000).await.expect("lists").len() as u64,
        pending: of(State::Pending),
        retrying: of(State::Retrying),
        held: of(State::Held),
        delivered: of(State::Delivered),
        dropped: of(State::Dropped),
        superseded: gathered.map(|window| window.count - 1).sum(),
        failed: of(State::Failed),
        quarantined: 0,
    }
}
