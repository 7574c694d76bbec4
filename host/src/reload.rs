//! Hot reload: watches the home folder, builds a new [`Revision`] of configuration, webhooks, schemas and
//! plugins, and swaps it whole. Keeps last good versions, so that a bad file never takes down what runs.
//!
//! The way of a change: `scan` reads the folder, `settle` decides what is taken and what counts as removed,
//! `parts` makes what changed (each `unit` keeps its last good version), `loader` numbers the revision,
//! `watch` swaps it and tells the others, `last_good` keeps copies for the next start.
//! Does not decide what a change means for deliveries: `dispatch` hears of it and does.

mod changes;
mod checks;
mod hints;
mod history;
mod last_good;
mod layout;
mod loader;
mod parts;
mod scan;
mod schema_files;
mod settle;
#[cfg(test)]
mod testing;
mod unit;
mod watch;

use std::fmt;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::egress::EgressError;
use crate::managed::ManagedSet;
use crate::plugin::LoadError;
use crate::revision::{Fault, Revision};
pub(crate) use checks::{file_with, objections};
pub(crate) use hints::Hints;
use history::History;
pub use history::ReloadRecord;
pub use loader::{Loader, Strictness};
pub use watch::{Reloading, spawn};

/// Asks the reload task for a reload. Cheap to clone.
#[derive(Clone)]
pub struct ReloadHandle {
    requests: mpsc::Sender<Request>,
    history: History,
}

/// One wish for another revision.
struct Request {
    wish: Asked,
    answer: oneshot::Sender<Arc<Revision>>,
}

enum Asked {
    /// Read everything again.
    Reload { accept_removals: bool },
    /// These are the managed webhooks now.
    Manage(Arc<ManagedSet>),
}

impl ReloadHandle {
    /// Reads everything again now and answers with the revision then in force. With `accept_removals`, files
    /// that vanished are taken as removed, however many. Files still being written are waited for, briefly.
    ///
    /// # Errors
    /// When the reload task is gone: the host is shutting down.
    pub async fn reload(&self, accept_removals: bool) -> Result<Arc<Revision>, ReloadClosed> {
        self.ask(Asked::Reload { accept_removals }).await
    }

    /// Puts these managed webhooks in the place of those there were, and answers with the revision then in force. To be
    /// called in the order in which they were stored.
    ///
    /// # Errors
    /// When the reload task is gone: the host is shutting down.
    pub(crate) async fn manage(&self, set: Arc<ManagedSet>) -> Result<Arc<Revision>, ReloadClosed> {
        self.ask(Asked::Manage(set)).await
    }

    /// The newest revisions since the start, newest first.
    pub fn history(&self) -> Vec<ReloadRecord> {
        self.history.list()
    }

    async fn ask(&self, wish: Asked) -> Result<Arc<Revision>, ReloadClosed> {
        let (answer, revision) = oneshot::channel();
        self.requests.send(Request { wish, answer }).await.map_err(|_| ReloadClosed)?;
        revision.await.map_err(|_| ReloadClosed)
    }
}

/// The host is shutting down.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the host is shutting down")]
pub struct ReloadClosed;

/// Why there is no first revision.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The server's configuration is bad and was never good before.
    #[error("the configuration cannot be used:{}", Lines(.0))]
    Unusable(Vec<Fault>),
    /// It would start, but without everything being as the files say.
    #[error("not started, because --strict was given:{}", Lines(.0))]
    Strict(Vec<Fault>),
    #[error("plugins cannot be run on this machine")]
    Plugins(#[from] LoadError),
    #[error(transparent)]
    Egress(#[from] EgressError),
}

/// Each on a line of its own.
struct Lines<'a>(&'a [Fault]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}
