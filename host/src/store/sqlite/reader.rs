//! Threads that look, each with a connection of its own: looking never waits for a commit, nor delays one.

use std::io;
use std::sync::Arc;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use super::queue::{Bounds, Queue, Refused};
use crate::store::StoreError;
use crate::tasks::{self, OnPanic};

/// Questions that may wait.
const WAITING: Bounds = Bounds { count: 256, bytes: usize::MAX };
const ONE: Bounds = Bounds { count: 1, bytes: usize::MAX };

type Question = Box<dyn FnOnce(&Connection) + Send>;

/// A handle on the threads. Dropped: they finish what waits, then end.
pub(super) struct Readers {
    queue: Arc<Queue<Question>>,
    ended: watch::Receiver<()>,
}

impl Readers {
    pub(super) fn start(connections: Vec<Connection>) -> io::Result<Self> {
        let queue = Arc::new(Queue::<Question>::new());
        let (ending, ended) = watch::channel(());
        // From here on, leaving early ends the threads that are there.
        let readers = Self { queue, ended };
        for connection in connections {
            let (questions, ending) = (CloseAtEnd(Arc::clone(&readers.queue)), ending.clone());
            tasks::spawn_thread("store-reader", OnPanic::Log, move || {
                while let Some(taken) = questions.0.take(ONE) {
                    for question in taken {
                        question(&connection);
                    }
                }
                drop(connection);
                drop(ending);
            })?;
        }
        Ok(readers)
    }

    /// Runs `question` on one state of the database.
    pub(super) async fn ask<T, F>(&self, question: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let asked = Box::new(move |connection: &Connection| {
            // Nobody waits for it any more.
            if !reply.is_closed() {
                let _ = reply.send(at_one_moment(connection, question));
            }
        });
        self.queue.push(asked, 0, WAITING).map_err(|refused| match refused {
            Refused::Full => StoreError::Busy,
            Refused::Closed => StoreError::Closed,
        })?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) async fn close(&self) {
        self.queue.close();
        let _ = self.ended.clone().changed().await;
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Several statements see the same state only within a transaction.
fn at_one_moment<T>(
    connection: &Connection,
    question: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let moment = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
    let answer = question(connection)?;
    moment.commit()?;
    Ok(answer)
}

/// A thread that panicked takes the others with it, so that who asks is told the store is closed and does not wait forever.
struct CloseAtEnd(Arc<Queue<Question>>);

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.abandon();
        }
    }
}
