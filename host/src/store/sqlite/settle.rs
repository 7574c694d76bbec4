//! Recording what happened to a leased delivery: kept in the queue, or moved to history.

use bytes::Bytes;
use rusqlite::{Connection, params};

use super::places;
use super::rows::{self, Fields};
use super::windows;
use super::writer::Batch;
use crate::delivery::{ChainVerdict, Next, State};
use crate::ids::EventId;
use crate::store::{Lane, LeaseToken, Settled, Settlement, StoreError};

/// A settlement, written as it will be stored. Made outside of the writer's thread.
pub(super) struct Encoded {
    token: LeaseToken,
    now: i64,
    next: Next,
    attempt: Option<String>,
    chain: Option<Chain>,
    runs: u32,
    carrier: Option<EventId>,
    gives_up_place: bool,
}

struct Chain {
    record: String,
    data: Option<Bytes>,
    delivers: bool,
}

impl Encoded {
    pub(super) fn new(settlement: &Settlement) -> Result<Self, StoreError> {
        let Settlement { token, now, next, attempt, chain, runs, carrier, gives_up_place } = settlement;
        let chain = chain.as_ref().map(|chain| {
            let delivers = matches!(chain.verdict, ChainVerdict::Deliver { .. });
            rows::json(chain).map(|record| Chain { record, data: chain.data().cloned(), delivers })
        });
        let attempt = attempt.as_ref().map(rows::json).transpose()?;
        Ok(Self {
            token: *token,
            now: now.as_ms(),
            next: next.clone(),
            attempt,
            chain: chain.transpose()?,
            runs: *runs,
            carrier: *carrier,
            gives_up_place: *gives_up_place,
        })
    }

    /// What it takes up while it waits.
    pub(super) fn bytes(&self) -> usize {
        let chain =
            self.chain.as_ref().map_or(0, |chain| chain.record.len() + chain.data.as_ref().map_or(0, Bytes::len));
        size_of::<Self>() + self.attempt.as_ref().map_or(0, String::len) + chain
    }
}

pub(super) fn settle(batch: &mut Batch<'_>, settlements: &[Encoded]) -> Result<Vec<Settled>, StoreError> {
    settlements.iter().map(|settlement| settle_one(batch, settlement)).collect()
}

fn settle_one(batch: &mut Batch<'_>, settlement: &Encoded) -> Result<Settled, StoreError> {
    let connection = batch.connection;
    let delivery = settlement.token.delivery;
    let id = delivery.to_bytes();
    let Some(mut leased) = find_leased(batch, settlement)? else { return Ok(Settled::Stale) };
    if let Next::Released { due } = settlement.next {
        connection.prepare_cached(RELEASE)?.execute(params![id, due.as_ms()])?;
        return Ok(Settled::Done);
    }
    let state = settlement.next.state().unwrap_or(leased.state);
    let attempts = leased.attempts.saturating_add(u32::from(settlement.attempt.is_some()));
    if let Some(carrier) = settlement.carrier
        && windows::carry(connection, delivery, carrier)?
    {
        leased.event = carrier.to_bytes();
    }
    let change = Change { settlement, state, attempts, rewritten: leased.rewritten };
    if state.is_finished() {
        finish(batch, &change, &leased)?;
    } else {
        keep(connection, &change)?;
    }
    batch.tally.move_one(leased.state, state);
    if leased.debounced && state.is_finished() {
        batch.tally.superseded += windows::superseded(connection, delivery)?;
    }
    let gives_up = state == State::Held && settlement.gives_up_place;
    if let Some(lane) = leased.ordered.as_ref().filter(|_| gives_up || state.is_finished()) {
        if gives_up {
            places::give_up(batch, id)?;
        }
        places::advance(batch, lane)?;
    }
    Ok(Settled::Done)
}

struct Leased {
    state: State,
    attempts: u32,
    rewritten: Option<i64>,
    debounced: bool,
    /// Its lane, if it has a place there.
    ordered: Option<Lane>,
    // What goes to history as it is:
    event: [u8; 16],
    webhook: String,
    created: i64,
    chain: Option<String>,
    replay_of: Option<[u8; 16]>,
}

fn find_leased(batch: &mut Batch<'_>, settlement: &Encoded) -> Result<Option<Leased>, StoreError> {
    let token = settlement.token;
    let find = batch.hot.find_leased(batch.connection)?;
    let mut found = find.query(params![token.delivery.to_bytes(), token.epoch, token.fence])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let fields = Fields::new("queue", row);
    let has_place = fields.get::<Option<i64>>(5)?.is_some();
    let lane = || Ok::<_, StoreError>(Lane { webhook: fields.parse(6)?, key: fields.text(7)?.into() });
    Ok(Some(Leased {
        state: unfinished(fields, 1)?,
        attempts: fields.get(2)?,
        rewritten: fields.get(3)?,
        debounced: fields.get(4)?,
        ordered: has_place.then(lane).transpose()?,
        event: fields.get(8)?,
        webhook: fields.text(6)?.to_owned(),
        created: fields.get(9)?,
        // Of no use where there is a new one.
        chain: if settlement.chain.is_none() { fields.get(10)? } else { None },
        replay_of: fields.get(11)?,
    }))
}

struct Change<'a> {
    settlement: &'a Encoded,
    state: State,
    attempts: u32,
    /// Where the rewritten payload of an earlier run is, if there is one.
    rewritten: Option<i64>,
}

/// Stores the payload of a new chain outcome in place of the `old` one.
fn store_payload(connection: &Connection, settlement: &Encoded, old: Option<i64>) -> Result<Option<i64>, StoreError> {
    let Some(chain) = &settlement.chain else { return Ok(old) };
    forget_payload(connection, old)?;
    let Some(data) = &chain.data else { return Ok(None) };
    connection.prepare_cached("INSERT INTO rewritten (data) VALUES (?1)")?.execute(params![&data[..]])?;
    Ok(Some(connection.last_insert_rowid()))
}

fn forget_payload(connection: &Connection, seq: Option<i64>) -> Result<(), StoreError> {
    if let Some(seq) = seq {
        connection.prepare_cached("DELETE FROM rewritten WHERE seq = ?1")?.execute([seq])?;
    }
    Ok(())
}

fn finish(batch: &mut Batch<'_>, change: &Change<'_>, leased: &Leased) -> Result<(), StoreError> {
    let Change { settlement, state, attempts, rewritten } = change;
    let id = settlement.token.delivery.to_bytes();
    let reason = match &settlement.next {
        Next::Dropped { reason } | Next::Failed { reason } => Some(reason),
        _ => None,
    };
    let chain = settlement.chain.as_ref();
    batch.hot.finish(batch.connection)?.execute(params![
        id,
        leased.event,
        leased.webhook,
        state.as_str(),
        leased.created,
        settlement.now,
        attempts,
        settlement.runs,
        reason,
        chain.map(|chain| &chain.record).or(leased.chain.as_ref()),
        settlement.attempt,
        chain.and_then(|chain| chain.data.as_deref()),
        // A new run's outcome takes the place of an earlier one's, also when it has no payload.
        rewritten.filter(|_| chain.is_none()),
        leased.replay_of,
    ])?;
    forget_payload(batch.connection, *rewritten)?;
    batch.hot.take_off(batch.connection)?.execute([id])?;
    Ok(())
}

fn keep(connection: &Connection, change: &Change<'_>) -> Result<(), StoreError> {
    let Change { settlement, state, attempts, rewritten } = change;
    let id = settlement.token.delivery.to_bytes();
    let rewritten = store_payload(connection, settlement, *rewritten)?;
    if let Some(attempt) = &settlement.attempt {
        connection.prepare_cached(INSERT_ATTEMPT)?.execute(params![id, attempt])?;
    }
    let (due, reason, held_for) = match &settlement.next {
        Next::RetryAt { due, reason } => (Some(due.as_ms()), Some(reason), None),
        Next::Held { cause, reason } => (None, Some(reason), Some(cause.to_string())),
        Next::Delivered | Next::Dropped { .. } | Next::Failed { .. } | Next::Released { .. } => (None, None, None),
    };
    connection.prepare_cached(KEEP)?.execute(params![
        id,
        state.as_str(),
        settlement.now,
        due,
        attempts,
        settlement.runs,
        held_for,
        reason,
        settlement.chain.as_ref().map(|chain| &chain.record),
        rewritten,
        chain_sent(settlement),
    ])?;
    Ok(())
}

/// Whether the chain's outcome is fixed from now on; none: as before.
fn chain_sent(settlement: &Encoded) -> Option<bool> {
    match (&settlement.chain, &settlement.attempt) {
        (Some(chain), attempt) => Some(chain.delivers && attempt.is_some()),
        (None, Some(_)) => Some(true),
        (None, None) => None,
    }
}

/// The state of a row of the queue.
pub(super) fn unfinished(fields: Fields<'_, '_>, column: usize) -> Result<State, StoreError> {
    State::from_name(fields.text(column)?)
        .filter(|state| !state.is_finished())
        .ok_or_else(|| fields.corrupt(column, &"not the state of an unfinished delivery"))
}

pub(super) const FIND_LEASED: &str = "SELECT id, state, attempts, rewritten, debounced, place, webhook, lane_key, event, created, \
     chain, replay_of FROM queue WHERE id = ?1 AND owner = ?2 AND fence = ?3";

const RELEASE: &str = "UPDATE queue SET owner = NULL, due = ?2 WHERE id = ?1";

const INSERT_ATTEMPT: &str = "INSERT INTO attempts (delivery, record) VALUES (?1, ?2)";

/// One row of values, not a selection: SQLite need not be able to take back half of it.
pub(super) const FINISH: &str = "INSERT INTO deliveries (id, event, webhook, state, created, changed, attempts, runs, reason, \
     chain, attempt, rewritten, replay_of) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, \
     coalesce(?12, (SELECT data FROM rewritten WHERE seq = ?13)), ?14)";

pub(super) const TAKE_OFF: &str = "DELETE FROM queue WHERE id = ?1";

const KEEP: &str = "UPDATE queue SET owner = NULL, state = ?2, changed = ?3, due = coalesce(?4, due), attempts = ?5, \
     runs = ?6, held_for = ?7, reason = ?8, chain = coalesce(?9, chain), rewritten = ?10, \
     chain_sent = coalesce(?11, chain_sent), crashes = 0 WHERE id = ?1";
