//! Threads that run plugin chains. One webhook holds at most half of them, so that none starves the rest. Chains that
//! cost much (fuel, time, or a large plugin) run on threads of their own, which give way to all others: whoever wants
//! the machine for himself gets what the rest leaves. Of these, chains with large plugins are few at once, for their
//! memory. What a chain burns is found out by trying: the usual threads give up after a millisecond's fuel and leave it,
//! from its beginning, to the patient ones, so that not even what nobody knows yet keeps others waiting for long.
//!
//! Does not bound the queues: every waiting job belongs to a caller that waits for it, or did when it was put aside; then its
//! turn ends it.

mod cost;
mod fair_queue;
mod patient;
mod processor;
mod under_way;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use self::cost::{COSTLY_FUEL, Costs};
use self::fair_queue::{FairQueue, Size, Taken, Ticket};
use self::patient::Patient;
use self::processor::measured;
use self::under_way::Entry;
pub use self::under_way::UnderWay;
use crate::delivery::{ChainRecord, ChainVerdict};
use crate::ids::WebhookId;
use crate::plugin::{ChainJob, EngineKind, run_chain, try_chain};
use crate::tasks::{self, OnPanic};
use crate::webhook::Webhook;

/// A larger payload is not tried: putting it into a plugin's memory takes time of its own, for which no fuel is burnt.
const MAX_TRIED_BYTES: usize = 1 << 20;
/// Fewer would let one webhook hold them all.
const MIN_THREADS: usize = 2;

/// The threads. Dropping the last handle ends them after their current run.
#[derive(Clone)]
pub struct TransformPool {
    owner: Arc<Owner>,
}

/// The pool is shutting down; the job was not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the transform threads are shutting down")]
pub struct Closed;

/// Which threads a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Usual,
    /// Those that give way.
    Patient,
}

/// How many patient threads there are beside so many usual ones.
pub const fn patient_threads(threads: usize) -> usize {
    if threads < MIN_THREADS { MIN_THREADS / 2 } else { threads / 2 }
}

impl TransformPool {
    /// So many threads, and half as many patient ones, of which chains with large plugins get `large_at_once`.
    /// `under_way`: where they say what they work on.
    ///
    /// # Errors
    /// When the operating system refuses the threads.
    pub fn start(threads: usize, large_at_once: usize, under_way: Option<UnderWay>) -> std::io::Result<Self> {
        Self::start_with(threads, large_at_once, under_way, |job, fuel| match fuel {
            Some(fuel) => try_chain(job, fuel),
            None => Some(run_chain(job)),
        })
    }

    /// With another [`Run`], for tests.
    fn start_with(
        threads: usize,
        large_at_once: usize,
        under_way: Option<UnderWay>,
        run: impl Fn(&ChainJob, Option<u64>) -> Option<ChainRecord> + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let threads = threads.max(MIN_THREADS);
        let patient = patient_threads(threads);
        let state = State {
            usual: Side { queue: FairQueue::new(threads / 2, 0), idle: 0 },
            patient: Side { queue: FairQueue::new(patient.div_ceil(2), large_at_once), idle: 0 },
            costs: Costs::default(),
            closed: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            usual: Condvar::new(),
            patient: Condvar::new(),
            under_way,
            run: Arc::new(run),
        });
        let owner = Arc::new(Owner { shared });
        for number in 0..threads + patient {
            let shared = Arc::clone(&owner.shared);
            let patient = if number < threads { None } else { Some(Patient::start(Arc::clone(&shared.run))?) };
            let name = if patient.is_none() { "transform" } else { "transform-await" };
            tasks::spawn_thread(name, OnPanic::Abort, move || shared.work(patient.as_ref(), number))?;
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
        let (lane, ticket) = self.owner.shared.push(&webhook, Waiting { job, answer })?;
        let _place = Place { shared: &self.owner.shared, webhook, lane, ticket };
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
    lane: Lane,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let cancelled = self.shared.lock().side(self.lane).queue.cancel(&self.webhook, self.ticket);
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
    /// There may be something to do for one usual thread.
    usual: Condvar,
    /// The same for a patient one.
    patient: Condvar,
    under_way: Option<UnderWay>,
    run: Arc<Run>,
}

/// Runs a chain, with no more than so much fuel if it says so. None: that was not enough.
type Run = dyn Fn(&ChainJob, Option<u64>) -> Option<ChainRecord> + Send + Sync;

/// What a job came to.
enum Ended {
    Ran {
        record: ChainRecord,
        micros: u64,
    },
    /// There was no need to run it, or no way.
    Instead(ChainRecord),
    /// It is for the patient threads.
    Costly(ChainJob),
}

struct State {
    usual: Side,
    patient: Side,
    costs: Costs,
    closed: bool,
}

/// What waits for the threads of one lane, and how many of these wait for work.
struct Side {
    queue: FairQueue<WebhookId, Waiting>,
    idle: usize,
}

impl State {
    const fn side(&mut self, lane: Lane) -> &mut Side {
        match lane {
            Lane::Usual => &mut self.usual,
            Lane::Patient => &mut self.patient,
        }
    }

    /// Where a job goes, by its plugins and by what the last chains of its webhook were like.
    fn place(&self, webhook: &WebhookId, job: &ChainJob) -> (Lane, Size) {
        match job.kind() {
            EngineKind::Large => (Lane::Patient, Size::Large),
            EngineKind::Small if self.costs.is_costly(webhook) => (Lane::Patient, Size::Small),
            EngineKind::Small if job.event.data.len() > MAX_TRIED_BYTES => (Lane::Patient, Size::Small),
            EngineKind::Small => (Lane::Usual, Size::Small),
        }
    }
}

impl Shared {
    /// The life of one thread, which has the patient one do the work if it is given one.
    fn work(&self, patient: Option<&Patient>, thread: usize) {
        let lane = if patient.is_some() { Lane::Patient } else { Lane::Usual };
        let mut entry = self.under_way.as_ref().map(|under_way| under_way.entry(thread));
        while let Some(Taken { key, size, job: Waiting { job, answer } }) = self.next(lane, entry.as_mut()) {
            // A caller's ticket leads nowhere once its job was moved to the other lane: there is only this to look at.
            let ended = (!answer.is_closed()).then(|| self.run_guarded(job, patient, entry.as_mut()));
            let mut state = self.lock();
            state.side(lane).queue.done(&key, size);
            let answered = match ended {
                Some(Ended::Ran { record, micros }) => {
                    state.costs.learn(&key, &record, micros);
                    Some((answer, record))
                }
                Some(Ended::Instead(record)) => Some((answer, record)),
                Some(Ended::Costly(_)) if state.closed => None,
                Some(Ended::Costly(job)) => {
                    state.costs.found_costly(&key);
                    self.put_aside(&mut state, &key, size, Waiting { job, answer });
                    None
                }
                None => None,
            };
            let more = state.side(lane).queue.has_turns();
            drop(state);
            if let (false, Some(entry)) = (more, entry.as_mut()) {
                entry.end();
            }
            if let Some((answer, record)) = answered {
                // Refused when the caller has gone: nobody wants to know.
                let _ = answer.send(record);
            }
        }
    }

    /// Waits for a job; `None` when the pool is closed.
    fn next(&self, lane: Lane, mut entry: Option<&mut Entry<'_>>) -> Option<Taken<WebhookId, Waiting>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(next) = self.pop(&mut state, lane) {
                self.wake_if_needed(&mut state, lane);
                return Some(next);
            }
            // Not under the lock: it writes to a file.
            if let Some(entry) = entry.take() {
                drop(state);
                entry.end();
                state = self.lock();
                continue;
            }
            state.side(lane).idle += 1;
            state = self.work_for(lane).wait(state).unwrap_or_else(PoisonError::into_inner);
            state.side(lane).idle -= 1;
        }
    }

    fn pop(&self, state: &mut State, lane: Lane) -> Option<Taken<WebhookId, Waiting>> {
        loop {
            let taken = state.side(lane).queue.pop()?;
            if lane == Lane::Patient || !state.costs.is_costly(&taken.key) {
                return Some(taken);
            }
            // Found out since it was put there.
            state.usual.queue.done(&taken.key, taken.size);
            self.put_aside(state, &taken.key, taken.size, taken.job);
        }
    }

    /// Leaves a job to the patient threads.
    fn put_aside(&self, state: &mut State, webhook: &WebhookId, size: Size, waiting: Waiting) {
        state.patient.queue.push(webhook, size, waiting);
        self.wake_if_needed(state, Lane::Patient);
    }

    fn push(&self, webhook: &WebhookId, waiting: Waiting) -> Result<(Lane, Ticket), Closed> {
        let mut state = self.lock();
        if state.closed {
            return Err(Closed);
        }
        let (lane, size) = state.place(webhook, &waiting.job);
        let ticket = state.side(lane).queue.push(webhook, size, waiting);
        self.wake_if_needed(&mut state, lane);
        Ok((lane, ticket))
    }

    /// Each push and each pop wakes at most one thread, and each thread that takes a job wakes the next: no
    /// herd, and no job that waits beside an idle thread.
    fn wake_if_needed(&self, state: &mut State, lane: Lane) {
        let side = state.side(lane);
        if side.idle > 0 && side.queue.has_turns() {
            self.work_for(lane).notify_one();
        }
    }

    const fn work_for(&self, lane: Lane) -> &Condvar {
        match lane {
            Lane::Usual => &self.usual,
            Lane::Patient => &self.patient,
        }
    }

    /// The chain catches panics of its own; whatever else goes wrong must cost one delivery a hold, not the
    /// host a thread.
    fn run_guarded(&self, job: ChainJob, patient: Option<&Patient>, entry: Option<&mut Entry<'_>>) -> Ended {
        let webhook = Arc::clone(&job.webhook);
        let run = AssertUnwindSafe(|| self.run_watched(job, patient, entry));
        catch_unwind(run).unwrap_or_else(|_| Ended::Instead(panicked(&webhook)))
    }

    fn run_watched(&self, job: ChainJob, patient: Option<&Patient>, entry: Option<&mut Entry<'_>>) -> Ended {
        if let Some(record) = job.watch.as_ref().and_then(|watch| watch.instead(&job)) {
            return Ended::Instead(record);
        }
        if let Some(entry) = entry {
            entry.begin(job.delivery);
        }
        let (job, record, micros) = match patient {
            None => {
                let (tried, micros) = measured(|| (self.run)(&job, Some(COSTLY_FUEL)));
                let Some(record) = tried else { return Ended::Costly(job) };
                (job, record, micros)
            }
            Some(patient) => {
                let webhook = Arc::clone(&job.webhook);
                let Some((job, ran)) = patient.run(job) else {
                    return Ended::Instead(panicked(&webhook));
                };
                (job, ran.record.unwrap_or_else(|| panicked(&webhook)), ran.micros)
            }
        };
        if let Some(watch) = &job.watch {
            watch.learn(&job, &record);
        }
        Ended::Ran { record, micros }
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.usual.queue.clear();
        state.patient.queue.clear();
        self.usual.notify_all();
        self.patient.notify_all();
    }

    /// Nothing in here panics while it holds the lock, and no state is half-written if it did.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn panicked(webhook: &Webhook) -> ChainRecord {
    let Some(first) = webhook.plugins.first() else { return ChainRecord::untouched() };
    let plugin = first.plugin.clone();
    let reason = format!("the host panicked while running plugin {plugin} or one after it");
    ChainRecord { verdict: ChainVerdict::Hold { plugin, reason }, runs: Vec::new(), conditions: None }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;
    use crate::delivery::PluginRun;
    use crate::plugin::{Catalog, Watch};
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
        let step = PluginUse {
            plugin: "p".parse().expect("a name"),
            config: "{}".into(),
            on_error: OnError::Hold,
            shadow: None,
        };
        crate::plugin::tests::job(webhook, vec![step], Catalog::default())
    }

    /// Jobs of `slow` wait at the gate, jobs of `broken` panic.
    fn pool(threads: usize) -> (TransformPool, Arc<Gate>) {
        let gate = Arc::new(Gate::default());
        let at = Arc::clone(&gate);
        let pool = TransformPool::start_with(threads, 1, None, move |job, _| {
            match job.webhook.id.as_str() {
                "slow" => at.pass(),
                "broken" => panic!("on purpose"),
                _ => {}
            }
            Some(ChainRecord::untouched())
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
            let step = PluginUse { plugin: name.clone(), config: "{}".into(), on_error: OnError::Hold, shadow: None };
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
        let (at, tried) = (Arc::clone(&gate), Arc::new(AtomicUsize::new(0)));
        let trials = Arc::clone(&tried);
        let pool = TransformPool::start_with(2, 2, None, move |job, fuel| {
            let costly = job.webhook.id.as_str().starts_with("costly");
            if costly && fuel.is_some() {
                trials.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            if costly {
                at.pass();
            }
            Some(burning(if costly { COSTLY_FUEL } else { COSTLY_FUEL - 1 }))
        })
        .expect("threads start");
        let first = |number| pool.run(job(&format!("costly{number}")));
        let mut costly = Box::pin(join_all((0..5).map(first)));
        assert!(costly.as_mut().now_or_never().is_none());
        gate.wait_for_runs(1);
        for _ in 0..3 {
            assert!(pool.run(job("cheap")).await.is_ok());
        }
        gate.open();
        assert!(costly.await.iter().all(Result::is_ok));
        assert_eq!(gate.count.lock().expect("sound").most_inside, 1);
        assert!(pool.run(job("costly0")).await.is_ok());
        assert_eq!(tried.load(Ordering::Relaxed), 5, "each is found out once");
    }

    #[tokio::test]
    async fn a_large_payload_is_not_tried() {
        let pool = TransformPool::start_with(2, 2, None, |job, fuel| {
            assert_eq!(fuel.is_none(), job.event.data.len() > MAX_TRIED_BYTES);
            Some(ChainRecord::untouched())
        });
        let pool = pool.expect("threads start");
        for bytes in [MAX_TRIED_BYTES, MAX_TRIED_BYTES + 1] {
            let mut job = job("any");
            Arc::get_mut(&mut job.event).expect("nobody else has it").data = vec![b' '; bytes].into();
            assert_eq!(pool.run(job).await, Ok(ChainRecord::untouched()), "{bytes}");
        }
    }

    fn burning(fuel: u64) -> ChainRecord {
        let run = PluginRun { fuel, ..PluginRun::example("p") };
        ChainRecord { runs: vec![run], ..ChainRecord::untouched() }
    }

    #[tokio::test]
    async fn what_waits_behind_a_break_is_judged_when_its_turn_comes() {
        struct NoneAfter(Mutex<usize>);

        impl Watch for NoneAfter {
            fn instead(&self, job: &ChainJob) -> Option<ChainRecord> {
                (*self.0.lock().expect("sound") == 0).then(|| panicked(&job.webhook))
            }

            fn learn(&self, _: &ChainJob, _: &ChainRecord) {
                *self.0.lock().expect("sound") -= 1;
            }
        }

        let (pool, gate) = pool(2);
        let watch: Arc<dyn Watch> = Arc::new(NoneAfter(Mutex::new(2)));
        // All wait before the first has ended.
        let waiting = join_all((0..5).map(|_| pool.run(ChainJob { watch: Some(Arc::clone(&watch)), ..job("slow") })));
        let (records, ()) = tokio::join!(waiting, async {
            tokio::task::yield_now().await;
            gate.open();
        });
        let ran = records.iter().filter(|record| **record == Ok(ChainRecord::untouched())).count();
        assert_eq!((ran, gate.count.lock().expect("sound").runs), (2, 2));
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
