//! Forgetting what is old: events with all their deliveries, once every one of these is finished, oldest first.
//!
//! A reader looks for them, so that a mountain of old unfinished work costs the writer nothing; the writer judges each
//! again, because a replay may have come meanwhile.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::forget::forget;
use super::parcel::Leases;
use super::rows::Fields;
use super::writer::Batch;
use crate::clock::Timestamp;
use crate::ids::{DeliveryId, EventId};
use crate::store::{Space, StoreError, Sweep, Swept};

/// Events looked at by a reader in one step.
const LOOK_EVENTS: usize = 1000;
/// Events and deliveries forgotten in one commit: a few milliseconds.
const STEP_ROWS: usize = 300;
/// Pages of long bodies are freed one by one: fewer events of such a step.
const STEP_BYTES: usize = 8 << 20;

/// What a reader found.
pub(super) struct Sweepable {
    pub(super) events: Vec<EventId>,
    /// Where to go on; none: there is no more.
    pub(super) next: Option<EventId>,
}

pub(super) fn look(connection: &Connection, sweep: Sweep) -> Result<Sweepable, StoreError> {
    let from = sweep.after.map_or([0; 16], EventId::to_bytes);
    let to = EventId::first_at(sweep.older_than).to_bytes();
    let mut statement = connection.prepare_cached(LOOK)?;
    let mut found = statement.query(params![from, to, i64::try_from(LOOK_EVENTS).unwrap_or(i64::MAX)])?;
    let (mut events, mut looked, mut last) = (Vec::new(), 0, None);
    let (mut rows, mut bytes) = (0, 0_usize);
    while let Some(row) = found.next()? {
        let fields = Fields::new("events", row);
        let id = fields.id(0, EventId::from_bytes)?;
        (looked, last) = (looked + 1, Some(id));
        let Some(deliveries) = finished(connection, id, sweep.older_than)? else { continue };
        events.push(id);
        rows += 1 + deliveries.len();
        // As if each delivery had rewritten it.
        bytes = bytes.saturating_add(length(fields)?.saturating_mul(1 + deliveries.len()));
        if rows >= STEP_ROWS || bytes >= STEP_BYTES {
            return Ok(Sweepable { events, next: last });
        }
    }
    Ok(Sweepable { events, next: last.filter(|_| looked == LOOK_EVENTS) })
}

fn length(fields: Fields<'_, '_>) -> Result<usize, StoreError> {
    Ok(usize::try_from(fields.get::<i64>(1)?).unwrap_or(0))
}

/// Of these events, those that may still go.
pub(super) fn sweep(batch: &mut Batch<'_>, events: &[EventId], older_than: Timestamp) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    for event in events {
        let Some(deliveries) = finished(batch.connection, *event, older_than)? else { continue };
        for delivery in deliveries {
            swept.deliveries += u64::from(forget(batch, delivery)?);
        }
        let mut delete = batch.connection.prepare_cached("DELETE FROM events WHERE id = ?1")?;
        let gone = delete.execute([event.to_bytes()])?;
        batch.tally.events -= i64::from(gone > 0);
        swept.events += u64::from(gone > 0);
    }
    Ok(swept)
}

/// The deliveries of an event, if all of them finished before this time. None of an event that is gone.
fn finished(connection: &Connection, event: EventId, before: Timestamp) -> Result<Option<Vec<DeliveryId>>, StoreError> {
    let Some(deliveries) = super::append::delivery_ids(connection, event)? else { return Ok(None) };
    let mut unfinished = connection.prepare_cached("SELECT 1 FROM queue WHERE id = ?1")?;
    let mut changed = connection.prepare_cached("SELECT changed FROM deliveries WHERE id = ?1")?;
    for id in &deliveries {
        // One that is in neither was purged.
        let finished: Option<i64> = changed.query_row([id.to_bytes()], |row| row.get(0)).optional()?;
        let is_old = finished.is_none_or(|changed| changed < before.as_ms());
        if !is_old || unfinished.exists([id.to_bytes()])? {
            return Ok(None);
        }
    }
    Ok(Some(deliveries))
}

pub(super) fn space(connection: &Connection) -> Result<Space, StoreError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let used_pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    let oldest: Option<i64> = connection.prepare_cached(OLDEST)?.query_row([], |row| row.get(0)).optional()?;
    Ok(Space {
        used_bytes: u64::try_from(used_pages.saturating_mul(pragma("page_size")?)).unwrap_or(0),
        oldest_event: oldest.map(Timestamp::from_ms),
    })
}

impl Leases for Swept {}

const LOOK: &str = "SELECT id, length(data) FROM events WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3";

const OLDEST: &str = "SELECT received FROM events ORDER BY id LIMIT 1";

#[cfg(test)]
mod tests {
    use super::super::schema::tests::{fresh, plan};
    use super::*;

    #[test]
    fn a_step_reads_the_oldest_of_the_index_and_sorts_nothing() {
        let connection = fresh();
        let index = "events USING INDEX sqlite_autoindex_events_1";
        assert_eq!(plan(&connection, LOOK), format!("SEARCH {index} (id>? AND id<?)"));
        assert_eq!(plan(&connection, OLDEST), format!("SCAN {index}"), "of which one row is read");
    }
}
