//! Watches the folders, builds revisions, keeps last good versions.

use std::sync::Arc;

use crate::revision::Revision;

/// Asks the reload task for a reload. Cheap to clone.
#[derive(Clone)]
pub struct ReloadHandle {}

impl ReloadHandle {
    /// Reads everything again now and answers with the revision then in force. With `accept_removals`, files
    /// that vanished are taken as removed, however many.
    ///
    /// # Errors
    /// When the reload task is gone: the host is shutting down.
    pub async fn reload(&self, _accept_removals: bool) -> Result<Arc<Revision>, ReloadClosed> {
        todo!()
    }
}

/// The host is shutting down.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the host is shutting down")]
pub struct ReloadClosed;
