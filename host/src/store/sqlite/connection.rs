//! Opening connections, and making sure that a commit is what it promises to be.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::OpenError;

/// How long one handle waits for another's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements kept prepared: more than there are different ones.
const CACHED_STATEMENTS: usize = 64;
/// Twice SQLite's default: a page holds several events of a kilobyte, and a commit takes a third fewer system calls.
const DATABASE_PAGE_BYTES: u32 = 8192;
/// The write-ahead log is cut back to this after a burst.
const WAL_LIMIT_BYTES: u32 = 64 << 20;
/// Page cache of the writer, negative for KiB.
const WRITER_CACHE_KIB: i32 = -16 * 1024;
/// Page cache of a reader, negative for KiB.
const READER_CACHE_KIB: i32 = -4 * 1024;

/// The connection that writes. Creates folder and file where they are missing; only the owner may read the file.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    create_private(path).map_err(|source| OpenError::File { path: path.into(), source })?;
    let at = |source| OpenError::Sqlite { path: path.into(), source };
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(at)?;
    write_ahead(&connection).map_err(at)?;
    let found = durability(&connection).map_err(at)?;
    if found != DURABLE {
        return Err(OpenError::NotDurable { path: path.into(), found });
    }
    Ok(connection)
}

/// A connection that only reads. It never waits for the writer, nor the writer for it.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let at = |source| OpenError::Sqlite { path: path.into(), source };
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(at)?;
    connection.pragma_update(None, "cache_size", READER_CACHE_KIB).map_err(at)?;
    Ok(connection)
}

/// A connection to a file that nobody writes to meanwhile. It leaves no trace: no side files, no locks.
pub(super) fn open_still(path: &Path) -> Result<Connection, OpenError> {
    let at = |source| OpenError::Sqlite { path: path.into(), source };
    let uri = format!("file:{}?immutable=1", percent_encoded(path));
    let mode = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = open(Path::new(&uri), mode).map_err(at)?;
    connection.pragma_update(None, "cache_size", READER_CACHE_KIB).map_err(at)?;
    Ok(connection)
}

/// A path as it may stand in a URI.
fn percent_encoded(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let encoded = |byte: &u8| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    path.as_os_str().as_encoded_bytes().iter().map(encoded).collect()
}

/// What [`durability`] must say.
const DURABLE: &str = "wal, synchronous=FULL";

/// How commits are made durable, as the connection itself says.
pub(super) fn durability(connection: &Connection) -> rusqlite::Result<String> {
    let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    let synchronous = match synchronous {
        0 => "OFF".to_owned(),
        1 => "NORMAL".to_owned(),
        2 => "FULL".to_owned(),
        3 => "EXTRA".to_owned(),
        other => other.to_string(),
    };
    Ok(format!("{journal}, synchronous={synchronous}"))
}

fn open(path: &Path, mode: OpenFlags) -> rusqlite::Result<Connection> {
    // Each connection stays on one thread: no mutex.
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // A damaged file must not become code: no functions with side effects from its schema.
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    // In force for a new file only.
    connection.pragma_update(None, "page_size", DATABASE_PAGE_BYTES)?;
    to_the_end(connection, "PRAGMA journal_mode = WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // macOS only: without it, fsync stops at the cache of the disk.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    // `checkpoint` sees to it.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_LIMIT_BYTES, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE_KIB)
}

/// A new file is written and synced after the row with the mode now in force: stopping at the row, as pragmas are
/// asked otherwise, would not hear that it failed. SQLite throws away a whole log whose database it finds empty. The row
/// itself is judged by [`durability`].
fn to_the_end(connection: &Connection, pragma: &str) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(pragma)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// SQLite gives its side files the permissions of the database.
fn create_private(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
