//! Stored events tried under other files: what these would refuse, match, drop or deliver otherwise than it is recorded.
//!
//! Each chain is run under the conditions of its record (run number, clock, seed), so that a plugin that did not change
//! never differs. What was not run yet is counted, not compared. Reads a store and a revision; writes and sends nothing.
//! Memory is bounded by pages of events, a few of them at a time, and by as many differences as are shown.

mod pages;
mod report;
mod rules;
mod selection;
mod trial;

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;

use self::pages::Events;
pub use self::report::Report;
pub use self::selection::{Selection, SelectionError};
use self::trial::Trial;
use crate::clock::Timestamp;
use crate::ids::EventId;
use crate::revision::Revision;
use crate::store::StoreError;
use crate::store::sqlite::{OpenError, ReadOnly};
use crate::transform::{Closed, TransformPool};

/// Events under way at once for each thread that runs chains: one is run while the next is read.
const EVENTS_PER_THREAD: usize = 2;

/// What is tried, and on which events.
pub struct Against {
    pub revision: Arc<Revision>,
    pub store: ReadOnly,
    pub selection: Selection,
    /// For [`Selection::Since`].
    pub now: Timestamp,
    /// Differences that are reported in full; the others are counted.
    pub show: usize,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum AgainstError {
    #[error("there is no event {0} in the store")]
    NoEvent(EventId),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Closed(#[from] Closed),
    #[error("failed to start the transform threads")]
    Threads(#[source] std::io::Error),
}

impl Against {
    /// Tries all selected events, newest first. `progress` is told after each.
    ///
    /// # Errors
    /// When the store cannot be read, or changed in a way that cannot be followed.
    pub async fn run(self, mut progress: impl FnMut(&Report)) -> Result<Report, AgainstError> {
        let Self { revision, store, selection, now, show } = self;
        let limits = &revision.server.plugins;
        let [threads, large_at_once] =
            [limits.threads, limits.large_at_once].map(|count| usize::try_from(count.get()).unwrap_or(usize::MAX));
        let transform = TransformPool::start(threads, large_at_once, None).map_err(AgainstError::Threads)?;
        let run_states = store.run_states().await?;
        let trial = Trial { revision: &revision, store: &store, transform: &transform, run_states: &run_states };
        let mut report = Report::new(show);
        let mut events = Events::new(&store, selection, now);
        while let Some(page) = events.next().await? {
            let at_once = threads.saturating_mul(EVENTS_PER_THREAD);
            let mut found = stream::iter(page).map(|event| trial.event(event)).buffered(at_once);
            while let Some(findings) = found.next().await {
                report.add(findings?);
                progress(&report);
            }
        }
        let mut refused = events.refused();
        while let Some(page) = refused.next().await? {
            for entry in &page {
                report.add_quarantined(entry, rules::admitted(&revision, entry));
            }
        }
        store.close().await?;
        Ok(report)
    }
}
