//! Tokens that were made over the API. Few: all of them are read at once.

use rusqlite::{Connection, params};

use crate::access::{Posts, Token};
use crate::clock::Timestamp;
use crate::ids::{Digest, TokenId};
use crate::pattern::EventPattern;
use crate::store::StoreError;
use crate::store::sqlite::rows::{Fields, json};

pub(super) fn create(connection: &Connection, token: &Token, forgotten: &[TokenId]) -> Result<(), StoreError> {
    let mut forget = connection.prepare_cached("DELETE FROM tokens WHERE id = ?1")?;
    for id in forgotten {
        forget.execute([id.to_bytes()])?;
    }
    let Token { id, name, role, digest, created, created_by, expires, last_used, revoked, posts } = token;
    let source = posts.as_ref().map(|posts| posts.source.as_str());
    let events = posts.as_ref().map(|posts| json(&texts(&posts.events))).transpose()?;
    let [expires, last_used, revoked] = [expires, last_used, revoked].map(|time| time.map(Timestamp::as_ms));
    connection.execute(
        "INSERT INTO tokens (id, name, role, digest, created, created_by, expires, last_used, revoked, source, events)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            id.to_bytes(),
            name.as_str(),
            role.as_str(),
            digest.as_bytes(),
            created.as_ms(),
            created_by,
            expires,
            last_used,
            revoked,
            source,
            events
        ],
    )?;
    Ok(())
}

pub(super) fn revoke(connection: &Connection, id: TokenId, at: Timestamp) -> Result<(), StoreError> {
    connection.execute("UPDATE tokens SET revoked = ?2 WHERE id = ?1", params![id.to_bytes(), at.as_ms()])?;
    Ok(())
}

pub(super) fn used(connection: &Connection, uses: &[(TokenId, Timestamp)]) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("UPDATE tokens SET last_used = ?2 WHERE id = ?1")?;
    for (id, at) in uses {
        statement.execute(params![id.to_bytes(), at.as_ms()])?;
    }
    Ok(())
}

pub(super) fn list(connection: &Connection) -> Result<Vec<Token>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT id, name, role, digest, created, created_by, expires, last_used, revoked, source, events FROM tokens
         ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    let mut tokens = Vec::new();
    while let Some(row) = rows.next()? {
        tokens.push(read(Fields::new("tokens", row))?);
    }
    Ok(tokens)
}

fn read(fields: Fields<'_, '_>) -> Result<Token, StoreError> {
    let time = |column| Ok::<_, StoreError>(fields.get::<Option<i64>>(column)?.map(Timestamp::from_ms));
    let posts = match fields.optional_parse(9)? {
        Some(source) => Some(Posts { source, events: patterns(fields, 10)? }),
        None => None,
    };
    Ok(Token {
        id: fields.id(0, TokenId::from_bytes)?,
        name: fields.parse(1)?,
        role: fields.parse(2)?,
        digest: Digest::from_bytes(fields.get(3)?),
        created: fields.time(4)?,
        created_by: fields.text(5)?.to_owned(),
        expires: time(6)?,
        last_used: time(7)?,
        revoked: time(8)?,
        posts,
    })
}

fn texts(patterns: &[EventPattern]) -> Vec<String> {
    patterns.iter().map(ToString::to_string).collect()
}

fn patterns(fields: Fields<'_, '_>, column: usize) -> Result<Vec<EventPattern>, StoreError> {
    let texts: Vec<String> = fields.json(column)?;
    texts.iter().map(|text| text.parse().map_err(|error| fields.corrupt(column, &error))).collect()
}
