//! Why a managed webhook was not changed.

use crate::ids::{NameError, WebhookId};
use crate::reload::ReloadClosed;
use crate::schemas::Violation;
use crate::store::{MOST_MANAGED, StoreError};
use crate::vault::{SealError, VaultError};

#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("There is no webhook {0}. `hookwright webhook list` shows all.")]
    Absent(WebhookId),
    #[error("Webhook {0} is managed by config/webhooks/{0}.json. Change that file; it is read again at once.")]
    InFile(WebhookId),
    #[error("The id is wrong: {0}.")]
    Name(NameError),
    #[error("There is a webhook {0} already. Choose another id, or change that one.")]
    Exists(WebhookId),
    #[error(
        "Deliveries of an earlier webhook {0} are held. Give them up (`hookwright delivery discard --webhook {0} --held`), \
         choose another id, or have them sent to the new webhook: `adoptHeld`, `--adopt-held`."
    )]
    LeftBehind(WebhookId),
    #[error("This Idempotency-Key made webhook {0} of something else.")]
    KeyUsed(WebhookId),
    #[error("Webhook {0} was changed meanwhile. Read it again, and send the change with the ETag of what was read.")]
    ChangedMeanwhile(WebhookId),
    #[error("There are {MOST_MANAGED} webhooks already, as many as can be made over the API.")]
    TooMany,
    #[error("This needs the role admin: it sets, moves or takes away a secret, or sends one to another URL or plugin.")]
    NeedsAdmin,
    #[error("The definition is not that of a webhook that works here")]
    Invalid(Vec<Violation>),
    #[error(
        "the secrets of webhook {webhook} cannot be opened: {reason}. If the key is lost for good, `hookwright serve \
         --drop-unreadable` deletes the webhooks that need it"
    )]
    Sealed { webhook: WebhookId, reason: String },
    #[error("failed to seal")]
    Seal(#[from] SealError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Closed(#[from] ReloadClosed),
    #[error("something that cannot happen happened")]
    Unexpected,
}

impl From<Vec<Violation>> for EditError {
    fn from(violations: Vec<Violation>) -> Self {
        Self::Invalid(violations)
    }
}
