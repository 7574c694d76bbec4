//! What people made and changed.

pub(super) mod changes;
mod tokens;

use super::SqliteStore;
use super::writer::Room;
use crate::access::Token;
use crate::clock::Timestamp;
use crate::ids::TokenId;
use crate::store::{Answer, Change, ChangeFilter, Recorded, Registry};

impl Registry for SqliteStore {
    fn record(&self, change: Change) -> Answer<'_, ()> {
        let bytes = changes::size(&change);
        Box::pin(self.writer().call(Room::Progress, bytes, move |batch| changes::insert(batch.connection, &change)))
    }

    fn changes(&self, filter: ChangeFilter, before: Option<i64>, limit: usize) -> Answer<'_, Vec<Recorded>> {
        Box::pin(self.readers().ask(move |connection| changes::list(connection, &filter, before, limit)))
    }

    fn tokens(&self) -> Answer<'_, Vec<Token>> {
        Box::pin(self.readers().ask(tokens::list))
    }

    fn create_token(&self, token: Token, forgotten: Vec<TokenId>, change: Change) -> Answer<'_, ()> {
        let bytes = changes::size(&change);
        Box::pin(self.writer().call(Room::Progress, bytes, move |batch| {
            tokens::create(batch.connection, &token, &forgotten)?;
            changes::insert(batch.connection, &change)
        }))
    }

    fn revoke_token(&self, id: TokenId, at: Timestamp, change: Change) -> Answer<'_, ()> {
        let bytes = changes::size(&change);
        Box::pin(self.writer().call(Room::Progress, bytes, move |batch| {
            tokens::revoke(batch.connection, id, at)?;
            changes::insert(batch.connection, &change)
        }))
    }

    fn tokens_used(&self, uses: Vec<(TokenId, Timestamp)>) -> Answer<'_, ()> {
        let bytes = size_of_val(&*uses);
        Box::pin(self.writer().call(Room::Progress, bytes, move |batch| tokens::used(batch.connection, &uses)))
    }
}
