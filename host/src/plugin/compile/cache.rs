//! `data/compiled/`: the code of plugins compiled before, so that a start does not compile them all again.
//!
//! A file is a tag, then the code. The tag is an HMAC over the code and over what the file is for, with a key that
//! only this host reads; a file without the right one is deleted, whatever is the matter with it. Bounded in bytes:
//! what was not used for longest goes. Losing any of it costs time, nothing else.

mod files;
mod secret;

use std::io;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use self::secret::HmacKey;
use super::artefact::Artefact;
use crate::ids::Digest;
use crate::plugin::engine::EngineKind;

/// Of all files together.
const MAX_CACHE_BYTES: u64 = 512 << 20;
/// Of one file. The largest plugin file there may be has at most as much, by its allowance.
const MAX_FILE_BYTES: u64 = MAX_CACHE_BYTES;
const TAG_BYTES: usize = 32;
/// Tells tags of this format from whatever else the key may come to be used for.
const DOMAIN: &[u8] = b"hookwright compiled plugin 1";

/// Code that was compiled before.
pub struct Cache {
    folder: PathBuf,
    key: HmacKey,
    max_bytes: u64,
    writes: bool,
}

/// What code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) plugin: Digest,
    pub(super) fingerprint: Digest,
    pub(super) engine: EngineKind,
}

impl Key {
    fn file_name(&self) -> String {
        let engine = match self.engine {
            EngineKind::Small => "small",
            EngineKind::Large => "large",
        };
        format!("{}-{}-{engine}", self.plugin, self.fingerprint.short())
    }
}

impl Cache {
    /// The cache in this data folder, made if it is not there. `None`, with a warning, where there cannot be one.
    pub fn open(data: &Path) -> Option<Self> {
        let folder = data.join("compiled");
        let made = files::private_folder(&folder).and_then(|()| HmacKey::read_or_make(data));
        match made {
            Ok(key) => Some(Self { folder, key, max_bytes: MAX_CACHE_BYTES, writes: true }),
            Err(error) => {
                let folder = folder.display();
                tracing::warn!(%error, %folder, "compiled plugins are not kept; each start compiles all of them");
                None
            }
        }
    }

    /// The cache as it is, if there is one. Nothing is written, made or deleted.
    pub fn read_only(data: &Path) -> Option<Self> {
        let key = HmacKey::read(data).ok()?;
        Some(Self { folder: data.join("compiled"), key, max_bytes: MAX_CACHE_BYTES, writes: false })
    }

    pub(super) fn get(&self, key: &Key) -> Option<Artefact> {
        match self.read(key) {
            Ok(code) => Some(Artefact::from_verified_file(code)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.discard(key, &error.to_string());
                None
            }
        }
    }

    /// Keeps code for the next time. What prevents it is logged.
    pub(super) fn put(&self, key: &Key, artefact: &Artefact) {
        let code = artefact.bytes();
        if !self.writes || code.len() as u64 > MAX_FILE_BYTES.min(self.max_bytes) - TAG_BYTES as u64 {
            return;
        }
        let path = self.path(key);
        let tag = self.tag(key, code).finalize().into_bytes();
        let kept =
            files::replace(&path, &[&tag, code]).and_then(|()| files::evict(&self.folder, self.max_bytes, &path));
        if let Err(error) = kept {
            tracing::warn!(%error, file = %path.display(), "a compiled plugin is not kept");
        }
    }

    /// Deletes a file that cannot be what was written.
    pub(super) fn discard(&self, key: &Key, reason: &str) {
        let path = self.path(key);
        tracing::warn!(file = %path.display(), reason, "a compiled plugin is not used, and compiled again");
        if self.writes
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::warn!(%error, file = %path.display(), "it cannot be deleted");
        }
    }

    fn read(&self, key: &Key) -> io::Result<Vec<u8>> {
        let mut file = files::open_private(&self.path(key))?;
        let mut code = files::read_whole(&mut file, MAX_FILE_BYTES)?;
        let tag: [u8; TAG_BYTES] = match code.split_first_chunk() {
            Some((tag, _)) => *tag,
            None => return Err(io::Error::other("it is too short")),
        };
        code.drain(..TAG_BYTES);
        self.tag(key, &code).verify_slice(&tag).map_err(|_| io::Error::other("its tag is wrong"))?;
        if self.writes {
            files::mark_used(&file);
        }
        Ok(code)
    }

    fn tag(&self, key: &Key, code: &[u8]) -> Hmac<Sha256> {
        let Key { plugin, fingerprint, engine } = key;
        let engine = [match engine {
            EngineKind::Small => 0,
            EngineKind::Large => 1,
        }];
        // All but the last of fixed length.
        let parts: [&[u8]; 5] = [DOMAIN, plugin.as_bytes(), fingerprint.as_bytes(), &engine, code];
        let mut tag = Hmac::<Sha256>::new(&self.key.padded());
        for part in parts {
            tag.update(part);
        }
        tag
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(key.file_name())
    }
}

#[cfg(test)]
mod tests;
