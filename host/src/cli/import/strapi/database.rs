//! The table in a SQLite database of Strapi's, which may be in use. Reads, and trusts nothing in it.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use serde_json::Value;

use super::Row;
use crate::cli::import::MOST_WEBHOOKS;

const TABLE: &str = "strapi_webhooks";
/// What is known of its columns; the last is of newer versions.
const COLUMNS: [&str; 7] = ["id", "name", "url", "headers", "events", "enabled", "content_type_events"];
/// While Strapi writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// A larger value counts as absent.
const MOST_VALUE_BYTES: u32 = 1 << 20;
/// A file can be made so that a small question takes long: after so many steps of SQLite's machine it is given up.
const MOST_STEPS: u32 = 50_000_000;
const STEPS_AT_ONCE: i32 = 10_000;

pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Row>> {
    let mode = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, mode)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    bounded(&mut connection)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    is_table(&connection)?;
    let columns = columns(&connection)?;
    let fields: Vec<_> = columns.iter().map(|name| capped(name)).collect();
    let order = if columns.contains(&"id") { " ORDER BY id" } else { "" };
    // One more than are taken, so that the rest is noticed.
    let sql = format!("SELECT {} FROM {TABLE}{order} LIMIT {}", fields.join(", "), MOST_WEBHOOKS + 1);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let value = |(index, name): (usize, &&str)| Some(((*name).to_owned(), json(row.get_ref(index).ok()?)));
        found.push(columns.iter().enumerate().filter_map(value).collect());
    }
    Ok(found)
}

fn bounded(connection: &mut Connection) -> rusqlite::Result<()> {
    let mut left = MOST_STEPS / STEPS_AT_ONCE.unsigned_abs();
    connection.progress_handler(
        STEPS_AT_ONCE,
        Some(move || {
            left = left.saturating_sub(1);
            left == 0
        }),
    )
}

/// A view, or a table of some module, could do anything in its place.
fn is_table(connection: &Connection) -> anyhow::Result<()> {
    let sql = "SELECT type = 'table' AND rootpage > 0 FROM sqlite_schema WHERE name = ?1";
    let found: Option<bool> = connection.query_row(sql, [TABLE], |row| row.get(0)).optional()?;
    let absent = "it has no table strapi_webhooks: Strapi keeps its webhooks in PostgreSQL or MySQL there, or it is another \
                  program's; docs/strapi.md says how to export them";
    anyhow::ensure!(found.context(absent)?, "its {TABLE} is no plain table");
    Ok(())
}

fn columns(connection: &Connection) -> anyhow::Result<Vec<&'static str>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let names = statement.query_map([TABLE], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let known: Vec<_> = COLUMNS.into_iter().filter(|known| names.iter().any(|name| name == known)).collect();
    anyhow::ensure!(known.contains(&"url"), "its table {TABLE} has no column url");
    Ok(known)
}

fn capped(name: &str) -> String {
    format!("CASE WHEN octet_length({name}) <= {MOST_VALUE_BYTES} THEN {name} END")
}

fn json(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_after(sql: &str) -> anyhow::Result<Vec<Row>> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("data.db");
        Connection::open(&path).expect("opens").execute_batch(sql).expect("writes");
        read(&path)
    }

    #[test]
    fn what_a_database_can_be_is_read_or_refused() {
        let table = "CREATE TABLE strapi_webhooks (id INTEGER PRIMARY KEY, name, url, headers, events, enabled);";
        let row = "INSERT INTO strapi_webhooks VALUES (1, 'a', 'https://a.example/', '{}', zeroblob(2000000), 1);";
        let rows = read_after(&format!("{table}{row}")).expect("readable");
        assert_eq!(rows[0]["url"], "https://a.example/");
        assert_eq!(rows[0]["events"], Value::Null, "too large");
        let refused = |sql: &str| format!("{:#}", read_after(sql).expect_err(sql));
        assert!(refused("CREATE TABLE other (a);").contains("has no table strapi_webhooks"));
        assert!(refused("CREATE TABLE strapi_webhooks (a);").contains("has no column url"));
        let endless = "CREATE VIEW strapi_webhooks AS WITH RECURSIVE n(url) AS (SELECT 1 UNION ALL SELECT url FROM n) \
                       SELECT url FROM n;";
        assert!(refused(endless).contains("no plain table"));
    }
}
