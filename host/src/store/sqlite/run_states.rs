//! What is known of webhooks beyond their definition.

use rusqlite::{Connection, params};

use super::rows::Fields;
use super::writer::Batch;
use crate::ids::WebhookId;
use crate::store::{RunState, RunStateKind, StoreError};

pub(super) fn set(batch: &Batch<'_>, state: &RunState) -> Result<(), StoreError> {
    let RunState { webhook, kind, since, by, url } = state;
    batch.connection.execute(
        "INSERT OR REPLACE INTO run_states (webhook, kind, since, by, url) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![webhook.as_str(), name(*kind), since.as_ms(), by, url.to_string()],
    )?;
    Ok(())
}

pub(super) fn clear(batch: &Batch<'_>, webhook: &WebhookId, kind: RunStateKind) -> Result<(), StoreError> {
    let sql = "DELETE FROM run_states WHERE webhook = ?1 AND kind = ?2";
    batch.connection.execute(sql, [webhook.as_str(), name(kind)])?;
    Ok(())
}

/// By webhook.
pub(super) fn list(connection: &Connection) -> Result<Vec<RunState>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT webhook, kind, since, by, url FROM run_states ORDER BY webhook, kind")?;
    let mut rows = statement.query([])?;
    let mut states = Vec::new();
    while let Some(row) = rows.next()? {
        let fields = Fields::new("run_states", row);
        states.push(RunState {
            webhook: fields.parse(0)?,
            kind: kind(fields.text(1)?).ok_or_else(|| fields.corrupt(1, &"not a kind of run state"))?,
            since: fields.time(2)?,
            by: fields.text(3)?.to_owned(),
            url: fields.parse(4)?,
        });
    }
    Ok(states)
}

const fn name(kind: RunStateKind) -> &'static str {
    match kind {
        RunStateKind::Gone => "gone",
        RunStateKind::Paused => "paused",
        RunStateKind::Disabled => "disabled",
        RunStateKind::Failing => "failing",
    }
}

fn kind(text: &str) -> Option<RunStateKind> {
    let kinds = [RunStateKind::Gone, RunStateKind::Paused, RunStateKind::Disabled, RunStateKind::Failing];
    kinds.into_iter().find(|kind| name(*kind) == text)
}
