//! Senders wait, a little, for a webhook that is behind and quick.
//!
//! Admitting costs less than delivering. So when the processors are busy, many senders at once outrun deliveries to the
//! best of receivers: what they send goes to disk, is read back, and costs more still. While a webhook is behind, one
//! event enters for two deliveries that are done, so that many senders are slowed down to what can be delivered. A slow
//! receiver slows next to nobody: its deliveries gather on disk, as they should.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::Inner;
use crate::clock;
use crate::ids::WebhookId;

/// The longest that an event waits, for however many webhooks.
const MOST: Duration = Duration::from_millis(100);
/// A webhook of which fewer deliveries are done while somebody waits so long is slow.
const QUICK: u64 = 10;
/// For so long nobody waits for a webhook that was found to be slow once: perhaps it was only the disk.
const SLOW_AT_FIRST: Duration = Duration::from_millis(300);
/// Twice as long each time it is found to be so again, up to this.
const SLOW_AT_MOST: Duration = Duration::from_secs(5);
/// So many enter for a delivery that is done while there is room. Not as many as there is room for: those who entered
/// before may not have taken theirs yet.
const ENTER_AT_ONCE: usize = 2;

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
    /// How long it was left alone the last time; zero: it is not known to be slow.
    slow_for: Duration,
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
    let mut behind: Vec<_> = webhooks.filter(|webhook| inner.room(webhook) == 0).collect();
    // The events of a batch wait together.
    behind.sort_unstable();
    behind.dedup();
    if behind.is_empty() || inner.draining.is_cancelled() {
        return;
    }
    // In all lines at once, so that a slow one is told from one that was left too little time.
    let deadline = Instant::now() + MOST;
    let waits: Vec<_> = behind.into_iter().map(|webhook| inner.wait_for(webhook, deadline)).collect();
    tokio::select! {
        _ = join_all(waits) => {}
        () = inner.draining.cancelled() => {}
    }
}

impl Inner {
    fn room(&self, webhook: &WebhookId) -> usize {
        self.scheduler().room(webhook, clock::now())
    }

    async fn wait_for(&self, webhook: &WebhookId, deadline: Instant) {
        self.backpressure.wait(webhook, deadline, || self.room(webhook)).await;
    }

    /// A delivery is done, and what it took was given back.
    pub(super) fn let_enter(&self, webhook: &WebhookId) {
        if self.backpressure.waiting.load(Ordering::Relaxed) > 0 {
            self.backpressure.finished(webhook, self.room(webhook));
        }
    }
}

impl Backpressure {
    async fn wait(&self, webhook: &WebhookId, deadline: Instant, room: impl Fn() -> usize) {
        let Some(mut place) = self.stand_in_line(webhook) else { return };
        // Looked at again, because what was done before there was this place called nobody.
        if room() == 0 && timeout_at(deadline, &mut place.turn).await.is_err() && room() == 0 {
            place.give_up();
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
        gate.let_enter(if room > 0 { ENTER_AT_ONCE } else { usize::from(gate.finished.is_multiple_of(2)) });
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
    /// The deadline passed. If that is because the webhook is slow, nobody waits for it any longer.
    fn give_up(&self) {
        let mut gates = self.backpressure.gates();
        let Some(gate) = gates.get_mut(self.webhook) else { return };
        if gate.finished - self.finished < QUICK {
            gate.slow_for = (gate.slow_for * 2).clamp(SLOW_AT_FIRST, SLOW_AT_MOST);
            gate.slow_until = Some(Instant::now() + gate.slow_for);
            gate.turns.clear();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.backpressure.waiting.fetch_sub(1, Ordering::Relaxed);
        let mut gates = self.backpressure.gates();
        let Some(gate) = gates.get_mut(self.webhook) else { return };
        gate.waiting -= 1;
        if gate.finished - self.finished >= QUICK {
            gate.slow_for = Duration::ZERO;
        }
        if gate.waiting == 0 && gate.slow_for.is_zero() {
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
    async fn one_enters_for_two_that_are_done_and_more_when_there_is_room() {
        let (line, site) = (Backpressure::default(), webhook());
        let far = Instant::now() + Duration::from_mins(1);
        let mut waits: Vec<_> = (0..4).map(|_| Box::pin(line.wait(&site, far, || 0))).collect();
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
    async fn nobody_waits_for_a_slow_webhook_once_it_is_known_to_be() {
        let (line, site) = (Backpressure::default(), webhook());
        let wait = || line.wait(&site, Instant::now() + MOST, || 0);
        for expected in [SLOW_AT_FIRST, SLOW_AT_FIRST * 2] {
            tokio::join!(wait(), wait());
            assert!(wait().now_or_never().is_some());
            let mut gates = line.gates();
            let gate = gates.get_mut(&site).expect("remembered");
            assert_eq!(gate.slow_for, expected, "one verdict, however many waited");
            gate.slow_until = None;
        }
        let mut wait = pin!(wait());
        assert!((&mut wait).now_or_never().is_none(), "looked at again");
        line.gates().get_mut(&site).expect("waited for").finished += QUICK;
        line.finished(&site, 1);
        assert!(wait.now_or_never().is_some());
        assert!(line.gates().is_empty(), "it is quick again, and nothing is remembered");
    }

    #[tokio::test]
    async fn a_quick_webhook_is_waited_for_up_to_a_bound() {
        let (line, site) = (Backpressure::default(), webhook());
        let began = Instant::now();
        let mut wait = pin!(line.wait(&site, began + MOST, || 0));
        while (&mut wait).now_or_never().is_none() {
            line.gates().get_mut(&site).expect("waited for").finished += QUICK;
            tokio::task::yield_now().await;
        }
        assert!(began.elapsed() >= MOST);
        assert!(line.gates().is_empty(), "and is not taken for slow");
    }
}
