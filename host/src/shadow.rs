//! Candidates on real traffic: beside a live plugin, a `shadow` is given what that was given on the first run of each
//! delivery, and what both would send is compared.
//!
//! Promises that nothing of this reaches a delivery: a chain has ended before its steps come here, what does not find
//! room in a bounded queue is counted and dropped, and all runs are made on one thread that gives way to all others. A
//! candidate that is missing, refuses its config, fails or breaks holds nothing and stops nothing. Kept in memory,
//! since the start or since either side changed. Sends and stores nothing.

mod tally;
mod waiting;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use self::tally::{Judgement, Pairing, Tally};
pub use self::tally::{ShadowSummary, ShadowView};
use self::waiting::Waiting;
use crate::clock::{self, Timestamp};
use crate::delivery::ChainRecord;
use crate::ids::WebhookId;
use crate::plugin::{Catalog, Observer, StepSeen};
use crate::tasks::{self, OnPanic};
use crate::webhook::Webhook;

/// A step of a webhook's chain.
type Place = (WebhookId, usize);

/// Runs shadows. Cheap to clone; the thread ends with the last handle.
#[derive(Clone)]
pub struct Shadows {
    owner: Arc<Owner>,
}

/// Owned by the handles and not by the thread.
struct Owner {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Something waits, or it is over.
    work: Condvar,
    run: Box<Run>,
}

/// How a candidate is run.
type Run = dyn Fn(&StepSeen) -> Option<ChainRecord> + Send + Sync;

#[derive(Default)]
struct State {
    /// Of the shadows in force.
    tallies: BTreeMap<Place, Tally>,
    waiting: Waiting,
    closed: bool,
}

impl Shadows {
    /// # Errors
    /// When the operating system refuses the thread.
    pub fn start() -> std::io::Result<Self> {
        Self::start_with(StepSeen::run_shadow)
    }

    /// With another way to run a candidate, for tests.
    fn start_with(run: impl Fn(&StepSeen) -> Option<ChainRecord> + Send + Sync + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), work: Condvar::new(), run: Box::new(run) });
        let owner = Arc::new(Owner { shared: Arc::clone(&shared) });
        tasks::spawn_thread("transform-shadow", OnPanic::Log, move || shared.work())?;
        Ok(Self { owner })
    }

    /// Takes the steps of a first run, for [`crate::plugin::ChainJob`]. Never waits.
    pub fn observer(&self) -> Observer {
        let shared = Arc::clone(&self.owner.shared);
        Arc::new(move |steps| steps.into_iter().for_each(|step| shared.offer(step)))
    }

    /// Another revision is in force: what is as before counts on, what changed begins at zero.
    pub fn follow(&self, webhooks: &BTreeMap<WebhookId, Arc<Webhook>>, plugins: &Catalog, now: Timestamp) {
        let mut pairings = BTreeMap::new();
        for (id, webhook) in webhooks {
            let shadowed = webhook.plugins.iter().enumerate();
            let found = shadowed.filter_map(|(index, used)| Some((index, Pairing::of(used, plugins)?)));
            pairings.extend(found.map(|(index, pairing)| ((id.clone(), index), pairing)));
        }
        let mut state = self.owner.shared.lock();
        let mut known = std::mem::take(&mut state.tallies);
        let tally = |(place, pairing): (Place, Pairing)| {
            let tally = known.remove(&place).filter(|tally| *tally.pairing() == pairing);
            let tally = tally.unwrap_or_else(|| Tally::new(pairing, plugins, now));
            (place, tally)
        };
        state.tallies = pairings.into_iter().map(tally).collect();
    }

    /// All shadows in force, by webhook and step.
    pub fn summaries(&self) -> Vec<ShadowSummary> {
        let state = self.owner.shared.lock();
        state.tallies.iter().map(|((webhook, index), tally)| tally.summary(webhook, *index)).collect()
    }

    /// The same with their newest differences, of one webhook if one is named.
    pub fn views(&self, webhook: Option<&WebhookId>) -> Vec<ShadowView> {
        let state = self.owner.shared.lock();
        let wanted = state.tallies.iter().filter(|((id, _), _)| webhook.is_none_or(|webhook| webhook == id));
        wanted.map(|((webhook, index), tally)| tally.view(webhook, *index)).collect()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn offer(&self, step: StepSeen) {
        let mut state = self.lock();
        let State { tallies, waiting, closed } = &mut *state;
        // Of a revision that is not followed yet, or not any more: it is not what is counted here.
        let Some(tally) = tallies.get_mut(&place(&step)).filter(|tally| tally.takes(&step)) else { return };
        if *closed || !waiting.push(step) {
            tally.skip();
        }
        drop(state);
        self.work.notify_one();
    }

    /// The life of the thread.
    fn work(&self) {
        give_way();
        while let Some(step) = self.next() {
            let judgement = self.judge(&step);
            let mut state = self.lock();
            if let Some(tally) = state.tallies.get_mut(&place(&step)).filter(|tally| tally.takes(&step)) {
                tally.learn(&step, judgement, clock::now());
            }
        }
    }

    fn next(&self) -> Option<StepSeen> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(step) = state.waiting.pop() {
                return Some(step);
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whatever goes wrong in here must not cost the thread.
    fn judge(&self, step: &StepSeen) -> Judgement {
        let judged = catch_unwind(AssertUnwindSafe(|| Judgement::of(step, (self.run)(step))));
        judged.unwrap_or_else(|_| Judgement::Failed("the host panicked while running it".to_owned()))
    }

    /// No state is half-written if something panicked while it held the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far the thread gives way. Not altogether, as costly chains do: it takes a lock that transform threads wait for.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Lowers the priority of this thread. Elsewhere than on Linux priorities are the process's.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "shadows run with the priority of all others");
    }
}

fn place(step: &StepSeen) -> Place {
    (step.job().webhook.id.clone(), step.index())
}

#[cfg(test)]
mod tests;
