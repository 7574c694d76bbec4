//! Looking at events, deliveries and attempts. Pages are bounded in rows and bytes.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::append::delivery_ids;
use super::claim::{event, event_columns};
use super::rows::{self, Fields, rows_at_most};
use super::windows;
use crate::clock::Timestamp;
use crate::delivery::{Attempt, DeliveryView, State};
use crate::event::Event;
use crate::ids::{DeliveryId, EventId};
use crate::store::{PAGE_BYTES, PAGE_ROWS, StoreError};

/// Newest first.
pub(super) fn events(connection: &Connection, before: Option<EventId>, limit: usize) -> Result<Vec<Event>, StoreError> {
    let before = before.map_or([0xff; 16], EventId::to_bytes);
    let mut statement = connection.prepare_cached(EVENTS)?;
    let mut rows = statement.query(params![before, rows_at_most(limit)])?;
    let (mut page, mut bytes) = (Vec::new(), 0);
    while let (true, Some(row)) = (bytes < PAGE_BYTES, rows.next()?) {
        let event = event(Fields::new("events", row))?;
        bytes += event.weight();
        page.push(event);
    }
    Ok(page)
}

pub(super) fn deliveries_of(connection: &Connection, event: EventId) -> Result<Vec<DeliveryView>, StoreError> {
    let mut views = Vec::new();
    let mut statement = connection.prepare_cached(DELIVERY)?;
    for id in delivery_ids(connection, event)?.unwrap_or_default().into_iter().take(PAGE_ROWS) {
        let mut rows = statement.query([id.to_bytes()])?;
        if let Some(row) = rows.next()? {
            views.push(windows::shown(connection, view(Fields::new("deliveries", row))?)?);
        }
    }
    Ok(views)
}

/// With its rewritten payload.
pub(super) fn delivery(connection: &Connection, id: DeliveryId) -> Result<Option<DeliveryView>, StoreError> {
    let mut statement = connection.prepare_cached(DELIVERY)?;
    let mut rows = statement.query([id.to_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut view = windows::shown(connection, view(Fields::new("deliveries", row))?)?;
    if let Some(record) = view.chain.take() {
        let mut statement = connection.prepare_cached(REWRITTEN)?;
        let data: Option<Vec<u8>> = statement.query_row([id.to_bytes()], |row| row.get(0)).optional()?;
        view.chain = Some(rows::with_data(record, data.map(Bytes::from)));
    }
    Ok(Some(view))
}

/// As a list shows it, without its rewritten payload, and how many bytes its chain has.
pub(super) fn listed(connection: &Connection, id: DeliveryId) -> Result<Option<(DeliveryView, usize)>, StoreError> {
    let mut statement = connection.prepare_cached(DELIVERY)?;
    let mut rows = statement.query([id.to_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let fields = Fields::new("deliveries", row);
    let bytes = fields.optional_text(CHAIN)?.map_or(0, str::len);
    Ok(Some((windows::shown(connection, view(fields)?)?, bytes)))
}

/// In order of their numbers.
pub(super) fn attempts_of(connection: &Connection, delivery: DeliveryId) -> Result<Vec<Attempt>, StoreError> {
    let mut statement = connection.prepare_cached(ATTEMPTS)?;
    let mut rows = statement.query(params![delivery.to_bytes(), rows_at_most(PAGE_ROWS)])?;
    let mut attempts = Vec::new();
    while let Some(row) = rows.next()? {
        attempts.push(Fields::new("attempts", row).json(1)?);
    }
    Ok(attempts)
}

/// A delivery from the columns of `queue_columns` or `history_columns`, without its rewritten payload and its window.
pub(super) fn view(fields: Fields<'_, '_>) -> Result<DeliveryView, StoreError> {
    let state = State::from_name(fields.text(STATE)?).ok_or_else(|| fields.corrupt(STATE, &"not a state"))?;
    let due: Option<i64> = fields.get(6)?;
    Ok(DeliveryView {
        id: fields.id(0, DeliveryId::from_bytes)?,
        event: fields.id(EVENT, EventId::from_bytes)?,
        webhook: fields.parse(WEBHOOK)?,
        state,
        created: fields.time(4)?,
        changed: fields.time(5)?,
        due: due.filter(|_| state != State::Held).map(Timestamp::from_ms),
        attempts: fields.get(7)?,
        runs: fields.get(8)?,
        reason: fields.optional_text(9)?.map(str::to_owned),
        held_for: fields.optional_parse(10)?,
        chain: fields.optional_json(CHAIN)?,
        window: None,
        replay_of: fields.optional_id(12, DeliveryId::from_bytes)?,
    })
}

/// Of both lists of columns; so are those below.
const CHAIN: usize = 11;
pub(super) const EVENT: usize = 1;
pub(super) const WEBHOOK: usize = 2;
pub(super) const STATE: usize = 3;

macro_rules! queue_columns {
    () => {
        "id, event, webhook, state, created, changed, due, attempts, runs, reason, held_for, chain, \
         replay_of"
    };
}

macro_rules! history_columns {
    () => {
        "id, event, webhook, state, created, changed, NULL, attempts, runs, reason, NULL, chain, \
         replay_of"
    };
}

/// What tells whether a delivery is wanted, the same places in both: they stand first in their rows, so that the rest need not
/// be read.
macro_rules! judged_columns {
    () => {
        "id, event, webhook, state"
    };
}

pub(super) use judged_columns;

const DELIVERY: &str = concat!(
    "SELECT ",
    queue_columns!(),
    " FROM queue WHERE id = ?1 UNION ALL SELECT ",
    history_columns!(),
    " FROM deliveries WHERE id = ?1"
);

const REWRITTEN: &str = "SELECT data FROM rewritten JOIN queue ON queue.rewritten = rewritten.seq WHERE queue.id = ?1 \
     UNION ALL SELECT rewritten FROM deliveries WHERE id = ?1 AND rewritten IS NOT NULL";

const EVENTS: &str = concat!("SELECT ", event_columns!(), " FROM events WHERE id < ?1 ORDER BY id DESC LIMIT ?2");

const ATTEMPTS: &str = "SELECT delivery, record, seq FROM attempts WHERE delivery = ?1 \
     UNION ALL SELECT id, attempt, 9223372036854775807 FROM deliveries WHERE id = ?1 AND attempt IS NOT NULL \
     ORDER BY 3 LIMIT ?2";
