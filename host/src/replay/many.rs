//! Runs of many replays: selected by a filter, counted, then made one after the other. Bounded: so many at once, so many
//! remembered, so few deliveries in memory. Kept in memory alone, so they end with the host; what was replayed is told by
//! `replayOf`, and how far a run came by its `reached`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Content, ManyError, Mode, Parts, ReplayError, Replays};
use crate::clock::{self, Timestamp};
use crate::delivery::State;
use crate::ids::{DeliveryId, ReplayId, WebhookId};
use crate::pattern::EventPattern;
use crate::store::{LeftOut, Selected, Selection, StoreError};
use crate::tasks::{self, OnPanic};

/// Runs under way at once.
const MOST_RUNNING: usize = 2;
/// Runs that are remembered, those under way among them.
const MOST_REMEMBERED: usize = 20;
/// Replays under way at once in a run: they share commits, and their events are in memory together.
const AT_ONCE: usize = 16;
/// While the store is busy, a run waits so long between two tries.
const BUSY_PAUSE: Duration = Duration::from_millis(500);
/// Different reasons that are counted; what comes beyond is counted as one.
const MOST_REASONS: usize = 16;

/// Which deliveries to replay, and how.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub webhook: WebhookId,
    pub state: State,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub event_type: Option<EventPattern>,
    pub mode: Mode,
    /// Also what was replayed already, and what somebody gave up.
    pub again: bool,
}

/// How many deliveries fit what is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub count: u64,
    /// Beyond these.
    pub left_out: LeftOut,
}

/// A run as people and programs look at it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    pub id: ReplayId,
    pub webhook: WebhookId,
    pub mode: Mode,
    /// Also what was replayed already, and what somebody gave up.
    pub again: bool,
    /// Of the deliveries that are replayed.
    pub of_state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What was made later is left alone, this run's own replays too.
    pub until: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    pub started: Timestamp,
    #[serde(flatten)]
    pub progress: Progress,
}

/// How far a run came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    pub state: RunState,
    /// How many fit; none: still counting.
    pub counted: Option<u64>,
    /// How many fit as well, and are not replayed again.
    pub left_out: LeftOut,
    pub done: u64,
    pub refused: u64,
    pub reasons: BTreeMap<String, u64>,
    /// When the last one that was looked at was made: another run with `since` goes on from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    Running,
    Done,
    Cancelled,
    Failed,
}

/// The runs of this host, oldest first.
#[derive(Default)]
pub(super) struct Runs(Mutex<VecDeque<Arc<Run>>>);

struct Run {
    id: ReplayId,
    wanted: Wanted,
    until: Timestamp,
    started: Timestamp,
    progress: Mutex<Progress>,
    cancel: CancellationToken,
}

impl Replays {
    /// How many would be replayed, how many fit as well, and up to which time: a run with this `until` finds the same.
    ///
    /// # Errors
    /// When nothing of the kind can be replayed, or the store fails.
    pub async fn count(&self, wanted: &Wanted, now: Timestamp) -> Result<(Counted, Timestamp), ManyError> {
        self.judge(wanted)?;
        let until = wanted.until.map_or(now, |until| until.min(now));
        Ok((count(&self.parts, &wanted.selection(until)).await?, until))
    }

    /// Begins a run.
    ///
    /// # Errors
    /// When nothing of the kind can be replayed, or too many runs are under way.
    pub fn begin(&self, wanted: Wanted, now: Timestamp) -> Result<RunView, ManyError> {
        self.judge(&wanted)?;
        let run = Arc::new(Run {
            id: ReplayId::generate(now),
            until: wanted.until.map_or(now, |until| until.min(now)),
            wanted,
            started: now,
            progress: Mutex::new(Progress::new()),
            cancel: self.parts.stop.child_token(),
        });
        self.runs.remember(&run)?;
        tasks::spawn("replays", OnPanic::Log, go(Arc::clone(&self.parts), Arc::clone(&run)));
        Ok(run.view())
    }

    /// Newest first.
    pub fn list(&self) -> Vec<RunView> {
        self.runs.lock().iter().rev().map(|run| run.view()).collect()
    }

    /// # Errors
    /// When it is not remembered.
    pub fn run(&self, id: ReplayId) -> Result<RunView, ManyError> {
        self.runs.find(id).map(|run| run.view())
    }

    /// What is replayed stays so; the rest is not.
    ///
    /// # Errors
    /// When it is not remembered.
    pub fn cancel(&self, id: ReplayId) -> Result<RunView, ManyError> {
        let run = self.runs.find(id)?;
        run.cancel.cancel();
        Ok(run.view())
    }

    fn judge(&self, wanted: &Wanted) -> Result<(), ManyError> {
        match (wanted.state, wanted.mode) {
            (State::Pending | State::Retrying, _) => return Err(ManyError::Unfinished(wanted.state)),
            (State::Failed | State::Delivered, _) | (_, Mode::Today) => {}
            (state, Mode::Recorded) => return Err(ManyError::NeedsToday(state)),
        }
        Ok(self.parts.takes(&wanted.webhook)?)
    }
}

impl Wanted {
    fn selection(&self, until: Timestamp) -> Selection {
        Selection {
            webhook: Some(self.webhook.clone()),
            state: self.state,
            since: self.since,
            until: Some(until),
            event_type: self.event_type.clone(),
            untouched: !self.again,
        }
    }
}

impl Runs {
    /// Forgets the oldest that ended, if there are too many.
    fn remember(&self, run: &Arc<Run>) -> Result<(), ManyError> {
        let mut runs = self.lock();
        let running: Vec<String> = runs.iter().filter(|run| run.is_running()).map(|run| run.id.to_string()).collect();
        if running.len() >= MOST_RUNNING {
            return Err(ManyError::Busy(running.join(", ")));
        }
        if runs.len() >= MOST_REMEMBERED
            && let Some(oldest) = runs.iter().position(|run| !run.is_running())
        {
            runs.remove(oldest);
        }
        runs.push_back(Arc::clone(run));
        Ok(())
    }

    fn find(&self, id: ReplayId) -> Result<Arc<Run>, ManyError> {
        self.lock().iter().find(|run| run.id == id).cloned().ok_or(ManyError::Absent(id))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Run>>> {
        // Every change is one call on the list.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        // Numbers that are right one by one.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_running(&self) -> bool {
        self.progress().state == RunState::Running
    }

    fn view(&self) -> RunView {
        let Wanted { webhook, state, since, event_type, mode, again, until: _ } = &self.wanted;
        RunView {
            id: self.id,
            webhook: webhook.clone(),
            mode: *mode,
            again: *again,
            of_state: *state,
            since: *since,
            until: self.until,
            event_type: event_type.as_ref().map(ToString::to_string),
            started: self.started,
            progress: self.progress().clone(),
        }
    }
}

impl Progress {
    fn new() -> Self {
        Self {
            state: RunState::Running,
            counted: None,
            left_out: LeftOut::default(),
            done: 0,
            refused: 0,
            reasons: BTreeMap::new(),
            reached: None,
            ended: None,
            error: None,
        }
    }

    fn refuse(&mut self, reason: String) {
        self.refused += 1;
        let is_new = !self.reasons.contains_key(&reason);
        let reason = if is_new && self.reasons.len() >= MOST_REASONS { "other reasons".to_owned() } else { reason };
        *self.reasons.entry(reason).or_default() += 1;
    }
}

/// The life of a run. It ends in some state, also by a panic.
async fn go(parts: Arc<Parts>, run: Arc<Run>) {
    let mut end =
        End { run: &run, state: RunState::Failed, error: Some("it broke; the host's log says why".to_owned()) };
    let cancelled = run.cancel.run_until_cancelled(replay_all(&parts, &run)).await;
    (end.state, end.error) = match cancelled {
        None => (RunState::Cancelled, None),
        Some(Ok(())) => (RunState::Done, None),
        Some(Err(error)) => {
            tracing::error!(run = %run.id, %error, "a run of replays failed");
            (RunState::Failed, Some(error.to_string()))
        }
    };
}

struct End<'r> {
    run: &'r Run,
    state: RunState,
    error: Option<String>,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut progress = self.run.progress();
        progress.state = self.state;
        progress.error = self.error.take();
        progress.ended = Some(clock::now());
    }
}

async fn replay_all(parts: &Parts, run: &Run) -> Result<(), StoreError> {
    let selection = run.wanted.selection(run.until);
    let counted = count(parts, &selection).await?;
    {
        let mut progress = run.progress();
        (progress.counted, progress.left_out) = (Some(counted.count), counted.left_out);
    }
    let mut after = None;
    loop {
        let Selected { found, next, left_out: _ } =
            unless_busy(|| parts.upkeep.select(selection.clone(), after)).await?;
        for some in found.chunks(AT_ONCE) {
            replay_some(parts, run, some).await?;
        }
        after = next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn replay_some(parts: &Parts, run: &Run, some: &[DeliveryId]) -> Result<(), StoreError> {
    let outcomes = join_all(some.iter().map(|id| replay_one(parts, run.wanted.mode, *id))).await;
    let mut progress = run.progress();
    progress.reached = some.last().map(|id| id.time());
    for outcome in outcomes {
        match outcome {
            Ok(()) => progress.done += 1,
            Err(ReplayError::Store(error)) => return Err(error),
            Err(refused) => progress.refuse(refused.in_short()),
        }
    }
    Ok(())
}

async fn replay_one(parts: &Parts, mode: Mode, id: DeliveryId) -> Result<(), ReplayError> {
    loop {
        match parts.replay(id, Content::As(mode), clock::now()).await {
            Err(ReplayError::Store(StoreError::Busy)) => tokio::time::sleep(BUSY_PAUSE).await,
            outcome => return outcome.map(drop),
        }
    }
}

async fn count(parts: &Parts, selection: &Selection) -> Result<Counted, StoreError> {
    let (mut counted, mut after) = (Counted::default(), None);
    loop {
        let Selected { found, next, left_out } = unless_busy(|| parts.upkeep.select(selection.clone(), after)).await?;
        counted.count += found.len() as u64;
        counted.left_out += left_out;
        after = next;
        if after.is_none() {
            return Ok(counted);
        }
    }
}

/// Asks again as long as the store is busy.
async fn unless_busy<T, F>(mut ask: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        match ask().await {
            Err(StoreError::Busy) => tokio::time::sleep(BUSY_PAUSE).await,
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_capped_and_counted() {
        let mut progress = Progress::new();
        for number in 0..100 {
            progress.refuse(format!("reason {}", number % 50));
        }
        assert_eq!((progress.refused, progress.reasons.len()), (100, MOST_REASONS + 1));
        assert_eq!(progress.reasons.values().sum::<u64>(), 100);
    }

    fn run(state: RunState) -> Arc<Run> {
        let wanted = Wanted {
            webhook: "site".parse().expect("an id"),
            state: State::Failed,
            since: None,
            until: None,
            event_type: None,
            mode: Mode::Recorded,
            again: false,
        };
        let now = Timestamp::from_ms(0);
        let progress = Mutex::new(Progress { state, ..Progress::new() });
        let cancel = CancellationToken::new();
        Arc::new(Run { id: ReplayId::generate(now), wanted, until: now, started: now, progress, cancel })
    }

    #[test]
    fn few_run_at_once_and_not_many_are_remembered() {
        let runs = Runs::default();
        let first = run(RunState::Running);
        runs.remember(&first).expect("room");
        for _ in 0..MOST_REMEMBERED + 5 {
            runs.remember(&run(RunState::Done)).expect("room");
        }
        assert_eq!(runs.lock().len(), MOST_REMEMBERED);
        runs.find(first.id).expect("what is under way is not forgotten");
        runs.remember(&run(RunState::Running)).expect("a second one");
        let third = run(RunState::Running);
        assert!(
            matches!(runs.remember(&third), Err(ManyError::Busy(running)) if running.contains(&first.id.to_string()))
        );
    }
}
