//! Threads that run plugin chains. One webhook holds at most half of them, and so do all webhooks with costly chains
//! together, so that neither one nor many of them starve the rest; chains with large plugins are few at once, for their
//! memory.
//!
//! Does not bound the queue: every waiting job belongs to a caller that waits for it.

mod fair_queue;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use self::fair_queue::{Caps, FairQueue, Size, Taken, Ticket};
use crate::delivery::{ChainRecord, ChainVerdict, PluginRun};
use crate::ids::WebhookId;
use crate::plugin::{ChainJob, EngineKind, run_chain};
use crate::tasks::{self, OnPanic};

/// Fewer would let one webhook hold them all.
const MIN_THREADS: usize = 2;
/// A webhook whose last chain burnt this much has costly chains: about a millisecond, or 40 KB of JSON rewritten.
const COSTLY_FUEL: u64 = 5_000_000;
/// So has one whose last two chains took this long: what the host copies for a plugin burns no fuel. Two, because the
/// clock also counts what a busy machine does meanwhile.
const COSTLY_MICROS: u64 = 1_000;
const STRIKES: u8 = 2;
/// So many webhooks are remembered as costly; beyond, all are forgotten and found again.
const MAX_COSTLY: usize = 10_000;

/// The threads. Dropping the last handle ends them after their current run.
#[derive(Clone)]
pub struct TransformPool {
    owner: Arc<Owner>,
}

/// The pool is shutting down; the job was not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the transform threads are shutting down")]
pub struct Closed;

impl TransformPool {
    /// Of the threads, chains with large plugins get `large_at_once`, but never all.
    ///
    /// # Errors
    /// When the operating system refuses the threads.
    pub fn start(threads: usize, large_at_once: usize) -> std::io::Result<Self> {
        Self::start_with(threads, large_at_once, run_chain)
    }

    /// With another way to run a job, for tests.
    fn start_with(
        threads: usize,
        large_at_once: usize,
        run: impl Fn(&ChainJob) -> ChainRecord + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let threads = threads.max(MIN_THREADS);
        let half = threads / 2;
        let queue = FairQueue::new(Caps { per_key: half, costly: half, large: large_at_once });
        let state = State { queue, strikes: HashMap::new(), idle: 0, closed: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), work: Condvar::new(), run: Box::new(run) });
        let owner = Arc::new(Owner { shared });
        for _ in 0..threads {
            let shared = Arc::clone(&owner.shared);
            tasks::spawn_thread("transform", OnPanic::Abort, move || shared.work())?;
        }
        Ok(Self { owner })
    }

    /// Runs a chain in its turn. The number of callers bounds the queue. Dropping the future takes a job that
    /// has not started out of the queue.
    ///
    /// # Errors
    /// When the pool shuts down before the job ran.
    pub async fn run(&self, job: ChainJob) -> Result<ChainRecord, Closed> {
        let (answer, answered) = oneshot::channel();
        let webhook = job.webhook.id.clone();
        let ticket = self.owner.shared.push(&webhook, Waiting { job, answer })?;
        let _place = Place { shared: &self.owner.shared, webhook, ticket };
        answered.await.map_err(|_| Closed)
    }
}

/// Owned by the handles and not by the threads, so that it goes with the last handle.
struct Owner {
    shared: Arc<Shared>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// A caller's place in the queue, given up when the caller goes away.
struct Place<'a> {
    shared: &'a Shared,
    webhook: WebhookId,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let cancelled = self.shared.lock().queue.cancel(&self.webhook, self.ticket);
        // Freed outside of the lock.
        drop(cancelled);
    }
}

struct Waiting {
    job: ChainJob,
    answer: oneshot::Sender<ChainRecord>,
}

/// What handles and threads share.
struct Shared {
    state: Mutex<State>,
    /// There may be something to do for one thread.
    work: Condvar,
    run: Box<dyn Fn(&ChainJob) -> ChainRecord + Send + Sync>,
}

struct State {
    queue: FairQueue<WebhookId, Waiting>,
    /// The webhooks that may be costly; with all strikes, their jobs are.
    strikes: HashMap<WebhookId, u8>,
    /// Threads that wait for work.
    idle: usize,
    closed: bool,
}

impl State {
    /// What its plugins, and the last chain of its webhook, let one expect of a job.
    fn expected(&self, webhook: &WebhookId, job: &ChainJob) -> Size {
        match job.kind() {
            EngineKind::Large => Size::Large,
            EngineKind::Small if self.is_costly(webhook) => Size::Costly,
            EngineKind::Small => Size::Small,
        }
    }

    fn is_costly(&self, webhook: &WebhookId) -> bool {
        self.strikes.get(webhook).is_some_and(|strikes| *strikes >= STRIKES)
    }

    /// A chain that was popped has ended.
    fn done(&mut self, webhook: &WebhookId, size: Size, record: &ChainRecord) {
        self.queue.done(webhook, size);
        let sum = |of: fn(&PluginRun) -> u64| record.runs.iter().map(of).fold(0, u64::saturating_add);
        let strikes = if sum(|run| run.fuel) >= COSTLY_FUEL {
            STRIKES
        } else if sum(|run| run.micros) >= COSTLY_MICROS {
            1
        } else {
            self.strikes.remove(webhook);
            return;
        };
        if self.strikes.len() >= MAX_COSTLY {
            self.strikes.clear();
        }
        let was_costly = self.is_costly(webhook);
        let known = self.strikes.entry(webhook.clone()).or_default();
        *known = known.saturating_add(strikes).min(STRIKES);
        if !was_costly && self.is_costly(webhook) {
            self.queue.make_costly(webhook);
        }
    }
}

impl Shared {
    /// The life of one thread.
    fn work(&self) {
        while let Some(Taken { key, size, job: Waiting { job, answer } }) = self.next() {
            let record = self.run_guarded(&job);
            self.lock().done(&key, size, &record);
            // Refused when the caller has gone: nobody wants to know.
            let _ = answer.send(record);
        }
    }

    /// Waits for a job; `None` when the pool is closed.
    fn next(&self) -> Option<Taken<WebhookId, Waiting>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(next) = state.queue.pop() {
                self.wake_if_needed(&state);
                return Some(next);
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    fn push(&self, webhook: &WebhookId, waiting: Waiting) -> Result<Ticket, Closed> {
        let mut state = self.lock();
        if state.closed {
            return Err(Closed);
        }
        let size = state.expected(webhook, &waiting.job);
        let ticket = state.queue.push(webhook, size, waiting);
        self.wake_if_needed(&state);
        Ok(ticket)
    }

    /// Each push and each pop wakes at most one thread, and each thread that takes a job wakes the next: no
    /// herd, and no job that waits beside an idle thread.
    fn wake_if_needed(&self, state: &State) {
        if state.idle > 0 && state.queue.has_turns() {
            self.work.notify_one();
        }
    }

    /// The chain catches panics of its own; whatever else goes wrong must cost one delivery a hold, not the
    /// host a thread.
    fn run_guarded(&self, job: &ChainJob) -> ChainRecord {
        catch_unwind(AssertUnwindSafe(|| (self.run)(job))).unwrap_or_else(|_| panicked(job))
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.queue.clear();
        self.work.notify_all();
    }

    /// Nothing in here panics while it holds the lock, and no state is half-written if it did.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn panicked(job: &ChainJob) -> ChainRecord {
    let Some(first) = job.webhook.plugins.first() else { return ChainRecord::untouched() };
    let plugin = first.plugin.clone();
    let reason = format!("the host panicked while running plugin {plugin} or one after it");
    ChainRecord { verdict: ChainVerdict::Hold { plugin, reason }, runs: Vec::new(), conditions: None }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;
    use crate::plugin::Catalog;
    use crate::webhook::{OnError, PluginUse};

    /// Shut until opened; counts who comes in.
    #[derive(Default)]
    struct Gate {
        count: Mutex<Count>,
        changed: Condvar,
    }

    #[derive(Default)]
    struct Count {
        open: bool,
        runs: usize,
        inside: usize,
        most_inside: usize,
    }

    impl Gate {
        fn pass(&self) {
            let mut count = self.count.lock().expect("sound");
            count.runs += 1;
            count.inside += 1;
            count.most_inside = count.most_inside.max(count.inside);
            self.changed.notify_all();
            self.changed.wait_while(count, |count| !count.open).expect("sound").inside -= 1;
        }

        fn open(&self) {
            self.count.lock().expect("sound").open = true;
            self.changed.notify_all();
        }

        fn wait_for_runs(&self, runs: usize) {
            let count = self.count.lock().expect("sound");
            drop(self.changed.wait_while(count, |count| count.runs < runs).expect("sound"));
        }
    }

    fn job(webhook: &str) -> ChainJob {
        let step = PluginUse { plugin: "p".parse().expect("a name"), config: "{}".into(), on_error: OnError::Hold };
        crate::plugin::tests::job(webhook, vec![step], Catalog::default())
    }

    /// Jobs of `slow` wait at the gate, jobs of `broken` panic.
    fn pool(threads: usize) -> (TransformPool, Arc<Gate>) {
        let gate = Arc::new(Gate::default());
        let at = Arc::clone(&gate);
        let pool = TransformPool::start_with(threads, 1, move |job| {
            match job.webhook.id.as_str() {
                "slow" => at.pass(),
                "broken" => panic!("on purpose"),
                _ => {}
            }
            ChainRecord::untouched()
        });
        (pool.expect("threads start"), gate)
    }

    #[tokio::test]
    async fn a_slow_webhook_holds_half_of_the_threads_at_most() {
        let (pool, gate) = pool(4);
        let mut slow = Box::pin(join_all((0..10).map(|_| pool.run(job("slow")))));
        assert!(slow.as_mut().now_or_never().is_none());
        for _ in 0..3 {
            assert_eq!(pool.run(job("quick")).await, Ok(ChainRecord::untouched()));
        }
        gate.open();
        assert!(slow.await.iter().all(Result::is_ok));
        let count = gate.count.lock().expect("sound");
        assert_eq!((count.most_inside, count.runs), (2, 10));
    }

    #[tokio::test]
    async fn a_large_plugin_leaves_threads_to_the_small_ones() {
        let (pool, gate) = pool(4);
        let plugin = Arc::new(crate::plugin::tests::large_plugin());
        let name = plugin.name.clone();
        let catalog = Catalog::new([(name.clone(), plugin)].into());
        let large = |webhook: &str| {
            let step = PluginUse { plugin: name.clone(), config: "{}".into(), on_error: OnError::Hold };
            crate::plugin::tests::job(webhook, vec![step], catalog.clone())
        };
        let mut slow = Box::pin(join_all((0..3).map(|_| pool.run(large("slow")))));
        assert!(slow.as_mut().now_or_never().is_none());
        gate.wait_for_runs(1);
        let mut waiting = Box::pin(pool.run(large("quick")));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(pool.run(job("nimble")).await, Ok(ChainRecord::untouched()));
        assert!(waiting.as_mut().now_or_never().is_none(), "one large chain at once");
        gate.open();
        assert!(waiting.await.is_ok() && slow.await.iter().all(Result::is_ok));
        assert_eq!(gate.count.lock().expect("sound").most_inside, 1);
    }

    #[tokio::test]
    async fn costly_webhooks_together_leave_threads_to_the_cheap_ones() {
        let gate = Arc::new(Gate::default());
        let at = Arc::clone(&gate);
        let pool = TransformPool::start_with(2, 2, move |job| {
            let costly = job.webhook.id.as_str().starts_with("costly");
            if costly && job.run > 1 {
                at.pass();
            }
            burning(if costly { COSTLY_FUEL } else { COSTLY_FUEL - 1 })
        })
        .expect("threads start");
        // Each is found out once.
        for number in 0..5 {
            assert!(pool.run(job(&format!("costly{number}"))).await.is_ok());
        }
        let again = |number| pool.run(ChainJob { run: 2, ..job(&format!("costly{number}")) });
        let mut costly = Box::pin(join_all((0..5).map(again)));
        assert!(costly.as_mut().now_or_never().is_none());
        gate.wait_for_runs(1);
        for _ in 0..3 {
            assert!(pool.run(job("cheap")).await.is_ok());
        }
        gate.open();
        assert!(costly.await.iter().all(Result::is_ok));
        assert_eq!(gate.count.lock().expect("sound").most_inside, 1);
    }

    fn burning(fuel: u64) -> ChainRecord {
        let run = PluginRun { fuel, ..PluginRun::example("p") };
        ChainRecord { runs: vec![run], ..ChainRecord::untouched() }
    }

    #[tokio::test]
    async fn a_panic_costs_one_delivery_a_hold_and_no_thread() {
        let (pool, _gate) = pool(2);
        for _ in 0..4 {
            let verdict = pool.run(job("broken")).await.expect("answered").verdict;
            let ChainVerdict::Hold { plugin, reason } = verdict else { panic!("held was expected, got {verdict:?}") };
            assert_eq!(plugin.as_str(), "p");
            assert!(reason.starts_with("the host panicked while running plugin p"), "{reason}");
        }
        assert!(pool.run(job("quick")).await.is_ok());
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_takes_its_job_along() {
        let (pool, gate) = pool(2);
        let mut first = Box::pin(pool.run(job("slow")));
        assert!(first.as_mut().now_or_never().is_none());
        assert!(pool.run(job("slow")).now_or_never().is_none());
        gate.open();
        assert!(first.await.is_ok());
        // Comes after the one that was given up.
        assert!(pool.run(job("slow")).await.is_ok());
        assert_eq!(gate.count.lock().expect("sound").runs, 2);
    }

    #[tokio::test]
    async fn closing_ends_what_runs_and_turns_away_what_waits() {
        let (pool, gate) = pool(2);
        let mut both = Box::pin(join_all([pool.run(job("slow")), pool.run(job("slow"))]));
        assert!(both.as_mut().now_or_never().is_none());
        gate.wait_for_runs(1);
        pool.owner.shared.close();
        gate.open();
        assert_eq!(both.await, [Ok(ChainRecord::untouched()), Err(Closed)]);
        assert_eq!(pool.run(job("quick")).await, Err(Closed));
    }
}
