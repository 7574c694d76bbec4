//! Whose turn it is. Pure: no threads, no clock.
//!
//! First in, first out within a key; round robin over the keys; at most so many of one key taken out and not
//! yet done. Holds nothing of a key that has neither waiting nor running jobs.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Jobs of many keys.
pub(super) struct FairQueue<K, J> {
    max_running_per_key: usize,
    lines: HashMap<K, Line<J>>,
    /// The keys to serve next, each once: exactly those with a waiting job and room to run it, and perhaps some
    /// whose last job was cancelled.
    turns: VecDeque<K>,
    next_ticket: u64,
}

/// Names a waiting job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// The jobs of one key.
struct Line<J> {
    /// Tickets ascend.
    waiting: VecDeque<(Ticket, J)>,
    running: usize,
    /// Whether the key stands in `turns`.
    has_turn: bool,
}

impl<K: Clone + Eq + Hash, J> FairQueue<K, J> {
    pub(super) fn new(max_running_per_key: usize) -> Self {
        Self { max_running_per_key, lines: HashMap::new(), turns: VecDeque::new(), next_ticket: 0 }
    }

    pub(super) fn push(&mut self, key: &K, job: J) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let line = self.lines.entry(key.clone()).or_default();
        line.waiting.push_back((ticket, job));
        self.give_turn(key);
        ticket
    }

    /// The next job. It counts as running until [`Self::done`].
    pub(super) fn pop(&mut self) -> Option<(K, J)> {
        while let Some(key) = self.turns.pop_front() {
            let Some(line) = self.lines.get_mut(&key) else { continue };
            line.has_turn = false;
            if let Some((_, job)) = line.waiting.pop_front() {
                line.running += 1;
                self.give_turn(&key);
                return Some((key, job));
            }
            self.forget_if_idle(&key);
        }
        None
    }

    /// A job of `key` that was popped has ended.
    pub(super) fn done(&mut self, key: &K) {
        if let Some(line) = self.lines.get_mut(key) {
            line.running = line.running.saturating_sub(1);
        }
        self.give_turn(key);
        self.forget_if_idle(key);
    }

    /// Takes back a job that was not popped yet.
    pub(super) fn cancel(&mut self, key: &K, ticket: Ticket) -> Option<J> {
        let line = self.lines.get_mut(key)?;
        let place = line.waiting.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()?;
        line.waiting.remove(place).map(|(_, job)| job)
    }

    /// Whether [`Self::pop`] may find a job.
    pub(super) fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Drops whatever waits.
    pub(super) fn clear(&mut self) {
        self.turns.clear();
        self.lines.clear();
    }

    fn give_turn(&mut self, key: &K) {
        if let Some(line) = self.lines.get_mut(key)
            && !line.has_turn
            && !line.waiting.is_empty()
            && line.running < self.max_running_per_key
        {
            line.has_turn = true;
            self.turns.push_back(key.clone());
        }
    }

    fn forget_if_idle(&mut self, key: &K) {
        if self.lines.get(key).is_some_and(|line| line.waiting.is_empty() && line.running == 0 && !line.has_turn) {
            self.lines.remove(key);
        }
    }
}

impl<J> Default for Line<J> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), running: 0, has_turn: false }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_turns_and_keeps_order_within_a_key() {
        let mut queue = FairQueue::new(2);
        for job in ["a1", "a2", "a3", "b1", "c1"] {
            queue.push(&job.as_bytes()[0], job);
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, job)| job).collect();
        assert_eq!(order, ["a1", "b1", "c1", "a2"], "a3 must wait: two of a run");
        queue.done(&b'a');
        assert_eq!(queue.pop(), Some((b'a', "a3")));
    }

    #[test]
    fn a_cancelled_job_leaves_at_once() {
        let mut queue = FairQueue::new(1);
        let (first, second) = (queue.push(&"k", 1), queue.push(&"k", 2));
        assert_eq!(queue.cancel(&"k", first), Some(1));
        assert_eq!(queue.cancel(&"k", first), None);
        assert_eq!(queue.pop(), Some(("k", 2)));
        assert_eq!(queue.cancel(&"k", second), None, "it runs");
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push(u8),
        Pop,
        /// Ends the running job at this place, modulo their number.
        Done(usize),
        /// Cancels the waiting job at this place, modulo their number.
        Cancel(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..5_u8).prop_map(Step::Push),
            3 => Just(Step::Pop),
            2 => any::<usize>().prop_map(Step::Done),
            1 => any::<usize>().prop_map(Step::Cancel),
        ]
    }

    /// What must be true of the queue, told by a slow and simple account of it.
    #[derive(Default)]
    struct Account {
        waiting: BTreeMap<u8, Vec<(Ticket, u32)>>,
        running: Vec<u8>,
        /// Pops since the key could have been served and was not.
        passed_over: BTreeMap<u8, usize>,
    }

    impl Account {
        fn eligible(&self, cap: usize) -> Vec<u8> {
            let running = |key| self.running.iter().copied().filter(|running| *running == key).count();
            self.waiting
                .iter()
                .filter(|(key, jobs)| !jobs.is_empty() && running(**key) < cap)
                .map(|(k, _)| *k)
                .collect()
        }

        fn popped(&mut self, found: Option<(u8, u32)>, cap: usize) {
            let eligible = self.eligible(cap);
            let Some((key, job)) = found else {
                self.passed_over.clear();
                return assert!(eligible.is_empty(), "idle though {eligible:?} wait");
            };
            assert!(eligible.contains(&key), "{key} was over its cap or had no job");
            assert_eq!(self.waiting.get_mut(&key).expect("known").remove(0).1, job, "out of order");
            self.running.push(key);
            self.passed_over.retain(|known, _| eligible.contains(known) && *known != key);
            for other in eligible.into_iter().filter(|other| *other != key) {
                let times = self.passed_over.entry(other).or_default();
                *times += 1;
                assert!(*times < 5, "{other} starves");
            }
        }
    }

    proptest! {
        #[test]
        fn loses_nothing_starves_nobody_and_keeps_the_cap(steps in prop::collection::vec(step(), 0..200), cap in 1..4_usize) {
            let (mut queue, mut account) = (FairQueue::new(cap), Account::default());
            for (number, step) in (0_u32..).zip(steps) {
                match step {
                    Step::Push(key) => {
                        let ticket = queue.push(&key, number);
                        account.waiting.entry(key).or_default().push((ticket, number));
                    }
                    Step::Pop => account.popped(queue.pop(), cap),
                    Step::Done(place) if !account.running.is_empty() => {
                        let key = account.running.swap_remove(place % account.running.len());
                        queue.done(&key);
                    }
                    Step::Cancel(place) => {
                        let all: Vec<_> = account.waiting.iter().flat_map(|(key, jobs)| jobs.iter().map(|job| (*key, *job))).collect();
                        if !all.is_empty() {
                            let (key, (ticket, job)) = all[place % all.len()];
                            prop_assert_eq!(queue.cancel(&key, ticket), Some(job));
                            account.waiting.get_mut(&key).expect("known").retain(|(known, _)| *known != ticket);
                        }
                    }
                    Step::Done(_) => {}
                }
            }
            // Drained: everything that waits comes out, and nothing is remembered of it.
            while !account.running.is_empty() || account.waiting.values().any(|jobs| !jobs.is_empty()) {
                account.popped(queue.pop(), cap);
                if let Some(key) = account.running.pop() {
                    queue.done(&key);
                }
            }
            prop_assert!(queue.pop().is_none() && queue.lines.is_empty());
        }
    }
}
