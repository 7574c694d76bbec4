//! Who owns what: owners, their heartbeats, and taking back the leases of the dead.
//!
//! A lease taken back is only unowned; the next claim raises its fence, so that a settle of the old owner is stale.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::writer::Batch;
use crate::clock::Timestamp;
use crate::store::{LeaseToken, OWNER_SILENCE_MS, StoreError};

/// Enters a new owner and returns its epoch. `exclusive`: all earlier owners are known to be dead.
pub(super) fn register(connection: &mut Connection, exclusive: bool, now: Timestamp) -> rusqlite::Result<i64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if exclusive {
        transaction.execute("UPDATE queue SET owner = NULL WHERE owner IS NOT NULL", [])?;
        transaction.execute("DELETE FROM owners", [])?;
    }
    transaction.execute("INSERT INTO owners (seen) VALUES (?1)", [now.as_ms()])?;
    let epoch = transaction.last_insert_rowid();
    transaction.commit()?;
    Ok(epoch)
}

/// Takes an owner out, and its leases back.
pub(super) fn unregister(connection: &Connection, epoch: i64) -> rusqlite::Result<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    take_back(connection, epoch)?;
    transaction.execute("DELETE FROM owners WHERE epoch = ?1", [epoch])?;
    transaction.commit()
}

/// Enters the owner again if it was taken for dead.
pub(super) fn ensure_owner(connection: &Connection, epoch: i64, now: Timestamp) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT OR IGNORE INTO owners (epoch, seen) VALUES (?1, ?2)")?;
    insert.execute([epoch, now.as_ms()]).map(drop)
}

pub(super) fn heartbeat(batch: &Batch<'_>, now: Timestamp) -> Result<u64, StoreError> {
    batch.connection.prepare_cached(SEEN)?.execute([batch.epoch, now.as_ms()])?;
    let silent_since = now.as_ms().saturating_sub(OWNER_SILENCE_MS);
    let mut find = batch.connection.prepare_cached("SELECT epoch FROM owners WHERE seen <= ?1 AND epoch <> ?2")?;
    let dead = find.query_map([silent_since, batch.epoch], |row| row.get::<_, i64>(0))?;
    let mut taken = 0;
    for epoch in dead.collect::<Result<Vec<_>, _>>()? {
        taken += take_back(batch.connection, epoch)?;
        batch.connection.execute("DELETE FROM owners WHERE epoch = ?1", [epoch])?;
    }
    Ok(taken as u64)
}

/// Gives up single leases without a word on what became of the deliveries.
pub(super) fn give_back(batch: &Batch<'_>, tokens: &[LeaseToken]) -> Result<u64, StoreError> {
    let mut update = batch.connection.prepare_cached(GIVE_BACK)?;
    let mut given = 0;
    for token in tokens {
        given += update.execute(params![token.delivery.to_bytes(), token.epoch, token.fence])?;
    }
    Ok(given as u64)
}

/// Reads the whole queue: no index, as keeping one would cost every delivery, and owners die seldom.
fn take_back(connection: &Connection, epoch: i64) -> rusqlite::Result<usize> {
    connection.prepare_cached("UPDATE queue SET owner = NULL WHERE owner = ?1")?.execute([epoch])
}

const SEEN: &str = "INSERT INTO owners (epoch, seen) VALUES (?1, ?2) \
     ON CONFLICT (epoch) DO UPDATE SET seen = max(seen, excluded.seen)";

const GIVE_BACK: &str = "UPDATE queue SET owner = NULL WHERE id = ?1 AND owner = ?2 AND fence = ?3";
