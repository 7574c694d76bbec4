//! A thread that runs chains in idle time, for another one that waits for it. Only chains: whoever is put aside in the
//! middle of a shared lock would keep all others waiting, so the queue is the waiting thread's.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::Run;
use super::processor::measured;
use crate::delivery::ChainRecord;
use crate::plugin::ChainJob;
use crate::tasks::{self, OnPanic};

/// What a run came to.
pub(super) struct Ran {
    /// None: it panicked.
    pub(super) record: Option<ChainRecord>,
    /// Of a processor.
    pub(super) micros: u64,
}

/// The thread. Dropped: it ends after its run.
pub(super) struct Patient {
    jobs: SyncSender<ChainJob>,
    ran: Receiver<(ChainJob, Ran)>,
}

impl Patient {
    pub(super) fn start(run: Arc<Run>) -> io::Result<Self> {
        let (jobs, waiting) = sync_channel::<ChainJob>(1);
        let (answers, ran) = sync_channel(1);
        tasks::spawn_thread("transform-slow", OnPanic::Abort, move || {
            give_way();
            while let Ok(job) = waiting.recv() {
                let (ran, micros) = measured(|| catch_unwind(AssertUnwindSafe(|| run(&job, None))));
                let record = ran.ok().flatten();
                if answers.send((job, Ran { record, micros })).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { jobs, ran })
    }

    /// Runs a chain, however long that takes. None: the thread is gone.
    pub(super) fn run(&self, job: ChainJob) -> Option<(ChainJob, Ran)> {
        self.jobs.send(job).ok()?;
        self.ran.recv().ok()
    }
}

/// Lets this thread have what others leave of a processor (`SCHED_IDLE`). No niceness makes a thread stop in the middle of
/// its time slice, some milliseconds, when another one wakes up. Those others are all of its control group, other
/// programs included: while they keep every processor busy, it gets about a three-hundredth of one. Elsewhere than on
/// Linux priorities are the process's.
fn give_way() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, unix};
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let this = unix::thread_native_id();
        if let Err(error) = unix::set_thread_priority_and_policy(this, ThreadPriority::Min, idle) {
            tracing::debug!(?error, "costly plugins may run with the priority of all others");
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn it_runs_in_idle_time_and_survives_a_panic() {
        /// Of `stat`, see proc(5): the 41st field, of which two are before the closing parenthesis.
        const POLICY: usize = 41 - 3;
        const SCHED_IDLE: &str = "5";
        let run = |job: &ChainJob, _| {
            assert_ne!(job.webhook.id.as_str(), "broken");
            let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("reads");
            let fields = stat.rsplit_once(')').expect("a name").1;
            assert_eq!(fields.split_whitespace().nth(POLICY), Some(SCHED_IDLE), "{stat}");
            Some(ChainRecord::untouched())
        };
        let patient = Patient::start(Arc::new(run)).expect("starts");
        let job = |webhook| crate::plugin::tests::job(webhook, vec![], crate::plugin::Catalog::default());
        let (_, broken) = patient.run(job("broken")).expect("alive");
        assert_eq!(broken.record, None);
        let (_, ran) = patient.run(job("sound")).expect("alive");
        assert_eq!(ran.record, Some(ChainRecord::untouched()));
    }
}
