//! Senders wait, a little, for a webhook that is behind and quick.
//!
//! Admitting costs less than delivering. So when the processors are busy, many senders at once outrun deliveries to the
//! best of receivers: what they send goes to disk, is read back, and costs more still. While a webhook is behind, one
//! event enters for two deliveries that are done; to one sender that is next to no wait, and a thousand are slowed down
//! to what can be delivered. A slow receiver slows nobody: its deliveries gather on disk, as they should.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::Inner;
use crate::clock;
use crate::ids::WebhookId;

/// While somebody waits, a webhook is looked at this often.
const PERIOD: Duration = Duration::from_millis(20);
/// Deliveries done in a period, without which a webhook is slow.
const QUICK: u64 = 20;
/// After so many an event enters in any case, whatever it waits for.
const MOST_PERIODS: usize = 5;
/// For so long nobody waits for a webhook that was found to be slow.
const SLOW_FOR: Duration = Duration::from_secs(10);

/// The senders that wait, webhook by webhook.
#[derive(Default)]
pub(super) struct Backpressure {
    /// All of them: while there is none, a finished delivery costs one look at this.
    waiting: AtomicUsize,
    gates: Mutex<HashMap<WebhookId, Gate>>,
}

#[derive(Default)]
struct Gate {
    /// First come, first served. Some may have left.
    turns: VecDeque<oneshot::Sender<()>>,
    waiting: usize,
    finished: u64,
    slow_until: Option<Instant>,
}

/// A place in the line before a gate.
struct Place<'b> {
    backpressure: &'b Backpressure,
    webhook: &'b WebhookId,
    turn: oneshot::Receiver<()>,
    finished: u64,
}

/// Waits until each of the webhooks takes one more delivery, as far as that is soon.
pub(super) async fn make_way(inner: &Inner, webhooks: impl Iterator<Item = &WebhookId>) {
    let mut periods = MOST_PERIODS;
    for webhook in webhooks {
        if periods == 0 || inner.draining.is_cancelled() {
            return;
        }
        if inner.room(webhook) == 0 {
            inner.backpressure.wait(webhook, &mut periods, || inner.room(webhook)).await;
        }
    }
}

impl Inner {
    fn room(&self, webhook: &WebhookId) -> usize {
        self.scheduler().room(webhook, clock::now())
    }

    /// A delivery is done, and what it took was given back.
    pub(super) fn let_enter(&self, webhook: &WebhookId) {
        if self.backpressure.waiting.load(Ordering::Relaxed) > 0 {
            self.backpressure.finished(webhook, self.room(webhook));
        }
    }
}

impl Backpressure {
    async fn wait(&self, webhook: &WebhookId, periods: &mut usize, room: impl Fn() -> usize) {
        let Some(mut place) = self.stand_in_line(webhook) else { return };
        // Again, because what was done before there was this place called nobody.
        while *periods > 0 && room() == 0 {
            if timeout(PERIOD, &mut place.turn).await.is_ok() {
                return;
            }
            *periods -= 1;
            if !place.is_quick() {
                return;
            }
        }
    }

    /// None: the webhook is slow.
    fn stand_in_line<'b>(&'b self, webhook: &'b WebhookId) -> Option<Place<'b>> {
        let (sender, turn) = oneshot::channel();
        let mut gates = self.gates();
        let gate = gates.entry(webhook.clone()).or_default();
        if gate.is_slow() {
            return None;
        }
        gate.slow_until = None;
        gate.turns.push_back(sender);
        gate.waiting += 1;
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Some(Place { backpressure: self, webhook, turn, finished: gate.finished })
    }

    /// One delivery of the webhook is done; `room` more may come before it is behind again.
    fn finished(&self, webhook: &WebhookId, room: usize) {
        let mut gates = self.gates();
        let Some(gate) = gates.get_mut(webhook) else { return };
        gate.finished += 1;
        gate.let_enter(if room > 0 { room } else { usize::from(gate.finished.is_multiple_of(2)) });
    }

    /// Forgets what was found out about webhooks that are not wanted any more.
    pub(super) fn retain(&self, is_wanted: impl Fn(&WebhookId) -> bool) {
        self.gates().retain(|webhook, gate| is_wanted(webhook) || gate.waiting > 0);
    }

    fn gates(&self) -> MutexGuard<'_, HashMap<WebhookId, Gate>> {
        // Whole after each statement, whatever panics elsewhere.
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    fn is_slow(&self) -> bool {
        self.slow_until.is_some_and(|until| Instant::now() < until)
    }

    fn let_enter(&mut self, most: usize) {
        let mut left = most;
        while left > 0 {
            let Some(turn) = self.turns.pop_front() else { return };
            // Who left takes no turn.
            left -= usize::from(turn.send(()).is_ok());
        }
    }
}

impl Place<'_> {
    /// Whether enough was done in the period that is over. If not, nobody waits any longer.
    fn is_quick(&mut self) -> bool {
        let mut gates = self.backpressure.gates();
        let Some(gate) = gates.get_mut(self.webhook) else { return false };
        let done = gate.finished - std::mem::replace(&mut self.finished, gate.finished);
        if done < QUICK {
            gate.slow_until = Some(Instant::now() + SLOW_FOR);
            gate.turns.clear();
        }
        done >= QUICK
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.backpressure.waiting.fetch_sub(1, Ordering::Relaxed);
        let mut gates = self.backpressure.gates();
        let Some(gate) = gates.get_mut(self.webhook) else { return };
        gate.waiting -= 1;
        if gate.waiting == 0 && !gate.is_slow() {
            gates.remove(self.webhook);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;

    use super::*;

    fn webhook() -> WebhookId {
        "site".parse().expect("valid")
    }

    #[tokio::test]
    async fn one_enters_for_two_that_are_done_and_all_when_there_is_room() {
        let (line, site) = (Backpressure::default(), webhook());
        let mut periods = [MOST_PERIODS; 4];
        let mut waits: Vec<_> = periods.iter_mut().map(|periods| Box::pin(line.wait(&site, periods, || 0))).collect();
        let mut entered = || {
            waits.retain_mut(|wait| wait.now_or_never().is_none());
            4 - waits.len()
        };
        assert_eq!(entered(), 0);
        for (room, expected) in [(0, 0), (0, 1), (0, 1), (0, 2), (9, 4)] {
            line.finished(&site, room);
            assert_eq!(entered(), expected);
        }
        assert!(line.gates().is_empty(), "nothing is kept of whom nobody waits for");
    }

    #[tokio::test]
    async fn nobody_waits_long_for_a_slow_webhook() {
        let (line, site) = (Backpressure::default(), webhook());
        let wait = async || {
            let mut periods = MOST_PERIODS;
            line.wait(&site, &mut periods, || 0).await;
            MOST_PERIODS - periods
        };
        let (one, other) = tokio::join!(wait(), wait());
        assert_eq!(one + other, 1, "whoever finds out does so for all");
        assert_eq!(wait().await, 0, "known to be slow");
        line.gates().get_mut(&site).expect("remembered").slow_until = Some(Instant::now());
        assert_eq!(wait().await, 1, "looked at again");
    }

    #[tokio::test]
    async fn a_quick_webhook_is_waited_for_up_to_a_bound() {
        let (line, site) = (Backpressure::default(), webhook());
        let (mut periods, began) = (MOST_PERIODS, Instant::now());
        let mut wait = pin!(line.wait(&site, &mut periods, || 0));
        while (&mut wait).now_or_never().is_none() {
            line.gates().get_mut(&site).expect("waited for").finished += QUICK;
            tokio::task::yield_now().await;
        }
        assert!(began.elapsed() >= PERIOD * 5);
    }
}
