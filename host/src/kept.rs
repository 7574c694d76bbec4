//! `data/plugins/`: the bytes of every plugin version that came into force, by digest, so that a run can be repeated
//! and an earlier version put back; and for each plugin a short history.
//!
//! Kept while a delivery may refer to it: only a version that never ran, and is none of the newest of its name, is
//! removed here. Decides nothing about what is in force.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::files;
use crate::ids::{Digest, PluginName};
use crate::plugin::{Counts, MAX_PLUGIN_FILE_BYTES, Plugin};

pub const FOLDER: &str = "data/plugins";
const HISTORIES: &str = "versions";
/// Of one plugin: what people may want to go back to.
const MAX_HISTORY: usize = 50;
/// The newest of a plugin stay although no delivery was run by them.
const NEWEST_STAY: usize = 10;
/// A history of ours has a sixth of it.
const MAX_HISTORY_BYTES: u64 = 64 << 10;

/// One version of a plugin that was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptVersion {
    pub digest: Digest,
    /// As its manifest says.
    pub version: String,
    /// When it came into force, the last time.
    pub since: Timestamp,
}

/// Why a kept version cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    #[error("version {} of plugin {name} is not kept (no {})", digest.short(), path.display())]
    Absent { name: PluginName, digest: Digest, path: PathBuf },
    #[error(
        "{} is damaged: its bytes are not those of version {} any more; remove it, and put that version's file into \
         plugins/ once to have it kept again",
        path.display(), digest.short()
    )]
    Damaged { digest: Digest, path: PathBuf },
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
}

/// What is kept, for the one host that adds to it.
pub struct Kept {
    home: PathBuf,
    histories: BTreeMap<PluginName, Vec<KeptVersion>>,
    /// Versions that came into force since the host started: of others it cannot be told whether they ran.
    loaded: BTreeMap<(PluginName, Digest), Arc<Counts>>,
    /// Versions that were in force before the host started: they may have run then.
    earlier: BTreeSet<(PluginName, Digest)>,
}

impl Kept {
    pub fn open(home: &Path) -> Self {
        Self { home: home.to_owned(), histories: BTreeMap::new(), loaded: BTreeMap::new(), earlier: BTreeSet::new() }
    }

    /// Whether this version is the newest one kept.
    pub fn is_newest(&self, plugin: &Plugin) -> bool {
        self.histories
            .get(&plugin.name)
            .and_then(|history| history.last())
            .is_some_and(|newest| newest.digest == plugin.digest)
    }

    /// Keeps a version that is about to come into force. `wasm` is asked for when the bytes are not there yet.
    ///
    /// # Errors
    /// When something cannot be written; then it may be called again.
    pub fn keep(
        &mut self,
        plugin: &Arc<Plugin>,
        wasm: impl FnOnce() -> io::Result<Vec<u8>>,
        now: Timestamp,
    ) -> io::Result<()> {
        let (name, digest) = (plugin.name.clone(), plugin.digest);
        // Read in full: a damaged file is written again.
        if read(&self.home, &name, digest).is_err() {
            files::replace_private(&self.home.join(file(digest)), &wasm()?)?;
        }
        let mut history = if let Some(known) = self.histories.get(&name) {
            known.clone()
        } else {
            let history = read_history(&self.home, &name)?;
            self.earlier.extend(history.iter().map(|version| (name.clone(), version.digest)));
            history
        };
        let before = history.clone();
        if history.last().is_none_or(|newest| newest.digest != digest) {
            history.retain(|version| version.digest != digest);
            history.push(KeptVersion { digest, version: plugin.manifest.version.clone(), since: now });
            let surplus = history.len().saturating_sub(MAX_HISTORY);
            history.drain(..surplus);
        }
        let unused = self.unused(&name, &history);
        history.retain(|version| !unused.contains(&version.digest));
        if history != before {
            write(&self.home, &name, &history)?;
        }
        self.histories.insert(name.clone(), history);
        for digest in unused {
            self.forget(&name, digest);
        }
        self.remember(plugin);
        Ok(())
    }

    /// Versions that are not among the newest, never ran since they were loaded here, and cannot run any more.
    fn unused(&self, name: &PluginName, history: &[KeptVersion]) -> Vec<Digest> {
        let never_ran = |digest: &Digest| {
            let counts = self.loaded.get(&(name.clone(), *digest));
            counts.is_some_and(|counts| counts.runs() == 0 && !can_run(counts))
        };
        let older = history.iter().rev().skip(NEWEST_STAY);
        older.map(|version| version.digest).filter(never_ran).collect()
    }

    fn forget(&mut self, name: &PluginName, digest: Digest) {
        self.loaded.remove(&(name.clone(), digest));
        let path = self.home.join(file(digest));
        if !self.is_needed(digest)
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(file = %path.display(), %error, "a plugin version that never ran cannot be removed");
        }
    }

    /// By a plugin of another name, too: also of one whose file is gone, and whose history nobody has read yet.
    fn is_needed(&self, digest: Digest) -> bool {
        let unread = fs::read_dir(self.home.join(FOLDER).join(HISTORIES)).into_iter().flatten().flatten();
        let unread = unread.filter_map(|entry| Path::new(&entry.file_name()).file_stem()?.to_str()?.parse().ok());
        let unread = unread.filter(|name| !self.histories.contains_key(name));
        let unread: Vec<_> = unread.flat_map(|name| history(&self.home, &name)).collect();
        self.histories.values().flatten().chain(&unread).any(|version| version.digest == digest)
    }

    fn remember(&mut self, plugin: &Arc<Plugin>) {
        let key = (plugin.name.clone(), plugin.digest);
        if self.earlier.contains(&key) {
            return;
        }
        let before = self.loaded.insert(key.clone(), Arc::clone(&plugin.counts));
        // The same version, loaded before: if it ran then, or still may, these counts do not tell.
        if before.is_some_and(|counts| !Arc::ptr_eq(&counts, &plugin.counts) && (counts.runs() > 0 || can_run(&counts)))
        {
            self.loaded.remove(&key);
            self.earlier.insert(key);
        }
        let histories = &self.histories;
        let is_known = |name: &PluginName, digest: Digest| {
            histories.get(name).is_some_and(|history| history.iter().any(|version| version.digest == digest))
        };
        self.loaded.retain(|(name, digest), _| is_known(name, *digest));
    }
}

/// Whether anybody else has these counts: then there is a plugin that can run.
fn can_run(counts: &Arc<Counts>) -> bool {
    Arc::strong_count(counts) > 1
}

/// The bytes of a kept version, checked.
///
/// # Errors
/// When they are not there, or not those any more.
pub fn read(home: &Path, name: &PluginName, digest: Digest) -> Result<Vec<u8>, KeptError> {
    let path = home.join(file(digest));
    let bytes = files::read_capped(&path, MAX_PLUGIN_FILE_BYTES).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => KeptError::Absent { name: name.clone(), digest, path: file(digest).into() },
        io::ErrorKind::FileTooLarge => KeptError::Damaged { digest, path: file(digest).into() },
        _ => KeptError::Unreadable { path: file(digest).into(), source },
    })?;
    if Digest::of(&bytes) == digest { Ok(bytes) } else { Err(KeptError::Damaged { digest, path: file(digest).into() }) }
}

/// The versions of a plugin that were in force, oldest first. A history that is damaged tells nothing.
pub fn history(home: &Path, name: &PluginName) -> Vec<KeptVersion> {
    read_history(home, name).unwrap_or_default()
}

/// The same, but one that cannot be read now is not taken for one that is not there.
fn read_history(home: &Path, name: &PluginName) -> io::Result<Vec<KeptVersion>> {
    match files::read_capped(&history_file(home, name), MAX_HISTORY_BYTES) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn write(home: &Path, name: &PluginName, history: &[KeptVersion]) -> io::Result<()> {
    files::replace_private(&history_file(home, name), serde_json::to_string(history)?.as_bytes())
}

fn file(digest: Digest) -> String {
    format!("{FOLDER}/{digest}.wasm")
}

fn history_file(home: &Path, name: &PluginName) -> PathBuf {
    home.join(FOLDER).join(HISTORIES).join(format!("{name}.json"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::plugin::tests::version;

    fn keep(kept: &mut Kept, number: u32) -> (Arc<Plugin>, Vec<u8>) {
        let (plugin, wasm) = version(number);
        let plugin = Arc::new(plugin);
        kept.keep(&plugin, || Ok(wasm.clone()), Timestamp::from_ms(i64::from(number))).expect("kept");
        (plugin, wasm)
    }

    fn files(home: &Path) -> usize {
        fs::read_dir(home.join(FOLDER)).expect("there").count() - 1
    }

    #[test]
    fn what_was_in_force_can_be_had_again_and_only_by_its_owner() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let mut kept = Kept::open(home.path());
        let (one, wasm) = keep(&mut kept, 1);
        let (two, _) = keep(&mut kept, 2);
        assert!(kept.is_newest(&two) && !kept.is_newest(&one));
        assert_eq!(read(home.path(), &one.name, one.digest).expect("kept"), wasm);
        let digests = || history(home.path(), &one.name).iter().map(|kept| kept.digest).collect::<Vec<_>>();
        assert_eq!(digests(), [one.digest, two.digest]);
        keep(&mut Kept::open(home.path()), 1);
        assert_eq!(digests(), [two.digest, one.digest], "in the order they last came into force");
        let mode = |path: &str| fs::metadata(home.path().join(path)).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(FOLDER), mode(&file(one.digest))), (0o700, 0o600));
    }

    #[test]
    fn a_damaged_file_is_refused_and_kept_anew() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let mut kept = Kept::open(home.path());
        let (one, wasm) = keep(&mut kept, 1);
        fs::write(home.path().join(file(one.digest)), &wasm[1..]).expect("written");
        let error = read(home.path(), &one.name, one.digest).expect_err("damaged").to_string();
        assert!(error.starts_with("data/plugins/") && error.contains(".wasm is damaged"), "{error}");
        keep(&mut kept, 1);
        assert_eq!(read(home.path(), &one.name, one.digest).expect("kept"), wasm);
        let absent = read(home.path(), &one.name, Digest::of(b"x")).expect_err("absent").to_string();
        assert!(absent.starts_with("version 2d711642b726 of plugin test is not kept"), "{absent}");
        fs::write(history_file(home.path(), &one.name), "{").expect("written");
        assert_eq!(history(home.path(), &one.name), []);
    }

    #[test]
    fn of_versions_that_never_ran_only_the_newest_stay() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let mut kept = Kept::open(home.path());
        let (used, _) = keep(&mut kept, 0);
        used.counts.add(crate::delivery::RunVerdict::Delivered);
        let (held, _) = keep(&mut kept, 1);
        drop(used);
        for number in 2..20 {
            keep(&mut kept, number);
        }
        assert_eq!(files(home.path()), 12, "the newest ten, one that ran, one that still may");
        drop(held);
        keep(&mut kept, 20);
        assert_eq!((files(home.path()), history(home.path(), &"test".parse().expect("a name")).len()), (11, 11));
        (100..200).for_each(|number| keep(&mut kept, number).0.counts.add(crate::delivery::RunVerdict::Delivered));
        assert_eq!((files(home.path()), kept.loaded.len()), (101, MAX_HISTORY), "the history is bounded, files stay");
    }

    #[test]
    fn what_cannot_be_written_is_told_and_can_be_tried_again() {
        let home = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(home.path().join("data")).expect("folder");
        fs::write(home.path().join(FOLDER), "in the way").expect("written");
        let mut kept = Kept::open(home.path());
        let (plugin, wasm) = version(1);
        let plugin = Arc::new(plugin);
        assert!(kept.keep(&plugin, || Ok(wasm), Timestamp::default()).is_err() && !kept.is_newest(&plugin));
        fs::remove_file(home.path().join(FOLDER)).expect("removed");
        keep(&mut kept, 1);
        assert!(kept.is_newest(&plugin));
    }

    /// Its runs of then are in the store, and may be asked for.
    #[test]
    fn what_was_in_force_before_a_restart_stays() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let (old, _) = keep(&mut Kept::open(home.path()), 1);
        let digest = old.digest;
        drop(old);
        let mut kept = Kept::open(home.path());
        for number in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13] {
            drop(keep(&mut kept, number));
        }
        assert!(read(home.path(), &"test".parse().expect("a name"), digest).is_ok());
    }
}
