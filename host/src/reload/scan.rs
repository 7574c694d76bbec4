//! What is in the home folder right now: every file that counts, read, or why it cannot be.
//!
//! A file that cannot be read is an entry that says so, never an absence; so is a folder. Files that have
//! certainly not changed are not read again. Memory is bounded: texts are kept, plugins only by digest.
//! Judges nothing: what changed and what was removed is decided by `settle`.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::Digest as _;

use super::layout::{Layout, Place, Wanted};
use crate::clock::Timestamp;
use crate::ids::Digest;
use crate::plugin::MAX_PLUGIN_FILE_BYTES;

/// A larger configuration, webhook, schema or `.env` file is refused.
const MAX_TEXT_FILE_BYTES: u64 = 1 << 20;
/// All texts together: they stay in memory.
const MAX_TEXT_BYTES: u64 = 64 << 20;
/// A folder with more files is refused: something else was put there by mistake.
const MAX_FILES_PER_FOLDER: usize = 10_000;
/// Folders below `schemas/`: ends loops of symbolic links.
const MAX_FOLDERS: usize = 100;
const MAX_FOLDER_DEPTH: usize = 4;
/// File times may be this coarse: a file that changed so shortly before it was read may have changed again
/// without its times showing it.
const TIME_GRANULARITY: Duration = Duration::from_secs(2);
const HASH_BUFFER_BYTES: usize = 64 << 10;

/// The files and folders of one moment, by path relative to the home folder.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    pub(super) files: BTreeMap<String, Entry>,
    /// A folder that does not exist is not in here.
    pub(super) folders: BTreeMap<String, Folder>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Folder {
    Read(Identity),
    /// Nothing is known of what is in it.
    Unreadable(String),
}

/// Tells a folder from another one that took its place.
pub(super) type Identity = (u64, u64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) content: Content,
    pub(super) stamp: Option<Stamp>,
    read: Timestamp,
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Text(Arc<str>),
    Plugin(Digest),
    /// In words that follow the file's name: "is larger than …".
    Unusable(String),
    /// The file is gone, but not taken as removed: its last good version stays in force.
    Absent,
}

/// What changes when a file changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    identity: Identity,
    size: u64,
    modified_ns: i128,
    /// When the inode last changed. Unlike the modification time no tool can set it.
    changed_ns: i128,
}

/// Looks at every file that counts. What is unchanged since `previous` is taken from there.
pub(super) fn scan(home: &Path, layout: &Layout, previous: &Snapshot, now: Timestamp) -> Snapshot {
    let mut scan = Scan { home, previous, now, found: Snapshot::default(), text_bytes: 0 };
    for place in layout.places() {
        scan.place(&place);
    }
    scan.found
}

/// The bytes of a plugin file, if they are still those of `digest`.
pub(super) fn read_plugin(path: &Path, digest: Digest) -> Result<Vec<u8>, PluginMoved> {
    let bytes = read_capped(path, MAX_PLUGIN_FILE_BYTES).map_err(|error| PluginMoved(unreadable(&error)))?;
    if Digest::of(&bytes) == digest { Ok(bytes) } else { Err(PluginMoved("changed while it was read".to_owned())) }
}

/// The file is not what the scan saw; the next scan will see what it is now.
#[derive(Debug)]
pub(super) struct PluginMoved(pub(super) String);

impl Entry {
    /// A file that should be there and is not.
    pub(super) fn absent() -> Self {
        Self { content: Content::Absent, stamp: None, read: Timestamp::default() }
    }

    /// A file with this text, seen long ago.
    #[cfg(test)]
    pub(super) fn text(text: &str) -> Self {
        Self { content: Content::Text(text.into()), stamp: None, read: Timestamp::default() }
    }

    fn unusable(reason: impl Into<String>, stamp: Option<Stamp>, now: Timestamp) -> Self {
        Self { content: Content::Unusable(reason.into()), stamp, read: now }
    }

    /// Whether a file that still has this stamp certainly still has this content.
    fn is_certain(&self, stamp: Stamp) -> bool {
        let changed = Timestamp::from_ms(i64::try_from(stamp.changed_ns / 1_000_000).unwrap_or(i64::MAX));
        self.stamp == Some(stamp)
            && !matches!(self.content, Content::Unusable(_))
            && self.read.since(changed) >= TIME_GRANULARITY
    }
}

struct Scan<'a> {
    home: &'a Path,
    previous: &'a Snapshot,
    now: Timestamp,
    found: Snapshot,
    text_bytes: u64,
}

impl Scan<'_> {
    fn place(&mut self, place: &Place<'_>) {
        let mut open = vec![(place.folder.to_owned(), 0)];
        let mut seen = 0;
        while let Some((folder, depth)) = open.pop() {
            seen += 1;
            if depth > MAX_FOLDER_DEPTH || seen > MAX_FOLDERS {
                let reason =
                    format!("holds more than {MAX_FOLDERS} folders, or folders nested deeper than {MAX_FOLDER_DEPTH}");
                self.found.folders.insert(place.folder.to_owned(), Folder::Unreadable(reason));
                return;
            }
            let below = self.folder(&folder, place.wanted);
            if place.wanted == Wanted::TextTree {
                open.extend(below.into_iter().map(|name| (join(&folder, &name), depth + 1)));
            }
        }
    }

    /// Reads one folder and answers with the names of the folders in it.
    fn folder(&mut self, folder: &str, wanted: Wanted) -> Vec<String> {
        let state = fs::metadata(self.home.join(folder))
            .and_then(|found| Ok((identity(&found), names(&self.home.join(folder), wanted)?)));
        match state {
            Ok((identity, names)) => {
                self.found.folders.insert(folder.to_owned(), Folder::Read(identity));
                names.into_iter().filter_map(|name| self.name(folder, name, wanted)).collect()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                self.found.folders.insert(folder.to_owned(), Folder::Unreadable(unreadable(&error)));
                Vec::new()
            }
        }
    }

    /// Looks at one name in a folder: an entry if it is a file that counts, the name back if it is a folder.
    fn name(&mut self, folder: &str, name: String, wanted: Wanted) -> Option<String> {
        let path = join(folder, &name);
        let full = self.home.join(&path);
        let metadata = match fs::metadata(&full) {
            Ok(metadata) => metadata,
            Err(error) => {
                let is_there =
                    error.kind() != io::ErrorKind::NotFound || full.is_symlink() || name.contains('\u{FFFD}');
                if wanted.takes(&name) && is_there {
                    self.found.files.insert(path, Entry::unusable(unreadable(&error), None, self.now));
                }
                return None;
            }
        };
        if metadata.is_dir() {
            return (!name.starts_with('.')).then_some(name);
        }
        if wanted.takes(&name) {
            let entry = self.entry(&path, &metadata, wanted);
            self.found.files.insert(path, entry);
        }
        None
    }

    fn entry(&mut self, path: &str, metadata: &Metadata, wanted: Wanted) -> Entry {
        let stamp = Stamp::of(metadata);
        if !metadata.is_file() {
            return Entry::unusable("is not a regular file", Some(stamp), self.now);
        }
        let entry = match self.previous.files.get(path) {
            Some(known) if known.is_certain(stamp) => known.clone(),
            _ => read(&self.home.join(path), wanted, self.now),
        };
        self.within_budget(entry)
    }

    fn within_budget(&mut self, entry: Entry) -> Entry {
        if let Content::Text(text) = &entry.content {
            let bytes = self.text_bytes.saturating_add(text.len() as u64);
            if bytes > MAX_TEXT_BYTES {
                let reason = format!("is one too many: texts may have {} MiB together", MAX_TEXT_BYTES >> 20);
                return Entry::unusable(reason, entry.stamp, self.now);
            }
            self.text_bytes = bytes;
        }
        entry
    }
}

impl Stamp {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        Self {
            identity: identity(metadata),
            size: metadata.len(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let modified_ns = modified.map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX));
        Self { identity: identity(metadata), size: metadata.len(), modified_ns, changed_ns: modified_ns }
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_metadata: &Metadata) -> Identity {
    (0, 0)
}

/// The names in a folder that may be of interest.
fn names(folder: &Path, wanted: Wanted) -> io::Result<Vec<String>> {
    if let Wanted::File(name) = wanted {
        return Ok(vec![name.to_owned()]);
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let may_be_folder = || entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_symlink());
        if wanted.takes(&name) || (wanted == Wanted::TextTree && may_be_folder()) {
            names.push(name);
        }
        if names.len() > MAX_FILES_PER_FOLDER {
            return Err(io::Error::other(format!("it holds more than {MAX_FILES_PER_FOLDER} files")));
        }
    }
    Ok(names)
}

/// Reads a file. The stamp is taken before the content: a change in between shows as a change the next time.
fn read(path: &Path, wanted: Wanted, now: Timestamp) -> Entry {
    let opened = File::open(path).and_then(|file| file.metadata().map(|metadata| (file, Stamp::of(&metadata))));
    let (file, stamp) = match opened {
        Ok(opened) => opened,
        Err(error) => return Entry::unusable(unreadable(&error), None, now),
    };
    let content = if wanted == Wanted::Plugins { read_digest(file, stamp.size) } else { read_text(file) };
    match content {
        Ok(content) => Entry { content, stamp: Some(stamp), read: now },
        Err(reason) => Entry::unusable(reason, Some(stamp), now),
    }
}

fn read_text(file: File) -> Result<Content, String> {
    let mut bytes = Vec::new();
    file.take(MAX_TEXT_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > MAX_TEXT_FILE_BYTES {
        return Err(too_large(MAX_TEXT_FILE_BYTES));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Content::Text(text.into())),
        Err(error) => Err(format!("is not UTF-8 text (byte {})", error.utf8_error().valid_up_to())),
    }
}

fn read_digest(file: File, size: u64) -> Result<Content, String> {
    if size > MAX_PLUGIN_FILE_BYTES {
        return Err(too_large(MAX_PLUGIN_FILE_BYTES));
    }
    let mut hasher = sha2::Sha256::new();
    let mut left = file.take(MAX_PLUGIN_FILE_BYTES + 1);
    let mut buffer = vec![0; HASH_BUFFER_BYTES];
    loop {
        match left.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
    if left.limit() == 0 {
        return Err(too_large(MAX_PLUGIN_FILE_BYTES));
    }
    Ok(Content::Plugin(Digest::from_bytes(hasher.finalize().into())))
}

fn read_capped(path: &Path, cap: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(cap).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn unreadable(error: &io::Error) -> String {
    format!("cannot be read: {error}")
}

fn too_large(cap: u64) -> String {
    format!("is larger than {} MiB", cap >> 20)
}

#[cfg(test)]
mod tests;
