//! Unfinished deliveries that a person hurries or gives up. What somebody has leased is left alone.

use rusqlite::params;

use super::holding;
use super::parcel::Leases;
use super::rows::{Fields, rows_at_most};
use super::settle::unfinished;
use super::writer::Batch;
use super::{places, windows};
use crate::clock::Timestamp;
use crate::delivery::State;
use crate::ids::{DeliveryId, WebhookId};
use crate::store::{Discarded, DiscardedHeld, Lane, Retried, StoreError};

/// Rows given up in one commit: each is moved to another table.
const STEP_ROWS: usize = 200;

/// A row of the queue.
struct Row {
    state: State,
    lane: Lane,
    leased: bool,
    ordered: bool,
    rewritten: Option<i64>,
}

enum Found {
    Unfinished(Row),
    Finished(State),
    Absent,
}

pub(super) fn retry(batch: &mut Batch<'_>, id: DeliveryId, now: Timestamp) -> Result<Retried, StoreError> {
    let row = match find(batch, id)? {
        Found::Unfinished(row) => row,
        Found::Finished(state) => return Ok(Retried::Finished(state)),
        Found::Absent => return Ok(Retried::Absent),
    };
    let sql = match row.state {
        _ if row.leased => return Ok(Retried::UnderWay),
        State::Held => holding::RELEASE,
        State::Retrying => DUE_NOW,
        _ => return Ok(Retried::Waiting),
    };
    batch.connection.prepare_cached(sql)?.execute(params![id.to_bytes(), now.as_ms()])?;
    if row.state == State::Held {
        batch.tally.move_one(State::Held, State::Pending);
    }
    Ok(Retried::Due(row.lane))
}

pub(super) fn discard(
    batch: &mut Batch<'_>,
    id: DeliveryId,
    reason: &str,
    now: Timestamp,
) -> Result<Discarded, StoreError> {
    let row = match find(batch, id)? {
        Found::Unfinished(row) => row,
        Found::Finished(state) => return Ok(Discarded::Finished(state)),
        Found::Absent => return Ok(Discarded::Absent),
    };
    if row.leased {
        return Ok(Discarded::UnderWay);
    }
    give_up(batch, id, &row, reason, now)?;
    Ok(Discarded::Done(row.lane))
}

/// The first that are held; what is given up is held no more, so the next step finds the next.
pub(super) fn discard_held(
    batch: &mut Batch<'_>,
    webhook: &WebhookId,
    reason: &str,
    now: Timestamp,
) -> Result<DiscardedHeld, StoreError> {
    let mut statement = batch.connection.prepare_cached(FIND_HELD)?;
    let mut rows = statement.query(params![webhook.as_str(), rows_at_most(STEP_ROWS)])?;
    let mut held = Vec::new();
    while let Some(row) = rows.next()? {
        held.push(Fields::new("queue", row).id(0, DeliveryId::from_bytes)?);
    }
    drop(rows);
    let mut lanes = Vec::with_capacity(held.len());
    for id in &held {
        if let Found::Unfinished(row) = find(batch, *id)? {
            give_up(batch, *id, &row, reason, now)?;
            lanes.push(row.lane);
        }
    }
    Ok(DiscardedHeld { lanes, more: held.len() == STEP_ROWS })
}

fn find(batch: &Batch<'_>, id: DeliveryId) -> Result<Found, StoreError> {
    let mut statement = batch.connection.prepare_cached(FIND)?;
    let mut rows = statement.query([id.to_bytes()])?;
    if let Some(row) = rows.next()? {
        let fields = Fields::new("queue", row);
        return Ok(Found::Unfinished(Row {
            state: unfinished(fields, 1)?,
            lane: Lane { webhook: fields.parse(2)?, key: fields.text(3)?.into() },
            leased: fields.get(4)?,
            ordered: fields.get(5)?,
            rewritten: fields.get(6)?,
        }));
    }
    let mut statement = batch.connection.prepare_cached("SELECT id, state FROM deliveries WHERE id = ?1")?;
    let mut rows = statement.query([id.to_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(Found::Absent) };
    let fields = Fields::new("deliveries", row);
    let state = State::from_name(fields.text(1)?).ok_or_else(|| fields.corrupt(1, &"not a state"))?;
    Ok(Found::Finished(state))
}

/// Moves it to history as failed. What its chain made of it and its attempts stay on record.
fn give_up(batch: &mut Batch<'_>, id: DeliveryId, row: &Row, reason: &str, now: Timestamp) -> Result<(), StoreError> {
    let connection = batch.connection;
    connection.prepare_cached(FINISH)?.execute(params![id.to_bytes(), now.as_ms(), reason, row.rewritten])?;
    connection.prepare_cached("DELETE FROM rewritten WHERE seq = ?1")?.execute([row.rewritten])?;
    windows::close(connection, id)?;
    batch.tally.superseded += windows::superseded(connection, id)?;
    batch.hot.take_off(connection)?.execute([id.to_bytes()])?;
    batch.tally.move_one(row.state, State::Failed);
    if row.ordered {
        places::advance(batch, &row.lane)?;
    }
    Ok(())
}

impl Leases for Retried {}
impl Leases for Discarded {}
impl Leases for DiscardedHeld {}

const FIND: &str = "SELECT id, state, webhook, lane_key, owner IS NOT NULL, place IS NOT NULL, rewritten \
     FROM queue WHERE id = ?1";

const DUE_NOW: &str = "UPDATE queue SET due = ?2 WHERE id = ?1";

const FIND_HELD: &str = "SELECT id FROM queue INDEXED BY queue_held \
     WHERE webhook = ?1 AND held_for IS NOT NULL LIMIT ?2";

const FINISH: &str = "INSERT INTO deliveries (id, event, webhook, state, created, changed, attempts, runs, reason, chain, \
     rewritten, replay_of) SELECT id, event, webhook, 'failed', created, ?2, attempts, runs, ?3, chain, \
     (SELECT data FROM rewritten WHERE seq = ?4), replay_of FROM queue WHERE id = ?1";

#[cfg(test)]
mod tests {
    use super::super::schema::tests::{fresh, plan};
    use super::*;

    #[test]
    fn the_cost_follows_what_is_given_up() {
        let connection = fresh();
        for sql in [FIND, FIND_HELD] {
            let plan = plan(&connection, sql);
            assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN"), "{sql}: {plan}");
        }
    }
}
