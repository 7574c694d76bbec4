//! Hints that something changed, from the operating system's file notifications. Hints only: they may be late,
//! missing or too many, and where they cannot be had there are none.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use super::scan::Identity;

/// After a hint, changes have ended when none came for so long …
const QUIET: Duration = Duration::from_millis(100);
/// … or else are looked at after so long.
const PATIENCE: Duration = Duration::from_millis(400);

pub(crate) struct Hints {
    changed: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeMap<PathBuf, Identity>,
}

impl Hints {
    pub(crate) fn new() -> Self {
        let changed = Arc::new(Notify::new());
        let notify = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_err() || event.is_ok_and(|event| is_change(event.kind)) {
                notify.notify_one();
            }
        });
        let watcher = watcher.inspect_err(log_polling).ok();
        Self { changed, watcher, watched: BTreeMap::new() }
    }

    /// Whether changes are hinted at at all.
    pub(super) fn is_available(&self) -> bool {
        self.watcher.is_some()
    }

    /// Watches exactly these folders. One that took the place of another is watched anew.
    pub(crate) fn watch(&mut self, folders: BTreeMap<PathBuf, Identity>) {
        let Some(watcher) = &mut self.watcher else { return };
        let is_stale = |path: &PathBuf, identity: &mut Identity| folders.get(path) != Some(&*identity);
        for (path, _) in self.watched.extract_if(.., is_stale) {
            // Fails when the folder is gone, and the watch with it.
            drop(watcher.unwatch(&path));
        }
        for (path, identity) in folders {
            if self.watched.contains_key(&path) {
                continue;
            }
            match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watched.insert(path, identity)),
                // Gone again: the next look will tell.
                Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {}
                Err(error) => {
                    log_polling(&error);
                    self.watcher = None;
                    return;
                }
            }
        }
    }

    /// Waits for a hint, and then until the changes have ended. Cancel safe: at worst a hint is waited for again.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
        let end = Instant::now() + PATIENCE;
        while let Ok(Ok(())) = timeout_at(end, timeout(QUIET, self.changed.notified())).await {}
    }
}

/// Reading is no change; our own looks would lead to further looks.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

fn log_polling(error: &notify::Error) {
    tracing::warn!(%error, "file changes cannot be watched; the folders are looked at at intervals instead");
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Long enough for any machine: what is awaited comes at once.
    const SOON: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_folder_in_the_place_of_another_is_watched_too() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let folder = home.path().join("plugins");
        let mut hints = Hints::new();
        for generation in 1..=2 {
            fs::create_dir(&folder).expect("created");
            hints.watch(BTreeMap::from([(folder.clone(), (0, generation))]));
            fs::write(folder.join("p.wasm"), "").expect("written");
            timeout(SOON, hints.changed()).await.expect("a hint");
            fs::rename(&folder, home.path().join(format!("old-{generation}"))).expect("moved");
            hints.watch(BTreeMap::new());
            // What the move itself hinted at.
            while timeout(QUIET, hints.changed()).await.is_ok() {}
        }
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_is_no_reason_to_give_up() {
        let mut hints = Hints::new();
        hints.watch(BTreeMap::from([(PathBuf::from("/nonexistent"), (0, 0))]));
        assert!(hints.is_available());
    }

    #[test]
    fn reading_is_no_change() {
        assert!(!is_change(EventKind::Access(AccessKind::Open(AccessMode::Any))));
        assert!(!is_change(EventKind::Access(AccessKind::Close(AccessMode::Read))));
        assert!(is_change(EventKind::Access(AccessKind::Close(AccessMode::Write))));
        assert!(is_change(EventKind::Any));
    }
}
