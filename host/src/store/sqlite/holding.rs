//! Holding what waits for a webhook, and releasing what was held, in steps: others' commits come between, so that a
//! backlog of millions stops nobody.

use rusqlite::params;

use super::rows::{Fields, rows_at_most};
use super::settle::unfinished;
use super::windows;
use super::writer::Batch;
use crate::clock::Timestamp;
use crate::delivery::{HeldCause, State};
use crate::ids::{DeliveryId, WebhookId};
use crate::store::{HeldFor, StoreError};

/// Rows changed in one commit: a few milliseconds.
pub(super) const STEP_ROWS: usize = 1000;

/// How far one step came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) changed: u64,
    /// Up to where everything is done; none: everywhere.
    pub(super) next: Option<DeliveryId>,
}

impl Step {
    fn of(rows: &[DeliveryId]) -> Self {
        let next = if rows.len() < STEP_ROWS { None } else { rows.last().copied() };
        Self { changed: rows.len() as u64, next }
    }
}

/// What `hold` asks for.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) webhook: WebhookId,
    pub(super) cause: HeldCause,
    pub(super) reason: String,
    pub(super) now: Timestamp,
}

/// Holds the first that are ready, then the first that are behind in their lanes. What is held is found no more, so
/// the next step finds the next.
pub(super) fn hold(batch: &mut Batch<'_>, hold: &Hold) -> Result<Step, StoreError> {
    let mut found = hold_found(batch, hold, FIND_READY, STEP_ROWS)?;
    let rest = STEP_ROWS.saturating_sub(found.len());
    if rest > 0 {
        found.extend(hold_found(batch, hold, FIND_BEHIND, rest)?);
    }
    Ok(Step::of(&found))
}

fn hold_found(batch: &mut Batch<'_>, hold: &Hold, sql: &str, limit: usize) -> Result<Vec<DeliveryId>, StoreError> {
    let mut find = batch.connection.prepare_cached(sql)?;
    let mut rows = find.query(params![hold.webhook.as_str(), rows_at_most(limit)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let fields = Fields::new("queue", row);
        batch.tally.move_one(unfinished(fields, 1)?, State::Held);
        let id = fields.id(0, DeliveryId::from_bytes)?;
        if fields.get(2)? {
            windows::close(batch.connection, id)?;
        }
        found.push(id);
    }
    drop(rows);
    let mut update = batch.connection.prepare_cached(HOLD)?;
    let cause = hold.cause.to_string();
    for id in &found {
        update.execute(params![id.to_bytes(), cause, hold.reason, hold.now.as_ms()])?;
    }
    Ok(found)
}

/// What `release` asks for.
#[derive(Clone, Debug)]
pub(super) struct Release {
    pub(super) webhook: WebhookId,
    pub(super) held: HeldFor,
    pub(super) now: Timestamp,
}

/// Releases the first that come after `after`: what is held anew meanwhile is not met twice.
pub(super) fn release(batch: &mut Batch<'_>, release: &Release, after: Option<DeliveryId>) -> Result<Step, StoreError> {
    let held = find_held(batch, release, after)?;
    let mut update = batch.connection.prepare_cached(RELEASE)?;
    for id in &held {
        update.execute(params![id.to_bytes(), release.now.as_ms()])?;
        batch.tally.move_one(State::Held, State::Pending);
    }
    Ok(Step::of(&held))
}

fn find_held(batch: &Batch<'_>, release: &Release, after: Option<DeliveryId>) -> Result<Vec<DeliveryId>, StoreError> {
    let (sql, causes) = match &release.held {
        HeldFor::Cause(cause) => (FIND_HELD, cause.to_string()),
        HeldFor::PluginsExcept(causes) => (FIND_HELD_FOR_PLUGINS, serde_json::json!(causes).to_string()),
    };
    let after = after.map_or([0; 16], DeliveryId::to_bytes);
    let mut find = batch.connection.prepare_cached(sql)?;
    let mut rows = find.query(params![release.webhook.as_str(), causes, after, rows_at_most(STEP_ROWS)])?;
    let mut held = Vec::new();
    while let Some(row) = rows.next()? {
        held.push(Fields::new("queue", row).id(0, DeliveryId::from_bytes)?);
    }
    Ok(held)
}

const FIND_READY: &str = "SELECT id, state, debounced FROM queue INDEXED BY queue_ready \
     WHERE owner IS NULL AND held_for IS NULL AND behind = 0 AND webhook = ?1 LIMIT ?2";

const FIND_BEHIND: &str = "SELECT id, state, debounced FROM queue INDEXED BY queue_behind \
     WHERE behind = 1 AND held_for IS NULL AND webhook = ?1 LIMIT ?2";

pub(super) const HOLD: &str =
    "UPDATE queue SET owner = NULL, state = 'held', held_for = ?2, reason = ?3, changed = ?4 WHERE id = ?1";

const FIND_HELD: &str = "SELECT id FROM queue INDEXED BY queue_held \
     WHERE webhook = ?1 AND held_for = ?2 AND id > ?3 ORDER BY id LIMIT ?4";

/// `;` follows `:` in ASCII: the range is every cause that begins with `plugin:`.
const FIND_HELD_FOR_PLUGINS: &str = "SELECT id FROM queue INDEXED BY queue_held \
     WHERE webhook = ?1 AND held_for >= 'plugin:' AND held_for < 'plugin;' \
       AND held_for NOT IN (SELECT value FROM json_each(?2)) AND id > ?3 ORDER BY id LIMIT ?4";

/// Another version or config of a plugin starts with all its runs, and what a person lets go with no crash.
pub(super) const RELEASE: &str = "UPDATE queue SET state = 'pending', held_for = NULL, reason = NULL, due = ?2, changed = ?2, \
     runs = CASE WHEN held_for LIKE 'plugin:%' THEN 0 ELSE runs END, \
     crashes = CASE held_for WHEN 'crashed' THEN 0 ELSE crashes END WHERE id = ?1";

#[cfg(test)]
mod tests {
    use super::super::schema::tests::{fresh, plan};
    use super::*;

    #[test]
    fn a_step_reads_what_it_changes_only() {
        let connection = fresh();
        assert_eq!(plan(&connection, FIND_READY), "SEARCH queue USING INDEX queue_ready (webhook=?)");
        assert_eq!(plan(&connection, FIND_BEHIND), "SEARCH queue USING INDEX queue_behind (webhook=?)");
    }
}
