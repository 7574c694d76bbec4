//! Where deliveries in memory wait for their turn: first come, first served, webhook by webhook.
//!
//! Only the first in line asks the scheduler, so a webhook has one timer at most, however many wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::Inner;
use super::scheduler::{Admission, Change, Health, Limits, PATIENCE, Ticket};
use crate::clock::{self, Timestamp};
use crate::ids::WebhookId;
use crate::webhook::Webhook;

/// The lines of all webhooks.
#[derive(Default)]
pub(super) struct Pace(Mutex<HashMap<WebhookId, Arc<Line>>>);

struct Line {
    /// Whoever holds it is the first in line; it is given in the order it was asked for.
    front: Semaphore,
    /// Something finished, or the rules changed: the first in line asks again.
    changed: Notify,
}

/// Whether a delivery may begin.
pub(super) enum Turn {
    Go(Slot),
    /// Give it back, to come again then.
    Later(Timestamp),
    /// Its webhook is gone.
    Removed,
}

/// Permission for one attempt. Dropped, it says nothing of the receiver.
pub(super) struct Slot {
    inner: Arc<Inner>,
    webhook: WebhookId,
    limits: Limits,
    ticket: Option<Ticket>,
}

impl Limits {
    pub(super) fn of(webhook: &Webhook) -> Self {
        let Webhook { concurrency, rate_limit, disable_after, .. } = webhook;
        Self { concurrency: *concurrency, rate: *rate_limit, disable_after: *disable_after }
    }
}

impl Pace {
    /// The rules of this webhook changed.
    pub(super) fn look_again(&self, webhook: &WebhookId) {
        if let Some(line) = self.lines().get(webhook) {
            line.changed.notify_one();
        }
    }

    /// Forgets lines that nobody stands in, of webhooks that are not wanted any more.
    pub(super) fn retain(&self, is_wanted: impl Fn(&WebhookId) -> bool) {
        self.lines().retain(|webhook, line| is_wanted(webhook) || Arc::strong_count(line) > 1);
    }

    fn line(&self, webhook: &WebhookId) -> Arc<Line> {
        let mut lines = self.lines();
        if let Some(line) = lines.get(webhook) {
            return Arc::clone(line);
        }
        let line = Arc::new(Line { front: Semaphore::new(1), changed: Notify::new() });
        lines.insert(webhook.clone(), Arc::clone(&line));
        line
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<WebhookId, Arc<Line>>> {
        // A map is whole whatever panics elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until a delivery of this webhook may begin, as far as that is soon.
pub(super) async fn turn(inner: &Arc<Inner>, webhook: &WebhookId) -> Turn {
    let line = inner.pace.line(webhook);
    tokio::select! {
        biased;
        () = inner.draining.cancelled() => Turn::Later(clock::now()),
        turn = first_in_line(inner, &line, webhook) => turn,
    }
}

async fn first_in_line(inner: &Arc<Inner>, line: &Line, webhook: &WebhookId) -> Turn {
    // Never closed.
    let _front = line.front.acquire().await;
    loop {
        // Today's limits, whatever they were when the wait began.
        let Some(limits) = inner.live.load().webhooks.get(webhook).map(|webhook| Limits::of(webhook)) else {
            return Turn::Removed;
        };
        let now = clock::now();
        let admission = inner.scheduler().admit(webhook, &limits, now);
        match admission {
            Admission::Go(ticket) => {
                let slot = Slot { inner: Arc::clone(inner), webhook: webhook.clone(), limits, ticket: Some(ticket) };
                return Turn::Go(slot);
            }
            Admission::Full => line.changed.notified().await,
            Admission::NotBefore(Some(due)) if due.since(now) <= PATIENCE => tokio::select! {
                () = sleep_until(Instant::now() + due.since(now)) => {}
                () = line.changed.notified() => {}
            },
            Admission::NotBefore(due) => return Turn::Later(due.unwrap_or(now)),
        }
    }
}

impl Slot {
    /// The attempt is over. What it changed about its webhook.
    pub(super) fn finish(mut self, health: Health) -> Option<Change> {
        self.give_back(health)
    }

    fn give_back(&mut self, health: Health) -> Option<Change> {
        let Self { inner, webhook, limits, ticket } = self;
        let ticket = ticket.take()?;
        let (change, can_claim) =
            inner.scheduler().finish(webhook, &ticket, health, limits, clock::now(), rand::random());
        if can_claim {
            inner.claimable.notify_one();
        }
        inner.pace.look_again(webhook);
        change
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.give_back(Health::Unknown);
    }
}
