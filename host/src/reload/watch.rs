//! The reload task: looks at the home folder when something hints at a change, when asked, and at intervals
//! anyhow, because hints may be missing. Swaps revisions and tells those who must act on a change.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::changes::Changes;
use super::hints::Hints;
use super::history::History;
use super::loader::{Loader, Outcome, Wish};
use super::{Asked, ReloadHandle, Request};
use crate::clock;
use crate::inert::inert;
use crate::revision::{Fault, Live, Revision};
use crate::tasks::{self, OnPanic};

/// The safety net: the folder is looked at this often. Nothing is read if nothing changed.
const INTERVAL: Duration = Duration::from_secs(1);
/// The same where changes cannot be watched.
const INTERVAL_WITHOUT_HINTS: Duration = Duration::from_millis(250);
/// Who asks for a reload waits so long for files that are still being written or may be gone.
const REQUEST_PATIENCE: Duration = Duration::from_secs(2);
/// Requests that wait for an answer; more wait for room.
const REQUESTS: usize = 16;

/// What the rest of the host needs of the reload task.
pub struct Reloading {
    /// The revision in force.
    pub live: Live,
    /// Changes with every swap, after it. Who is slow misses revisions in between, so: compare with the one you
    /// last acted on.
    pub revisions: watch::Receiver<Arc<Revision>>,
    pub handle: ReloadHandle,
    /// Ends when told to stop.
    pub task: JoinHandle<()>,
}

/// Puts the loader's revision in force and keeps it up to date until `stop`.
pub fn spawn(loader: Loader, stop: CancellationToken) -> Reloading {
    let first = Arc::clone(loader.revision());
    let first_of_all = Arc::clone(&first);
    log_faults(&[], &first.faults);
    let live: Live = Arc::new(ArcSwap::new(Arc::clone(&first)));
    let (announce, revisions) = watch::channel(first);
    let (requests, inbox) = mpsc::channel(REQUESTS);
    let history = History::begun_with(&first_of_all);
    let reloader = Reloader {
        loader: Arc::new(Mutex::new(loader)),
        hints: Hints::new(),
        live: Arc::clone(&live),
        announce,
        history: history.clone(),
    };
    // Without it the revision in force stays in force, and reload requests are refused.
    let task = tasks::spawn("reload", OnPanic::Log, async move {
        stop.run_until_cancelled(reloader.run(inbox)).await;
    });
    Reloading { live, revisions, handle: ReloadHandle { requests, history }, task }
}

struct Reloader {
    loader: Arc<Mutex<Loader>>,
    hints: Hints,
    live: Live,
    announce: watch::Sender<Arc<Revision>>,
    history: History,
}

impl Reloader {
    async fn run(mut self, mut inbox: mpsc::Receiver<Request>) {
        let mut pause = self.look(Wish::Changes).await;
        loop {
            let next = Instant::now() + pause.unwrap_or(self.interval());
            tokio::select! {
                Some(request) = inbox.recv() => pause = self.answer(request).await,
                () = self.hints.changed() => pause = self.look(Wish::Changes).await,
                () = sleep_until(next) => pause = self.look(Wish::Changes).await,
            }
        }
    }

    fn interval(&self) -> Duration {
        if self.hints.is_available() { INTERVAL } else { INTERVAL_WITHOUT_HINTS }
    }

    async fn answer(&mut self, request: Request) -> Option<Duration> {
        let deadline = Instant::now() + REQUEST_PATIENCE;
        let mut pause = match request.wish {
            Asked::Reload { accept_removals } => self.look(Wish::Everything { accept_removals }).await,
            Asked::Manage(set) => {
                self.with_loader(move |loader| loader.manage(set)).await;
                let pause = self.look(Wish::Changes).await;
                drop(request.answer.send(self.live.load_full()));
                return pause;
            }
        };
        while let Some(wait) = pause.filter(|wait| Instant::now() + *wait < deadline) {
            sleep(wait).await;
            pause = self.look(Wish::Changes).await;
        }
        // Who asked may have gone away.
        drop(request.answer.send(self.live.load_full()));
        pause
    }

    /// Looks once; swaps if there is a new revision. Answers with how long to wait if something is under way.
    async fn look(&mut self, wish: Wish) -> Option<Duration> {
        let (outcome, folders) = self
            .with_loader(move |loader| {
                let outcome = loader.load(wish, clock::now());
                (outcome, loader.folders().collect())
            })
            .await;
        self.hints.watch(folders);
        let Outcome { revision, look_again } = outcome;
        if let Some(revision) = revision {
            self.swap(revision);
        }
        self.keep_last_good().await;
        look_again.map(|at| at.since(clock::now()).min(self.interval()))
    }

    fn swap(&self, revision: Arc<Revision>) {
        let old = self.live.swap(Arc::clone(&revision));
        let changed = Changes(&old, &revision).to_string();
        tracing::info!(revision = revision.number, %changed, "reloaded");
        self.history.add(&revision, changed);
        log_faults(&old.faults, &revision.faults);
        self.announce.send_replace(revision);
    }

    async fn keep_last_good(&self) {
        self.with_loader(Loader::keep_last_good).await;
    }

    async fn with_loader<T: Send + 'static>(&self, work: impl FnOnce(&mut Loader) -> T + Send + 'static) -> T {
        let loader = Arc::clone(&self.loader);
        tasks::blocking(move || work(&mut loader.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

fn log_faults(old: &[Fault], new: &[Fault]) {
    for fault in new.iter().filter(|fault| !old.contains(fault)) {
        // What a file says of itself must not look like lines of ours.
        tracing::warn!("{}", inert(&fault.to_string()));
    }
    for file in mended(old, new) {
        tracing::info!("mended: {}", inert(file));
    }
}

/// The files that were at fault and are not any more.
fn mended<'a>(old: &'a [Fault], new: &[Fault]) -> BTreeSet<&'a str> {
    let at_fault: BTreeSet<_> = new.iter().map(|fault| &fault.file).collect();
    old.iter().map(|fault| &fault.file).filter(|file| !at_fault.contains(file)).map(String::as_str).collect()
}

#[cfg(test)]
mod tests;
