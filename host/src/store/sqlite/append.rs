//! Storing events with their deliveries, and recognising those that came before.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rusqlite::{OptionalExtension as _, params};

use super::places::{self, Stand};
use super::rows::{self, Fields};
use super::windows;
use super::writer::Batch;
use crate::clock::Timestamp;
use crate::delivery::State;
use crate::event::Event;
use crate::ids::{DeliveryId, Digest, EventId, WebhookId};
use crate::store::{
    Appended, IDEMPOTENCY_MS, Idempotency, Lease, LeaseToken, NewDelivery, NewEvent, Place, Placed, StoreError,
};

/// Forgotten keys deleted with each remembered one: more than one, so that they never gather.
const FORGET_AT_ONCE: i64 = 4;

/// An event, written as it will be stored. Made outside of the writer's thread.
pub(super) struct Encoded {
    new: NewEvent,
    texts: Texts,
    deliveries: Vec<u8>,
}

impl Encoded {
    pub(super) fn new(new: NewEvent) -> Result<Self, StoreError> {
        let texts = Texts::of(&new.event)?;
        let deliveries = new.deliveries.iter().flat_map(|delivery| delivery.id.to_bytes()).collect();
        Ok(Self { new, texts, deliveries })
    }

    /// What it takes up while it waits.
    pub(super) fn bytes(&self) -> usize {
        self.new.event.weight() + self.texts.bytes() + self.deliveries.len() * 8
    }
}

/// What an event has beside its bytes, as the table keeps it.
#[derive(Default)]
pub(super) struct Texts {
    pub(super) headers: String,
    /// None: it is no CloudEvent.
    pub(super) attributes: Option<String>,
}

impl Texts {
    pub(super) fn of(event: &Event) -> Result<Self, StoreError> {
        let attributes = Some(&event.attributes).filter(|attributes| !attributes.is_empty());
        Ok(Self { headers: rows::json(&event.headers)?, attributes: attributes.map(rows::json).transpose()? })
    }

    pub(super) fn bytes(&self) -> usize {
        self.headers.len() + self.attributes.as_ref().map_or(0, String::len)
    }
}

pub(super) fn append(batch: &mut Batch<'_>, events: &[Encoded]) -> Result<Vec<Appended>, StoreError> {
    if let [_, _, ..] = events {
        let conflicts = conflicts(batch, events)?;
        if conflicts.iter().any(Option::is_some) {
            let told =
                conflicts.into_iter().map(|one| one.map_or(Appended::Withheld, |event| Appended::Conflict { event }));
            return Ok(told.collect());
        }
    }
    events.iter().map(|event| append_one(batch, event)).collect()
}

/// For each event of a call, the one of the same key and other bytes: looked for before anything is written, because a
/// call cannot be taken back without the others of its commit.
fn conflicts(batch: &Batch<'_>, events: &[Encoded]) -> Result<Vec<Option<EventId>>, StoreError> {
    let mut of_call = HashMap::new();
    let mut conflicts = Vec::with_capacity(events.len());
    for encoded in events {
        let NewEvent { event, idempotency, .. } = &encoded.new;
        let Some(key) = idempotency else {
            conflicts.push(None);
            continue;
        };
        let first = match of_call.entry((event.source.as_str(), &*key.key)) {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(unknown) => {
                let first = first_of(batch, event, key)?;
                unknown.insert(first.unwrap_or((key.digest, event.id)));
                first
            }
        };
        conflicts.push(first.filter(|(digest, _)| *digest != key.digest).map(|(_, event)| event));
    }
    Ok(conflicts)
}

fn append_one(batch: &mut Batch<'_>, encoded: &Encoded) -> Result<Appended, StoreError> {
    let NewEvent { event, idempotency, deliveries } = &encoded.new;
    if let Some(key) = idempotency {
        if let Some(earlier) = earlier(batch, encoded, key)? {
            return Ok(earlier);
        }
        remember(batch, encoded, key)?;
    }
    // Events first or deliveries first is all one within a commit; a window decides which delivery takes the event.
    let placed = deliveries.iter().map(|delivery| enqueue(batch, event, delivery)).collect::<Result<Vec<_>, _>>()?;
    let gathered = deliveries.iter().any(|delivery| delivery.debounce.is_some());
    let ids = gathered.then(|| placed.iter().flat_map(|placed| placed.id.to_bytes()).collect::<Vec<_>>());
    batch.hot.insert_event(batch.connection)?.execute(params![
        event.id.to_bytes(),
        event.event_type.as_str(),
        event.source.as_str(),
        event.received.as_ms(),
        &*event.content_type,
        encoded.texts.headers,
        encoded.texts.attributes,
        ids.as_ref().unwrap_or(&encoded.deliveries),
        &event.data[..],
    ])?;
    batch.tally.events += 1;
    Ok(Appended::Stored { deliveries: placed })
}

fn enqueue(batch: &mut Batch<'_>, event: &Arc<Event>, delivery: &NewDelivery) -> Result<Placed, StoreError> {
    let Some(debounce) = &delivery.debounce else {
        let stand = places::last(batch, &delivery.lane)?;
        let row = Row { due: event.received, stand, debounced: false, leased: delivery.lease && !stand.behind };
        return insert(batch, event, delivery, row);
    };
    let webhook = &delivery.lane.webhook;
    if let Some(shared) = windows::gather(batch, webhook, debounce, event)? {
        return Ok(shared);
    }
    let due = windows::open(batch, delivery.id, webhook, debounce, event)?;
    insert(batch, event, delivery, Row { due, stand: Stand::default(), debounced: true, leased: false })
}

/// What a new row says beyond its event and its lane.
#[derive(Clone, Copy)]
struct Row {
    due: Timestamp,
    stand: Stand,
    debounced: bool,
    leased: bool,
}

fn insert(batch: &mut Batch<'_>, event: &Arc<Event>, delivery: &NewDelivery, row: Row) -> Result<Placed, StoreError> {
    let Row { due, stand, debounced, leased } = row;
    if leased {
        batch.begin_leasing(event.received)?;
    }
    let owner = leased.then_some(batch.epoch);
    let fence = i64::from(leased);
    batch.hot.insert_delivery(batch.connection)?.execute(params![
        delivery.id.to_bytes(),
        event.id.to_bytes(),
        delivery.lane.webhook.as_str(),
        &*delivery.lane.key,
        event.received.as_ms(),
        due.as_ms(),
        owner,
        fence,
        stand.place,
        stand.behind,
        debounced,
    ])?;
    batch.tally.appear(State::Pending, 1);
    let lease = |epoch| Lease {
        token: LeaseToken { delivery: delivery.id, epoch, fence },
        lane: delivery.lane.clone(),
        event: Arc::clone(event),
        earlier: Vec::new(),
        attempts: 0,
        runs: 0,
        chain: None,
    };
    let place = match owner {
        Some(epoch) => Place::Leased(Box::new(lease(epoch))),
        None if stand.behind => Place::Behind,
        None => Place::Due(due),
    };
    Ok(Placed { id: delivery.id, place })
}

/// What the key says, if it was seen within its time.
fn earlier(batch: &Batch<'_>, encoded: &Encoded, key: &Idempotency) -> Result<Option<Appended>, StoreError> {
    let Some((digest, event)) = first_of(batch, &encoded.new.event, key)? else { return Ok(None) };
    if digest != key.digest {
        return Ok(Some(Appended::Conflict { event }));
    }
    Ok(Some(Appended::Repeated { event, deliveries: deliveries_of(batch, event)? }))
}

/// The event that first had this key, within its time.
fn first_of(batch: &Batch<'_>, event: &Event, key: &Idempotency) -> Result<Option<(Digest, EventId)>, StoreError> {
    let mut statement = batch.connection.prepare_cached(FIND_KEY)?;
    let mut found = statement.query(params![event.source.as_str(), &*key.key, forgotten(event.received)])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let fields = Fields::new("idempotency", row);
    Ok(Some((Digest::from_bytes(fields.get(1)?), fields.id(2, EventId::from_bytes)?)))
}

fn remember(batch: &Batch<'_>, encoded: &Encoded, key: &Idempotency) -> Result<(), StoreError> {
    let event = &encoded.new.event;
    batch.connection.prepare_cached(FORGET_KEYS)?.execute(params![forgotten(event.received), FORGET_AT_ONCE])?;
    batch.connection.prepare_cached(REMEMBER_KEY)?.execute(params![
        event.source.as_str(),
        &*key.key,
        key.digest.as_bytes(),
        event.id.to_bytes(),
        event.received.as_ms(),
    ])?;
    Ok(())
}

/// Keys of events received up to here are forgotten.
const fn forgotten(now: Timestamp) -> i64 {
    now.as_ms().saturating_sub(IDEMPOTENCY_MS)
}

fn deliveries_of(batch: &Batch<'_>, event: EventId) -> Result<Vec<(DeliveryId, WebhookId)>, StoreError> {
    let mut find = batch.connection.prepare_cached(FIND_WEBHOOK)?;
    let mut deliveries = Vec::new();
    for id in delivery_ids(batch.connection, event)?.unwrap_or_default() {
        let mut found = find.query(params![id.to_bytes()])?;
        if let Some(row) = found.next()? {
            deliveries.push((id, Fields::new("deliveries", row).parse(1)?));
        }
    }
    Ok(deliveries)
}

/// The ids of an event's deliveries; none if there is no such event.
pub(super) fn delivery_ids(
    connection: &rusqlite::Connection,
    event: EventId,
) -> Result<Option<Vec<DeliveryId>>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT deliveries FROM events WHERE id = ?1")?;
    let ids: Option<Vec<u8>> = statement.query_row([event.to_bytes()], |row| row.get(0)).optional()?;
    let Some(ids) = ids else { return Ok(None) };
    match ids.as_chunks() {
        (ids, []) => Ok(Some(ids.iter().copied().map(DeliveryId::from_bytes).collect())),
        _ => Err(rows::corrupt(&format!("events {event}: deliveries: not a row of ids"))),
    }
}

pub(super) const INSERT_EVENT: &str = "INSERT INTO events (id, type, source, received, content_type, headers, attributes, deliveries, data) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

pub(super) const INSERT_DELIVERY: &str = "INSERT INTO queue (id, event, webhook, lane_key, state, created, changed, due, owner, \
     fence, attempts, runs, chain_sent, place, behind, debounced) \
     VALUES (?1, ?2, ?3, ?4, 'pending', ?5, ?5, ?6, ?7, ?8, 0, 0, 0, ?9, ?10, ?11)";

const FIND_KEY: &str = "SELECT seq, digest, event FROM idempotency WHERE source = ?1 AND key = ?2 AND received > ?3";

/// Replaces a forgotten one that is still there; `earlier` has judged all others.
const REMEMBER_KEY: &str =
    "INSERT OR REPLACE INTO idempotency (source, key, digest, event, received) VALUES (?1, ?2, ?3, ?4, ?5)";

/// Goes by when they were received and not by when they were stored: after a clock that ran ahead was set back, keys
/// of the future lie before the others, and must not keep them from being forgotten.
const FORGET_KEYS: &str = "DELETE FROM idempotency WHERE seq IN \
     (SELECT seq FROM idempotency WHERE received <= ?1 ORDER BY received LIMIT ?2)";

const FIND_WEBHOOK: &str = "SELECT id, webhook FROM queue WHERE id = ?1 \
     UNION ALL SELECT id, webhook FROM deliveries WHERE id = ?1";

#[cfg(test)]
mod tests {
    use super::super::schema::tests::{fresh, plan};
    use super::*;

    #[test]
    fn forgetting_looks_at_what_it_forgets_only() {
        let plan = plan(&fresh(), FORGET_KEYS);
        assert!(plan.contains("SEARCH idempotency USING COVERING INDEX idempotency_received (received<?)"), "{plan}");
        assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{plan}");
    }

    #[test]
    fn keys_of_the_future_do_not_keep_others() {
        let connection = fresh();
        // In the order they were stored: with a clock that ran ahead, then with one set back.
        for (seq, received) in [(1, 900), (2, 901), (3, 902), (4, 903), (5, 10), (6, 11), (7, 12)] {
            let key = (seq, "cms", seq.to_string(), [0; 32], [0; 16], received);
            let sql = "INSERT INTO idempotency (seq, source, key, digest, event, received) VALUES (?, ?, ?, ?, ?, ?)";
            connection.execute(sql, key).expect("stores");
        }
        assert_eq!(connection.execute(FORGET_KEYS, [11, FORGET_AT_ONCE]).expect("forgets"), 2);
        let left = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let mut statement = connection.prepare("SELECT seq FROM idempotency ORDER BY seq").expect("prepares");
        let left: Vec<_> = statement.query_map([], left).expect("reads").map(|seq| seq.expect("reads")).collect();
        assert_eq!(left, [1, 2, 3, 4, 7]);
    }
}
