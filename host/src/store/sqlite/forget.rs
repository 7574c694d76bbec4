//! Selecting deliveries by what people name, and forgetting finished ones. Each call looks at a bounded number of rows
//! of an index, whether they fit or not, and says where to go on.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::parcel::Leases;
use super::rows::Fields;
use super::windows;
use super::writer::Batch;
use crate::clock::Timestamp;
use crate::delivery::{DISCARDED_BY, State};
use crate::ids::{DeliveryId, EventId, EventType, WebhookId};
use crate::store::{LeftOut, Purged, Selected, Selection, StoreError};

/// Rows looked at when selecting.
const LOOK_ROWS: usize = 1000;
/// Rows looked at, and at most forgotten, in one commit.
const FORGET_ROWS: usize = 300;

pub(super) fn select(
    connection: &Connection,
    selection: &Selection,
    after: Option<DeliveryId>,
) -> Result<Selected, StoreError> {
    look(connection, selection, after, LOOK_ROWS)
}

pub(super) fn purge(
    batch: &mut Batch<'_>,
    selection: &Selection,
    after: Option<DeliveryId>,
) -> Result<Purged, StoreError> {
    let Selected { found, next, left_out: _ } = look(batch.connection, selection, after, FORGET_ROWS)?;
    let mut count = 0;
    for id in found {
        count += u64::from(forget(batch, id)?);
    }
    Ok(Purged { count, next })
}

/// Forgets a finished delivery with all that is kept of it. False: there is none.
pub(super) fn forget(batch: &mut Batch<'_>, id: DeliveryId) -> Result<bool, StoreError> {
    let mut delete = batch.connection.prepare_cached("DELETE FROM deliveries WHERE id = ?1 RETURNING id, state")?;
    let mut rows = delete.query([id.to_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(false) };
    let fields = Fields::new("deliveries", row);
    let state = State::from_name(fields.text(1)?).ok_or_else(|| fields.corrupt(1, &"not a state"))?;
    batch.tally.appear(state, -1);
    batch.tally.superseded -= windows::superseded(batch.connection, id)?;
    for sql in ["DELETE FROM attempts WHERE delivery = ?1", "DELETE FROM windows WHERE delivery = ?1"] {
        batch.connection.prepare_cached(sql)?.execute([id.to_bytes()])?;
    }
    Ok(true)
}

fn look(
    connection: &Connection,
    selection: &Selection,
    after: Option<DeliveryId>,
    most: usize,
) -> Result<Selected, StoreError> {
    let Selection { webhook, state, since, until, event_type, untouched } = selection;
    let from = after.map_or_else(|| before_all_of(*since), DeliveryId::to_bytes);
    let to = until.map_or([0xff; 16], |until| DeliveryId::first_at(until).to_bytes());
    let mut statement = connection.prepare_cached(&look_sql(*state))?;
    let mut rows = statement.query(params![from, to, i64::try_from(most).unwrap_or(i64::MAX)])?;
    let (mut found, mut left_out) = (Vec::new(), LeftOut::default());
    let (mut looked, mut last) = (0, None);
    while let Some(row) = rows.next()? {
        let fields = Fields::new("deliveries", row);
        let id = fields.id(0, DeliveryId::from_bytes)?;
        (looked, last) = (looked + 1, Some(id));
        let is_wanted = fields.text(1)? == state.as_str()
            && webhook.as_ref().is_none_or(|webhook| fields.text(2).is_ok_and(|of| of == WebhookId::as_str(webhook)));
        if !is_wanted {
            continue;
        }
        if let Some(pattern) = event_type {
            let event = fields.id(3, EventId::from_bytes)?;
            if !type_of(connection, event)?.is_some_and(|event_type| pattern.matches(&event_type)) {
                continue;
            }
        }
        if *untouched && fields.optional_text(4)?.is_some_and(|reason| reason.starts_with(DISCARDED_BY)) {
            left_out.discarded += 1;
        } else if *untouched && is_replayed(connection, id)? {
            left_out.replayed += 1;
        } else {
            found.push(id);
        }
    }
    Ok(Selected { found, left_out, next: last.filter(|_| looked == most) })
}

/// The id below all of this time. An id of no random part at all is made by nobody.
fn before_all_of(since: Option<Timestamp>) -> [u8; 16] {
    since.map_or([0; 16], |since| DeliveryId::first_at(since).to_bytes())
}

fn is_replayed(connection: &Connection, id: DeliveryId) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached(IS_REPLAYED)?.exists([id.to_bytes()])?)
}

pub(super) fn type_of(connection: &Connection, event: EventId) -> Result<Option<EventType>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT type FROM events WHERE id = ?1")?;
    let text: Option<String> = statement.query_row([event.to_bytes()], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| text.parse().ok()))
}

impl Leases for Purged {}

/// In the order of an index, all states of it where no index knows them.
fn look_sql(state: State) -> String {
    let (table, states) = match state {
        State::Delivered => ("deliveries", String::new()),
        // Said twice, so that the partial index of these is used.
        state if state.is_finished() => ("deliveries", format!("state = '{state}' AND state <> 'delivered' AND ")),
        _ => ("queue", String::new()),
    };
    format!(
        "SELECT id, state, webhook, event, reason FROM {table} WHERE {states}id > ?1 AND id < ?2 ORDER BY id LIMIT ?3"
    )
}

const IS_REPLAYED: &str =
    "SELECT 1 FROM queue WHERE replay_of = ?1 UNION ALL SELECT 1 FROM deliveries WHERE replay_of = ?1";

#[cfg(test)]
mod tests {
    use super::super::schema::tests::{fresh, plan};
    use super::*;

    #[test]
    fn no_selection_sorts_or_reads_all() {
        let connection = fresh();
        for state in [State::Delivered, State::Failed, State::Held] {
            let plan = plan(&connection, &look_sql(state));
            assert!(plan.contains("id>? AND id<?") && !plan.contains("TEMP B-TREE"), "{state:?}: {plan}");
        }
        assert!(plan(&connection, &look_sql(State::Failed)).contains("deliveries_undelivered"));
        let replayed = plan(&connection, IS_REPLAYED);
        assert!(replayed.contains("queue_replays (") && replayed.contains("deliveries_replays ("), "{replayed}");
    }
}
