//! What waits, and behind what. The cost follows what is counted at most, not what is there.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::rows::Fields;
use crate::clock::Timestamp;
use crate::delivery::{Attempt, AttemptHead, State};
use crate::ids::{DeliveryId, WebhookId};
use crate::store::{Ahead, COUNTED_AT_MOST, PAGE_BYTES, StoreError, Waiting};

pub(super) fn waiting(connection: &Connection, webhooks: &[WebhookId]) -> Result<Vec<Waiting>, StoreError> {
    let count = |sql: &str, webhook: &WebhookId| -> Result<u64, StoreError> {
        let mut statement = connection.prepare_cached(sql)?;
        Ok(statement.query_row(params![webhook.as_str(), at_most()], |row| row.get::<_, i64>(0))?.unsigned_abs())
    };
    let of = |webhook: &WebhookId| {
        let waiting = count(READY, webhook)?.saturating_add(count(BEHIND, webhook)?).min(COUNTED_AT_MOST);
        let mut retry = connection.prepare_cached(NEXT_RETRY)?;
        let next_retry: Option<i64> =
            retry.query_row(params![webhook.as_str(), LOOKED_AT_FOR_RETRIES], |row| row.get(0))?;
        Ok(Waiting { waiting, held: count(HELD, webhook)?, next_retry: next_retry.map(Timestamp::from_ms) })
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

/// The last attempts of the newest deliveries, newest first; and those after which a delivery was not finished.
pub(super) fn recent_attempts(
    connection: &Connection,
    limit: usize,
) -> Result<Vec<(WebhookId, AttemptHead)>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    for sql in [LAST_ATTEMPTS, EARLIER_ATTEMPTS] {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([limit])?;
        let mut bytes = 0;
        while let (true, Some(row)) = (bytes < PAGE_BYTES, rows.next()?) {
            let fields = Fields::new("attempts", row);
            bytes += fields.optional_text(1)?.map_or(0, str::len);
            let Some(attempt) = fields.optional_json::<Attempt>(1)? else { continue };
            found.push((fields.parse(0)?, AttemptHead::of(&attempt)));
        }
    }
    found.sort_by_key(|(_, attempt)| std::cmp::Reverse(attempt.started));
    Ok(found)
}

fn at_most() -> i64 {
    i64::try_from(COUNTED_AT_MOST).unwrap_or(i64::MAX)
}

const READY: &str = "SELECT count(*) FROM (SELECT 1 FROM queue INDEXED BY queue_ready \
     WHERE webhook = ?1 AND owner IS NULL AND held_for IS NULL AND behind = 0 LIMIT ?2)";

/// The first of the first lanes: each is read whole. Where more are ready, in more lanes, an earlier retry may be missed.
const LOOKED_AT_FOR_RETRIES: i64 = 200;

const NEXT_RETRY: &str = "SELECT min(CASE state WHEN 'retrying' THEN due END) FROM (SELECT state, due FROM queue \
     INDEXED BY queue_ready WHERE webhook = ?1 AND owner IS NULL AND held_for IS NULL AND behind = 0 \
     ORDER BY lane_key, due LIMIT ?2)";

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

const LAST_ATTEMPTS: &str = "SELECT webhook, attempt FROM deliveries ORDER BY seq DESC LIMIT ?1";

const EARLIER_ATTEMPTS: &str = "SELECT coalesce(queue.webhook, deliveries.webhook) AS webhook, record FROM (SELECT delivery, \
     record, seq FROM attempts ORDER BY seq DESC LIMIT ?1) AS attempts LEFT JOIN queue ON queue.id = attempts.delivery \
     LEFT JOIN deliveries ON deliveries.id = attempts.delivery WHERE coalesce(queue.webhook, deliveries.webhook) IS NOT NULL";

#[cfg(test)]
mod tests {
    use super::super::schema::tests::{fresh, plan};
    use super::*;

    #[test]
    fn nothing_is_read_that_is_not_counted() {
        let connection = fresh();
        for sql in [READY, NEXT_RETRY, BEHIND, HELD, FIND_BEHIND, FIND_FIRST, COUNT_BEFORE] {
            let plan = plan(&connection, sql);
            let of_queue = plan.split("; ").find(|step| step.contains("queue")).expect("reads the queue");
            assert!(of_queue.starts_with("SEARCH queue USING"), "{sql}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
        }
        for sql in [LAST_ATTEMPTS, EARLIER_ATTEMPTS] {
            assert!(!plan(&connection, sql).contains("TEMP B-TREE"), "{sql}: {}", plan(&connection, sql));
        }
    }
}
