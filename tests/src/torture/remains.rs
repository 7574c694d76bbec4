//! What a host writes into its database, and what a dead one left there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::ledger::Leased;

/// The deliveries that somebody had leased: under way when the host died.
pub(super) fn leased(home: &Path) -> Vec<Leased> {
    let connection = open(home);
    let mut find =
        connection.prepare("SELECT owner, webhook, event FROM queue WHERE owner IS NOT NULL").expect("reads");
    let rows = find.query_map([], |row| Ok((row.get(0)?, row.get(1)?, event_id(row.get(2)?))));
    rows.expect("reads").map(|row| row.expect("reads")).collect()
}

/// `ok`, or what is wrong with the file.
pub fn integrity(home: &Path) -> String {
    let connection = open(home);
    let mut check = connection.prepare("PRAGMA integrity_check(5)").expect("reads");
    let rows = check.query_map([], |row| row.get::<_, String>(0)).expect("checks");
    rows.map(|row| row.expect("reads")).collect::<Vec<_>>().join("; ")
}

/// Waits until the database itself is written to, which is when the log is copied; `at_most` so long.
pub(super) async fn changed(home: &Path, at_most: Duration) {
    let modified = || fs::metadata(file(home)).and_then(|file| file.modified()).expect("is there");
    let before = modified();
    let change = async {
        while modified() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let _ = tokio::time::timeout(at_most, change).await;
}

fn file(home: &Path) -> PathBuf {
    home.join("data/hookwright.db")
}

/// Looks without tidying up: the next host is to find what the dead one left.
fn open(home: &Path) -> Connection {
    let connection = Connection::open_with_flags(file(home), OpenFlags::SQLITE_OPEN_READ_WRITE).expect("opens");
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).expect("is known");
    connection
}

fn event_id(bytes: [u8; 16]) -> String {
    format!("evt_{}", ulid::Ulid::from_bytes(bytes))
}
