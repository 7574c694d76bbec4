//! Debounced deliveries and their windows. An open window's delivery was never leased, is not held and not finished:
//! whoever leases or holds it closes its window in the same commit.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::rows::Fields;
use super::writer::Batch;
use crate::clock::Timestamp;
use crate::delivery::{DeliveryView, Window};
use crate::event::Event;
use crate::ids::{DeliveryId, EventId, WebhookId};
use crate::store::{Debounce, Place, Placed, StoreError, WINDOW_MEMBERS};

/// Puts the event into the open window of its key; none: there is no such window.
pub(super) fn gather(
    batch: &Batch<'_>,
    webhook: &WebhookId,
    debounce: &Debounce,
    event: &Event,
) -> Result<Option<Placed>, StoreError> {
    let Some(open) = find_open(batch.connection, webhook, debounce)? else { return Ok(None) };
    let id = open.delivery.to_bytes();
    let due = event.received.after(debounce.window).min(open.latest);
    let mut change = batch.connection.prepare_cached(CHANGE_EVENT)?;
    if change.execute(params![id, event.id.to_bytes(), due.as_ms(), event.received.as_ms()])? == 0 {
        // Only a damaged file has it open without such a delivery. No event is lost for that.
        close(batch.connection, open.delivery)?;
        return Ok(None);
    }
    let mut members = open.members;
    members.push(event.id);
    let surplus = members.len().saturating_sub(WINDOW_MEMBERS);
    let newest: Vec<u8> = members.iter().skip(surplus).flat_map(|member| member.to_bytes()).collect();
    batch.connection.prepare_cached(GROW)?.execute(params![id, newest])?;
    Ok(Some(Placed { id: open.delivery, place: Place::Due(due) }))
}

/// Opens a window for a new delivery; the answer is when that is due.
pub(super) fn open(
    batch: &Batch<'_>,
    delivery: DeliveryId,
    webhook: &WebhookId,
    debounce: &Debounce,
    event: &Event,
) -> Result<Timestamp, StoreError> {
    let latest = event.received.after(debounce.max_wait);
    batch.connection.prepare_cached(OPEN)?.execute(params![
        delivery.to_bytes(),
        webhook.as_str(),
        &*debounce.key,
        latest.as_ms(),
        event.id.to_bytes(),
    ])?;
    Ok(event.received.after(debounce.window).min(latest))
}

/// Takes no more events.
pub(super) fn close(connection: &Connection, delivery: DeliveryId) -> Result<(), StoreError> {
    connection.prepare_cached(CLOSE)?.execute([delivery.to_bytes()])?;
    Ok(())
}

/// Closes the window of a delivery that is leased, and tells its members other than `event`, newest first.
pub(super) fn close_for(
    connection: &Connection,
    delivery: DeliveryId,
    event: EventId,
) -> Result<Vec<EventId>, StoreError> {
    close(connection, delivery)?;
    let members = find(connection, delivery)?.map(|window| window.members).unwrap_or_default();
    Ok(members.into_iter().filter(|member| *member != event).collect())
}

/// Makes another member the event of its delivery. Whether it is one is looked up: an outcome that names a stranger is
/// recorded all the same, as refusing it would send again what was sent. False: it keeps its own.
pub(super) fn carry(connection: &Connection, delivery: DeliveryId, carrier: EventId) -> Result<bool, StoreError> {
    let is_member = find(connection, delivery)?.is_some_and(|window| window.members.contains(&carrier));
    if !is_member {
        tracing::error!(%delivery, %carrier, "settled with an event that its window does not remember; it keeps its own");
        return Ok(false);
    }
    connection.prepare_cached(CARRY)?.execute([delivery.to_bytes(), carrier.to_bytes()])?;
    Ok(true)
}

/// How many events a finished delivery supersedes: all it gathered but the one it carried.
pub(super) fn superseded(connection: &Connection, delivery: DeliveryId) -> Result<i64, StoreError> {
    let mut statement = connection.prepare_cached("SELECT count FROM windows WHERE delivery = ?1")?;
    let count: Option<i64> = statement.query_row([delivery.to_bytes()], |row| row.get(0)).optional()?;
    Ok(count.map_or(0, |count| count.saturating_sub(1)))
}

/// The view with its window, if it has one.
pub(super) fn shown(connection: &Connection, view: DeliveryView) -> Result<DeliveryView, StoreError> {
    let window = find(connection, view.id)?.map(|found| Window {
        count: found.count,
        members: found.members,
        closes: view.due.filter(|_| found.open),
    });
    Ok(DeliveryView { window, ..view })
}

struct Open {
    delivery: DeliveryId,
    latest: Timestamp,
    /// Oldest first.
    members: Vec<EventId>,
}

fn find_open(connection: &Connection, webhook: &WebhookId, debounce: &Debounce) -> Result<Option<Open>, StoreError> {
    let mut statement = connection.prepare_cached(FIND_OPEN)?;
    let mut found = statement.query(params![webhook.as_str(), &*debounce.key])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let fields = Fields::new("windows", row);
    let delivery = fields.id(0, DeliveryId::from_bytes)?;
    Ok(Some(Open { delivery, latest: fields.time(1)?, members: members(fields, 2)? }))
}

struct Found {
    open: bool,
    count: u64,
    /// Newest first.
    members: Vec<EventId>,
}

fn find(connection: &Connection, delivery: DeliveryId) -> Result<Option<Found>, StoreError> {
    let mut statement = connection.prepare_cached(FIND)?;
    let mut found = statement.query([delivery.to_bytes()])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let fields = Fields::new("windows", row);
    let mut members = members(fields, 3)?;
    members.reverse();
    Ok(Some(Found { open: fields.get(1)?, count: fields.get::<i64>(2)?.unsigned_abs(), members }))
}

fn members(fields: Fields<'_, '_>, column: usize) -> Result<Vec<EventId>, StoreError> {
    match fields.get::<Vec<u8>>(column)?.as_chunks() {
        (ids, []) => Ok(ids.iter().copied().map(EventId::from_bytes).collect()),
        _ => Err(fields.corrupt(column, &"not a row of ids")),
    }
}

const FIND_OPEN: &str = "SELECT delivery, latest, members FROM windows INDEXED BY windows_open \
     WHERE webhook = ?1 AND key = ?2 AND open = 1";

const FIND: &str = "SELECT delivery, open, count, members FROM windows WHERE delivery = ?1";

const CHANGE_EVENT: &str = "UPDATE queue SET event = ?2, due = ?3, changed = ?4 \
     WHERE id = ?1 AND fence = 0 AND held_for IS NULL";

const GROW: &str = "UPDATE windows SET count = count + 1, members = ?2 WHERE delivery = ?1";

const OPEN: &str = "INSERT INTO windows (delivery, webhook, key, open, latest, count, members) \
     VALUES (?1, ?2, ?3, 1, ?4, 1, ?5)";

const CLOSE: &str = "UPDATE windows SET open = 0 WHERE delivery = ?1 AND open = 1";

const CARRY: &str = "UPDATE queue SET event = ?2 WHERE id = ?1";

#[cfg(test)]
mod tests {
    use super::super::schema::tests::{fresh, plan};
    use super::*;

    #[test]
    fn one_window_is_found_among_many() {
        let connection = fresh();
        let open = "SEARCH windows USING INDEX windows_open (webhook=? AND key=?)";
        assert_eq!(plan(&connection, FIND_OPEN), open);
        for sql in [FIND, GROW, CLOSE] {
            let plan = plan(&connection, sql);
            assert!(plan.contains("SEARCH windows USING PRIMARY KEY (delivery=?)"), "{plan}");
        }
    }
}
