//! What people made and changed.

pub(super) mod changes;

use super::SqliteStore;
use super::writer::Room;
use crate::store::{Answer, Change, Recorded, Registry};

impl Registry for SqliteStore {
    fn record(&self, change: Change) -> Answer<'_, ()> {
        let bytes = changes::size(&change);
        Box::pin(self.writer().call(Room::Progress, bytes, move |batch| changes::insert(batch.connection, &change)))
    }

    fn changes(&self, before: Option<i64>, limit: usize) -> Answer<'_, Vec<Recorded>> {
        Box::pin(self.readers().ask(move |connection| changes::list(connection, before, limit)))
    }
}
