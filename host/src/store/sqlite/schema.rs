//! The tables, and how older files become newer ones. A database newer than this binary is refused.
//!
//! No foreign keys: one writer keeps the tables in step, and every check would touch one more tree per row on the
//! way of each event.

use std::cmp::Ordering;

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// `PRAGMA application_id`: this file is ours. The letters `hook`.
const APPLICATION_ID: i64 = 0x686f_6f6b;

/// The step at index *n* leads from version *n* to *n* + 1. Never edited once released, only appended to.
const MIGRATIONS: [&str; 1] = [include_str!("schema/0001.sql")];

/// Why a database cannot be brought to today's schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("it is a SQLite database of another program; name a file of Hookwright's own")]
    Foreign,
    #[error("it was written by a newer Hookwright (schema {found}, this one knows {known}); run that version or newer")]
    Newer { found: i64, known: i64 },
    #[error(
        "it was written by an older Hookwright (schema {found}, this one knows {known}); start this one on it once"
    )]
    Older { found: i64, known: i64 },
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// Brings the database to the newest version, each step in a transaction of its own. Several handles may try at once.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), SchemaError> {
    let known = known_version();
    loop {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version = version(&step)?;
        if version > known {
            return Err(SchemaError::Newer { found: version, known });
        }
        let Some(sql) = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version)) else {
            return Ok(());
        };
        if version == 0 {
            adopt(&step)?;
        }
        step.execute_batch(sql)?;
        step.pragma_update(None, "user_version", version + 1)?;
        step.commit()?;
    }
}

/// Whether the database can be read as it is.
pub(super) fn check(connection: &Connection) -> Result<(), SchemaError> {
    let (found, known) = (version(connection)?, known_version());
    match found.cmp(&known) {
        Ordering::Less => Err(SchemaError::Older { found, known }),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(SchemaError::Newer { found, known }),
    }
}

fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn version(connection: &Connection) -> Result<i64, SchemaError> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    match (version, application) {
        (0, 0) | (_, APPLICATION_ID) => Ok(version),
        _ => Err(SchemaError::Foreign),
    }
}

/// Marks an empty file as ours.
fn adopt(step: &Transaction<'_>) -> Result<(), SchemaError> {
    let empty: bool = step.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
    if !empty {
        return Err(SchemaError::Foreign);
    }
    Ok(step.pragma_update(None, "application_id", APPLICATION_ID)?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An empty database in memory.
    pub(in super::super) fn fresh() -> Connection {
        let mut connection = Connection::open_in_memory().expect("opens");
        migrate(&mut connection).expect("migrates");
        connection
    }

    /// How SQLite would run `sql`.
    pub(in super::super) fn plan(connection: &Connection, sql: &str) -> String {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("explains");
        let steps = statement.raw_query().mapped(|row| row.get::<_, String>(3));
        steps.map(|step| step.expect("reads")).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn migrates_once_and_refuses_newer() {
        let mut connection = fresh();
        migrate(&mut connection).expect("again: nothing to do");
        connection.pragma_update(None, "user_version", known_version() + 1).expect("writes");
        let refused = migrate(&mut connection).expect_err("newer");
        assert!(matches!(refused, SchemaError::Newer { found: 2, known: 1 }), "{refused}");
    }

    #[test]
    fn leaves_the_databases_of_others_alone() {
        let mut connection = Connection::open_in_memory().expect("opens");
        connection.execute_batch("CREATE TABLE entries (id INTEGER)").expect("writes");
        assert!(matches!(migrate(&mut connection), Err(SchemaError::Foreign)));
    }
}
