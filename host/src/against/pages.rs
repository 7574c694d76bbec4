//! The selected events, and what was refused in their time: page by page, newest first.

use super::{AgainstError, Selection};
use crate::clock::Timestamp;
use crate::event::Event;
use crate::ids::{EventId, QuarantineId};
use crate::store::sqlite::ReadOnly;
use crate::store::{Quarantined, StoreError};

/// Read at a time; fewer when they are large.
const PAGE: usize = 50;

pub(super) struct Events<'a> {
    store: &'a ReadOnly,
    selection: Selection,
    /// Older ones are not wanted.
    oldest: Option<Timestamp>,
    /// So many more are.
    left: u64,
    before: Option<EventId>,
    /// When the last one that was read was received.
    reached: Option<Timestamp>,
}

/// Entries of quarantine.
pub(super) struct Refused<'a> {
    store: &'a ReadOnly,
    oldest: Option<Timestamp>,
    left: u64,
    before: Option<QuarantineId>,
}

impl<'a> Events<'a> {
    pub(super) fn new(store: &'a ReadOnly, selection: Selection, now: Timestamp) -> Self {
        let (oldest, left) = match selection {
            Selection::Last(count) => (None, count),
            Selection::Since(age) => (Some(now.before(age)), u64::MAX),
            Selection::One(_) => (None, 1),
        };
        Self { store, selection, oldest, left, before: None, reached: None }
    }

    /// None: that was all.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Event>>, AgainstError> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut page = match self.selection {
            Selection::One(id) => vec![self.store.event(id).await?.ok_or(AgainstError::NoEvent(id))?],
            _ => self.store.events(self.before, wanted(self.left)).await?,
        };
        page.retain(|event| self.oldest.is_none_or(|oldest| event.received >= oldest));
        let Some(last) = page.last() else {
            // There are fewer than were asked for: all that was refused is of their time.
            self.reached = None;
            return Ok(None);
        };
        (self.before, self.reached) = (Some(last.id), Some(last.received));
        self.left = self.left.saturating_sub(page.len() as u64);
        Ok(Some(page))
    }

    /// What was refused in the time of the events that were read.
    pub(super) fn refused(self) -> Refused<'a> {
        let (oldest, left) = match self.selection {
            Selection::Last(count) => (self.reached, count),
            Selection::Since(_) => (self.oldest, u64::MAX),
            Selection::One(_) => (None, 0),
        };
        Refused { store: self.store, oldest, left, before: None }
    }
}

impl Refused<'_> {
    /// None: that was all.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Quarantined>>, StoreError> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut page = self.store.quarantined(self.before, wanted(self.left)).await?;
        page.retain(|entry| self.oldest.is_none_or(|oldest| entry.received >= oldest));
        self.before = page.last().map(|entry| entry.id);
        self.left = self.left.saturating_sub(page.len() as u64);
        Ok((!page.is_empty()).then_some(page))
    }
}

fn wanted(left: u64) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(PAGE)
}
