//! A queue between the runtime and a thread, bounded in number and in bytes. Pushing never waits: what has no
//! room is refused, so that a slow disk is felt by senders and not by the runtime.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How much may wait, or be taken at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl Bounds {
    /// Half of it.
    pub(super) const fn half(self) -> Self {
        Self { count: self.count / 2, bytes: self.bytes / 2 }
    }
}

/// Why something was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<(T, usize)>,
    bytes: usize,
    closed: bool,
    /// Threads that sleep and were not woken yet: waking nobody would still be a system call. Too many after a
    /// spurious wake-up, never too few.
    sleepers: usize,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        let state = State { waiting: VecDeque::new(), bytes: 0, closed: false, sleepers: 0 };
        Self { state: Mutex::new(state), arrived: Condvar::new() }
    }

    /// Adds `item` unless more than `bounds` would wait. One that is alone too large for them goes into an empty queue.
    pub(super) fn push(&self, item: T, bytes: usize, bounds: Bounds) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        let total = state.bytes.saturating_add(bytes);
        if !state.waiting.is_empty() && (state.waiting.len() >= bounds.count || total > bounds.bytes) {
            return Err(Refused::Full);
        }
        state.bytes = total;
        state.waiting.push_back((item, bytes));
        let somebody_sleeps = state.sleepers > 0;
        state.sleepers = state.sleepers.saturating_sub(1);
        drop(state);
        if somebody_sleeps {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Waits for something, then takes all that waits up to `at_most` (one at least). None: closed and empty.
    pub(super) fn take(&self, at_most: Bounds) -> Option<Vec<T>> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            state.sleepers += 1;
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut taken = Vec::with_capacity(state.waiting.len().min(at_most.count));
        let mut sum = 0_usize;
        while let Some((item, bytes)) = state.waiting.pop_front() {
            if !taken.is_empty() && (taken.len() >= at_most.count || sum.saturating_add(bytes) > at_most.bytes) {
                state.waiting.push_front((item, bytes));
                break;
            }
            sum = sum.saturating_add(bytes);
            state.bytes = state.bytes.saturating_sub(bytes);
            taken.push(item);
        }
        Some(taken)
    }

    /// Refuses what comes from now on. What waits is still taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Closes, and drops what waits.
    pub(super) fn abandon(&self) {
        let waiting = {
            let mut state = self.lock();
            state.closed = true;
            state.bytes = 0;
            std::mem::take(&mut state.waiting)
        };
        self.arrived.notify_all();
        drop(waiting);
    }

    /// No code of others runs under the lock, so a poisoned one is whole.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { count: 3, bytes: 100 };

    #[test]
    fn refuses_beyond_its_bounds() {
        let queue = Queue::new();
        queue.push("large", 500, BOUNDS).expect("an empty queue takes anything");
        assert_eq!(queue.push("small", 1, BOUNDS), Err(Refused::Full), "by bytes");
        assert_eq!(queue.take(BOUNDS), Some(vec!["large"]));
        for item in ["a", "b", "c"] {
            queue.push(item, 1, BOUNDS).expect("room");
        }
        assert_eq!(queue.push("d", 1, BOUNDS), Err(Refused::Full), "by number");
    }

    #[test]
    fn takes_in_order_within_bounds() {
        let queue = Queue::new();
        for (item, bytes) in [("a", 60), ("b", 60), ("c", 1), ("d", 1)] {
            queue.push(item, bytes, Bounds { count: 9, bytes: 999 }).expect("room");
        }
        assert_eq!(queue.take(BOUNDS), Some(vec!["a"]), "b would be too many bytes");
        assert_eq!(queue.take(Bounds { count: 2, bytes: 100 }), Some(vec!["b", "c"]));
        queue.close();
        assert_eq!(queue.push("e", 1, BOUNDS), Err(Refused::Closed));
        assert_eq!(queue.take(BOUNDS), Some(vec!["d"]), "what waits is taken even when closed");
        assert_eq!(queue.take(BOUNDS), None);
    }
}
