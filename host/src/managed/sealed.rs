//! Managed webhooks between what the store has, secrets sealed, and what the host works with.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Definition, EditError};
use crate::ids::WebhookId;
use crate::store::ManagedRow;
use crate::vault::Vault;
use crate::webhook::Managed;

/// What binds sealed secrets to their row.
fn context(id: &WebhookId) -> String {
    format!("hookwright webhook secrets {id}")
}

pub(super) fn seal(managed: &Managed, vault: &Vault) -> Result<Arc<[u8]>, EditError> {
    let secrets = managed.definition.secrets();
    if secrets.is_empty() {
        return Ok(Arc::default());
    }
    let plain = serde_json::to_vec(secrets).map_err(|_| EditError::Unexpected)?;
    Ok(vault.seal(&context(&managed.id), &plain)?.into())
}

pub(super) fn opened(row: &ManagedRow, vault: &Vault) -> Result<Managed, EditError> {
    let ManagedRow { webhook, version, created, changed, definition, sealed, retiring, key: _ } = row;
    let unusable = |reason: String| EditError::Sealed { webhook: webhook.clone(), reason };
    let secrets = if sealed.is_empty() {
        BTreeMap::new()
    } else {
        let plain = vault.open(&context(webhook), sealed).map_err(|error| unusable(error.to_string()))?;
        serde_json::from_slice(&plain).map_err(|_| unusable("what was sealed cannot be read".to_owned()))?
    };
    Ok(Managed {
        id: webhook.clone(),
        definition: Definition::kept(definition.clone(), secrets),
        version: *version,
        created: *created,
        changed: *changed,
        retiring: retiring.clone(),
    })
}
