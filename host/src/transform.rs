//! Threads that run plugin chains. One webhook holds at most half of them, so that none starves the rest.
//!
//! Does not bound the queue: every waiting job belongs to a caller that waits for it.

mod fair_queue;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use self::fair_queue::{FairQueue, Ticket};
use crate::delivery::{ChainRecord, ChainVerdict};
use crate::ids::WebhookId;
use crate::plugin::{ChainJob, run_chain};
use crate::tasks::{self, OnPanic};

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

impl TransformPool {
    /// # Errors
    /// When the operating system refuses the threads.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        Self::start_with(threads, run_chain)
    }

    /// With another way to run a job, for tests.
    fn start_with(threads: usize, run: fn(&ChainJob) -> ChainRecord) -> std::io::Result<Self> {
        let threads = threads.max(MIN_THREADS);
        let state = State { queue: FairQueue::new(threads / 2), idle: 0, closed: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), work: Condvar::new(), run });
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
        let ticket = self.owner.shared.push(webhook.clone(), Waiting { job, answer })?;
        let _place = Place { shared: &self.owner.shared, webhook, ticket };
        answered.await.map_err(|_| Closed)
    }

    /// Ends the threads after their current run; whoever still waits is told so.
    pub fn close(&self) {
        self.owner.shared.close();
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
    run: fn(&ChainJob) -> ChainRecord,
}

struct State {
    queue: FairQueue<WebhookId, Waiting>,
    /// Threads that wait for work.
    idle: usize,
    closed: bool,
}

impl Shared {
    /// The life of one thread.
    fn work(&self) {
        while let Some((webhook, Waiting { job, answer })) = self.next() {
            let record = self.run_guarded(&job);
            self.lock().queue.done(&webhook);
            // Refused when the caller has gone: nobody wants to know.
            let _ = answer.send(record);
        }
    }

    /// Waits for a job; `None` when the pool is closed.
    fn next(&self) -> Option<(WebhookId, Waiting)> {
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

    fn push(&self, webhook: WebhookId, waiting: Waiting) -> Result<Ticket, Closed> {
        let mut state = self.lock();
        if state.closed {
            return Err(Closed);
        }
        let ticket = state.queue.push(webhook, waiting);
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
    ChainRecord { verdict: ChainVerdict::Hold { plugin, reason }, runs: Vec::new() }
}
