//! `data/compiled.key`: what makes our files ours.

use std::io;
use std::path::Path;

use hmac::Hmac;
use hmac::digest::Key;
use sha2::Sha256;

use super::files;

const FILE: &str = "compiled.key";
const KEY_BYTES: usize = 32;

pub(super) struct HmacKey([u8; KEY_BYTES]);

impl HmacKey {
    /// The key in the file; a fresh one is written if there is none, or one that others may know or have changed.
    pub(super) fn read_or_make(data: &Path) -> io::Result<Self> {
        match Self::read(data) {
            Ok(key) => return Ok(key),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let file = data.join(FILE);
                tracing::warn!(%error, file = %file.display(), "a new key is made; all plugins are compiled again");
            }
        }
        let key = Self(rand::random());
        files::replace(&data.join(FILE), &[&key.0])?;
        Ok(key)
    }

    pub(super) fn read(data: &Path) -> io::Result<Self> {
        let mut file = files::open_private(&data.join(FILE))?;
        let bytes = files::read_whole(&mut file, KEY_BYTES as u64)?;
        bytes.try_into().map(Self).map_err(|_| io::Error::other("the key has the wrong length"))
    }

    /// As HMAC takes it: a key shorter than a block is the same with zeroes behind it.
    pub(super) fn padded(&self) -> Key<Hmac<Sha256>> {
        let mut padded = Key::<Hmac<Sha256>>::default();
        padded[..KEY_BYTES].copy_from_slice(&self.0);
        padded
    }
}
