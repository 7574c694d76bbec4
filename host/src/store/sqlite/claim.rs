//! Leasing the due deliveries of one lane, by the index of what is ready: the cost follows the page, not the backlog.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Rows, params};

use super::rows::{self, Fields, rows_at_most};
use super::windows;
use super::writer::Batch;
use crate::clock::Timestamp;
use crate::delivery::{ChainRecord, ChainVerdict};
use crate::event::Event;
use crate::ids::{DeliveryId, EventId};
use crate::store::{Claim, Claimed, Lane, LaneDue, Lease, LeaseToken, PAGE_ROWS, StoreError};

/// When a delivery that cannot be read is looked at again.
const UNREADABLE_PAUSE: Duration = Duration::from_hours(1);

pub(super) fn claim(batch: &mut Batch<'_>, claim: &Claim) -> Result<Claimed, StoreError> {
    let leases = due(batch, claim)?;
    if !leases.is_empty() {
        batch.begin_leasing(claim.now)?;
    }
    let mut lease = batch.connection.prepare_cached(LEASE)?;
    for Lease { token, .. } in &leases {
        lease.execute(params![token.delivery.to_bytes(), token.epoch, token.fence])?;
    }
    Ok(Claimed { next_due: next_due(batch.connection, &claim.lane)?, leases })
}

/// The deliveries to lease, as they will be once leased. One that cannot be read is put off: it must not stop the others
/// of its lane, and is not given up, as a damaged file may be restored.
fn due(batch: &Batch<'_>, claim: &Claim) -> Result<Vec<Lease>, StoreError> {
    let lane = &claim.lane;
    let mut statement = batch.connection.prepare_cached(FIND_DUE)?;
    let mut rows =
        statement.query(params![lane.webhook.as_str(), &*lane.key, claim.now.as_ms(), rows_at_most(claim.limit)])?;
    let mut events = Events { connection: batch.connection, known: HashMap::new() };
    let (mut leases, mut unreadable, mut bytes) = (Vec::new(), Vec::new(), 0_usize);
    while let Some(row) = rows.next()? {
        let lease = match lease(batch, lane, Fields::new("queue", row), &mut events) {
            Ok(lease) => lease,
            Err(StoreError::Corrupt(place)) => {
                tracing::error!(webhook = %lane.webhook, %place, "a delivery cannot be read; looking again in an hour");
                unreadable.push(row.get::<_, Vec<u8>>(0)?);
                continue;
            }
            Err(error) => return Err(error),
        };
        let rewritten = lease.chain.as_ref().and_then(ChainRecord::data).map_or(0, Bytes::len);
        bytes = bytes.saturating_add(lease.event.weight()).saturating_add(rewritten);
        leases.push(lease);
        if bytes >= claim.max_bytes {
            break;
        }
    }
    let mut put_off = batch.connection.prepare_cached(PUT_OFF)?;
    for id in unreadable {
        put_off.execute(params![id, claim.now.after(UNREADABLE_PAUSE).as_ms()])?;
    }
    Ok(leases)
}

fn lease(batch: &Batch<'_>, lane: &Lane, fields: Fields<'_, '_>, events: &mut Events<'_>) -> Result<Lease, StoreError> {
    let fence = fields.get::<i64>(2)?.saturating_add(1);
    let mut lease = Lease {
        token: LeaseToken { delivery: fields.id(0, DeliveryId::from_bytes)?, epoch: batch.epoch, fence },
        lane: lane.clone(),
        event: events.get(fields)?,
        earlier: Vec::new(),
        attempts: fields.get(3)?,
        runs: fields.get(4)?,
        chain: fixed_chain(batch.connection, fields)?,
    };
    if fields.get(8)? {
        lease.earlier = windows::close_for(batch.connection, lease.token.delivery, lease.event.id)?;
    }
    Ok(lease)
}

/// The stored chain, if its outcome was sent once. One that only says "again" or "hold" is evidence: the chain runs anew.
fn fixed_chain(connection: &Connection, fields: Fields<'_, '_>) -> Result<Option<ChainRecord>, StoreError> {
    if !fields.get::<bool>(7)? {
        return Ok(None);
    }
    let Some(record) = fields.optional_json::<ChainRecord>(5)? else { return Ok(None) };
    if !matches!(record.verdict, ChainVerdict::Deliver { .. }) {
        return Ok(None);
    }
    Ok(Some(rows::with_data(record, payload(connection, fields, 6)?)))
}

/// The rewritten payload that `column` points to.
fn payload(connection: &Connection, fields: Fields<'_, '_>, column: usize) -> Result<Option<Bytes>, StoreError> {
    let Some(seq) = fields.get::<Option<i64>>(column)? else { return Ok(None) };
    let mut statement = connection.prepare_cached("SELECT data FROM rewritten WHERE seq = ?1")?;
    let data: Option<Vec<u8>> = statement.query_row([seq], |row| row.get(0)).optional()?;
    data.map(|data| Some(data.into())).ok_or_else(|| fields.corrupt(column, &"points to a payload that is not there"))
}

/// Events read for one claim, each once.
struct Events<'c> {
    connection: &'c Connection,
    known: HashMap<EventId, Arc<Event>>,
}

impl Events<'_> {
    /// The event of a row of the queue.
    fn get(&mut self, fields: Fields<'_, '_>) -> Result<Arc<Event>, StoreError> {
        let id = fields.id(1, EventId::from_bytes)?;
        if let Some(event) = self.known.get(&id) {
            return Ok(Arc::clone(event));
        }
        let event = read_event(self.connection, id)?
            .ok_or_else(|| fields.corrupt(1, &"points to an event that is not there"))?;
        let event = Arc::new(event);
        self.known.insert(id, Arc::clone(&event));
        Ok(event)
    }
}

pub(super) fn read_event(connection: &Connection, id: EventId) -> Result<Option<Event>, StoreError> {
    let mut statement = connection.prepare_cached(READ_EVENT)?;
    let mut rows = statement.query([id.to_bytes()])?;
    rows.next()?.map(|row| event(Fields::new("events", row))).transpose()
}

/// An event, from the columns of `event_columns`.
pub(super) fn event(fields: Fields<'_, '_>) -> Result<Event, StoreError> {
    Ok(Event {
        id: fields.id(0, EventId::from_bytes)?,
        event_type: fields.parse(1)?,
        source: fields.parse(2)?,
        received: fields.time(3)?,
        content_type: fields.text(4)?.into(),
        headers: fields.json(5)?,
        attributes: fields.optional_json(6)?.unwrap_or_default(),
        data: fields.bytes(7)?,
    })
}

fn next_due(connection: &Connection, lane: &Lane) -> Result<Option<Timestamp>, StoreError> {
    let mut statement = connection.prepare_cached(NEXT_DUE)?;
    let due = statement.query_row(params![lane.webhook.as_str(), &*lane.key], |row| row.get(0)).optional()?;
    Ok(due.map(Timestamp::from_ms))
}

/// Lanes with something ready, two index searches each: the cost follows the lanes, not the deliveries in them.
pub(super) fn lanes(connection: &Connection, after: Option<Lane>, limit: usize) -> Result<Vec<LaneDue>, StoreError> {
    let mut of_webhook = connection.prepare_cached(NEXT_LANE_OF_WEBHOOK)?;
    let mut of_next = connection.prepare_cached(FIRST_LANE_OF_NEXT_WEBHOOK)?;
    let mut after = after;
    let mut lanes = Vec::new();
    while lanes.len() < limit.min(PAGE_ROWS) {
        let found = match &after {
            Some(lane) => match lane_in(of_webhook.query([lane.webhook.as_str(), &*lane.key])?)? {
                None => lane_in(of_next.query([lane.webhook.as_str()])?)?,
                found => found,
            },
            // No webhook has an empty name, so none is before this.
            None => lane_in(of_next.query([""])?)?,
        };
        let Some(found) = found else { break };
        after = Some(found.lane.clone());
        lanes.push(found);
    }
    Ok(lanes)
}

fn lane_in(mut rows: Rows<'_>) -> Result<Option<LaneDue>, StoreError> {
    let Some(row) = rows.next()? else { return Ok(None) };
    let fields = Fields::new("queue", row);
    let lane = Lane { webhook: fields.parse(0)?, key: fields.text(1)?.into() };
    Ok(Some(LaneDue { lane, due: fields.time(2)? }))
}

macro_rules! event_columns {
    () => {
        "id, type, source, received, content_type, headers, attributes, data"
    };
}
pub(super) use event_columns;

const FIND_DUE: &str = "SELECT id, event, fence, attempts, runs, chain, rewritten, chain_sent, debounced \
     FROM queue INDEXED BY queue_ready \
     WHERE owner IS NULL AND held_for IS NULL AND behind = 0 AND webhook = ?1 AND lane_key = ?2 AND due <= ?3 \
     ORDER BY due, id LIMIT ?4";

const LEASE: &str = "UPDATE queue SET owner = ?2, fence = ?3 WHERE id = ?1";

const PUT_OFF: &str = "UPDATE queue SET due = ?2 WHERE id = ?1";

const NEXT_DUE: &str = "SELECT due FROM queue INDEXED BY queue_ready \
     WHERE owner IS NULL AND held_for IS NULL AND behind = 0 AND webhook = ?1 AND lane_key = ?2 ORDER BY due LIMIT 1";

/// Not `(webhook, lane_key) > (?1, ?2)`: SQLite begins such a range at the lane itself, and walks all that waits in it.
const NEXT_LANE_OF_WEBHOOK: &str = "SELECT webhook, lane_key, due FROM queue INDEXED BY queue_ready \
     WHERE owner IS NULL AND held_for IS NULL AND behind = 0 AND webhook = ?1 AND lane_key > ?2 \
     ORDER BY lane_key, due LIMIT 1";

const FIRST_LANE_OF_NEXT_WEBHOOK: &str = "SELECT webhook, lane_key, due FROM queue INDEXED BY queue_ready \
     WHERE owner IS NULL AND held_for IS NULL AND behind = 0 AND webhook > ?1 \
     ORDER BY webhook, lane_key, due LIMIT 1";

const READ_EVENT: &str = concat!("SELECT ", event_columns!(), " FROM events WHERE id = ?1");

#[cfg(test)]
mod tests {
    use super::super::schema::tests::{fresh, plan};
    use super::*;

    #[test]
    fn a_claim_reads_one_lane_of_the_index_and_sorts_nothing() {
        let connection = fresh();
        let lane = "SEARCH queue USING INDEX queue_ready (webhook=? AND lane_key=?";
        assert_eq!(plan(&connection, FIND_DUE), format!("{lane} AND due<?)"));
        assert_eq!(plan(&connection, NEXT_DUE), format!("{lane})"));
        let index = "SEARCH queue USING INDEX queue_ready";
        assert_eq!(plan(&connection, NEXT_LANE_OF_WEBHOOK), format!("{index} (webhook=? AND lane_key>?)"));
        assert_eq!(plan(&connection, FIRST_LANE_OF_NEXT_WEBHOOK), format!("{index} (webhook>?)"));
    }

    /// What a plan does not tell: where in the index a search begins.
    #[test]
    fn the_next_lane_is_found_without_walking_the_one_before() {
        let connection = fresh();
        let sql = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000) \
             INSERT INTO queue (id, event, webhook, lane_key, state, created, changed, due, fence, attempts, runs, chain_sent) \
             SELECT CAST(printf('%016d', i) AS BLOB), zeroblob(16), 'dead', '', 'pending', i, i, i, 0, 0, 0, 0 FROM n";
        connection.execute(sql, []).expect("stores");
        for (sql, parameters) in [(NEXT_LANE_OF_WEBHOOK, vec!["dead", ""]), (FIRST_LANE_OF_NEXT_WEBHOOK, vec!["dead"])]
        {
            let mut statement = connection.prepare(sql).expect("prepares");
            assert!(!statement.exists(rusqlite::params_from_iter(parameters)).expect("searches"));
            let steps = statement.get_status(rusqlite::StatementStatus::VmStep);
            assert!(steps < 100, "{steps} steps");
        }
    }
}
