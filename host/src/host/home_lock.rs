//! One host per home folder, and where it can be found; one host per database, which may lie outside of the home.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::json;

/// Holds the home; let go when dropped, or by the system when the process dies.
pub(super) struct HomeLock {
    _file: File,
    run_file: PathBuf,
}

/// Why the home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another hookwright runs on this home already ({} is locked)", .0.display())]
    Taken(PathBuf),
    #[error("another hookwright uses this database already ({} is locked); give each a store.url of its own", .0.display())]
    StoreTaken(PathBuf),
    #[error("failed to prepare {}", path.display())]
    Unusable { path: PathBuf, source: io::Error },
}

impl HomeLock {
    /// Makes the data folder (0700) if it is not there, and locks it.
    pub(super) fn take(data: &Path) -> Result<Self, LockError> {
        let path = data.join("lock");
        let file = lock(&path)?.ok_or(LockError::Taken(path))?;
        Ok(Self { _file: file, run_file: data.join("run.json") })
    }

    /// Writes where the host listens, for the command line: whole, by a rename.
    pub(super) fn publish(&self, listen: SocketAddr, admin: SocketAddr) -> io::Result<()> {
        let beside = self.run_file.with_extension("json.new");
        let text = json!({ "pid": std::process::id(), "listen": listen, "admin": admin }).to_string();
        fs::write(&beside, text)?;
        fs::rename(&beside, &self.run_file)
    }
}

/// Holds a database, as a home's lock says nothing about a file outside of it.
pub(super) struct StoreLock {
    _file: File,
}

impl StoreLock {
    /// Locks the file `….lock` beside the database.
    pub(super) fn take(database: &Path) -> Result<Self, LockError> {
        // The database itself, whatever links lead to it; if it is not there yet, no link does.
        let mut path = fs::canonicalize(database).unwrap_or_else(|_| database.to_owned()).into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let file = lock(&path)?.ok_or(LockError::StoreTaken(path))?;
        Ok(Self { _file: file })
    }
}

/// The file, locked, with the folder (0700) it lies in; none if another has it.
fn lock(path: &Path) -> Result<Option<File>, LockError> {
    let unusable = |source| LockError::Unusable { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
    }
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

impl Drop for HomeLock {
    fn drop(&mut self) {
        // Never written, or gone already: as good.
        let _ = fs::remove_file(&self.run_file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_held_by_one_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        let first = HomeLock::take(&data).unwrap();
        assert!(matches!(HomeLock::take(&data), Err(LockError::Taken(_))));
        let address = "127.0.0.1:1".parse().unwrap();
        first.publish(address, address).unwrap();
        assert!(data.join("run.json").exists());
        drop(first);
        assert!(!data.join("run.json").exists());
        assert!(HomeLock::take(&data).is_ok());
    }

    #[test]
    fn a_database_is_held_by_one_at_a_time_whatever_leads_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let [database, link] = ["data/hooks.db", "link.db"].map(|name| folder.path().join(name));
        let first = StoreLock::take(&database).unwrap();
        assert!(matches!(StoreLock::take(&database), Err(LockError::StoreTaken(_))));
        fs::write(&database, "").unwrap();
        std::os::unix::fs::symlink(&database, &link).unwrap();
        assert!(matches!(StoreLock::take(&link), Err(LockError::StoreTaken(_))));
        drop(first);
        assert!(StoreLock::take(&link).is_ok());
    }
}
