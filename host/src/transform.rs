//! Threads that run plugin chains. One webhook holds at most half of them, so that none starves the rest.

use std::sync::Arc;

use crate::delivery::ChainRecord;
use crate::plugin::ChainJob;

/// The threads. Dropping the last handle ends them after their current run.
#[derive(Clone)]
pub struct TransformPool {
    _shared: Arc<()>,
}

/// The pool is shutting down; the job was not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the transform threads are shutting down")]
pub struct Closed;

impl TransformPool {
    /// # Errors
    /// When the operating system refuses the threads.
    pub fn start(_threads: usize) -> std::io::Result<Self> {
        todo!()
    }

    /// Runs a chain in its turn. The number of callers bounds the queue. Dropping the future takes a job that
    /// has not started out of the queue.
    ///
    /// # Errors
    /// When the pool shuts down before the job ran.
    pub async fn run(&self, _job: ChainJob) -> Result<ChainRecord, Closed> {
        todo!()
    }
}
