//! `data/compiled/`: what came of compiling plugins, so that a start does not compile them all again.
//!
//! A file is a tag, then the contents. The tag is an HMAC over those and over what the file is for, with a key that
//! only this host reads; a file without the right one is deleted, whatever is the matter with it. Bounded in bytes:
//! what was not used for longest goes. Losing any of it costs time, nothing else.

mod files;
mod secret;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use self::secret::HmacKey;
use super::artefact::Artefact;
use super::exceeded::Exceeded;
use crate::ids::Digest;
use crate::plugin::engine::EngineKind;

/// Of all files together.
const MAX_CACHE_BYTES: u64 = 512 << 20;
/// Of one file. The largest plugin file there may be has at most as much, by its allowance.
const MAX_FILE_BYTES: u64 = MAX_CACHE_BYTES;
const TAG_BYTES: usize = 32;
/// Tells tags of this format from whatever else the key may come to be used for.
const DOMAIN: &[u8] = b"hookwright compiled plugin 1";
/// After this, what exceeded its allowance is tried once more.
const EXCEEDED_FOR: Duration = Duration::from_hours(24);

/// What was compiled before.
pub struct Cache {
    folder: PathBuf,
    key: HmacKey,
    max_bytes: u64,
    writes: bool,
}

/// What it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) plugin: Digest,
    pub(super) fingerprint: Digest,
    pub(super) engine: EngineKind,
}

/// What is known of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Code,
    /// That there is none.
    Exceeded,
}

impl Key {
    fn file_name(&self, what: What) -> String {
        let engine = match self.engine {
            EngineKind::Small => "small",
            EngineKind::Large => "large",
        };
        let what = match what {
            What::Code => "",
            What::Exceeded => "-exceeded",
        };
        format!("{}-{}-{engine}{what}", self.plugin, self.fingerprint.short())
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

    pub(super) fn code(&self, key: &Key) -> Option<Artefact> {
        self.get(key, What::Code).map(Artefact::from_verified_file)
    }

    /// What compiling it exceeded, not long ago.
    pub(super) fn exceeded(&self, key: &Key) -> Option<Exceeded> {
        let exceeded = serde_json::from_slice(&self.get(key, What::Exceeded)?).ok()?;
        let file = self.path(key, What::Exceeded);
        let file = file.display();
        tracing::info!(%file, "not compiled again, because it went beyond its limits before; delete the file to try");
        Some(exceeded)
    }

    pub(super) fn put_code(&self, key: &Key, artefact: &Artefact) {
        self.put(key, What::Code, artefact.bytes());
    }

    pub(super) fn put_exceeded(&self, key: &Key, exceeded: &Exceeded) {
        self.put(key, What::Exceeded, &serde_json::to_vec(exceeded).unwrap_or_default());
    }

    /// Deletes a file that cannot be what was written.
    pub(super) fn discard(&self, key: &Key, what: What, reason: &str) {
        let path = self.path(key, what);
        tracing::warn!(file = %path.display(), reason, "a compiled plugin is not used, and compiled again");
        if self.writes
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::warn!(%error, file = %path.display(), "it cannot be deleted");
        }
    }

    /// Keeps it for the next time. What prevents that is logged.
    fn put(&self, key: &Key, what: What, contents: &[u8]) {
        if !self.writes || contents.len() as u64 > MAX_FILE_BYTES.min(self.max_bytes) - TAG_BYTES as u64 {
            return;
        }
        let path = self.path(key, what);
        let tag = self.tag(key, what, contents).finalize().into_bytes();
        let kept = files::replace(&path, &[&tag, contents]);
        let kept = kept.and_then(|()| files::evict(&self.folder, self.max_bytes, &path));
        if let Err(error) = kept {
            tracing::warn!(%error, file = %path.display(), "a compiled plugin is not kept");
        }
    }

    fn get(&self, key: &Key, what: What) -> Option<Vec<u8>> {
        match self.read(key, what) {
            Ok(contents) => contents,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.discard(key, what, &error.to_string());
                None
            }
        }
    }

    fn read(&self, key: &Key, what: What) -> io::Result<Option<Vec<u8>>> {
        let mut file = files::open_private(&self.path(key, what))?;
        let mut contents = files::read_whole(&mut file, MAX_FILE_BYTES)?;
        let tag: [u8; TAG_BYTES] = match contents.split_first_chunk() {
            Some((tag, _)) => *tag,
            None => return Err(io::Error::other("it is too short")),
        };
        contents.drain(..TAG_BYTES);
        self.tag(key, what, &contents).verify_slice(&tag).map_err(|_| io::Error::other("its tag is wrong"))?;
        match what {
            What::Exceeded if files::age(&file)? > EXCEEDED_FOR => return Ok(None),
            What::Code if self.writes => files::mark_used(&file),
            What::Code | What::Exceeded => {}
        }
        Ok(Some(contents))
    }

    fn tag(&self, key: &Key, what: What, contents: &[u8]) -> Hmac<Sha256> {
        let Key { plugin, fingerprint, engine } = key;
        let engine = match engine {
            EngineKind::Small => 0,
            EngineKind::Large => 1,
        };
        let what = match what {
            What::Code => 0,
            What::Exceeded => 1,
        };
        // All but the last of fixed length.
        let parts: [&[u8]; 5] = [DOMAIN, plugin.as_bytes(), fingerprint.as_bytes(), &[engine, what], contents];
        let mut tag = Hmac::<Sha256>::new(&self.key.padded());
        for part in parts {
            tag.update(part);
        }
        tag
    }

    fn path(&self, key: &Key, what: What) -> PathBuf {
        self.folder.join(key.file_name(what))
    }
}

#[cfg(test)]
mod tests;
