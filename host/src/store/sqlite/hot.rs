//! The statements of every event's way, kept prepared: looking one up by its text costs as much as running it.
//! What is rare goes by [`Connection::prepare_cached`].

use rusqlite::{Connection, Statement};

use super::{append, places, settle, tally};

/// Prepared when first used. To be dropped before its connection.
#[derive(Default)]
pub(super) struct Hot<'c> {
    insert_event: Option<Statement<'c>>,
    insert_delivery: Option<Statement<'c>>,
    find_last_place: Option<Statement<'c>>,
    find_leased: Option<Statement<'c>>,
    finish: Option<Statement<'c>>,
    take_off: Option<Statement<'c>>,
    advance: Option<Statement<'c>>,
    add: Option<Statement<'c>>,
}

impl<'c> Hot<'c> {
    pub(super) fn insert_event(&mut self, connection: &'c Connection) -> rusqlite::Result<&mut Statement<'c>> {
        prepared(&mut self.insert_event, connection, append::INSERT_EVENT)
    }

    pub(super) fn insert_delivery(&mut self, connection: &'c Connection) -> rusqlite::Result<&mut Statement<'c>> {
        prepared(&mut self.insert_delivery, connection, append::INSERT_DELIVERY)
    }

    pub(super) fn find_last_place(&mut self, connection: &'c Connection) -> rusqlite::Result<&mut Statement<'c>> {
        prepared(&mut self.find_last_place, connection, places::FIND_LAST)
    }

    pub(super) fn find_leased(&mut self, connection: &'c Connection) -> rusqlite::Result<&mut Statement<'c>> {
        prepared(&mut self.find_leased, connection, settle::FIND_LEASED)
    }

    pub(super) fn finish(&mut self, connection: &'c Connection) -> rusqlite::Result<&mut Statement<'c>> {
        prepared(&mut self.finish, connection, settle::FINISH)
    }

    pub(super) fn take_off(&mut self, connection: &'c Connection) -> rusqlite::Result<&mut Statement<'c>> {
        prepared(&mut self.take_off, connection, settle::TAKE_OFF)
    }

    pub(super) fn advance(&mut self, connection: &'c Connection) -> rusqlite::Result<&mut Statement<'c>> {
        prepared(&mut self.advance, connection, places::ADVANCE)
    }

    pub(super) fn add(&mut self, connection: &'c Connection) -> rusqlite::Result<&mut Statement<'c>> {
        prepared(&mut self.add, connection, tally::ADD)
    }
}

fn prepared<'s, 'c>(
    slot: &'s mut Option<Statement<'c>>,
    connection: &'c Connection,
    sql: &str,
) -> rusqlite::Result<&'s mut Statement<'c>> {
    match slot {
        Some(statement) => Ok(statement),
        None => Ok(slot.insert(connection.prepare(sql)?)),
    }
}
