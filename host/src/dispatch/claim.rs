//! Brings due work from disk into memory, lane by lane, and keeps this owner alive.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::scheduler::{ClaimOrder, TASK_BYTES};
use super::{Inner, Permit, work};
use crate::clock;
use crate::ids::WebhookId;
use crate::store::{Claim, Lane, LaneDue, Lease, OWNER_SILENCE_MS, StoreError};

/// Lanes claimed from at once.
const CLAIMS_AT_ONCE: usize = 16;
/// After a failed claim the lane is left alone for this long.
const CLAIM_BACKOFF: Duration = Duration::from_secs(1);
/// The wall clock is asked again at least this often: it may be set, and timers stop while a machine sleeps.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// Lanes read from the store at once.
const LANES_PAGE: usize = 500;

/// Claims whatever is due and has room, until draining.
pub(super) async fn run(inner: Arc<Inner>) {
    while !inner.draining.is_cancelled() {
        let orders = inner.scheduler().orders(clock::now(), CLAIMS_AT_ONCE);
        if orders.is_empty() {
            wait(&inner).await;
            look_up_forgotten(&inner).await;
        } else {
            join_all(orders.into_iter().map(|order| claim(&inner, order))).await;
        }
    }
}

/// Lanes beyond what is remembered are found in the store, once there is room for them.
async fn look_up_forgotten(inner: &Inner) {
    let forgotten = inner.scheduler().has_forgotten();
    if let Some(webhook) = forgotten
        && let Err(error) = wake_webhook(inner, &webhook).await
    {
        tracing::error!(%error, "looking for work failed; the next heartbeat does it");
    }
}

/// Until something may be claimed.
async fn wait(inner: &Inner) {
    let due = inner.scheduler().next_due();
    let until_due = async {
        match due {
            Some(due) => sleep_until(Instant::now() + due.since(clock::now()).min(LONGEST_SLEEP)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = inner.claimable.notified() => {}
        () = until_due => {}
        () = inner.draining.cancelled() => {}
    }
}

async fn claim(inner: &Arc<Inner>, order: ClaimOrder) {
    let ClaimOrder { lane, limit, max_bytes } = order;
    let now = clock::now();
    match inner.store.claim(Claim { lane: lane.clone(), now, limit, max_bytes }).await {
        Ok(claimed) => {
            let weight = |lease: &Lease| lease.weight() + TASK_BYTES;
            let weights = claimed.leases.iter().map(weight);
            inner.scheduler().claimed(&lane, weights, claimed.next_due);
            for lease in claimed.leases {
                let permit =
                    Permit { inner: Arc::clone(inner), lane: lane.clone(), weight: weight(&lease), more: None };
                work::spawn(inner, lease, permit);
            }
        }
        Err(error) => {
            tracing::error!(webhook = %lane.webhook, %error, "claiming failed; trying again in a second");
            inner.scheduler().claimed(&lane, std::iter::empty(), Some(now.after(CLAIM_BACKOFF)));
        }
    }
}

/// Says regularly that this owner lives, and looks for lanes that nobody works on.
pub(super) async fn keep_alive(inner: Arc<Inner>) {
    let period = Duration::from_millis(u64::try_from(OWNER_SILENCE_MS / 3).unwrap_or(10_000));
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = inner.draining.cancelled() => return,
        }
        if let Err(error) = beat(&inner).await {
            tracing::error!(%error, "the heartbeat failed");
        }
    }
}

async fn beat(inner: &Inner) -> Result<(), StoreError> {
    let taken = inner.store.heartbeat(clock::now()).await?;
    if taken > 0 {
        tracing::warn!(deliveries = taken, "took over from an owner that went silent");
    }
    // Also the safety net for a wake-up that was lost, whatever the reason.
    wake_all(inner).await
}

/// Wakes every lane that has work on disk.
pub(super) async fn wake_all(inner: &Inner) -> Result<(), StoreError> {
    each_lane(inner, |entry| inner.wake(&entry.lane, entry.due)).await
}

/// Wakes the lanes of one webhook.
pub(super) async fn wake_webhook(inner: &Inner, webhook: &WebhookId) -> Result<(), StoreError> {
    // Pages begin after a lane: the unordered one is the first of its webhook.
    let unordered = Lane::unordered(webhook.clone());
    inner.wake(&unordered, clock::now());
    let mut after = Some(unordered);
    while let Some(lane) = after.take() {
        let page = inner.store.lanes(Some(lane), LANES_PAGE).await?;
        let of_webhook = page.iter().take_while(|entry| entry.lane.webhook == *webhook);
        let count = of_webhook.map(|entry| inner.wake(&entry.lane, entry.due)).count();
        after = page.last().filter(|_| count == page.len()).map(|last| last.lane.clone());
    }
    Ok(())
}

/// The webhooks that have work on disk, in force or not.
pub(super) async fn webhooks_with_work(inner: &Inner) -> Result<BTreeSet<WebhookId>, StoreError> {
    let mut webhooks = BTreeSet::new();
    each_lane(inner, |entry| {
        webhooks.insert(entry.lane.webhook.clone());
    })
    .await?;
    Ok(webhooks)
}

async fn each_lane(inner: &Inner, mut visit: impl FnMut(&LaneDue)) -> Result<(), StoreError> {
    let mut after: Option<Lane> = None;
    loop {
        let page = inner.store.lanes(after.take(), LANES_PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.lane.clone());
        page.iter().for_each(&mut visit);
    }
}
