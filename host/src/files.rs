//! Files that are old or new and never half, also after a power loss. Does not decide what is worth keeping.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// Puts `bytes` in the place of `target`, in files (0600) and folders (0700) that only their owner reads.
///
/// # Errors
/// When it cannot be written as a whole; then `target` is what it was.
pub(crate) fn replace_private(target: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = target.parent() {
        private_folder(DirBuilder::new().recursive(true)).create(folder)?;
    }
    replace(target, bytes, private_file(&mut OpenOptions::new()))
}

/// Puts `bytes` in the place of `target`, in a file that whoever may read new files here may read.
///
/// # Errors
/// When it cannot be written as a whole; then `target` is what it was.
pub(crate) fn replace_public(target: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(target, bytes, &mut OpenOptions::new())
}

/// At most `cap` bytes of a file.
///
/// # Errors
/// When it cannot be read, or is larger.
pub(crate) fn read_capped(path: &Path, cap: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(cap.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > cap {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("is larger than {cap} bytes")));
    }
    Ok(bytes)
}

fn replace(target: &Path, bytes: &[u8], options: &mut OpenOptions) -> io::Result<()> {
    // Of a bare name the parent is the empty path, which cannot be opened.
    let folder = target.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let (Some(folder), Some(name)) = (folder, target.file_name()) else {
        return Err(io::Error::other("has no file name"));
    };
    // A name of its own, made anew: what lies there may be a link to anything, and another of us may be at it.
    let temporary = folder.join(format!(".{}.{:08x}.new", name.to_string_lossy(), rand::random::<u32>()));
    let mut file = options.write(true).create_new(true).open(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&temporary, target));
    if written.is_err() {
        // What is left of it takes room that others need.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    File::open(folder)?.sync_all()
}

#[cfg(unix)]
fn private_folder(builder: &mut DirBuilder) -> &mut DirBuilder {
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700)
}

#[cfg(unix)]
fn private_file(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn private_folder(builder: &mut DirBuilder) -> &mut DirBuilder {
    builder
}

#[cfg(not(unix))]
fn private_file(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}
