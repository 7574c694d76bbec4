//! A new delivery made of an old one. The old one stays as it is.

use rusqlite::{OptionalExtension as _, params};

use super::append::{Texts, delivery_ids};
use super::parcel::Leases;
use super::rows::Fields;
use super::writer::Batch;
use crate::delivery::{ChainRecord, ChainVerdict, State};
use crate::event::Event;
use crate::ids::{DeliveryId, EventId, WebhookId};
use crate::store::{Lane, NoReplay, PAGE_ROWS, Replay, Replayed, StoreError};

/// A replay, written as it will be stored. Made outside of the writer's thread.
pub(super) struct Encoded {
    replay: Replay,
    texts: Texts,
}

impl Encoded {
    pub(super) fn new(replay: Replay) -> Result<Self, StoreError> {
        let texts = replay.event.as_ref().map(|event| Texts::of(event)).transpose()?.unwrap_or_default();
        Ok(Self { replay, texts })
    }

    /// What it takes up while it waits.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.texts.bytes() + self.replay.event.as_ref().map_or(0, |event| event.weight())
    }
}

pub(super) fn replay(batch: &mut Batch<'_>, encoded: &Encoded) -> Result<Replayed, StoreError> {
    let Replay { of, id, now, event } = &encoded.replay;
    let Some(old) = find(batch, *of)? else { return Ok(Replayed::Refused(NoReplay::Absent)) };
    let made = match event {
        Some(event) => old.may_be_done_anew().map(|()| insert_event(batch, event, *id, &encoded.texts)),
        None => old.has_an_outcome().and_then(|()| join_event(batch, old.event, *id)),
    };
    match made {
        Ok(made) => made?,
        Err(refused) => return Ok(Replayed::Refused(refused)),
    }
    let (sql, event, rewritten) = match event {
        Some(event) => (ANEW, event.id, None),
        None => (AS_RECORDED, old.event, copy_payload(batch, *of)?),
    };
    let mut insert = batch.connection.prepare_cached(sql)?;
    insert.execute(params![
        id.to_bytes(),
        event.to_bytes(),
        old.webhook.as_str(),
        now.as_ms(),
        of.to_bytes(),
        rewritten
    ])?;
    batch.tally.appear(State::Pending, 1);
    Ok(Replayed::Queued { event, lane: Lane::unordered(old.webhook) })
}

/// What is to be known of the old delivery.
struct Old {
    event: EventId,
    webhook: WebhookId,
    state: State,
    chain: Option<ChainRecord>,
}

fn find(batch: &Batch<'_>, id: DeliveryId) -> Result<Option<Old>, StoreError> {
    let mut statement = batch.connection.prepare_cached(FIND)?;
    let mut rows = statement.query([id.to_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let fields = Fields::new("deliveries", row);
    let state = State::from_name(fields.text(3)?).ok_or_else(|| fields.corrupt(3, &"not a state"))?;
    Ok(Some(Old {
        event: fields.id(1, EventId::from_bytes)?,
        webhook: fields.parse(2)?,
        state,
        chain: fields.optional_json(4)?,
    }))
}

impl Old {
    /// Whether its event may go through the chain again.
    fn may_be_done_anew(&self) -> Result<(), NoReplay> {
        if self.state.is_finished() || self.state == State::Held {
            Ok(())
        } else {
            Err(NoReplay::Unfinished(self.state))
        }
    }

    /// Whether there is something on record that was to be sent.
    fn has_an_outcome(&self) -> Result<(), NoReplay> {
        if !self.state.is_finished() {
            return Err(NoReplay::Unfinished(self.state));
        }
        let delivers = self.chain.as_ref().is_some_and(|chain| matches!(chain.verdict, ChainVerdict::Deliver { .. }));
        let was_to_be_sent = matches!(self.state, State::Delivered | State::Failed);
        if delivers && was_to_be_sent { Ok(()) } else { Err(NoReplay::NothingSent(self.state)) }
    }
}

fn insert_event(batch: &mut Batch<'_>, event: &Event, delivery: DeliveryId, texts: &Texts) -> Result<(), StoreError> {
    batch.hot.insert_event(batch.connection)?.execute(params![
        event.id.to_bytes(),
        event.event_type.as_str(),
        event.source.as_str(),
        event.received.as_ms(),
        &*event.content_type,
        texts.headers,
        texts.attributes,
        delivery.to_bytes(),
        &event.data[..],
    ])?;
    batch.tally.events += 1;
    Ok(())
}

/// Enters the new delivery among those of its event.
fn join_event(batch: &Batch<'_>, event: EventId, delivery: DeliveryId) -> Result<Result<(), StoreError>, NoReplay> {
    let ids = match delivery_ids(batch.connection, event) {
        Ok(Some(ids)) if ids.len() >= PAGE_ROWS => return Err(NoReplay::TooMany),
        Ok(Some(ids)) => ids,
        Ok(None) => return Err(NoReplay::EventGone),
        Err(error) => return Ok(Err(error)),
    };
    let ids: Vec<u8> = ids.into_iter().chain([delivery]).flat_map(DeliveryId::to_bytes).collect();
    let update = |sql| batch.connection.prepare_cached(sql)?.execute(params![event.to_bytes(), ids]);
    Ok(update("UPDATE events SET deliveries = ?2 WHERE id = ?1").map(drop).map_err(StoreError::from))
}

/// The payload as it was rewritten, where those of unfinished deliveries are.
fn copy_payload(batch: &Batch<'_>, of: DeliveryId) -> Result<Option<i64>, StoreError> {
    let mut copy = batch.connection.prepare_cached(COPY_PAYLOAD)?;
    Ok(copy.query_row([of.to_bytes()], |row| row.get(0)).optional()?)
}

impl Leases for Replayed {}

const FIND: &str = "SELECT id, event, webhook, state, chain FROM deliveries WHERE id = ?1 \
     UNION ALL SELECT id, event, webhook, state, NULL FROM queue WHERE id = ?1";

const COPY_PAYLOAD: &str = "INSERT INTO rewritten (data) SELECT rewritten FROM deliveries \
     WHERE id = ?1 AND rewritten IS NOT NULL RETURNING seq";

/// `chain_sent`: its outcome is fixed, no plugin runs.
const AS_RECORDED: &str = "INSERT INTO queue (id, event, webhook, lane_key, state, created, changed, due, fence, attempts, runs, \
     chain, rewritten, chain_sent, replay_of) \
     SELECT ?1, ?2, ?3, '', 'pending', ?4, ?4, ?4, 0, 0, 0, chain, ?6, 1, ?5 FROM deliveries WHERE id = ?5";

const ANEW: &str = "INSERT INTO queue (id, event, webhook, lane_key, state, created, changed, due, fence, attempts, runs, \
     rewritten, chain_sent, replay_of) VALUES (?1, ?2, ?3, '', 'pending', ?4, ?4, ?4, 0, 0, 0, ?6, 0, ?5)";
