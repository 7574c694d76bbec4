//! The chain of one delivery: run, over all that a debounce window gathered if need be, and what follows from it.

use std::sync::Arc;
use std::time::Duration;

use super::{Inner, binding};
use crate::clock;
use crate::delivery::{ChainRecord, ChainVerdict, Next};
use crate::event::Event;
use crate::plugin::{ChainJob, Observer, Watch};
use crate::revision::Revision;
use crate::store::{Lease, StoreError};
use crate::webhook::Webhook;

/// Chain runs that may end in a retryable failure; then the delivery is held.
const MOST_RUNS: u32 = 10;

/// A run of the chain, and the event it was for.
pub(super) struct Ran {
    pub(super) event: Arc<Event>,
    pub(super) chain: ChainRecord,
}

/// Runs the chain for the delivery's event. What a debounce window gathered is tried from the newest event to the
/// oldest, until one is not dropped. None: the host shuts down.
///
/// # Errors
/// When an older event cannot be read.
pub(super) async fn run(
    inner: &Inner,
    revision: &Revision,
    webhook: &Arc<Webhook>,
    lease: &Lease,
) -> Result<Option<Ran>, StoreError> {
    let mut ran = run_one(inner, revision, webhook, lease, &lease.event).await;
    for id in &lease.earlier {
        let is_dropped = |ran: &Ran| matches!(ran.chain.verdict, ChainVerdict::Drop { .. });
        if !ran.as_ref().is_some_and(is_dropped) {
            break;
        }
        if let Some(event) = inner.administration.event(*id).await? {
            ran = run_one(inner, revision, webhook, lease, &Arc::new(event)).await;
        }
    }
    Ok(ran)
}

async fn run_one(
    inner: &Inner,
    revision: &Revision,
    webhook: &Arc<Webhook>,
    lease: &Lease,
    event: &Arc<Event>,
) -> Option<Ran> {
    let of = |chain| Some(Ran { event: Arc::clone(event), chain });
    if webhook.plugins.is_empty() {
        return of(ChainRecord::untouched());
    }
    let job = ChainJob {
        plugins: Arc::clone(&revision.plugins),
        webhook: Arc::clone(webhook),
        event: Arc::clone(event),
        delivery: lease.token.delivery,
        run: lease.runs.saturating_add(1),
        now: clock::now(),
        observer: observer(inner, webhook, lease),
        handing: None,
        watch: Some(Arc::clone(&inner.breaks) as Arc<dyn Watch>),
    };
    // Asked once more when its turn comes; this spares it the wait.
    match inner.breaks.instead(&job) {
        Some(held) => of(held),
        None => of(inner.transform.run(job).await.ok()?),
    }
}

/// Shadows see the first run of a chain: a repetition tells nothing new of an event.
fn observer(inner: &Inner, webhook: &Webhook, lease: &Lease) -> Option<Observer> {
    let is_shadowed = webhook.plugins.iter().any(|used| used.shadow.is_some());
    (is_shadowed && lease.runs == 0).then(|| inner.shadows.observer())
}

/// Where the delivery goes without an attempt; none: the chain says deliver.
pub(super) fn follow_up(revision: &Revision, webhook: &Webhook, lease: &Lease, chain: &ChainRecord) -> Option<Next> {
    let held_for = |plugin| binding::cause(webhook, &revision.plugins, plugin);
    match &chain.verdict {
        ChainVerdict::Deliver { .. } => None,
        ChainVerdict::Drop { plugin, reason } => Some(Next::Dropped { reason: format!("{plugin}: {reason}") }),
        ChainVerdict::Fail { plugin, reason } => Some(Next::Failed { reason: format!("{plugin}: {reason}") }),
        ChainVerdict::Hold { plugin, reason } => {
            Some(Next::Held { cause: held_for(plugin), reason: format!("{plugin}: {reason}") })
        }
        ChainVerdict::Again { plugin, reason, after_ms } if lease.runs + 1 < MOST_RUNS => Some(Next::RetryAt {
            due: clock::now().after(Duration::from_millis(*after_ms)),
            reason: format!("{plugin}: {reason}"),
        }),
        ChainVerdict::Again { plugin, reason, .. } => Some(Next::Held {
            cause: held_for(plugin),
            reason: format!("{plugin}: {reason}; that was run {MOST_RUNS}, the last"),
        }),
    }
}
