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
    /// Somebody outside waits for these.
    urgent: VecDeque<(T, usize)>,
    /// These can wait for company while there are urgent ones: taken together, they share pages and system calls.
    patient: VecDeque<(T, usize)>,
    /// How often in a row the patient ones were passed over.
    passed_over: usize,
    bytes: usize,
    closed: bool,
    /// Threads that sleep and were not woken yet: waking nobody would still be a system call. Too many after a
    /// spurious wake-up, never too few.
    sleepers: usize,
}

/// Patient items are passed over until so many wait, …
const COMPANY: usize = 48;
/// … but so often in a row at most: a few milliseconds.
const PASSED_OVER_AT_MOST: usize = 3;

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        let (urgent, patient) = (VecDeque::new(), VecDeque::new());
        let state = State { urgent, patient, passed_over: 0, bytes: 0, closed: false, sleepers: 0 };
        Self { state: Mutex::new(state), arrived: Condvar::new() }
    }

    /// Adds `item` unless more than `bounds` would wait. One that is alone too large for them goes into an empty queue.
    pub(super) fn push(&self, item: T, bytes: usize, bounds: Bounds) -> Result<(), Refused> {
        self.push_to(|state| &mut state.urgent, item, bytes, bounds)
    }

    /// The same for what may be passed over a few times while urgent items wait.
    pub(super) fn push_patient(&self, item: T, bytes: usize, bounds: Bounds) -> Result<(), Refused> {
        self.push_to(|state| &mut state.patient, item, bytes, bounds)
    }

    fn push_to(
        &self,
        line: impl Fn(&mut State<T>) -> &mut VecDeque<(T, usize)>,
        item: T,
        bytes: usize,
        bounds: Bounds,
    ) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        let total = state.bytes.saturating_add(bytes);
        let waiting = state.urgent.len() + state.patient.len();
        if waiting > 0 && (waiting >= bounds.count || total > bounds.bytes) {
            return Err(Refused::Full);
        }
        state.bytes = total;
        line(&mut state).push_back((item, bytes));
        let somebody_sleeps = state.sleepers > 0;
        state.sleepers = state.sleepers.saturating_sub(1);
        drop(state);
        if somebody_sleeps {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Waits for something, then takes what waits up to `at_most` (one at least). None: closed and empty.
    pub(super) fn take(&self, at_most: Bounds) -> Option<Vec<T>> {
        let mut state = self.lock();
        while state.urgent.is_empty() && state.patient.is_empty() {
            if state.closed {
                return None;
            }
            state.sleepers += 1;
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Some(state.take(at_most))
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
            (std::mem::take(&mut state.urgent), std::mem::take(&mut state.patient))
        };
        self.arrived.notify_all();
        drop(waiting);
    }

    /// No code of others runs under the lock, so a poisoned one is whole.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn take(&mut self, at_most: Bounds) -> Vec<T> {
        let passes_over =
            !self.urgent.is_empty() && self.patient.len() < COMPANY && self.passed_over < PASSED_OVER_AT_MOST;
        self.passed_over = if passes_over && !self.patient.is_empty() { self.passed_over + 1 } else { 0 };
        let mut taken = Vec::new();
        let mut sum = 0_usize;
        // When their turn comes they go first: urgent ones may fill every commit.
        let patient = if passes_over { None } else { Some(&mut self.patient) };
        for line in patient.into_iter().chain([&mut self.urgent]) {
            while let Some((_, bytes)) = line.front() {
                if !taken.is_empty() && (taken.len() >= at_most.count || sum.saturating_add(*bytes) > at_most.bytes) {
                    return taken;
                }
                let Some((item, bytes)) = line.pop_front() else { break };
                sum = sum.saturating_add(bytes);
                self.bytes = self.bytes.saturating_sub(bytes);
                taken.push(item);
            }
        }
        taken
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

    #[test]
    fn patient_items_wait_for_company_but_not_for_long() {
        let bounds = Bounds { count: 999, bytes: 999 };
        let queue = Queue::new();
        queue.push_patient("settle", 1, bounds).expect("room");
        assert_eq!(queue.take(bounds), Some(vec!["settle"]), "alone it is taken at once");
        queue.push_patient("settle", 1, bounds).expect("room");
        for _ in 0..PASSED_OVER_AT_MOST {
            queue.push("append", 1, bounds).expect("room");
            assert_eq!(queue.take(bounds), Some(vec!["append"]));
        }
        queue.push("append", 1, bounds).expect("room");
        assert_eq!(queue.take(bounds), Some(vec!["settle", "append"]));
        for _ in 0..COMPANY {
            queue.push_patient("settle", 1, bounds).expect("room");
        }
        queue.push("append", 1, bounds).expect("room");
        assert_eq!(queue.take(bounds).map(|taken| taken.len()), Some(1 + COMPANY), "enough company");
    }
}
