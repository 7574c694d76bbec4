//! The one thread that writes. It takes whatever waits, runs all of it in one transaction, commits, and then answers:
//! the more callers, the more share one sync of the disk. No timer: an idle store commits a lone call at once.
//!
//! When a call fails, nothing of the batch was done; its calls are then tried one by one, so that a poisonous one
//! hurts only itself. What calls do is written in the modules beside; here is only when it is done.

use std::io;
use std::sync::{Arc, Weak};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use super::checkpoint::Checkpoints;
#[cfg(test)]
use super::failpoint::{self, Point};
use super::hot::Hot;
use super::leases;
use super::parcel::{Leases, Parcel};
use super::queue::{Bounds, Queue, Refused};
use super::tally::Tally;
use crate::clock::{self, Timestamp};
use crate::store::StoreError;
use crate::tasks::{self, OnPanic};
use crate::throttle::Throttle;

/// What may wait to be committed.
const WAITING: Bounds = Bounds { count: 8192, bytes: 64 << 20 };
/// What one commit takes: enough that the sync no longer shows, little enough that nobody waits long.
const COMMIT: Bounds = Bounds { count: 1024, bytes: 16 << 20 };

/// Whose calls find room when much waits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Room {
    /// New work, refused first: half the queue is kept for the rest.
    Admission,
    /// Calls that finish, move or look after what is there.
    Progress,
}

/// A handle on the thread. Dropped: the thread finishes what waits, then ends.
pub(super) struct Writer {
    queue: Arc<Jobs>,
    ended: watch::Receiver<()>,
}

pub(super) type Jobs = Queue<Box<dyn Job>>;

impl Writer {
    pub(super) fn start(connection: Connection, checkpoints: Checkpoints, epoch: i64) -> io::Result<Self> {
        let queue = Arc::new(Jobs::new());
        let (ending, ended) = watch::channel(());
        let thread = Thread { connection, epoch, queue: Arc::downgrade(&queue), failing: Throttle::new() };
        let jobs = Arc::clone(&queue);
        tasks::spawn_thread("store-writer", OnPanic::Abort, move || {
            let mut batch = Batch::new(&thread.connection, thread.epoch);
            while let Some(calls) = jobs.take(COMMIT) {
                thread.commit(&mut batch, calls);
            }
            drop(batch);
            thread.say_goodbye();
            drop(checkpoints);
            drop(thread);
            drop(ending);
        })?;
        Ok(Self { queue, ended })
    }

    /// Runs `work` in the next commit and returns what it returned, once that is durable. `work` may run again when a
    /// batch is rolled back.
    pub(super) async fn call<T, F>(&self, room: Room, bytes: usize, work: F) -> Result<T, StoreError>
    where
        T: Leases + Send + 'static,
        F: Fn(&mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let bounds = match room {
            Room::Admission => WAITING.half(),
            Room::Progress => WAITING,
        };
        self.queue.push(Box::new(Call { work, outcome: None, reply }), bytes, bounds).map_err(
            |refused| match refused {
                Refused::Full => StoreError::Busy,
                Refused::Closed => StoreError::Closed,
            },
        )?;
        answer.await.map_err(|_| StoreError::Closed)?.map(Parcel::open)
    }

    /// Finishes what waits and closes the database.
    pub(super) async fn close(&self) {
        self.queue.close();
        // The only change is that the sender is dropped.
        let _ = self.ended.clone().changed().await;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// What calls work on: the open transaction, and what is written once for all of them.
pub(super) struct Batch<'c> {
    pub(super) connection: &'c Connection,
    /// Kept from batch to batch.
    pub(super) hot: Hot<'c>,
    pub(super) epoch: i64,
    pub(super) tally: Tally,
    leasing: bool,
}

impl<'c> Batch<'c> {
    fn new(connection: &'c Connection, epoch: i64) -> Self {
        Self { connection, hot: Hot::default(), epoch, tally: Tally::default(), leasing: false }
    }

    fn begin(&mut self) {
        (self.tally, self.leasing) = (Tally::default(), false);
    }

    fn write_tally(&mut self) -> rusqlite::Result<()> {
        if self.tally == Tally::default() {
            return Ok(());
        }
        self.hot.add(self.connection)?.execute(self.tally.changes()).map(drop)
    }

    /// To be called before a lease is written: an owner that was thought dead exists again, so that its leases are
    /// found should it die.
    pub(super) fn begin_leasing(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if !self.leasing {
            leases::ensure_owner(self.connection, self.epoch, now)?;
            self.leasing = true;
        }
        Ok(())
    }
}

/// A call whose types are forgotten.
pub(super) trait Job: Send {
    /// Does the work, within the open transaction.
    fn run(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError>;

    /// Tells the caller. `committed` says whether what was done is durable.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>, queue: &Weak<Jobs>);
}

struct Call<T: Leases, F> {
    work: F,
    outcome: Option<T>,
    reply: oneshot::Sender<Result<Parcel<T>, StoreError>>,
}

impl<T, F> Job for Call<T, F>
where
    T: Leases + Send + 'static,
    F: Fn(&mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
{
    fn run(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        self.outcome = Some((self.work)(batch)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>, queue: &Weak<Jobs>) {
        let answer = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => Ok(Parcel::new(outcome, queue.clone())),
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(StoreError::Closed),
        };
        // A caller that is gone has no use for it; leases in it are given back by the parcel.
        let _ = self.reply.send(answer);
    }
}

/// Gives leases back that nobody received. Finds room always: it is small, and each stands for a lease.
pub(super) fn give_back(queue: &Jobs, tokens: Vec<crate::store::LeaseToken>) {
    let (reply, _) = oneshot::channel();
    let work = move |batch: &mut Batch<'_>| leases::give_back(batch, &tokens);
    let job = Call { work, outcome: None, reply };
    // Closed: the thread gives back all leases when it ends.
    let _ = queue.push(Box::new(job), 0, Bounds { count: usize::MAX, bytes: usize::MAX });
}

struct Thread {
    connection: Connection,
    epoch: i64,
    queue: Weak<Jobs>,
    /// A full disk fails every call of a busy host.
    failing: Throttle,
}

/// What stopped a batch.
enum Stopped {
    /// One of its calls.
    ByCall(StoreError),
    /// The database itself: trying the calls one by one would not help.
    ByDatabase(StoreError),
}

impl Thread {
    fn commit(&self, batch: &mut Batch<'_>, mut calls: Vec<Box<dyn Job>>) {
        let result = match self.transact(batch, &mut calls) {
            Err(Stopped::ByCall(_)) if calls.len() > 1 => return self.commit_one_by_one(batch, calls),
            Err(Stopped::ByCall(error) | Stopped::ByDatabase(error)) => Err(error),
            Ok(()) => Ok(()),
        };
        if let Err(error) = &result
            && let Some(left_out) = self.failing.pass(clock::now())
        {
            tracing::warn!(calls = calls.len(), %error, left_out, "a commit failed; nothing of it was done");
        }
        for job in calls {
            job.answer(result.clone(), &self.queue);
        }
    }

    fn commit_one_by_one(&self, batch: &mut Batch<'_>, calls: Vec<Box<dyn Job>>) {
        for job in calls {
            self.commit(batch, vec![job]);
        }
    }

    fn transact(&self, batch: &mut Batch<'_>, jobs: &mut [Box<dyn Job>]) -> Result<(), Stopped> {
        let database = |error: rusqlite::Error| Stopped::ByDatabase(error.into());
        #[cfg(test)]
        failpoint::reach(Point::Begin).map_err(database)?;
        // Dropped before its commit, it rolls back.
        let transaction =
            Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate).map_err(database)?;
        batch.begin();
        for job in jobs {
            job.run(batch).map_err(Stopped::ByCall)?;
            #[cfg(test)]
            failpoint::reach(Point::Work).map_err(|error| Stopped::ByCall(error.into()))?;
        }
        batch.write_tally().map_err(database)?;
        #[cfg(test)]
        failpoint::reach(Point::Commit).map_err(database)?;
        transaction.commit().map_err(database)?;
        #[cfg(test)]
        failpoint::reach(Point::Answer).map_err(database)?;
        Ok(())
    }

    fn say_goodbye(&self) {
        if let Err(error) = leases::unregister(&self.connection, self.epoch) {
            // The next one to open the store, or the heartbeat of another, takes the leases back.
            tracing::warn!(%error, "the store could not give back its leases");
        }
    }
}
