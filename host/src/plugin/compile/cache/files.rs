//! Files and a folder that nobody but their owner may touch. Knows nothing of what is in them.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{Mode, OFlags};
use rustix::process::geteuid;

use crate::clock;

/// Anything that others may do to a file.
const OTHERS: u32 = 0o077;

/// Makes the folder (0700). One that is there must be ours; if others may enter it, they no longer may.
pub(super) fn private_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let metadata = fs::symlink_metadata(folder)?;
    if !metadata.is_dir() || metadata.uid() != geteuid().as_raw() {
        return Err(io::Error::other("it is not a folder of this user; remove it"));
    }
    if metadata.mode() & OTHERS != 0 {
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Opens a regular file that is ours and that others can neither read nor write. Follows no link, waits for no pipe.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.uid() != geteuid().as_raw() || metadata.mode() & OTHERS != 0 {
        return Err(io::Error::other("it is not a file that only this user can read and write"));
    }
    Ok(file)
}

pub(super) fn read_whole(file: &mut File, max_bytes: u64) -> io::Result<Vec<u8>> {
    let bytes = file.metadata()?.len();
    if bytes > max_bytes {
        return Err(io::Error::other("it is too large"));
    }
    let mut whole = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    file.take(max_bytes).read_to_end(&mut whole)?;
    Ok(whole)
}

/// Puts these bytes (0600) in the place of `path`: whoever reads it, even after a power loss, finds old or new.
pub(super) fn replace(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let beside = path.with_extension("new");
    // What an interrupted run left; never opened, since it may be anything.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = parts.iter().try_for_each(|part| file.write_all(part)).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&beside, path)).inspect_err(|_| drop(fs::remove_file(&beside)))
}

/// For [`evict`]. A file that cannot be marked only goes earlier.
pub(super) fn mark_used(file: &File) {
    let _ = file.set_modified(now());
}

/// Since it was written, or marked; nothing if that is in the future.
pub(super) fn age(file: &File) -> io::Result<Duration> {
    Ok(now().duration_since(file.metadata()?.modified()?).unwrap_or_default())
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(clock::now().as_ms()).unwrap_or(0))
}

/// Deletes what was not used for longest, until the folder has `max_bytes` at most. `kept` stays.
pub(super) fn evict(folder: &Path, max_bytes: u64, kept: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            files.push((metadata.modified()?, metadata.len(), entry.path()));
        }
    }
    let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    if bytes <= max_bytes {
        return Ok(());
    }
    files.sort();
    for (_, freed, path) in files.into_iter().filter(|(_, _, path): &(_, _, PathBuf)| path != kept) {
        if bytes <= max_bytes {
            break;
        }
        fs::remove_file(path)?;
        bytes -= freed;
    }
    Ok(())
}
