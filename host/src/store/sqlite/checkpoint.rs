//! Copying the write-ahead log into the database on a thread of its own, so that commits go on meanwhile.
//!
//! The log can only begin anew once all of it is copied, and under load there is always something newer than what the
//! thread copied: that little rest is copied by the writer itself.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode};

#[cfg(test)]
use super::failpoint::{self, Point};
use crate::clock;
use crate::tasks::{self, OnPanic};
use crate::throttle::Throttle;

/// Pages in the log from which on it is copied: 16 MiB, so that pages written again and again are copied once.
const BEGIN_PAGES: i32 = 2048;
/// From this many on the writer copies it whatever the thread does: 64 MiB.
const MOST_PAGES: i32 = 4 * BEGIN_PAGES;

/// The thread. Dropped: it ends after what it is doing.
pub(super) struct Checkpoints {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    step: Mutex<Step>,
    asked: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Idle,
    /// The thread is to copy, or is copying.
    Asked,
    /// It has copied what there was.
    Copied,
    Closed,
}

impl Checkpoints {
    /// Copies the log of `writer`'s commits from now on, by `connection`.
    pub(super) fn start(writer: &mut Connection, connection: Connection) -> Result<Self, StartError> {
        let shared = Arc::new(Shared::default());
        let at_commit = Arc::clone(&shared);
        writer.wal_hook(Some(move |wal: &mut Wal, pages| {
            if at_commit.is_writers_turn(pages) {
                #[cfg(test)]
                if failpoint::reach(Point::CopyRest).is_err() {
                    return Ok(());
                }
                // Its failure is not the commit's, which is durable; the next commit tries again.
                let _ = wal.checkpoint();
            }
            Ok(())
        }))?;
        let asked = Arc::clone(&shared);
        let thread = tasks::spawn_thread("store-checkpoint", OnPanic::Abort, move || asked.work(&connection))?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

/// Copies all that an earlier owner left in the log, for the start. It may be in the memory of the system only: after a
/// sync that failed, no later one writes the same pages again, and yet SQLite finds the whole commit. Copied into the
/// database, it is written anew, and on disk before anybody builds on it.
pub(super) fn copy_all(connection: &Connection) -> rusqlite::Result<()> {
    match connection.query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(())) {
        // Where the log still has room, deliveries go on.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
            tracing::warn!(%error, "the write-ahead log could not be copied into the database at the start");
            Ok(())
        }
        copied => copied,
    }
}

/// Why the thread could not be started.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) enum StartError {
    Sqlite(#[from] rusqlite::Error),
    Thread(#[from] io::Error),
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        *self.shared.step() = Step::Closed;
        self.shared.asked.notify_one();
        // Its connection has to be closed before the writer's, which tidies up.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Called after each commit, with the pages in the log. Whether the writer is to copy what is left of them.
    fn is_writers_turn(&self, pages: i32) -> bool {
        let mut step = self.step();
        let turn = *step == Step::Copied || pages >= MOST_PAGES;
        if *step == Step::Copied {
            *step = Step::Idle;
        } else if *step == Step::Idle && pages >= BEGIN_PAGES {
            *step = Step::Asked;
            self.asked.notify_one();
        }
        turn
    }

    /// The life of the thread.
    fn work(&self, connection: &Connection) {
        let failing = Throttle::new();
        while self.wait() {
            // In passing: waits for nobody, and nobody for it.
            let copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            #[cfg(test)]
            let copied = copied.and_then(|()| failpoint::reach(Point::Copied));
            if let Err(error) = copied
                && let Some(left_out) = failing.pass(clock::now())
            {
                tracing::warn!(%error, left_out, "the write-ahead log could not be copied into the database; it grows");
            }
            let mut step = self.step();
            if *step == Step::Asked {
                *step = Step::Copied;
            }
        }
    }

    /// Until there is something to do; false when it is over.
    fn wait(&self) -> bool {
        let step = self.asked.wait_while(self.step(), |step| matches!(step, Step::Idle | Step::Copied));
        *step.unwrap_or_else(PoisonError::into_inner) == Step::Asked
    }

    fn step(&self) -> MutexGuard<'_, Step> {
        // One word: whole whatever happened.
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_copies_only_what_the_thread_left() {
        let shared = Shared::default();
        assert!(!shared.is_writers_turn(BEGIN_PAGES - 1));
        assert_eq!(*shared.step(), Step::Idle);
        assert!(!shared.is_writers_turn(BEGIN_PAGES), "the thread's turn");
        assert!(!shared.is_writers_turn(BEGIN_PAGES + 1), "it is still copying");
        assert!(shared.is_writers_turn(MOST_PAGES), "it takes too long");
        *shared.step() = Step::Copied;
        assert!(shared.is_writers_turn(BEGIN_PAGES + 2));
        assert_eq!(*shared.step(), Step::Idle);
    }

    #[test]
    fn the_log_does_not_grow_without_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("test.db");
        let open = || super::super::connection::open_writer(&path).expect("opens");
        let mut writer = open();
        writer.execute_batch("CREATE TABLE t (data BLOB)").expect("creates");
        let checkpoints = Checkpoints::start(&mut writer, open()).expect("starts");
        for _ in 0..30 {
            writer.execute("INSERT INTO t VALUES (zeroblob(8000000))", []).expect("inserts");
        }
        drop(checkpoints);
        let log = path.with_extension("db-wal").metadata().expect("is there").len();
        assert!(log <= 80 << 20, "240 MB were written, the log has {log} bytes");
    }
}
