//! Holding what waits for a webhook, and releasing what was held, in steps: others' commits come between, so that a
//! backlog of millions stops nobody.

use rusqlite::params;

use super::rows::{Fields, rows_at_most};
use super::settle::unfinished;
use super::writer::Batch;
use crate::clock::Timestamp;
use crate::delivery::{HeldCause, State};
use crate::ids::{DeliveryId, WebhookId};
use crate::store::StoreError;

/// Rows changed in one commit: a few milliseconds.
pub(super) const STEP_ROWS: usize = 1000;

/// How far one step came.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) changed: u64,
    pub(super) next: Option<Cursor>,
}

/// Up to where everything is done.
pub(super) type Cursor = (WebhookId, DeliveryId);

impl Step {
    fn of(rows: &[Cursor]) -> Self {
        let next = if rows.len() < STEP_ROWS { None } else { rows.last().cloned() };
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

/// Holds the first that are ready; what is held is ready no more, so the next step finds the next.
pub(super) fn hold(batch: &mut Batch<'_>, hold: &Hold) -> Result<Step, StoreError> {
    let mut find = batch.connection.prepare_cached(FIND_READY)?;
    let mut rows = find.query(params![hold.webhook.as_str(), rows_at_most(STEP_ROWS)])?;
    let mut ready = Vec::new();
    while let Some(row) = rows.next()? {
        let fields = Fields::new("queue", row);
        batch.tally.move_one(unfinished(fields, 1)?, State::Held);
        ready.push((hold.webhook.clone(), fields.id(0, DeliveryId::from_bytes)?));
    }
    drop(rows);
    let mut update = batch.connection.prepare_cached(HOLD)?;
    let cause = hold.cause.to_string();
    for (_, id) in &ready {
        update.execute(params![id.to_bytes(), cause, hold.reason, hold.now.as_ms()])?;
    }
    Ok(Step::of(&ready))
}

/// What `release` asks for.
#[derive(Clone, Debug)]
pub(super) struct Release {
    pub(super) cause: HeldCause,
    pub(super) webhook: Option<WebhookId>,
    pub(super) now: Timestamp,
}

/// Releases the first that come after `after`: what is held anew meanwhile is not met twice.
pub(super) fn release(batch: &mut Batch<'_>, release: &Release, after: Option<&Cursor>) -> Result<Step, StoreError> {
    let held = find_held(batch, release, after)?;
    let mut update = batch.connection.prepare_cached(RELEASE)?;
    for (_, id) in &held {
        update.execute(params![id.to_bytes(), release.now.as_ms()])?;
        batch.tally.move_one(State::Held, State::Pending);
    }
    Ok(Step::of(&held))
}

fn find_held(batch: &Batch<'_>, release: &Release, after: Option<&Cursor>) -> Result<Vec<Cursor>, StoreError> {
    let cause = release.cause.to_string();
    let (webhook, id) = match (after, &release.webhook) {
        (Some((webhook, id)), _) => (webhook.as_str(), id.to_bytes()),
        (None, Some(webhook)) => (webhook.as_str(), [0; 16]),
        (None, None) => ("", [0; 16]),
    };
    let sql = if release.webhook.is_some() { FIND_HELD_OF_WEBHOOK } else { FIND_HELD };
    let mut find = batch.connection.prepare_cached(sql)?;
    let mut rows = find.query(params![cause, webhook, id, rows_at_most(STEP_ROWS)])?;
    let mut held = Vec::new();
    while let Some(row) = rows.next()? {
        let fields = Fields::new("queue", row);
        held.push((fields.parse(1)?, fields.id(0, DeliveryId::from_bytes)?));
    }
    Ok(held)
}

const FIND_READY: &str = "SELECT id, state FROM queue INDEXED BY queue_ready \
     WHERE owner IS NULL AND held_for IS NULL AND webhook = ?1 LIMIT ?2";

const HOLD: &str = "UPDATE queue SET state = 'held', held_for = ?2, reason = ?3, changed = ?4 WHERE id = ?1";

const FIND_HELD: &str = "SELECT id, webhook FROM queue INDEXED BY queue_held \
     WHERE held_for = ?1 AND (webhook, id) > (?2, ?3) ORDER BY webhook, id LIMIT ?4";

const FIND_HELD_OF_WEBHOOK: &str = "SELECT id, webhook FROM queue INDEXED BY queue_held \
     WHERE held_for = ?1 AND webhook = ?2 AND id > ?3 ORDER BY id LIMIT ?4";

const RELEASE: &str = "UPDATE queue SET state = 'pending', held_for = NULL, reason = NULL, due = ?2, changed = ?2 \
     WHERE id = ?1";
