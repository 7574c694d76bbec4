//! Webhooks that are managed over the API.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::clock::Timestamp;
use crate::ids::{Digest, WebhookId};
use crate::store::{Answer, Change};

/// More webhooks than this are not made over the API.
pub const MOST_MANAGED: usize = 1000;

/// Definitions of webhooks. Knows neither what they mean nor their secrets, which come sealed.
pub trait Managed: Send + Sync + 'static {
    /// All, by id.
    fn managed(&self) -> Answer<'_, Vec<ManagedRow>>;

    /// Writes one, if what is there is still what the caller knew, in one commit with the record of it.
    fn write(&self, row: ManagedRow, known: Option<i64>, change: Change) -> Answer<'_, Written>;

    /// Removes one, likewise; with its run states, unless a file has a webhook of the same id.
    fn remove(&self, webhook: WebhookId, known: i64, is_in_force: bool, change: Change) -> Answer<'_, Written>;

    /// Puts secrets that were sealed anew in place of those of these versions; versions stay. All or none.
    fn reseal(&self, sealed: Vec<(WebhookId, i64, Arc<[u8]>)>, change: Change) -> Answer<'_, Written>;
}

#[derive(Clone, Debug, PartialEq)]
pub struct ManagedRow {
    pub webhook: WebhookId,
    /// Counts its changes.
    pub version: i64,
    pub created: Timestamp,
    pub changed: Timestamp,
    pub definition: Value,
    /// Empty: it has no secrets.
    pub sealed: Arc<[u8]>,
    /// Which signing secrets go when, by their id.
    pub retiring: BTreeMap<String, Timestamp>,
    /// The idempotency key it was made with, and the digest of what was sent.
    pub key: Option<(String, Digest)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Done,
    /// What is there is not what the caller knew: nothing was written.
    Changed,
    /// There are [`MOST_MANAGED`] already.
    TooMany,
}
