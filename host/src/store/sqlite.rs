//! The embedded store: one writer thread, group commit without a timer, WAL, `synchronous=FULL`.
//!
//! Promises that an answer comes after the commit of what it speaks of, and that a commit survives power loss as far
//! as the disk keeps its word. Callers never wait for room: a full queue is [`crate::store::StoreError::Busy`]. Looking is done by
//! threads of its own. Several handles, also of several processes, may be open on one file; they own deliveries as
//! different owners.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::delivery::{Attempt, AttemptHead, DeliveryView, HeldCause};
use crate::event::Event;
use crate::ids::{DeliveryId, EventId, QuarantineId, WebhookId};
use crate::store::{
    Administration, Ahead, Answer, Appended, Claim, Claimed, Counts, DeliveryFilter, EventFilter, EventHead, Glance,
    HeldFor, HeldGroups, Lane, LaneDue, NewEvent, Page, QuarantineBounds, Quarantined, RunState, RunStateKind, Settled,
    Settlement, Store, Waiting,
};

mod append;
mod checkpoint;
mod claim;
mod connection;
mod crashes;
mod discard;
#[cfg(test)]
mod failpoint;
mod forget;
mod glance;
mod holding;
mod hot;
mod leases;
mod list;
mod look;
mod managed;
mod parcel;
mod places;
mod quarantine;
mod queue;
mod read_only;
mod reader;
mod registry;
mod replay;
mod rows;
mod run_states;
mod schema;
mod settle;
mod sweep;
mod tally;
mod upkeep;
mod waiting;
mod windows;
mod writer;

#[cfg(test)]
mod tests;

pub use read_only::ReadOnly;
pub use schema::SchemaError;

use checkpoint::{Checkpoints, StartError};
use reader::Readers;
use writer::{Room, Writer};

/// Threads that look. Two: a long list does not make a short question wait.
const READERS: usize = 2;

/// A handle on the database file. Cheap to clone; when the last one is dropped, what waits is committed, then the file
/// is closed.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

struct Shared {
    // Dropped first: the last connection to close should be one that can tidy up, the writer's.
    readers: Readers,
    writer: Writer,
}

/// How to open the file.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The caller knows that nobody else has it open (the host holds a lock on it): earlier owners are
    /// dead, and their leases are taken back at once instead of after [`crate::store::OWNER_SILENCE_MS`].
    pub exclusive: bool,
    /// This owner is alive as of now.
    pub now: Timestamp,
}

/// Why the file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot create or open {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("there is no database {}; no host has run on it yet", path.display())]
    Absent { path: PathBuf },
    #[error("cannot use {} as a SQLite database", path.display())]
    Sqlite { path: PathBuf, source: rusqlite::Error },
    #[error("cannot use {}", path.display())]
    Schema { path: PathBuf, source: SchemaError },
    #[error(
        "{} would not survive a power loss: SQLite says `{found}`; put it on a local file system that supports a \
         write-ahead log",
        path.display()
    )]
    NotDurable { path: PathBuf, found: String },
    #[error("cannot start the threads of the store")]
    Threads(#[source] io::Error),
}

impl SqliteStore {
    /// Opens the database, creating file and folder where they are missing. Blocking: reads and writes files.
    ///
    /// # Errors
    /// When the file cannot be opened, is not ours, is newer than this binary, or cannot be made durable.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let mut connection = connection::open_writer(path)?;
        if options.exclusive {
            checkpoint::copy_all(&connection).map_err(|source| OpenError::Sqlite { path: path.into(), source })?;
        }
        schema::migrate(&mut connection).map_err(|source| OpenError::Schema { path: path.into(), source })?;
        let epoch = leases::register(&mut connection, options.exclusive, options.now)
            .map_err(|source| OpenError::Sqlite { path: path.into(), source })?;
        let readers = (0..READERS).map(|_| connection::open_reader(path)).collect::<Result<_, _>>()?;
        let readers = Readers::start(readers).map_err(OpenError::Threads)?;
        let checkpoints =
            Checkpoints::start(&mut connection, connection::open_writer(path)?).map_err(|error| match error {
                StartError::Sqlite(source) => OpenError::Sqlite { path: path.into(), source },
                StartError::Thread(error) => OpenError::Threads(error),
            })?;
        let writer = Writer::start(connection, checkpoints, epoch).map_err(OpenError::Threads)?;
        Ok(Self { shared: Arc::new(Shared { readers, writer }) })
    }

    /// Commits what waits, gives back this owner's leases and closes the file. Later calls are
    /// [`crate::store::StoreError::Closed`].
    pub async fn close(&self) {
        self.shared.readers.close().await;
        self.shared.writer.close().await;
    }

    fn writer(&self) -> &Writer {
        &self.shared.writer
    }

    fn readers(&self) -> &Readers {
        &self.shared.readers
    }
}

impl Store for SqliteStore {
    fn append(&self, events: Vec<NewEvent>) -> Answer<'_, Vec<Appended>> {
        Box::pin(async move {
            let events = events.into_iter().map(append::Encoded::new).collect::<Result<Vec<_>, _>>()?;
            let bytes = events.iter().map(append::Encoded::bytes).sum();
            self.writer().call(Room::Admission, bytes, move |batch| append::append(batch, &events)).await
        })
    }

    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        Box::pin(self.writer().call(Room::Progress, size_of::<Claim>(), move |batch| claim::claim(batch, &claim)))
    }

    fn settle<'a>(&'a self, settlements: &'a [Settlement]) -> Answer<'a, Vec<Settled>> {
        Box::pin(async move {
            let settlements = settlements.iter().map(settle::Encoded::new).collect::<Result<Vec<_>, _>>()?;
            let bytes = settlements.iter().map(settle::Encoded::bytes).sum();
            self.writer().call(Room::Progress, bytes, move |batch| settle::settle(batch, &settlements)).await
        })
    }

    fn lanes(&self, after: Option<Lane>, limit: usize) -> Answer<'_, Vec<LaneDue>> {
        Box::pin(self.readers().ask(move |connection| claim::lanes(connection, after, limit)))
    }

    fn heartbeat(&self, now: Timestamp) -> Answer<'_, u64> {
        Box::pin(self.writer().call(Room::Progress, 0, move |batch| leases::heartbeat(batch, now)))
    }

    fn hold(&self, webhook: WebhookId, cause: HeldCause, reason: String, now: Timestamp) -> Answer<'_, u64> {
        let hold = Arc::new(holding::Hold { webhook, cause, reason, now });
        Box::pin(async move {
            let mut count = 0;
            loop {
                let hold = Arc::clone(&hold);
                let step = self.writer().call(Room::Progress, 0, move |batch| holding::hold(batch, &hold)).await?;
                count += step.changed;
                if step.next.is_none() {
                    return Ok(count);
                }
            }
        })
    }

    fn release(&self, webhook: WebhookId, held: HeldFor, now: Timestamp) -> Answer<'_, u64> {
        let release = Arc::new(holding::Release { webhook, held, now });
        Box::pin(async move {
            let (mut count, mut after) = (0, None);
            loop {
                let release = Arc::clone(&release);
                let work = move |batch: &mut writer::Batch<'_>| holding::release(batch, &release, after);
                let step = self.writer().call(Room::Progress, 0, work).await?;
                count += step.changed;
                if step.next.is_none() {
                    return Ok(count);
                }
                after = step.next;
            }
        })
    }

    fn crashed(&self, mut ids: Vec<DeliveryId>, most: u32, now: Timestamp) -> Answer<'_, Vec<DeliveryId>> {
        ids.sort_unstable();
        ids.dedup();
        let bytes = size_of_val(&*ids);
        let work = move |batch: &mut writer::Batch<'_>| crashes::count(batch, &ids, most, now);
        Box::pin(self.writer().call(Room::Progress, bytes, work))
    }

    fn quarantine(&self, refused: Vec<Quarantined>, bounds: QuarantineBounds) -> Answer<'_, ()> {
        let bytes = refused.iter().map(quarantine::size).sum();
        let work = move |batch: &mut writer::Batch<'_>| quarantine::keep(batch, &refused, bounds);
        Box::pin(self.writer().call(Room::Admission, bytes, work))
    }
}

impl Administration for SqliteStore {
    fn event(&self, id: EventId) -> Answer<'_, Option<Event>> {
        Box::pin(self.readers().ask(move |connection| claim::read_event(connection, id)))
    }

    fn events(&self, before: Option<EventId>, limit: usize) -> Answer<'_, Vec<Event>> {
        Box::pin(self.readers().ask(move |connection| look::events(connection, before, limit)))
    }

    fn deliveries_of(&self, event: EventId) -> Answer<'_, Vec<DeliveryView>> {
        Box::pin(self.readers().ask(move |connection| look::deliveries_of(connection, event)))
    }

    fn delivery(&self, id: DeliveryId) -> Answer<'_, Option<DeliveryView>> {
        Box::pin(self.readers().ask(move |connection| look::delivery(connection, id)))
    }

    fn event_heads(
        &self,
        filter: EventFilter,
        before: Option<EventId>,
        limit: usize,
    ) -> Answer<'_, Page<EventHead, EventId>> {
        Box::pin(self.readers().ask(move |connection| list::event_heads(connection, &filter, before, limit)))
    }

    fn deliveries(
        &self,
        filter: DeliveryFilter,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Answer<'_, Page<DeliveryView, DeliveryId>> {
        Box::pin(self.readers().ask(move |connection| list::deliveries(connection, &filter, before, limit)))
    }

    fn ahead_of(&self, delivery: DeliveryId) -> Answer<'_, Option<Ahead>> {
        Box::pin(self.readers().ask(move |connection| waiting::ahead_of(connection, delivery)))
    }

    fn waiting(&self, webhooks: Vec<WebhookId>) -> Answer<'_, Vec<Waiting>> {
        Box::pin(self.readers().ask(move |connection| waiting::waiting(connection, &webhooks)))
    }

    fn glances(&self, deliveries: Vec<(DeliveryId, EventId)>) -> Answer<'_, Vec<Glance>> {
        Box::pin(self.readers().ask(move |connection| glance::glances(connection, &deliveries)))
    }

    fn replays_of(&self, delivery: DeliveryId, limit: usize) -> Answer<'_, Vec<DeliveryId>> {
        Box::pin(self.readers().ask(move |connection| glance::replays_of(connection, delivery, limit)))
    }

    fn held_groups(&self) -> Answer<'_, HeldGroups> {
        Box::pin(self.readers().ask(glance::held_groups))
    }

    fn recent_attempts(&self, limit: usize) -> Answer<'_, Vec<(WebhookId, AttemptHead)>> {
        Box::pin(self.readers().ask(move |connection| waiting::recent_attempts(connection, limit)))
    }

    fn attempts_of(&self, delivery: DeliveryId) -> Answer<'_, Vec<Attempt>> {
        Box::pin(self.readers().ask(move |connection| look::attempts_of(connection, delivery)))
    }

    fn counts(&self) -> Answer<'_, Counts> {
        Box::pin(self.readers().ask(tally::counts))
    }

    fn quarantined(&self, before: Option<QuarantineId>, limit: usize) -> Answer<'_, Vec<Quarantined>> {
        Box::pin(self.readers().ask(move |connection| quarantine::list(connection, before, limit)))
    }

    fn unquarantine(&self, id: QuarantineId) -> Answer<'_, Option<Quarantined>> {
        Box::pin(self.writer().call(Room::Progress, 0, move |batch| quarantine::take(batch, id)))
    }

    fn run_states(&self) -> Answer<'_, Vec<RunState>> {
        Box::pin(self.readers().ask(run_states::list))
    }

    fn set_run_state(&self, state: RunState) -> Answer<'_, ()> {
        Box::pin(self.writer().call(Room::Progress, 0, move |batch| run_states::set(batch, &state)))
    }

    fn clear_run_state(&self, webhook: WebhookId, kind: RunStateKind) -> Answer<'_, ()> {
        Box::pin(self.writer().call(Room::Progress, 0, move |batch| run_states::clear(batch, &webhook, kind)))
    }

    fn durability(&self) -> Answer<'_, String> {
        let work = |batch: &mut writer::Batch<'_>| Ok(connection::durability(batch.connection)?);
        Box::pin(self.writer().call(Room::Progress, 0, work))
    }
}
