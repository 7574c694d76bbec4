//! `data/last-good/`: a copy of every file that was loaded successfully, so that a file which is bad when the
//! host starts can be replaced by what it last was.
//!
//! Same paths as in the home folder; folders 0700, files 0600; written beside, flushed, renamed. Never written
//! but by [`LastGood::keep`]. Does not judge which files are good.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::layout::Layout;
use super::scan::{self, Content, Snapshot};
use crate::clock::Timestamp;
use crate::config::Home;
use crate::files::replace_private;
use crate::ids::Digest;
use crate::revision::Fault;

const FOLDER: &str = "data/last-good";

/// The copies as they are on disk.
pub(super) struct LastGood {
    root: PathBuf,
    copies: BTreeMap<String, Content>,
}

impl LastGood {
    /// The copies of `home`, seen as a home folder.
    pub(super) fn home(home: &Home) -> Home {
        Home::new(home.root().join(FOLDER))
    }

    /// Reads what is there. Nothing is created.
    pub(super) fn open(home: &Path, layout: &Layout, now: Timestamp) -> Self {
        let root = home.join(FOLDER);
        let copies = scan::scan(&root, layout, &Snapshot::default(), now).files;
        Self { copies: copies.into_iter().map(|(path, entry)| (path, entry.content)).collect(), root }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The files that were in force when the host last ran.
    pub(super) fn paths(&self) -> BTreeSet<String> {
        self.copies.keys().cloned().collect()
    }

    pub(super) fn text(&self, path: &str) -> Option<Arc<str>> {
        match self.copies.get(path)? {
            Content::Text(text) => Some(Arc::clone(text)),
            _ => None,
        }
    }

    pub(super) fn plugin(&self, path: &str) -> Option<Vec<u8>> {
        match self.copies.get(path)? {
            Content::Plugin(digest) => scan::read_plugin(&self.root.join(path), *digest).ok(),
            _ => None,
        }
    }

    /// Whether another version than `digest` of the plugin was in force when it last was good.
    pub(super) fn has_other_plugin(&self, path: &str, digest: Digest) -> bool {
        matches!(self.copies.get(path), Some(Content::Plugin(known)) if *known != digest)
    }

    /// Makes the copies what `good` says; those in neither `good` nor `kept` are removed.
    /// What could not be written is reported, and tried again the next time.
    pub(super) fn keep(
        &mut self,
        home: &Path,
        good: &BTreeMap<String, Content>,
        kept: &BTreeSet<String>,
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (path, content) in good {
            if self.copies.get(path) == Some(content) {
                continue;
            }
            match self.write(home, path, content) {
                Ok(true) => drop(self.copies.insert(path.clone(), content.clone())),
                Ok(false) => {}
                Err(error) => faults.push(fault("written", path, &error)),
            }
        }
        let gone = |path: &&String| !good.contains_key(*path) && !kept.contains(*path);
        for path in self.copies.keys().filter(gone).cloned().collect::<Vec<_>>() {
            match fs::remove_file(self.root.join(&path)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => faults.push(fault("removed", &path, &error)),
                _ => drop(self.copies.remove(&path)),
            }
        }
        faults
    }

    /// Answers whether a copy was made. None is when the plugin's file has changed meanwhile: the next look
    /// sees that.
    fn write(&self, home: &Path, path: &str, content: &Content) -> io::Result<bool> {
        let target = self.root.join(path);
        match content {
            Content::Text(text) => replace_private(&target, text.as_bytes())?,
            Content::Plugin(digest) => match scan::read_plugin(&home.join(path), *digest) {
                Ok(bytes) => replace_private(&target, &bytes)?,
                Err(scan::PluginMoved(_)) => return Ok(false),
            },
            Content::Unusable(_) | Content::Absent => return Ok(false),
        }
        Ok(true)
    }
}

fn fault(what: &str, path: &str, error: &io::Error) -> Fault {
    let message = format!("cannot be {what}: {error}; should {path} be broken at a restart, it would be missing");
    Fault::of_file(&format!("{FOLDER}/{path}"), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEBHOOK: &str = "config/webhooks/a.json";
    const PLUGIN: &str = "plugins/p.wasm";

    fn open(home: &Path) -> LastGood {
        LastGood::open(home, &Layout::new("test"), Timestamp::default())
    }

    fn good(plugin: &[u8]) -> BTreeMap<String, Content> {
        let text = (WEBHOOK.to_owned(), Content::Text("{}".into()));
        BTreeMap::from([text, (PLUGIN.to_owned(), Content::Plugin(Digest::of(plugin)))])
    }

    #[test]
    fn copies_outlive_the_host_and_their_files() {
        let home = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(home.path().join("plugins")).expect("folder");
        fs::write(home.path().join(PLUGIN), b"wasm").expect("written");
        assert_eq!(open(home.path()).keep(home.path(), &good(b"wasm"), &BTreeSet::new()), []);
        fs::write(home.path().join(PLUGIN), b"was").expect("truncated");

        let mut last_good = open(home.path());
        assert_eq!(last_good.text(WEBHOOK).as_deref(), Some("{}"));
        assert_eq!(last_good.plugin(PLUGIN).as_deref(), Some(&b"wasm"[..]));

        let kept = BTreeSet::from([PLUGIN.to_owned()]);
        assert_eq!(last_good.keep(home.path(), &BTreeMap::new(), &kept), []);
        assert_eq!(open(home.path()).paths(), kept);
    }

    #[test]
    fn a_plugin_that_changed_meanwhile_is_not_copied() {
        let home = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(home.path().join("plugins")).expect("folder");
        fs::write(home.path().join(PLUGIN), b"other").expect("written");
        assert_eq!(open(home.path()).keep(home.path(), &good(b"wasm"), &BTreeSet::new()), []);
        assert_eq!(open(home.path()).paths(), BTreeSet::from([WEBHOOK.to_owned()]));
    }

    #[test]
    fn what_cannot_be_written_is_reported_and_tried_again() {
        let home = tempfile::tempdir().expect("a temporary folder");
        fs::write(home.path().join("data"), "in the way").expect("written");
        let mut last_good = open(home.path());
        let wanted = BTreeMap::from([(WEBHOOK.to_owned(), Content::Text("{}".into()))]);
        assert_eq!(last_good.keep(home.path(), &wanted, &BTreeSet::new()).len(), 1);
        fs::remove_file(home.path().join("data")).expect("removed");
        assert_eq!(last_good.keep(home.path(), &wanted, &BTreeSet::new()), []);
        assert!(open(home.path()).text(WEBHOOK).is_some());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().expect("a temporary folder");
        let wanted = BTreeMap::from([(WEBHOOK.to_owned(), Content::Text("{}".into()))]);
        open(home.path()).keep(home.path(), &wanted, &BTreeSet::new());
        let mode = |path: &str| fs::metadata(home.path().join(path)).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode("data/last-good"), 0o700);
        assert_eq!(mode(&format!("data/last-good/{WEBHOOK}")), 0o600);
    }
}
