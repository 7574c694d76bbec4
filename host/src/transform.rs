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

#[cfg(test)]
mod tests;

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
        // A trial or a repetition is nothing to learn from, and no run of the plugin to people.
        if let Some(watch) = &job.watch {
            job.count(&record);
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
