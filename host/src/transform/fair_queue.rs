//! Whose turn it is. Pure: no threads, no clock.
//!
//! First in, first out within a key; round robin over the keys; at most so many of one key, and so many large ones of
//! all keys together, taken out and not yet done. Holds nothing of a key that has neither waiting nor running jobs.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Jobs of many keys.
pub(super) struct FairQueue<K, J> {
    max_running_per_key: usize,
    max_large: usize,
    running_large: usize,
    lines: HashMap<K, Line<J>>,
    /// The keys to serve next. Each key with a waiting job and room of its own to run it stands once in here or in
    /// `parked`, and perhaps some whose last job was cancelled.
    turns: VecDeque<K>,
    /// The keys whose turn came and found no room for their large job: first when there is room again.
    parked: VecDeque<K>,
    next_ticket: u64,
}

/// Names a waiting job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// How much room a job takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Small,
    Large,
}

/// A job whose turn it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken<K, J> {
    pub(super) key: K,
    pub(super) size: Size,
    pub(super) job: J,
}

/// The jobs of one key.
struct Line<J> {
    /// Tickets ascend.
    waiting: VecDeque<(Ticket, Size, J)>,
    running: usize,
    /// Whether the key stands in `turns` or `parked`.
    has_turn: bool,
}

impl<K: Clone + Eq + Hash, J> FairQueue<K, J> {
    pub(super) fn new(max_running_per_key: usize, max_large: usize) -> Self {
        Self {
            max_running_per_key,
            max_large,
            running_large: 0,
            lines: HashMap::new(),
            turns: VecDeque::new(),
            parked: VecDeque::new(),
            next_ticket: 0,
        }
    }

    pub(super) fn push(&mut self, key: &K, size: Size, job: J) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let line = self.lines.entry(key.clone()).or_default();
        line.waiting.push_back((ticket, size, job));
        self.give_turn(key);
        ticket
    }

    /// The next job. It counts as running until [`Self::done`].
    pub(super) fn pop(&mut self) -> Option<Taken<K, J>> {
        while let Some(key) = self.next_key() {
            let has_room = self.has_room_for_large();
            let Some(line) = self.lines.get_mut(&key) else { continue };
            if !has_room && line.next_size() == Some(Size::Large) {
                self.parked.push_back(key);
                continue;
            }
            line.has_turn = false;
            if let Some((_, size, job)) = line.waiting.pop_front() {
                line.running += 1;
                self.running_large += usize::from(size == Size::Large);
                self.give_turn(&key);
                return Some(Taken { key, size, job });
            }
            self.forget_if_idle(&key);
        }
        None
    }

    /// A job of `key` that was popped has ended.
    pub(super) fn done(&mut self, key: &K, size: Size) {
        if size == Size::Large {
            self.running_large = self.running_large.saturating_sub(1);
        }
        if let Some(line) = self.lines.get_mut(key) {
            line.running = line.running.saturating_sub(1);
        }
        self.give_turn(key);
        self.forget_if_idle(key);
    }

    /// Takes back a job that was not popped yet.
    pub(super) fn cancel(&mut self, key: &K, ticket: Ticket) -> Option<J> {
        let line = self.lines.get_mut(key)?;
        let place = line.waiting.binary_search_by_key(&ticket, |(ticket, ..)| *ticket).ok()?;
        let (_, size, job) = line.waiting.remove(place)?;
        if size == Size::Large && line.next_size() != Some(Size::Large) {
            self.unpark(key);
        }
        Some(job)
    }

    /// Whether [`Self::pop`] may find a job.
    pub(super) fn has_turns(&self) -> bool {
        !self.turns.is_empty() || (!self.parked.is_empty() && self.has_room_for_large())
    }

    /// Drops whatever waits.
    pub(super) fn clear(&mut self) {
        self.turns.clear();
        self.parked.clear();
        self.lines.clear();
    }

    /// Who was passed over goes first.
    fn next_key(&mut self) -> Option<K> {
        let parked = if self.has_room_for_large() { self.parked.pop_front() } else { None };
        parked.or_else(|| self.turns.pop_front())
    }

    const fn has_room_for_large(&self) -> bool {
        self.running_large < self.max_large
    }

    /// What it waited for is gone, and what comes next need not wait.
    fn unpark(&mut self, key: &K) {
        if let Some(place) = self.parked.iter().position(|parked| parked == key)
            && let Some(key) = self.parked.remove(place)
        {
            self.turns.push_front(key);
        }
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

impl<J> Line<J> {
    fn next_size(&self) -> Option<Size> {
        self.waiting.front().map(|(_, size, _)| *size)
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

    use super::Size::{Large, Small};
    use super::*;

    fn popped<K: Clone + Eq + Hash, J>(queue: &mut FairQueue<K, J>) -> Option<(K, J)> {
        queue.pop().map(|Taken { key, job, .. }| (key, job))
    }

    #[test]
    fn takes_turns_and_keeps_order_within_a_key() {
        let mut queue = FairQueue::new(2, 1);
        for job in ["a1", "a2", "a3", "b1", "c1"] {
            queue.push(&job.as_bytes()[0], Small, job);
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|taken| taken.job).collect();
        assert_eq!(order, ["a1", "b1", "c1", "a2"], "a3 must wait: two of a run");
        queue.done(&b'a', Small);
        assert_eq!(popped(&mut queue), Some((b'a', "a3")));
    }

    #[test]
    fn large_jobs_wait_for_each_other_and_nobody_waits_for_them() {
        let mut queue = FairQueue::new(2, 1);
        for (key, size) in [('a', Large), ('b', Large), ('c', Large), ('d', Small)] {
            queue.push(&key, size, ());
            queue.push(&key, size, ());
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|taken| taken.key).collect();
        assert_eq!(order, ['a', 'd', 'd']);
        assert!(!queue.has_turns(), "no thread need look");
        for (ended, next) in [('a', 'b'), ('b', 'c'), ('c', 'a'), ('a', 'b')] {
            queue.done(&ended, Large);
            assert_eq!(popped(&mut queue), Some((next, ())));
        }
    }

    #[test]
    fn a_cancelled_job_leaves_at_once() {
        let mut queue = FairQueue::new(1, 1);
        let (first, second) = (queue.push(&"k", Small, 1), queue.push(&"k", Small, 2));
        assert_eq!(queue.cancel(&"k", first), Some(1));
        assert_eq!(queue.cancel(&"k", first), None);
        assert_eq!(popped(&mut queue), Some(("k", 2)));
        assert_eq!(queue.cancel(&"k", second), None, "it runs");
    }

    #[test]
    fn who_waited_behind_a_cancelled_large_job_waits_no_more() {
        let mut queue = FairQueue::new(1, 1);
        queue.push(&"other", Large, 1);
        let (large, _) = (queue.push(&"k", Large, 2), queue.push(&"k", Small, 3));
        assert_eq!((popped(&mut queue), popped(&mut queue)), (Some(("other", 1)), None));
        assert_eq!(queue.cancel(&"k", large), Some(2));
        assert_eq!(popped(&mut queue), Some(("k", 3)));
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push(u8, Size),
        Pop,
        /// Ends the running job at this place, modulo their number.
        Done(usize),
        /// Cancels the waiting job at this place, modulo their number.
        Cancel(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..5_u8, prop_oneof![Just(Small), Just(Large)]).prop_map(|(key, size)| Step::Push(key, size)),
            3 => Just(Step::Pop),
            2 => any::<usize>().prop_map(Step::Done),
            1 => any::<usize>().prop_map(Step::Cancel),
        ]
    }

    /// What must be true of the queue, told by a slow and simple account of it.
    #[derive(Default)]
    struct Account {
        cap: usize,
        max_large: usize,
        waiting: BTreeMap<u8, Vec<(Ticket, Size, u32)>>,
        running: Vec<(u8, Size)>,
        /// Pops since the key could have been served and was not.
        passed_over: BTreeMap<u8, usize>,
    }

    impl Account {
        fn eligible(&self) -> Vec<u8> {
            let running = |key| self.running.iter().filter(|(running, _)| *running == key).count();
            let has_room = self.running.iter().filter(|(_, size)| *size == Large).count() < self.max_large;
            let fits =
                |jobs: &[(Ticket, Size, u32)]| jobs.first().is_some_and(|(_, size, _)| *size == Small || has_room);
            let keys = self.waiting.iter().filter(|(key, jobs)| fits(jobs) && running(**key) < self.cap);
            keys.map(|(key, _)| *key).collect()
        }

        fn popped(&mut self, found: Option<&Taken<u8, u32>>) {
            let eligible = self.eligible();
            let Some(&Taken { key, size, job }) = found else {
                self.passed_over.clear();
                return assert!(eligible.is_empty(), "idle though {eligible:?} wait");
            };
            assert!(eligible.contains(&key), "{key} was over a cap or had no job");
            let (_, known_size, known_job) = self.waiting.get_mut(&key).expect("known").remove(0);
            assert_eq!((size, job), (known_size, known_job), "out of order");
            self.running.push((key, size));
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
        fn loses_nothing_starves_nobody_and_keeps_the_caps(
            steps in prop::collection::vec(step(), 0..200),
            cap in 1..4_usize,
            max_large in 1..4_usize,
        ) {
            let mut queue = FairQueue::new(cap, max_large);
            let mut account = Account { cap, max_large, ..Account::default() };
            for (number, step) in (0_u32..).zip(steps) {
                match step {
                    Step::Push(key, size) => {
                        let ticket = queue.push(&key, size, number);
                        account.waiting.entry(key).or_default().push((ticket, size, number));
                    }
                    Step::Pop => {
                        let may_find = queue.has_turns();
                        let found = queue.pop();
                        prop_assert!(may_find || found.is_none(), "a thread would have slept");
                        account.popped(found.as_ref());
                    }
                    Step::Done(place) if !account.running.is_empty() => {
                        let (key, size) = account.running.swap_remove(place % account.running.len());
                        queue.done(&key, size);
                    }
                    Step::Cancel(place) => {
                        let all: Vec<_> = account.waiting.iter().flat_map(|(key, jobs)| jobs.iter().map(|job| (*key, *job))).collect();
                        if !all.is_empty() {
                            let (key, (ticket, _, job)) = all[place % all.len()];
                            prop_assert_eq!(queue.cancel(&key, ticket), Some(job));
                            account.waiting.get_mut(&key).expect("known").retain(|(known, ..)| *known != ticket);
                        }
                    }
                    Step::Done(_) => {}
                }
            }
            // Drained: everything that waits comes out, and nothing is remembered of it.
            while !account.running.is_empty() || account.waiting.values().any(|jobs| !jobs.is_empty()) {
                account.popped(queue.pop().as_ref());
                if let Some((key, size)) = account.running.pop() {
                    queue.done(&key, size);
                }
            }
            prop_assert!(queue.pop().is_none() && queue.lines.is_empty());
        }
    }
}
