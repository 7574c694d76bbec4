//! The record of changes: bounded, the oldest go.

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::store::sqlite::rows::{self, Fields, rows_at_most};
use crate::store::{CHANGES_KEPT, Change, ChangeFilter, PAGE_BYTES, Recorded, StoreError};

/// In the transaction of the change itself.
pub(in crate::store::sqlite) fn insert(connection: &Connection, change: &Change) -> Result<(), StoreError> {
    let Change { at, who, action, subject, from, to } = change;
    let [from, to] = [from, to].map(|value| value.as_ref().map(text_of).transpose());
    connection
        .prepare_cached("INSERT INTO changes (at, who, action, subject, was, becomes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![at.as_ms(), who, action, subject, from?, to?])?;
    connection
        .prepare_cached("DELETE FROM changes WHERE number <= ?1")?
        .execute([connection.last_insert_rowid().saturating_sub(CHANGES_KEPT)])?;
    Ok(())
}

/// Of a value that is too large, only how large.
fn text_of(value: &Value) -> Result<String, StoreError> {
    let text = rows::json(value)?;
    if text.len() <= MOST_VALUE_BYTES { Ok(text) } else { rows::json(&json!({ "leftOut": { "bytes": text.len() } })) }
}

/// With the number of records, what all of them may take.
const MOST_VALUE_BYTES: usize = 16 << 10;

pub(super) fn list(
    connection: &Connection,
    filter: &ChangeFilter,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<Recorded>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT number, at, who, action, subject, was, becomes FROM changes
         WHERE number < ?1 AND (?2 IS NULL OR subject = ?2) AND (?3 IS NULL OR action = ?3)
         ORDER BY number DESC LIMIT ?4",
    )?;
    let ChangeFilter { subject, action } = filter;
    let mut rows = statement.query(params![before.unwrap_or(i64::MAX), subject, action, rows_at_most(limit)])?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let fields = Fields::new("changes", row);
        let change = Change {
            at: fields.time(1)?,
            who: fields.text(2)?.to_owned(),
            action: fields.text(3)?.to_owned(),
            subject: fields.text(4)?.to_owned(),
            from: fields.optional_json(5)?,
            to: fields.optional_json(6)?,
        };
        bytes += size(&change);
        found.push(Recorded { number: fields.get(0)?, change });
        if bytes >= PAGE_BYTES {
            break;
        }
    }
    Ok(found)
}

pub(in crate::store::sqlite) fn size(change: &Change) -> usize {
    let values = [&change.from, &change.to].into_iter().flatten();
    size_of::<Change>() + values.map(|value| value.to_string().len()).sum::<usize>()
}
