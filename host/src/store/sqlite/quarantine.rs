//! Refused bodies, bounded in number, bytes and age.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::rows::{self, Fields, rows_at_most};
use super::tally;
use super::writer::Batch;
use crate::ids::QuarantineId;
use crate::store::{PAGE_BYTES, QuarantineBounds, Quarantined, StoreError};

/// What one takes up, for bounds.
pub(super) fn size(refused: &Quarantined) -> usize {
    let headers: usize = refused.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let key = refused.idempotency_key.as_ref().map_or(0, |key| key.len());
    refused.data.len() + refused.problem.len() + headers + key
}

pub(super) fn keep(batch: &mut Batch<'_>, refused: &[Quarantined], bounds: QuarantineBounds) -> Result<(), StoreError> {
    for one in refused {
        let size = size(one) as u64;
        // It would push out all others and then itself.
        if size <= bounds.max_bytes && bounds.max_count > 0 {
            insert(batch, one, i64::try_from(size).unwrap_or(i64::MAX))?;
        }
    }
    evict(batch, bounds)
}

fn insert(batch: &mut Batch<'_>, refused: &Quarantined, size: i64) -> Result<(), StoreError> {
    batch.connection.prepare_cached(INSERT)?.execute(params![
        refused.id.to_bytes(),
        refused.source.as_str(),
        refused.received.as_ms(),
        &*refused.content_type,
        rows::json(&refused.headers)?,
        refused.idempotency_key.as_deref(),
        refused.problem,
        size,
        &refused.data[..],
    ])?;
    batch.tally.quarantined += 1;
    batch.tally.quarantine_bytes += size;
    Ok(())
}

/// Takes out the oldest until all is within `bounds`.
fn evict(batch: &mut Batch<'_>, bounds: QuarantineBounds) -> Result<(), StoreError> {
    let (count, bytes) = tally::quarantine(batch.connection)?;
    let (max_count, max_bytes) = (bounded(bounds.max_count), bounded(bounds.max_bytes));
    let mut oldest = batch.connection.prepare_cached(OLDEST)?;
    loop {
        let found = oldest.query_row([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)));
        let Some((seq, received, size)) = found.optional()? else { return Ok(()) };
        let over = count.saturating_add(batch.tally.quarantined) > max_count
            || bytes.saturating_add(batch.tally.quarantine_bytes) > max_bytes;
        if !over && received >= bounds.oldest.as_ms() {
            return Ok(());
        }
        remove(batch, seq, size)?;
    }
}

fn bounded(bound: u64) -> i64 {
    i64::try_from(bound).unwrap_or(i64::MAX)
}

fn remove(batch: &mut Batch<'_>, seq: i64, size: i64) -> Result<(), StoreError> {
    batch.connection.prepare_cached("DELETE FROM quarantine WHERE seq = ?1")?.execute([seq])?;
    batch.tally.quarantined -= 1;
    batch.tally.quarantine_bytes -= size;
    Ok(())
}

pub(super) fn take(batch: &mut Batch<'_>, id: QuarantineId) -> Result<Option<Quarantined>, StoreError> {
    let mut statement = batch.connection.prepare_cached(FIND)?;
    let mut found = statement.query([id.to_bytes()])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let fields = Fields::new("quarantine", row);
    let (taken, size, seq) = (quarantined(fields)?, fields.get(8)?, fields.get(9)?);
    drop(found);
    remove(batch, seq, size)?;
    Ok(Some(taken))
}

/// Newest first.
pub(super) fn list(
    connection: &Connection,
    before: Option<QuarantineId>,
    limit: usize,
) -> Result<Vec<Quarantined>, StoreError> {
    let before = before.map_or([0xff; 16], QuarantineId::to_bytes);
    let mut statement = connection.prepare_cached(LIST)?;
    let mut rows = statement.query(params![before, rows_at_most(limit)])?;
    let (mut page, mut bytes) = (Vec::new(), 0);
    while let (true, Some(row)) = (bytes < PAGE_BYTES, rows.next()?) {
        let one = quarantined(Fields::new("quarantine", row))?;
        bytes += size(&one);
        page.push(one);
    }
    Ok(page)
}

fn quarantined(fields: Fields<'_, '_>) -> Result<Quarantined, StoreError> {
    Ok(Quarantined {
        id: fields.id(0, QuarantineId::from_bytes)?,
        source: fields.parse(1)?,
        received: fields.time(2)?,
        content_type: fields.text(3)?.into(),
        headers: fields.json(4)?,
        idempotency_key: fields.optional_text(5)?.map(Into::into),
        problem: fields.text(6)?.to_owned(),
        data: fields.bytes(7)?,
    })
}

const INSERT: &str = "INSERT INTO quarantine (id, source, received, content_type, headers, idempotency_key, problem, \
     size, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

const OLDEST: &str = "SELECT seq, received, size FROM quarantine ORDER BY seq LIMIT 1";

const FIND: &str = "SELECT id, source, received, content_type, headers, idempotency_key, problem, data, size, seq \
     FROM quarantine WHERE id = ?1";

const LIST: &str = "SELECT id, source, received, content_type, headers, idempotency_key, problem, data \
     FROM quarantine WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
