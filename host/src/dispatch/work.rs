//! The life of one leased delivery: gate, chain, attempt, settle.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::follow;
use super::retry::{self, After};
use super::{Inner, Notice, Permit, binding, request};
use crate::clock;
use crate::delivery::{Attempt, AttemptResult, ChainRecord, ChainVerdict, Changes, HeldCause, Next, PluginRun, micros};
use crate::plugin::{ChainJob, Observer, held_unrun};
use crate::revision::Revision;
use crate::store::{Lease, RunStateKind, Settled, Settlement, StoreError};
use crate::tasks::{self, OnPanic};
use crate::webhook::Webhook;

/// Chain runs that may end in a retryable failure; then the delivery is held.
const MOST_RUNS: u32 = 10;
/// A settle that fails is repeated with waits from this …
const SETTLE_BACKOFF: Duration = Duration::from_millis(100);
/// … up to this.
const SETTLE_BACKOFF_MOST: Duration = Duration::from_secs(5);
/// A delivery whose rewritten payload found no room is tried again after this.
const NO_ROOM_PAUSE: Duration = Duration::from_secs(1);
/// A delivery whose task panicked is tried again after this.
const PANIC_PAUSE: Duration = Duration::from_mins(1);

/// Starts the task of a leased delivery. The task owns the permit.
pub(super) fn spawn(inner: &Arc<Inner>, lease: Lease, permit: Permit) {
    let tracked = inner.deliveries.track_future(live(Arc::clone(inner), lease, permit));
    tasks::spawn("delivery", OnPanic::Log, tracked);
}

async fn live(inner: Arc<Inner>, lease: Lease, mut permit: Permit) {
    let mut guard = GiveBackOnPanic { inner, lease, settled: false };
    let step = step(&guard.inner, &guard.lease, &mut permit).await;
    settle(&guard.inner, &guard.lease, step).await;
    guard.settled = true;
    drop(permit);
}

/// What one turn of work came to.
struct Step {
    next: Next,
    attempt: Option<Attempt>,
    /// A run of the chain that was made in this turn.
    chain: Option<ChainRecord>,
}

impl Step {
    fn without_attempt(next: Next) -> Self {
        Self { next, attempt: None, chain: None }
    }
}

async fn step(inner: &Arc<Inner>, lease: &Lease, permit: &mut Permit) -> Step {
    let Some(webhook) = inner.live.load().webhooks.get(&lease.lane.webhook).cloned() else {
        return Step::without_attempt(removed());
    };
    let slots = inner.slots(&webhook);
    let _slot = tokio::select! {
        slot = slots.acquire() => slot,
        () = inner.draining.cancelled() => return Step::without_attempt(Next::Released { due: clock::now() }),
    };
    // Read after the wait: from here to the settle this delivery uses one revision.
    let revision = inner.live.load_full();
    let webhook = match gate(inner, &revision, lease) {
        Ok(webhook) => webhook,
        Err(next) => return Step::without_attempt(next),
    };
    if let Some(fixed) = &lease.chain {
        let (next, attempt) = attempt(inner, &revision, &webhook, lease, fixed).await;
        return Step { next, attempt, chain: None };
    }
    let Some(chain) = run_chain(inner, &revision, &webhook, lease).await else {
        return Step::without_attempt(Next::Released { due: clock::now() });
    };
    if let Some(next) = after_chain(&revision, &webhook, lease, &chain) {
        return Step { next, attempt: None, chain: Some(chain) };
    }
    if let Some(data) = chain.data()
        && !permit.enlarge(data.len())
    {
        // Payloads that wait for slow receivers fill the memory. This one is made again when there is room: the chain
        // comes to the same.
        return Step::without_attempt(Next::Released { due: clock::now().after(NO_ROOM_PAUSE) });
    }
    let (next, attempt) = attempt(inner, &revision, &webhook, lease, &chain).await;
    Step { next, attempt, chain: Some(chain) }
}

fn removed() -> Next {
    Next::Held { cause: HeldCause::WebhookRemoved, reason: "the webhook was removed".to_owned() }
}

fn gone() -> Next {
    let reason = "the receiver answered 410 Gone; a changed URL releases this".to_owned();
    Next::Held { cause: HeldCause::WebhookGone, reason }
}

/// The webhook of this delivery as it is today, or why it may not be sent to.
fn gate(inner: &Inner, revision: &Revision, lease: &Lease) -> Result<Arc<Webhook>, Next> {
    let Some(webhook) = revision.webhooks.get(&lease.lane.webhook) else {
        return Err(removed());
    };
    if !webhook.enabled {
        let reason = "the webhook is disabled".to_owned();
        return Err(Next::Held { cause: HeldCause::WebhookDisabled, reason });
    }
    if inner.run_states.has(&webhook.id, RunStateKind::Gone) {
        return Err(gone());
    }
    Ok(Arc::clone(webhook))
}

/// None when the host shuts down before the chain ran.
async fn run_chain(inner: &Inner, revision: &Revision, webhook: &Arc<Webhook>, lease: &Lease) -> Option<ChainRecord> {
    if webhook.plugins.is_empty() {
        return Some(ChainRecord::untouched());
    }
    let job = ChainJob {
        plugins: Arc::clone(&revision.plugins),
        webhook: Arc::clone(webhook),
        event: Arc::clone(&lease.event),
        delivery: lease.token.delivery,
        run: lease.runs.saturating_add(1),
        now: clock::now(),
        observer: observer(inner, webhook, lease),
    };
    if let Some((plugin, reason)) = inner.breaks.stopped(webhook, &revision.plugins) {
        return Some(held_unrun(&job, &plugin, reason));
    }
    let record = inner.transform.run(job).await.ok()?;
    inner.breaks.learn(webhook, &revision.plugins, &record, clock::now());
    Some(record)
}

/// Shadows see the first run of a chain: a repetition tells nothing new of an event.
fn observer(inner: &Inner, webhook: &Webhook, lease: &Lease) -> Option<Observer> {
    let is_shadowed = webhook.plugins.iter().any(|used| used.shadow.is_some());
    (is_shadowed && lease.runs == 0).then(|| inner.shadows.observer())
}

/// Where the delivery goes without an attempt; none: the chain says deliver.
fn after_chain(revision: &Revision, webhook: &Webhook, lease: &Lease, chain: &ChainRecord) -> Option<Next> {
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

async fn attempt(
    inner: &Inner,
    revision: &Revision,
    webhook: &Webhook,
    lease: &Lease,
    chain: &ChainRecord,
) -> (Next, Option<Attempt>) {
    let unchanged = Changes::default();
    let changes = match &chain.verdict {
        ChainVerdict::Deliver { changes } => changes,
        _ => &unchanged,
    };
    let started = clock::now();
    let number = lease.attempts.saturating_add(1);
    let outgoing = request::build(&request::Parts {
        event: &lease.event,
        webhook,
        default_headers: &revision.server.default_headers,
        changes,
        delivery: lease.token.delivery,
        attempt: number,
        now: started,
    });
    let request_headers = request::for_the_log(&outgoing.headers);
    let url = webhook.shown_url.clone();
    let clock_start = Instant::now();
    let result = revision.egress.send(outgoing).await;
    let took = micros(clock_start.elapsed());
    let next = after_attempt(inner, webhook, number, &result).await;
    (next, Some(Attempt { number, started, micros: took, url, request_headers, result }))
}

async fn after_attempt(inner: &Inner, webhook: &Webhook, number: u32, result: &AttemptResult) -> Next {
    match retry::decide(&webhook.retry_schedule, number, result, clock::now(), rand::random()) {
        After::Next(next) => next,
        After::Gone => {
            if let Err(error) = follow::mark_gone(inner, webhook).await {
                tracing::error!(webhook = %webhook.id, %error, "410 Gone could not be recorded");
            }
            gone()
        }
    }
}

/// Repeats until the store took it or is closed: what happened must not be lost.
async fn settle(inner: &Inner, lease: &Lease, step: Step) {
    // Most of the time nobody watches.
    let notice = if inner.notices.receiver_count() > 0 { notice(lease, &step) } else { None };
    let runs = lease.runs + u32::from(step.chain.as_ref().is_some_and(|chain| !chain.runs.is_empty()));
    let settlement = Settlement {
        token: lease.token,
        now: clock::now(),
        next: step.next,
        attempt: step.attempt,
        chain: step.chain,
        runs,
        carrier: None,
        gives_up_place: false,
    };
    if settle_durably(inner, &settlement).await != Some(Settled::Done) {
        return;
    }
    match settlement.next {
        Next::RetryAt { due, .. } | Next::Released { due } => inner.wake(&lease.lane, due),
        Next::Held { cause, .. } => follow::recheck(inner, &lease.lane.webhook, cause).await,
        Next::Delivered | Next::Dropped { .. } | Next::Failed { .. } => {}
    }
    if let Some(notice) = notice {
        // The last watcher may have gone since.
        let _ = inner.notices.send(notice);
    }
}

async fn settle_durably(inner: &Inner, settlement: &Settlement) -> Option<Settled> {
    let mut backoff = SETTLE_BACKOFF;
    loop {
        match inner.store.settle(std::slice::from_ref(settlement)).await {
            Ok(settled) => {
                if settled.contains(&Settled::Stale) {
                    tracing::warn!(delivery = %settlement.token.delivery, "another owner has this delivery now");
                }
                return settled.first().copied();
            }
            Err(StoreError::Closed) => return None,
            // It will not read better the next time. The lease is found at the next start.
            Err(error @ StoreError::Corrupt(_)) => {
                tracing::error!(delivery = %settlement.token.delivery, %error, "given up until the next start");
                return None;
            }
            Err(error) => {
                tracing::error!(delivery = %settlement.token.delivery, %error, "settling failed; trying again");
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(SETTLE_BACKOFF_MOST);
            }
        }
    }
}

fn notice(lease: &Lease, step: &Step) -> Option<Notice> {
    let state = step.next.state()?;
    let (reason, due) = match &step.next {
        Next::Dropped { reason } | Next::Failed { reason } | Next::Held { reason, .. } => (Some(reason.clone()), None),
        Next::RetryAt { due, reason } => (Some(reason.clone()), Some(*due)),
        Next::Delivered | Next::Released { .. } => (None, None),
    };
    let attempt = step.attempt.as_ref();
    Some(Notice {
        at: clock::now(),
        event: lease.event.id,
        event_type: lease.event.event_type.clone(),
        delivery: lease.token.delivery,
        webhook: lease.lane.webhook.clone(),
        state,
        attempts: attempt.map_or(lease.attempts, |attempt| attempt.number),
        status: attempt.and_then(|attempt| match &attempt.result {
            AttemptResult::Answered(response) => Some(response.status),
            AttemptResult::Error { .. } => None,
        }),
        micros: attempt.map(|attempt| attempt.micros),
        reason,
        due,
        plugins: step.chain.iter().flat_map(|chain| &chain.runs).map(plugin_line).collect(),
    })
}

fn plugin_line(run: &PluginRun) -> String {
    format!("{}: {}", run.plugin, run.summary)
}

/// Gives the lease back when the task panics, so that the delivery is not stuck until the next start.
struct GiveBackOnPanic {
    inner: Arc<Inner>,
    lease: Lease,
    settled: bool,
}

impl Drop for GiveBackOnPanic {
    fn drop(&mut self) {
        // Neither settled nor panicking: the runtime is shutting down, and the next start takes the lease back.
        if self.settled || !std::thread::panicking() {
            return;
        }
        let (inner, lease) = (Arc::clone(&self.inner), self.lease.clone());
        tasks::spawn("give back a delivery", OnPanic::Log, async move {
            let due = clock::now().after(PANIC_PAUSE);
            settle(&inner, &lease, Step::without_attempt(Next::Released { due })).await;
        });
    }
}
