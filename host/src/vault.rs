//! Seals secrets that rest in the store: ChaCha20-Poly1305 (RFC 8439) under a key that is outside of the database.
//!
//! The key is the variable `HOOKWRIGHT_KEY` or the file `data/master.key` (0600, made at the first start). Either may
//! hold several, one per line or comma: the first seals, all of them open, so that a key can be changed. What is sealed is
//! bound to its place: moved to another row, it does not open.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::files;
use crate::ids::Digest;

/// Names the keys.
pub const KEY_VARIABLE: &str = "HOOKWRIGHT_KEY";

const KEY_BYTES: usize = 32;
/// Tells keys apart: the beginning of a digest.
const KEY_ID_BYTES: usize = 8;
/// More keys than a change of keys needs.
const MAX_KEYS: usize = 8;
const MAX_KEY_FILE_BYTES: u64 = 4 << 10;

/// The keys of one host. Its `Debug` shows their ids.
pub struct Vault {
    /// Never empty; the first seals.
    keys: Vec<Key>,
    origin: Origin,
    /// It was made just now, and is in no file yet.
    is_unsaved: bool,
}

struct Key {
    id: [u8; KEY_ID_BYTES],
    bytes: [u8; KEY_BYTES],
    cipher: LessSafeKey,
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Variable,
    File(PathBuf),
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("failed to read or write {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(
        "{place} does not hold a key: expected base64 of {KEY_BYTES} bytes, or up to {MAX_KEYS} of them, the newest first \
         (`openssl rand -base64 32` makes one)"
    )]
    NoKey { place: String },
    #[error("{place} holds {MAX_KEYS} keys already; take out those that nothing is sealed with any more")]
    TooMany { place: String },
}

/// It could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it could not be sealed")]
pub struct SealError;

/// Why something does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error(
        "they were sealed with the key {id}, which is not at hand: put it back into data/master.key or {KEY_VARIABLE} (now looked at: {place})"
    )]
    NoSuchKey { id: String, place: String },
    #[error("they were changed, or belong to something else")]
    Broken,
}

impl Vault {
    /// The keys of `variable`, if it is set, else of the file in `data`; where there is none, one is made, which
    /// [`Self::save`] writes: not before it is known that nothing needs a lost one.
    ///
    /// # Errors
    /// When what is there are no keys, or the file cannot be read.
    pub fn of_home(data: &Path, variable: Option<&str>) -> Result<Self, VaultError> {
        if let Some(text) = variable.filter(|text| !text.trim().is_empty()) {
            return Self::read(text, Origin::Variable);
        }
        let path = data.join("master.key");
        let failed = |source| VaultError::File { path: path.clone(), source };
        let text = match files::read_capped(&path, MAX_KEY_FILE_BYTES) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let keys = Key::new(rand::random()).into_iter().collect();
                return Ok(Self { keys, origin: Origin::File(path), is_unsaved: true });
            }
            Err(error) => return Err(failed(error)),
        };
        Self::read(&text, Origin::File(path))
    }

    fn read(text: &str, origin: Origin) -> Result<Self, VaultError> {
        let words = text.split([',', '\n', '\r']).map(str::trim).filter(|word| !word.is_empty());
        let keys: Option<Vec<_>> = words.map(|word| Key::new(STANDARD.decode(word).ok()?.try_into().ok()?)).collect();
        match keys {
            Some(keys) if (1..=MAX_KEYS).contains(&keys.len()) => Ok(Self { keys, origin, is_unsaved: false }),
            _ => Err(VaultError::NoKey { place: origin.to_string() }),
        }
    }

    /// Writes a key that was made, readable by its owner only.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(self) -> Result<Self, VaultError> {
        if self.is_unsaved {
            self.rewritten(self.keys.iter().filter_map(|key| Key::new(key.bytes)).collect())
        } else {
            Ok(self)
        }
    }

    /// Where the keys are, for people.
    pub fn place(&self) -> String {
        self.origin.to_string()
    }

    /// The id of the key that seals.
    pub fn key_id(&self) -> String {
        self.keys.first().map(Key::id_text).unwrap_or_default()
    }

    /// `context` says what it is and where it belongs; the same must be said to open it.
    ///
    /// # Errors
    /// When there is too much of it: hundreds of gigabytes.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.keys.first().ok_or(SealError)?;
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = plain.to_vec();
        let once = Nonce::assume_unique_for_key(nonce);
        let tag =
            key.cipher.seal_in_place_separate_tag(once, Aad::from(context), &mut sealed).map_err(|_| SealError)?;
        Ok([&key.id[..], &nonce, &sealed, tag.as_ref()].concat())
    }

    /// # Errors
    /// When the key is not at hand, or it is not what was sealed for this context.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (id, rest) = sealed.split_first_chunk::<KEY_ID_BYTES>().ok_or(OpenError::Broken)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(OpenError::Broken)?;
        let Some(key) = self.keys.iter().find(|key| key.id == *id) else {
            return Err(OpenError::NoSuchKey { id: hex(id), place: self.place() });
        };
        let mut bytes = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = key.cipher.open_in_place(nonce, Aad::from(context), &mut bytes).map_err(|_| OpenError::Broken)?;
        Ok(opened.to_vec())
    }

    /// These keys and a fresh one before them, written to their file: what is sealed from now on needs the new one, and
    /// everything still opens. To be asked for only when everything is sealed with the first: no key is ever pushed out. The keys of the variable are changed by whoever sets it: these stay as they are.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn with_new_key(&self) -> Result<Self, VaultError> {
        let fresh = if self.is_in_file() { Key::new(rand::random()) } else { None };
        let known = self.keys.iter().filter_map(|key| Key::new(key.bytes));
        let keys: Vec<_> = fresh.into_iter().chain(known).collect();
        if keys.len() > MAX_KEYS {
            return Err(VaultError::TooMany { place: self.place() });
        }
        self.rewritten(keys)
    }

    /// Only the key that seals: the others open nothing any more. In the variable they may stay.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn without_old_keys(&self) -> Result<Self, VaultError> {
        self.rewritten(self.keys.first().and_then(|key| Key::new(key.bytes)).into_iter().collect())
    }

    fn rewritten(&self, keys: Vec<Key>) -> Result<Self, VaultError> {
        let Origin::File(path) = &self.origin else {
            return Ok(Self { keys, origin: self.origin.clone(), is_unsaved: false });
        };
        let lines: Vec<_> = keys.iter().map(|key| STANDARD.encode(key.bytes)).collect();
        let text = lines.join("\n") + "\n";
        let failed = |source| VaultError::File { path: path.clone(), source };
        files::replace_private(path, text.as_bytes()).map_err(failed)?;
        Ok(Self { keys, origin: self.origin.clone(), is_unsaved: false })
    }

    /// A digest of what may hold secrets: without the key it tells nothing of them.
    pub fn digest(&self, bytes: &[u8]) -> Digest {
        let key = self.keys.first().map_or(&[][..], |key| &key.bytes);
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
        let tag = ring::hmac::sign(&key, bytes);
        Digest::of(tag.as_ref())
    }

    /// Whether this was sealed with the key that seals now.
    pub fn seals_as(&self, sealed: &[u8]) -> bool {
        self.keys.first().is_some_and(|key| sealed.starts_with(&key.id))
    }

    /// Whether the host may change its keys by itself.
    pub fn is_in_file(&self) -> bool {
        matches!(self.origin, Origin::File(_))
    }
}

impl Key {
    fn new(bytes: [u8; KEY_BYTES]) -> Option<Self> {
        let cipher = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok()?);
        // Of a digest of the key, so that the id tells nothing of it.
        let digest = Digest::of(&[&b"hookwright key id\0"[..], &bytes].concat());
        let id = *digest.as_bytes().first_chunk::<KEY_ID_BYTES>()?;
        Some(Self { id, bytes, cipher })
    }

    fn id_text(&self) -> String {
        hex(&self.id)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable => f.write_str(KEY_VARIABLE),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(Key::id_text).collect();
        f.debug_struct("Vault").field("keys", &ids).field("origin", &self.origin).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_sealed_opens_in_its_place_only_and_only_unchanged() {
        let folder = tempfile::tempdir().expect("a folder");
        let vault = Vault::of_home(folder.path(), None).expect("makes a key");
        let sealed = vault.seal("webhook a", b"hunter2").expect("seals");
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        assert_eq!(vault.open("webhook a", &sealed).as_deref(), Ok(&b"hunter2"[..]));
        assert_eq!(vault.open("webhook b", &sealed), Err(OpenError::Broken));
        for at in KEY_ID_BYTES..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(vault.open("webhook a", &changed), Err(OpenError::Broken), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(vault.open("webhook a", &sealed[..length]).is_err(), "{length} bytes");
        }
        assert_ne!(vault.seal("webhook a", b"hunter2").as_ref(), Ok(&sealed), "each time another nonce");
    }

    #[test]
    fn the_key_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Vault::of_home(folder.path(), None).expect("makes a key");
        assert!(!folder.path().join("master.key").exists(), "nothing may need a lost one yet");
        let first = first.save().expect("writes");
        let again = Vault::of_home(folder.path(), None).expect("reads it");
        assert_eq!(again.open("x", &first.seal("x", b"a").expect("seals")).as_deref(), Ok(&b"a"[..]));
        let mode = fs::metadata(folder.path().join("master.key")).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn keys_change_without_a_moment_in_which_something_does_not_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let old = Vault::of_home(folder.path(), None).expect("makes a key");
        let sealed = old.seal("x", b"a").expect("seals");
        let both = old.with_new_key().expect("writes");
        assert_ne!(both.key_id(), old.key_id());
        assert!(both.open("x", &sealed).is_ok(), "the old one still opens");
        assert!(matches!(old.open("x", &both.seal("x", b"a").expect("seals")), Err(OpenError::NoSuchKey { .. })));
        let new = both.without_old_keys().expect("writes");
        let Err(OpenError::NoSuchKey { id, place }) = new.open("x", &sealed) else { panic!("opened") };
        assert_eq!((id, place.ends_with("master.key")), (old.key_id(), true));
        assert_eq!(Vault::of_home(folder.path(), None).expect("reads").key_id(), new.key_id());
    }

    #[test]
    fn the_variable_wins_and_must_be_a_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = |byte| STANDARD.encode([byte; 32]);
        let vault = Vault::of_home(folder.path(), Some(&format!("{}, {}", key(1), key(2)))).expect("keys");
        assert_eq!((vault.place().as_str(), vault.is_in_file(), vault.keys.len()), (KEY_VARIABLE, false, 2));
        assert!(!folder.path().join("master.key").exists());
        for bad in ["hunter2", "AAAA", &format!("{},x", key(1))] {
            let error = Vault::of_home(folder.path(), Some(bad)).expect_err(bad).to_string();
            assert!(error.starts_with("HOOKWRIGHT_KEY does not hold a key") && !error.contains(bad), "{error}");
        }
    }
}
