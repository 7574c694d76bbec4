//! Definitions of managed webhooks.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::SqliteStore;
use super::registry::changes;
use super::rows::{Fields, json};
use super::writer::{Batch, Room};
use crate::ids::{Digest, WebhookId};
use crate::store::{Answer, Change, MOST_MANAGED, Managed, ManagedRow, StoreError, Written};

impl Managed for SqliteStore {
    fn managed(&self) -> Answer<'_, Vec<ManagedRow>> {
        Box::pin(self.readers().ask(list))
    }

    fn write(&self, row: ManagedRow, known: Option<i64>, change: Change) -> Answer<'_, Written> {
        let bytes = changes::size(&change) * 2 + row.sealed.len();
        Box::pin(self.writer().call(Room::Progress, bytes, move |batch| write(batch, &row, known, &change)))
    }

    fn remove(&self, webhook: WebhookId, known: i64, is_in_force: bool, change: Change) -> Answer<'_, Written> {
        let bytes = changes::size(&change);
        let work = move |batch: &mut Batch<'_>| remove(batch, &webhook, known, is_in_force, &change);
        Box::pin(self.writer().call(Room::Progress, bytes, work))
    }

    fn reseal(&self, sealed: Vec<(WebhookId, i64, Arc<[u8]>)>, change: Change) -> Answer<'_, Written> {
        let bytes = sealed.iter().map(|(_, _, sealed)| sealed.len()).sum();
        Box::pin(self.writer().call(Room::Progress, bytes, move |batch| reseal(batch, &sealed, &change)))
    }
}

fn list(connection: &Connection) -> Result<Vec<ManagedRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT webhook, version, created, changed, definition, sealed, retiring, key, key_digest FROM managed
         ORDER BY webhook",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let fields = Fields::new("managed", row);
        let key = match (fields.optional_text(7)?, fields.get::<Option<[u8; 32]>>(8)?) {
            (Some(key), Some(digest)) => Some((key.to_owned(), Digest::from_bytes(digest))),
            _ => None,
        };
        found.push(ManagedRow {
            webhook: fields.parse(0)?,
            version: fields.get(1)?,
            created: fields.time(2)?,
            changed: fields.time(3)?,
            definition: fields.json(4)?,
            sealed: fields.get::<Vec<u8>>(5)?.into(),
            retiring: fields.json(6)?,
            key,
        });
    }
    Ok(found)
}

fn version_of(connection: &Connection, webhook: &WebhookId) -> Result<Option<i64>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT version FROM managed WHERE webhook = ?1")?;
    Ok(statement.query_row([webhook.as_str()], |row| row.get(0)).optional()?)
}

fn write(batch: &Batch<'_>, row: &ManagedRow, known: Option<i64>, change: &Change) -> Result<Written, StoreError> {
    let connection = batch.connection;
    if version_of(connection, &row.webhook)? != known {
        return Ok(Written::Changed);
    }
    if known.is_none() {
        let count: i64 = connection.query_row("SELECT count(*) FROM managed", [], |row| row.get(0))?;
        if usize::try_from(count).unwrap_or(usize::MAX) >= MOST_MANAGED {
            return Ok(Written::TooMany);
        }
    }
    let ManagedRow { webhook, version, created, changed, definition, sealed, retiring, key } = row;
    let (key, digest) = key.as_ref().map(|(key, digest)| (key, digest.as_bytes())).unzip();
    connection.execute(
        // Only its own row is replaced: a key that another row has is an error.
        "INSERT INTO managed (webhook, version, created, changed, definition, sealed, retiring, key, key_digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (webhook) DO UPDATE SET version = ?2, changed = ?4, definition = ?5, sealed = ?6, retiring = ?7",
        params![
            webhook.as_str(),
            version,
            created.as_ms(),
            changed.as_ms(),
            json(definition)?,
            &**sealed,
            json(retiring)?,
            key,
            digest.map(<[u8; 32]>::as_slice),
        ],
    )?;
    changes::insert(connection, change)?;
    Ok(Written::Done)
}

fn remove(
    batch: &Batch<'_>,
    webhook: &WebhookId,
    known: i64,
    is_in_force: bool,
    change: &Change,
) -> Result<Written, StoreError> {
    let connection = batch.connection;
    if version_of(connection, webhook)? != Some(known) {
        return Ok(Written::Changed);
    }
    connection.execute("DELETE FROM managed WHERE webhook = ?1", [webhook.as_str()])?;
    if is_in_force {
        connection.execute("DELETE FROM run_states WHERE webhook = ?1", [webhook.as_str()])?;
    }
    changes::insert(connection, change)?;
    Ok(Written::Done)
}

fn reseal(batch: &Batch<'_>, sealed: &[(WebhookId, i64, Arc<[u8]>)], change: &Change) -> Result<Written, StoreError> {
    let connection = batch.connection;
    for (webhook, known, _) in sealed {
        if version_of(connection, webhook)? != Some(*known) {
            return Ok(Written::Changed);
        }
    }
    let mut statement = connection.prepare_cached("UPDATE managed SET sealed = ?2 WHERE webhook = ?1")?;
    for (webhook, _, sealed) in sealed {
        statement.execute(params![webhook.as_str(), &**sealed])?;
    }
    changes::insert(connection, change)?;
    Ok(Written::Done)
}
