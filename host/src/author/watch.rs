//! Tells when a crate's sources changed. The truth is a look at the folder; notifications only hint that it is time
//! for one, and where there are none, looks come at intervals.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use crate::clock::Timestamp;
use crate::reload::Hints;

/// The safety net under the hints.
const INTERVAL: Duration = Duration::from_secs(1);
/// A crate with more is not watched to the end: something else was put there.
const MAX_FILES: usize = 10_000;

/// Not sources: what builds write.
const BUILT: [&str; 2] = ["target", "Cargo.lock"];

/// The sources of one crate.
pub(crate) struct Sources {
    root: PathBuf,
    hints: Hints,
    seen: Snapshot,
}

/// The folder at one moment.
#[derive(Default, PartialEq, Eq)]
struct Snapshot {
    /// Of each file: when it was written, to the nanosecond, and its size.
    files: BTreeMap<PathBuf, (i64, i64, u64)>,
    folders: BTreeMap<PathBuf, (u64, u64)>,
}

impl Sources {
    pub(crate) fn new(root: &Path) -> Self {
        let mut sources = Self { root: root.to_owned(), hints: Hints::new(), seen: Snapshot::default() };
        sources.look();
        sources
    }

    /// Waits until something differs from the last look; answers with when the newest file was written.
    pub(crate) async fn changed(&mut self) -> Timestamp {
        while !self.look() {
            // That no hint came in time is what the interval is for.
            let _ = timeout(INTERVAL, self.hints.changed()).await;
        }
        let newest = self.seen.files.values().map(|(seconds, nanos, _)| seconds * 1_000 + nanos / 1_000_000).max();
        Timestamp::from_ms(newest.unwrap_or_default())
    }

    /// Looks; whether anything differs from the last time.
    fn look(&mut self) -> bool {
        let mut now = Snapshot::default();
        now.gather(&self.root);
        self.hints.watch(now.folders.clone());
        let differs = now.files != self.seen.files;
        self.seen = now;
        differs
    }
}

impl Snapshot {
    fn gather(&mut self, folder: &Path) {
        let (Ok(entries), Ok(metadata)) = (fs::read_dir(folder), fs::metadata(folder)) else { return };
        self.folders.insert(folder.to_owned(), (metadata.dev(), metadata.ino()));
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_source = !name.to_string_lossy().starts_with('.') && !BUILT.iter().any(|built| name == *built);
            // Links are not followed: they may lead in circles.
            let Ok(metadata) = entry.metadata() else { continue };
            if !is_source || self.files.len() >= MAX_FILES {
                continue;
            }
            if metadata.is_dir() {
                self.gather(&entry.path());
            } else {
                self.files.insert(entry.path(), (metadata.mtime(), metadata.mtime_nsec(), metadata.len()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sources_count_and_what_builds_write_does_not() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("below the root")).expect("made");
            fs::write(path, text).expect("written");
        };
        write("src/lib.rs", "one");
        let mut sources = Sources::new(root.path());
        for built in ["target/x.wasm", "Cargo.lock", "src/.lib.rs.swp", ".git/index"] {
            write(built, "built");
        }
        assert!(!sources.look());
        write("src/more/new.rs", "two");
        let soon = Duration::from_secs(20);
        timeout(soon, sources.changed()).await.expect("the new file is seen");
        write("src/more/new.rs", "three");
        timeout(soon, sources.changed()).await.expect("the change is seen");
    }
}
