//! What lists and pages say beside deliveries: of what type their events are, how the last attempt ended, what repeats them,
//! and what is held for what. The cost follows what is asked for, not what is there.

use rusqlite::{Connection, params};

use super::forget::type_of;
use super::rows::{Fields, rows_at_most};
use crate::ids::{DeliveryId, EventId};
use crate::store::{COUNTED_AT_MOST, Glance, HeldGroup, HeldGroups, MOST_HELD_GROUPS, StoreError};

pub(super) fn glances(
    connection: &Connection,
    deliveries: &[(DeliveryId, EventId)],
) -> Result<Vec<Glance>, StoreError> {
    let mut finished = connection.prepare_cached(LAST_OF_FINISHED)?;
    let mut earlier = connection.prepare_cached(LAST_OF_UNFINISHED)?;
    let glance = |(delivery, event): &(DeliveryId, EventId)| {
        let mut last = None;
        for statement in [&mut finished, &mut earlier] {
            let mut rows = statement.query([delivery.to_bytes()])?;
            if let Some(row) = rows.next()? {
                last = Some(Fields::new("attempts", row).json(0)?);
                break;
            }
        }
        Ok(Glance { event_type: type_of(connection, *event)?, last })
    };
    deliveries.iter().map(glance).collect()
}

/// Newest first.
pub(super) fn replays_of(
    connection: &Connection,
    delivery: DeliveryId,
    limit: usize,
) -> Result<Vec<DeliveryId>, StoreError> {
    let mut statement = connection.prepare_cached(REPLAYS_OF)?;
    let mut rows = statement.query(params![delivery.to_bytes(), rows_at_most(limit)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Fields::new("deliveries", row).id(0, DeliveryId::from_bytes)?);
    }
    Ok(found)
}

/// Steps from one group to the next, however many deliveries are in between.
pub(super) fn held_groups(connection: &Connection) -> Result<HeldGroups, StoreError> {
    let mut next = connection.prepare_cached(NEXT_GROUP)?;
    let mut count = connection.prepare_cached(COUNT_GROUP)?;
    let at_most = i64::try_from(COUNTED_AT_MOST).unwrap_or(i64::MAX);
    let (mut groups, mut after) = (Vec::new(), (String::new(), String::new()));
    loop {
        let mut rows = next.query(params![after.0, after.1])?;
        let Some(row) = rows.next()? else { return Ok(HeldGroups { groups, more: false }) };
        if groups.len() >= MOST_HELD_GROUPS {
            return Ok(HeldGroups { groups, more: true });
        }
        let fields = Fields::new("queue", row);
        let place = (fields.text(0)?.to_owned(), fields.text(1)?.to_owned());
        let counted: i64 = count.query_row(params![place.0, place.1, at_most], |row| row.get(0))?;
        groups.push(HeldGroup {
            webhook: fields.parse(0)?,
            cause: fields.parse(1)?,
            count: counted.unsigned_abs(),
            oldest: fields.id(2, DeliveryId::from_bytes)?,
            reason: fields.optional_text(3)?.map(str::to_owned),
        });
        after = place;
    }
}

/// The kinds of things that were looked for are few, so each has its index.
const LAST_OF_FINISHED: &str = "SELECT attempt FROM deliveries WHERE id = ?1 AND attempt IS NOT NULL";

const LAST_OF_UNFINISHED: &str = "SELECT record FROM attempts WHERE delivery = ?1 ORDER BY seq DESC LIMIT 1";

const REPLAYS_OF: &str = "SELECT id FROM queue INDEXED BY queue_replays WHERE replay_of = ?1 \
     UNION ALL SELECT id FROM deliveries INDEXED BY deliveries_replays WHERE replay_of = ?1 ORDER BY id DESC LIMIT ?2";

const NEXT_GROUP: &str = "SELECT webhook, held_for, id, reason FROM queue INDEXED BY queue_held \
     WHERE held_for IS NOT NULL AND (webhook, held_for) > (?1, ?2) ORDER BY webhook, held_for, id LIMIT 1";

const COUNT_GROUP: &str = "SELECT count(*) FROM (SELECT 1 FROM queue INDEXED BY queue_held \
     WHERE webhook = ?1 AND held_for = ?2 LIMIT ?3)";

#[cfg(test)]
mod tests {
    use super::super::schema::tests::{fresh, plan};
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn nothing_is_read_that_is_not_told() {
        let connection = fresh();
        for sql in [LAST_OF_FINISHED, LAST_OF_UNFINISHED, NEXT_GROUP, COUNT_GROUP] {
            let plan = plan(&connection, sql);
            assert!(!plan.contains("SCAN queue") && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
            assert!(plan.contains("SEARCH"), "{sql}: {plan}");
        }
        assert!(plan(&connection, NEXT_GROUP).contains("(webhook,held_for)>(?,?)"));
        assert!(!plan(&connection, REPLAYS_OF).contains("SCAN"));
    }

    #[test]
    fn what_is_held_is_grouped_by_webhook_and_cause() {
        let connection = fresh();
        let id = |number| DeliveryId::first_at(Timestamp::from_ms(number));
        let sql = "INSERT INTO queue (id, event, webhook, lane_key, state, created, changed, due, fence, attempts, runs, \
             held_for, reason, chain_sent, replay_of) VALUES (?1, x'', ?2, '', 'held', 0, 0, 0, 0, 0, 0, ?3, 'why', 0, ?4)";
        let held = [("b", "stuck"), ("a", "webhook-gone"), ("a", "stuck"), ("a", "stuck")];
        for (number, (webhook, cause)) in (1..).zip(held) {
            let of = (number > 2).then(|| id(1).to_bytes());
            connection.execute(sql, params![id(number).to_bytes(), webhook, cause, of]).expect("inserts");
        }
        let HeldGroups { groups, more } = held_groups(&connection).expect("looks");
        let told: Vec<_> = groups
            .iter()
            .map(|group| (group.webhook.as_str(), group.cause.to_string(), group.count, group.oldest))
            .collect();
        let stuck = || "stuck".to_owned();
        assert_eq!(
            told,
            [("a", stuck(), 2, id(3)), ("a", "webhook-gone".to_owned(), 1, id(2)), ("b", stuck(), 1, id(1))]
        );
        assert!(!more);
        assert_eq!(replays_of(&connection, id(1), 5).expect("looks"), [id(4), id(3)]);
    }
}
