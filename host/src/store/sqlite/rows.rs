//! Between rows and the words of the domain. A value that cannot be read is [`StoreError::Corrupt`], naming table,
//! row and column; never a panic.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::delivery::{ChainRecord, ChainVerdict};
use crate::store::{PAGE_ROWS, StoreError};

/// A row of `table`; its first column names it in errors.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a, 'r> {
    table: &'static str,
    row: &'a Row<'r>,
}

impl<'a, 'r> Fields<'a, 'r> {
    pub(super) const fn new(table: &'static str, row: &'a Row<'r>) -> Self {
        Self { table, row }
    }

    pub(super) fn get<T: FromSql>(&self, column: usize) -> Result<T, StoreError> {
        self.row.get(column).map_err(|error| self.corrupt(column, &error))
    }

    pub(super) fn id<T>(&self, column: usize, make: fn([u8; 16]) -> T) -> Result<T, StoreError> {
        self.get(column).map(make)
    }

    pub(super) fn optional_id<T>(&self, column: usize, make: fn([u8; 16]) -> T) -> Result<Option<T>, StoreError> {
        Ok(self.get::<Option<[u8; 16]>>(column)?.map(make))
    }

    pub(super) fn time(&self, column: usize) -> Result<Timestamp, StoreError> {
        self.get(column).map(Timestamp::from_ms)
    }

    pub(super) fn bytes(&self, column: usize) -> Result<Bytes, StoreError> {
        self.get::<Vec<u8>>(column).map(Bytes::from)
    }

    pub(super) fn text(&self, column: usize) -> Result<&'a str, StoreError> {
        self.optional_text(column)?.ok_or_else(|| self.corrupt(column, &"is absent"))
    }

    pub(super) fn optional_text(&self, column: usize) -> Result<Option<&'a str>, StoreError> {
        let value = self.row.get_ref(column).map_err(|error| self.corrupt(column, &error))?;
        value.as_str_or_null().map_err(|error| self.corrupt(column, &error))
    }

    /// A text that is parsed.
    pub(super) fn parse<T: FromStr<Err: Display>>(&self, column: usize) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|error| self.corrupt(column, &error))
    }

    pub(super) fn optional_parse<T: FromStr<Err: Display>>(&self, column: usize) -> Result<Option<T>, StoreError> {
        let text = self.optional_text(column)?;
        text.map(str::parse).transpose().map_err(|error| self.corrupt(column, &error))
    }

    /// A text that is JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T, StoreError> {
        serde_json::from_str(self.text(column)?).map_err(|error| self.corrupt(column, &error))
    }

    pub(super) fn optional_json<T: DeserializeOwned>(&self, column: usize) -> Result<Option<T>, StoreError> {
        let text = self.optional_text(column)?;
        text.map(serde_json::from_str).transpose().map_err(|error| self.corrupt(column, &error))
    }

    pub(super) fn corrupt(&self, column: usize, why: &dyn Display) -> StoreError {
        let name = self.row.as_ref().column_name(column).unwrap_or("?");
        corrupt(&format!("{} {}: {name}: {why}", self.table, self.key()))
    }

    /// The first column, for people: ids without their prefix, as the table says what they are.
    fn key(&self) -> String {
        match self.row.get_ref(0) {
            Ok(ValueRef::Blob(bytes)) => match <[u8; 16]>::try_from(bytes) {
                Ok(bytes) => ulid::Ulid::from_bytes(bytes).to_string(),
                Err(_) => "with an unreadable id".to_owned(),
            },
            Ok(ValueRef::Text(text)) => String::from_utf8_lossy(text).into_owned(),
            Ok(ValueRef::Integer(number)) => number.to_string(),
            _ => "with an unreadable id".to_owned(),
        }
    }
}

/// A limit of rows as SQLite wants it, never above [`PAGE_ROWS`].
pub(super) fn rows_at_most(limit: usize) -> i64 {
    i64::try_from(limit.min(PAGE_ROWS)).unwrap_or(i64::MAX)
}

pub(super) fn corrupt(text: &str) -> StoreError {
    StoreError::Corrupt(text.into())
}

/// JSON text of a value of ours.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(format!("cannot be written: {error}").into()))
}

/// Puts the payload, which is stored beside the record, back into it.
pub(super) fn with_data(mut record: ChainRecord, rewritten: Option<Bytes>) -> ChainRecord {
    if let ChainVerdict::Deliver { changes } = &mut record.verdict {
        changes.data = rewritten;
    }
    record
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(Arc::from(error.to_string()))
    }
}
