//! The life of one leased delivery: turn, gate, chain, attempt, settle.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::chains::{self, Ran};
use super::pace::{self, Slot, Turn};
use super::retry::{self, After};
use super::{Inner, Notice, Permit, follow, request, switch};
use crate::clock;
use crate::delivery::{
    Attempt, AttemptHead, AttemptResult, ChainRecord, ChainVerdict, Changes, HeldCause, Next, PluginRun, micros,
};
use crate::event::Event;
use crate::ids::{EventId, WebhookId};
use crate::operations::{Occurrence, Stopped};
use crate::revision::Revision;
use crate::store::{Lease, RunStateKind, Settled, Settlement, StoreError};
use crate::tasks::{self, OnPanic};
use crate::webhook::{Stuck, Webhook};

/// A settle that fails is repeated with waits from this …
const SETTLE_BACKOFF: Duration = Duration::from_millis(100);
/// … up to this.
const SETTLE_BACKOFF_MOST: Duration = Duration::from_secs(5);
/// A delivery for whose rewritten payload there was no room, or whose events could not be read, is tried again after
/// this.
const SHORT_PAUSE: Duration = Duration::from_secs(1);
/// A delivery whose task panicked is tried again after this.
const PANIC_PAUSE: Duration = Duration::from_mins(1);

/// Starts the task of a leased delivery. The task owns the permit.
pub(super) fn spawn(inner: &Arc<Inner>, lease: Lease, permit: Permit) {
    // It takes kilobytes, and is moved a few times on its way to where it runs.
    let tracked = inner.deliveries.track_future(Box::pin(live(Arc::clone(inner), lease, permit)));
    tasks::spawn("delivery", OnPanic::Log, tracked);
}

async fn live(inner: Arc<Inner>, lease: Lease, mut permit: Permit) {
    let mut guard = GiveBackOnPanic { inner, lease, settled: false };
    let step = step(&guard.inner, &guard.lease, &mut permit).await;
    let is_done = !matches!(step.next, Next::Released { .. });
    settle(&guard.inner, &guard.lease, step).await;
    guard.settled = true;
    drop(permit);
    if is_done {
        guard.inner.let_enter(&guard.lease.lane.webhook);
    }
}

/// What one turn of work came to.
struct Step {
    next: Next,
    attempt: Option<Attempt>,
    /// A run of the chain that was made in this turn.
    ran: Option<Ran>,
}

impl Step {
    const fn without_attempt(next: Next) -> Self {
        Self { next, attempt: None, ran: None }
    }

    fn released_after(pause: Duration) -> Self {
        Self::without_attempt(Next::Released { due: clock::now().after(pause) })
    }
}

async fn step(inner: &Arc<Inner>, lease: &Lease, permit: &mut Permit) -> Step {
    let slot = match pace::turn(inner, &lease.lane.webhook).await {
        Turn::Go(slot) => slot,
        Turn::Later(due) => return Step::without_attempt(Next::Released { due }),
        Turn::Removed => return Step::without_attempt(removed()),
    };
    // Read after the wait: from here to the settle this delivery uses one revision.
    let revision = inner.live.load_full();
    let webhook = match gate(inner, &revision, lease) {
        Ok(webhook) => webhook,
        Err(next) => return Step::without_attempt(next),
    };
    let of = |next, (attempt, ran)| Step { next: in_order(&webhook, lease, next), attempt, ran };
    if let Some(fixed) = &lease.chain {
        let (next, attempt) = attempt(inner, &revision, &webhook, lease, (&lease.event, fixed), slot).await;
        return of(next, (Some(attempt), None));
    }
    let ran = match chains::run(inner, &revision, &webhook, lease).await {
        Ok(Some(ran)) => ran,
        Ok(None) => return Step::released_after(Duration::ZERO),
        Err(error) => {
            tracing::error!(delivery = %lease.token.delivery, %error, "what its window gathered cannot be read");
            return Step::released_after(SHORT_PAUSE);
        }
    };
    if let Some(next) = chains::follow_up(&revision, &webhook, lease, &ran.chain) {
        return of(next, (None, Some(ran)));
    }
    // The chain may have taken its time: what was switched off or paused meanwhile is not sent to.
    if let Err(next) = gate(inner, &inner.live.load(), lease) {
        return Step::without_attempt(next);
    }
    if inner.run_states.has(&webhook.id, RunStateKind::Paused) {
        return Step::released_after(Duration::ZERO);
    }
    if let Some(data) = ran.chain.data()
        && !permit.enlarge(data.len())
    {
        // Payloads that wait for slow receivers fill the memory. This one is made again when there is room: the chain
        // comes to the same.
        return Step::released_after(SHORT_PAUSE);
    }
    let (next, attempt) = attempt(inner, &revision, &webhook, lease, (&ran.event, &ran.chain), slot).await;
    of(next, (Some(attempt), Some(ran)))
}

fn removed() -> Next {
    Next::Held { cause: HeldCause::WebhookRemoved, reason: "the webhook was removed".to_owned() }
}

fn gone(webhook: &WebhookId) -> Next {
    Next::Held { cause: HeldCause::WebhookGone, reason: switch::gone_reason(webhook) }
}

fn disabled(webhook: &Webhook) -> Next {
    let reason =
        if webhook.enabled { "the webhook is switched off".to_owned() } else { "the webhook is disabled".to_owned() };
    Next::Held { cause: HeldCause::WebhookDisabled, reason }
}

/// The webhook of this delivery as it is today, or why it may not be sent to.
fn gate(inner: &Inner, revision: &Revision, lease: &Lease) -> Result<Arc<Webhook>, Next> {
    let Some(webhook) = revision.webhooks.get(&lease.lane.webhook) else {
        return Err(removed());
    };
    if !webhook.enabled || inner.run_states.has(&webhook.id, RunStateKind::Disabled) {
        return Err(disabled(webhook));
    }
    if inner.run_states.has(&webhook.id, RunStateKind::Gone) {
        return Err(gone(&webhook.id));
    }
    Ok(Arc::clone(webhook))
}

/// In an order that waits for failed deliveries, one that is out of attempts is held instead.
fn in_order(webhook: &Webhook, lease: &Lease, next: Next) -> Next {
    let blocks = webhook.order.as_ref().is_some_and(|order| order.failed == Stuck::Block);
    match next {
        Next::Failed { reason } if blocks && lease.lane.is_ordered() => Next::Held {
            cause: HeldCause::Stuck,
            reason: format!(
                "{reason}; those behind it in its order wait for it: `hookwright delivery retry {0}`, or `hookwright \
                 delivery discard {0}`",
                lease.token.delivery
            ),
        },
        next => next,
    }
}

async fn attempt(
    inner: &Inner,
    revision: &Revision,
    webhook: &Webhook,
    lease: &Lease,
    (event, chain): (&Event, &ChainRecord),
    slot: Slot,
) -> (Next, Attempt) {
    let unchanged = Changes::default();
    let changes = match &chain.verdict {
        ChainVerdict::Deliver { changes } => changes,
        _ => &unchanged,
    };
    let started = clock::now();
    let number = lease.attempts.saturating_add(1);
    let outgoing = request::build(&request::Parts {
        event,
        webhook,
        default_headers: &revision.server.default_headers,
        changes,
        delivery: lease.token.delivery,
        attempt: number,
        is_test: false,
        now: started,
    });
    let request_headers = request::for_the_log(&outgoing.headers);
    let url = webhook.shown_url.clone();
    let clock_start = Instant::now();
    let result = revision.egress.send(outgoing).await;
    let took = micros(clock_start.elapsed());
    let change = slot.finish(retry::health(&result, clock::now()));
    let mut next = after_attempt(inner, webhook, event, number, &result).await;
    if let Some(change) = change {
        match switch::record_change(inner, webhook, change, event).await {
            Ok(true) if matches!(next, Next::RetryAt { .. }) => next = disabled(webhook),
            Ok(_) => {}
            Err(error) => tracing::error!(webhook = %webhook.id, %error, ?change, "could not be recorded"),
        }
    }
    (next, Attempt { number, started, micros: took, url, request_headers, result })
}

async fn after_attempt(inner: &Inner, webhook: &Webhook, event: &Event, number: u32, result: &AttemptResult) -> Next {
    match retry::decide(&webhook.retry_schedule, number, result, clock::now(), rand::random()) {
        After::Next(next) => next,
        After::Gone => {
            if let Err(error) = switch::mark_gone(inner, webhook, event).await {
                tracing::error!(webhook = %webhook.id, %error, "410 Gone could not be recorded");
            }
            gone(&webhook.id)
        }
    }
}

/// Repeats until the store took it or is closed: what happened must not be lost.
async fn settle(inner: &Inner, lease: &Lease, step: Step) {
    if let Some(attempt) = &step.attempt {
        inner.recent.add(&lease.lane.webhook, AttemptHead::of(attempt));
    }
    // Most of the time nobody watches.
    let notice = if inner.notices.receiver_count() > 0 { notice(lease, &step) } else { None };
    let occurrence = occurrence(lease, &step);
    let Step { next, attempt, ran } = step;
    let runs = lease.runs + u32::from(ran.as_ref().is_some_and(|ran| !ran.chain.runs.is_empty()));
    // Until something was sent, or will never be, the newest event goes first again.
    let is_final = attempt.is_some() || matches!(next, Next::Failed { .. });
    let is_other = |event: &EventId| *event != lease.event.id && is_final;
    let carrier = ran.as_ref().map(|ran| ran.event.id).filter(is_other);
    let settlement = Settlement {
        token: lease.token,
        now: clock::now(),
        gives_up_place: gives_up_place(inner, lease, &next),
        next,
        attempt,
        chain: ran.map(|ran| ran.chain),
        runs,
        carrier,
    };
    if settle_durably(inner, &settlement).await != Some(Settled::Done) {
        return;
    }
    match settlement.next {
        Next::RetryAt { due, .. } | Next::Released { due } => inner.wake(&lease.lane, due),
        Next::Held { cause, .. } => {
            // Those behind it, if it gave up its place.
            inner.wake_next(&lease.lane);
            follow::recheck(inner, &lease.lane.webhook, cause).await;
        }
        Next::Delivered | Next::Dropped { .. } | Next::Failed { .. } => inner.wake_next(&lease.lane),
    }
    if let Some(occurrence) = occurrence {
        inner.operations.tell(occurrence);
    }
    if let Some(notice) = notice {
        // The last watcher may have gone since.
        let _ = inner.notices.send(notice);
    }
}

fn gives_up_place(inner: &Inner, lease: &Lease, next: &Next) -> bool {
    let cause = match next {
        Next::Held { cause, .. } if lease.lane.is_ordered() => cause,
        _ => return false,
    };
    let revision = inner.live.load();
    let order = revision.webhooks.get(&lease.lane.webhook).and_then(|webhook| webhook.order.as_ref());
    *cause != HeldCause::Stuck && order.is_some_and(|order| order.held == Stuck::Continue)
}

/// What goes no further by itself is worth an event; one of the host's own events is not.
fn occurrence(lease: &Lease, step: &Step) -> Option<Occurrence> {
    let (reason, cause) = match &step.next {
        Next::Failed { reason } => (reason, None),
        Next::Held { reason, cause } => (reason, Some(cause.clone())),
        _ => return None,
    };
    let event = step.ran.as_ref().map_or(&lease.event, |ran| &ran.event);
    if event.event_type.is_operational() {
        return None;
    }
    let stopped = Stopped {
        id: lease.token.delivery,
        webhook: lease.lane.webhook.clone(),
        event: event.id,
        event_type: event.event_type.clone(),
        attempts: step.attempt.as_ref().map_or(lease.attempts, |attempt| attempt.number),
        reason: reason.clone(),
    };
    Some(match cause {
        None => Occurrence::DeliveryFailed(stopped),
        Some(cause) => Occurrence::DeliveryHeld(stopped, cause),
    })
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
    let event = step.ran.as_ref().map_or(&lease.event, |ran| &ran.event);
    Some(Notice {
        at: clock::now(),
        event: event.id,
        event_type: event.event_type.clone(),
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
        plugins: step.ran.iter().flat_map(|ran| &ran.chain.runs).map(plugin_line).collect(),
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
