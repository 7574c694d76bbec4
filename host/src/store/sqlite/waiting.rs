//! What waits, and behind what. The cost follows what is counted at most, not what is there.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::rows::Fields;
use crate::clock::Timestamp;
use crate::delivery::State;
use crate::ids::{DeliveryId, WebhookId};
use crate::store::{Ahead, COUNTED_AT_MOST, StoreError, Waiting};

pub(super) fn waiting(connection: &Connection, webhooks: &[WebhookId]) -> Result<Vec<Waiting>, StoreError> {
    let count = |sql: &str, webhook: &WebhookId| -> Result<u64, StoreError> {
        let mut statement = connection.prepare_cached(sql)?;
        Ok(statement.query_row(params![webhook.as_str(), at_most()], |row| row.get::<_, i64>(0))?.unsigned_abs())
    };
    let of = |webhook| {
        let waiting = count(READY, webhook)?.saturating_add(count(BEHIND, webhook)?).min(COUNTED_AT_MOST);
        Ok(Waiting { waiting, held: count(HELD, webhook)? })
    };
    webhooks.iter().map(of).collect()
}

pub(super) fn ahead_of(connection: &Connection, delivery: DeliveryId) -> Result<Option<Ahead>, StoreError> {
    let mut find = connection.prepare_cached(FIND_BEHIND)?;
    let found: Option<(String, String, i64)> =
        find.query_row([delivery.to_bytes()], |row| Ok((row.get(1)?, row.get(2)?, row.get(3)?))).optional()?;
    let Some((webhook, key, place)) = found else { return Ok(None) };
    let mut first = connection.prepare_cached(FIND_FIRST)?;
    let mut rows = first.query(params![webhook, key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let fields = Fields::new("queue", row);
    let state = State::from_name(fields.text(1)?).ok_or_else(|| fields.corrupt(1, &"not a state"))?;
    let mut before = connection.prepare_cached(COUNT_BEFORE)?;
    let count: i64 = before.query_row(params![webhook, key, place, at_most()], |row| row.get(0))?;
    Ok(Some(Ahead {
        first: fields.id(0, DeliveryId::from_bytes)?,
        state,
        due: Some(fields.get(2)?).filter(|_| state != State::Held).map(Timestamp::from_ms),
        reason: fields.optional_text(3)?.map(str::to_owned),
        under_way: fields.get(4)?,
        count: count.unsigned_abs(),
    }))
}

fn at_most() -> i64 {
    i64::try_from(COUNTED_AT_MOST).unwrap_or(i64::MAX)
}

const READY: &str = "SELECT count(*) FROM (SELECT 1 FROM queue INDEXED BY queue_ready \
     WHERE webhook = ?1 AND owner IS NULL AND held_for IS NULL AND behind = 0 LIMIT ?2)";

const BEHIND: &str = "SELECT count(*) FROM (SELECT 1 FROM queue INDEXED BY queue_behind \
     WHERE webhook = ?1 AND behind = 1 AND held_for IS NULL LIMIT ?2)";

const HELD: &str = "SELECT count(*) FROM (SELECT 1 FROM queue INDEXED BY queue_held \
     WHERE webhook = ?1 AND held_for IS NOT NULL LIMIT ?2)";

const FIND_BEHIND: &str =
    "SELECT id, webhook, lane_key, place FROM queue WHERE id = ?1 AND behind = 1 AND place IS NOT NULL";

const FIND_FIRST: &str = "SELECT id, state, due, reason, owner IS NOT NULL FROM queue INDEXED BY queue_places \
     WHERE webhook = ?1 AND lane_key = ?2 AND place IS NOT NULL ORDER BY place LIMIT 1";

const COUNT_BEFORE: &str = "SELECT count(*) FROM (SELECT 1 FROM queue INDEXED BY queue_places \
     WHERE webhook = ?1 AND lane_key = ?2 AND place < ?3 LIMIT ?4)";

#[cfg(test)]
mod tests {
    use super::super::schema::tests::{fresh, plan};
    use super::*;

    #[test]
    fn nothing_is_read_that_is_not_counted() {
        let connection = fresh();
        for sql in [READY, BEHIND, HELD, FIND_BEHIND, FIND_FIRST, COUNT_BEFORE] {
            let plan = plan(&connection, sql);
            let of_queue = plan.split("; ").find(|step| step.contains("queue")).expect("reads the queue");
            assert!(of_queue.starts_with("SEARCH queue USING"), "{sql}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
        }
    }
}
