//! `v1`: HMAC-SHA256, RFC 2104, with a secret that both sides hold.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Message;

/// 24 to 64 bytes.
#[derive(Clone)]
pub struct SymmetricSecret {
    bytes: Box<[u8]>,
    /// Made ready for the key once: two of the four blocks of a short message.
    keyed: Hmac<Sha256>,
}

impl SymmetricSecret {
    pub(super) const PREFIX: &str = "whsec_";

    /// None when there are too few or too many bytes.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        if !(24..=64).contains(&bytes.len()) {
            return None;
        }
        let keyed = Hmac::new_from_slice(bytes).ok()?;
        Some(Self { bytes: bytes.into(), keyed })
    }

    pub(super) fn generate() -> Self {
        loop {
            // Any 32 bytes make a secret; the interface cannot say so.
            if let Some(secret) = Self::new(&rand::random::<[u8; 32]>()) {
                return secret;
            }
        }
    }

    pub(super) fn expose(&self) -> String {
        format!("{}{}", Self::PREFIX, STANDARD.encode(&self.bytes))
    }

    pub(super) fn sign(&self, message: &Message<'_>) -> impl AsRef<[u8]> + use<> {
        self.over(message).finalize().into_bytes()
    }

    /// In constant time.
    pub(super) fn verifies(&self, message: &Message<'_>, signature: &[u8]) -> bool {
        self.over(message).verify_slice(signature).is_ok()
    }

    fn over(&self, message: &Message<'_>) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(message.head.as_bytes());
        mac.update(message.body);
        mac
    }
}

impl PartialEq for SymmetricSecret {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for SymmetricSecret {}
