//! Counters: what a batch changed is added up in memory and written once, in the same commit.

use rusqlite::{Connection, OptionalExtension as _};

use super::rows::Fields;
use crate::delivery::State;
use crate::store::{Counts, StoreError};

/// Changes of the counters.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) events: i64,
    pub(super) quarantined: i64,
    pub(super) quarantine_bytes: i64,
    /// Events that were gathered, and not the one their delivery carried in the end.
    pub(super) superseded: i64,
    pending: i64,
    retrying: i64,
    held: i64,
    delivered: i64,
    dropped: i64,
    failed: i64,
}

impl Tally {
    pub(super) const fn appear(&mut self, state: State, count: i64) {
        *self.of(state) += count;
    }

    pub(super) const fn move_one(&mut self, from: State, to: State) {
        *self.of(from) -= 1;
        *self.of(to) += 1;
    }

    const fn of(&mut self, state: State) -> &mut i64 {
        match state {
            State::Pending => &mut self.pending,
            State::Retrying => &mut self.retrying,
            State::Held => &mut self.held,
            State::Delivered => &mut self.delivered,
            State::Dropped => &mut self.dropped,
            State::Superseded => &mut self.superseded,
            State::Failed => &mut self.failed,
        }
    }

    /// The parameters of [`ADD`].
    pub(super) const fn changes(&self) -> [i64; 10] {
        [
            self.events,
            self.pending,
            self.retrying,
            self.held,
            self.delivered,
            self.dropped,
            self.superseded,
            self.failed,
            self.quarantined,
            self.quarantine_bytes,
        ]
    }
}

pub(super) fn counts(connection: &Connection) -> Result<Counts, StoreError> {
    let mut statement = connection.prepare_cached(READ)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Err(super::rows::corrupt("counters: the row is missing")) };
    let fields = Fields::new("counters", row);
    let count = |column| Ok::<_, StoreError>(u64::try_from(fields.get::<i64>(column)?).unwrap_or(0));
    Ok(Counts {
        events: count(1)?,
        pending: count(2)?,
        retrying: count(3)?,
        held: count(4)?,
        delivered: count(5)?,
        dropped: count(6)?,
        superseded: count(7)?,
        failed: count(8)?,
        quarantined: count(9)?,
    })
}

/// How many bodies quarantine holds, and their bytes; as of before this batch.
pub(super) fn quarantine(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    let mut statement = connection.prepare_cached("SELECT quarantined, quarantine_bytes FROM counters")?;
    let found = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.unwrap_or_default())
}

pub(super) const ADD: &str = "UPDATE counters SET events = events + ?1, pending = pending + ?2, retrying = retrying + ?3, \
     held = held + ?4, delivered = delivered + ?5, dropped = dropped + ?6, superseded = superseded + ?7, \
     failed = failed + ?8, quarantined = quarantined + ?9, quarantine_bytes = quarantine_bytes + ?10 WHERE id = 1";

const READ: &str = "SELECT id, events, pending, retrying, held, delivered, dropped, superseded, failed, quarantined \
     FROM counters";
