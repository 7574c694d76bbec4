//! Which deliveries' chains are running, in a file that outlives the process: when a host dies, the next one knows what
//! it was working on, and a delivery that kills its host again and again is found out.
//!
//! Not synced: a killed process leaves what it wrote to the system, and only a killed process leaves anything to learn.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::ids::DeliveryId;

/// Bytes of an id.
const ENTRY: usize = 16;
/// More than any host has threads: what is beyond is not ours.
const MOST_ENTRIES: u64 = 4096;

/// One entry for each thread that runs chains.
#[derive(Debug)]
pub struct UnderWay {
    file: File,
}

impl UnderWay {
    /// Opens or makes the file, and tells what an earlier process was at when it died.
    ///
    /// # Errors
    /// When the file cannot be opened or read.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<DeliveryId>)> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        (&file).take(MOST_ENTRIES * ENTRY as u64).read_to_end(&mut bytes)?;
        let (entries, _) = bytes.as_chunks::<ENTRY>();
        let left = entries.iter().filter(|entry| **entry != [0; ENTRY]);
        let left = left.map(|entry| DeliveryId::from_bytes(*entry)).collect();
        Ok((Self { file }, left))
    }

    /// Forgets what an earlier process left: it has been dealt with.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn clear(&self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// The entry of one thread.
    pub(super) const fn entry(&self, thread: usize) -> Entry<'_> {
        Entry { under_way: self, offset: (thread * ENTRY) as u64, is_set: false }
    }

    /// A full disk costs one more crash until the cause is found, and no delivery.
    fn write(&self, offset: u64, entry: [u8; ENTRY]) {
        let _ = self.file.write_all_at(&entry, offset);
    }
}

/// What one thread works on. Kept from one chain to the next while there is one, so that a busy thread writes once for
/// each: whoever dies in between is taken for having died in the chain before.
pub(super) struct Entry<'a> {
    under_way: &'a UnderWay,
    offset: u64,
    is_set: bool,
}

impl Entry<'_> {
    pub(super) fn begin(&mut self, delivery: DeliveryId) {
        self.under_way.write(self.offset, delivery.to_bytes());
        self.is_set = true;
    }

    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.is_set) {
            self.under_way.write(self.offset, [0; ENTRY]);
        }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_under_way_is_known_to_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("under-way");
        let [first, second] = [1, 2].map(|byte| DeliveryId::from_bytes([byte; 16]));
        let (under_way, left) = UnderWay::open(&path).expect("opens");
        assert_eq!(left, []);
        let [mut done, mut killed] = [0, 3].map(|thread| under_way.entry(thread));
        done.begin(first);
        done.end();
        killed.begin(first);
        killed.begin(second);
        std::mem::forget(killed);
        let (next, left) = UnderWay::open(&path).expect("opens");
        assert_eq!(left, [second]);
        next.clear().expect("clears");
        assert_eq!(UnderWay::open(&path).expect("opens").1, []);
    }
}
