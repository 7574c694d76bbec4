//! A database that is only looked at: that of a running host, of one that has ended, or a copy.
//!
//! Writes nothing. Beside a running host it is one more reader. A file that nobody has open (it has no write-ahead log)
//! is read as it lies there; should a host begin to use it meanwhile, [`ReadOnly::close`] says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::reader::Readers;
use super::{OpenError, READERS, claim, connection, look, quarantine, run_states, schema};
use crate::delivery::DeliveryView;
use crate::event::Event;
use crate::ids::{DeliveryId, EventId, QuarantineId};
use crate::store::{Quarantined, RunState, StoreError};

/// A handle for looking, as [`crate::store::Administration`] does.
pub struct ReadOnly {
    readers: Readers,
    path: PathBuf,
    /// The file as it was, if it is taken to stay so.
    still: Option<Stamp>,
}

/// Tells a file from one that was written to.
#[derive(PartialEq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl ReadOnly {
    /// Opens a database of Hookwright's. Blocking.
    ///
    /// # Errors
    /// When it is not there, not ours, or of another version.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let stamp = Stamp::of(path).ok_or_else(|| OpenError::Absent { path: path.into() })?;
        let still = (!write_ahead_log(path).exists()).then_some(stamp);
        let open = if still.is_some() { connection::open_still } else { connection::open_reader };
        let connections = (0..READERS).map(|_| open(path)).collect::<Result<Vec<_>, _>>()?;
        for connection in &connections {
            schema::check(connection).map_err(|source| OpenError::Schema { path: path.into(), source })?;
        }
        let readers = Readers::start(connections).map_err(OpenError::Threads)?;
        Ok(Self { readers, path: path.into(), still })
    }

    /// # Errors
    /// When the store fails; so it is below.
    pub async fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        self.readers.ask(move |connection| claim::read_event(connection, id)).await
    }

    /// Newest first.
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub async fn events(&self, before: Option<EventId>, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.readers.ask(move |connection| look::events(connection, before, limit)).await
    }

    /// Without rewritten payloads.
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub async fn deliveries_of(&self, event: EventId) -> Result<Vec<DeliveryView>, StoreError> {
        self.readers.ask(move |connection| look::deliveries_of(connection, event)).await
    }

    /// With its rewritten payload.
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, StoreError> {
        self.readers.ask(move |connection| look::delivery(connection, id)).await
    }

    /// Newest first.
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub async fn quarantined(
        &self,
        before: Option<QuarantineId>,
        limit: usize,
    ) -> Result<Vec<Quarantined>, StoreError> {
        self.readers.ask(move |connection| quarantine::list(connection, before, limit)).await
    }

    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub async fn run_states(&self) -> Result<Vec<RunState>, StoreError> {
        self.readers.ask(run_states::list).await
    }

    /// Closes the file.
    ///
    /// # Errors
    /// When somebody wrote to it who was not expected to: what was read may not belong together.
    pub async fn close(self) -> Result<(), StoreError> {
        let Self { readers, path, still } = self;
        readers.close().await;
        let is_as_it_was = |still| Stamp::of(&path) == Some(still) && !write_ahead_log(&path).exists();
        if still.is_none_or(is_as_it_was) {
            return Ok(());
        }
        let text = format!("a host began to use {} meanwhile; do it once more", path.display());
        Err(StoreError::Failed(text.into()))
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Self { bytes: metadata.len(), modified: metadata.modified().ok() })
    }
}

/// There as long as somebody has the database open, or if its last user was killed.
fn write_ahead_log(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::clock::Timestamp;
    use crate::store::sqlite::{Options, SqliteStore};

    fn files(folder: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(folder).expect("there");
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect()
    }

    fn reason(result: Result<ReadOnly, OpenError>) -> String {
        let error = result.err().expect("refused");
        format!("{:#}", anyhow::Error::from(error))
    }

    #[tokio::test]
    async fn looks_beside_a_host_and_without_one_and_leaves_no_trace() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a 100% odd?name.db");
        let options = Options { exclusive: true, now: Timestamp::from_ms(1) };
        let host = SqliteStore::open(&path, options).expect("opens");
        let beside = ReadOnly::open(&path).expect("opens");
        assert!(beside.events(None, 5).await.expect("reads").is_empty());
        beside.close().await.expect("nothing wrong");
        host.close().await;
        drop(host);
        let before = files(folder.path());
        assert_eq!(before.len(), 1, "{before:?}");
        let alone = ReadOnly::open(&path).expect("opens");
        assert!(alone.quarantined(None, 5).await.expect("reads").is_empty());
        assert_eq!(files(folder.path()), before);
        let again = SqliteStore::open(&path, options).expect("opens");
        let told = alone.close().await.expect_err("a host began to use it").to_string();
        assert!(told.contains("meanwhile"), "{told}");
        again.close().await;
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("hookwright.db");
        assert!(reason(ReadOnly::open(&path)).contains("there is no database"));
        assert!(reason(ReadOnly::open(folder.path())).contains("there is no database"));
        fs::write(&path, "not a database at all, but long enough to look at: ".repeat(20)).expect("written");
        assert!(reason(ReadOnly::open(&path)).contains("cannot use"));
        fs::write(&path, "").expect("written");
        assert!(reason(ReadOnly::open(&path)).contains("written by an older Hookwright"));
    }
}
