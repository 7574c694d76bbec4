//! `v1a`: Ed25519, RFC 8032, with a key whose public half the receiver holds.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::Message;

const SEED_BYTES: usize = 32;

/// Seed and public half, 32 bytes each.
#[derive(Clone)]
pub struct PrivateKey {
    seed: [u8; SEED_BYTES],
    pair: Arc<Ed25519KeyPair>,
}

/// The half that only verifies.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PublicKey([u8; 32]);

impl PrivateKey {
    pub(super) const PREFIX: &str = "whsk_";

    /// None when the two halves do not belong together.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let (seed, public) = bytes.split_at_checked(SEED_BYTES)?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).ok()?;
        Some(Self { seed: seed.try_into().ok()?, pair: Arc::new(pair) })
    }

    pub(super) fn generate() -> Self {
        loop {
            let seed = rand::random::<[u8; SEED_BYTES]>();
            // Any seed makes a key; the interface cannot say so.
            if let Ok(pair) = Ed25519KeyPair::from_seed_unchecked(&seed) {
                return Self { seed, pair: Arc::new(pair) };
            }
        }
    }

    pub(super) fn expose(&self) -> String {
        format!("{}{}", Self::PREFIX, STANDARD.encode([&self.seed, self.pair.public_key().as_ref()].concat()))
    }

    /// The text to give to receivers, `whpk_…`.
    pub fn public_text(&self) -> String {
        format!("{}{}", PublicKey::PREFIX, STANDARD.encode(self.pair.public_key()))
    }

    pub(super) fn public(&self) -> Option<PublicKey> {
        PublicKey::new(self.pair.public_key().as_ref())
    }

    pub(super) fn sign(&self, message: &Message<'_>) -> impl AsRef<[u8]> + use<> {
        self.pair.sign(&whole(message))
    }
}

impl PartialEq for PrivateKey {
    fn eq(&self, other: &Self) -> bool {
        self.seed == other.seed
    }
}

impl Eq for PrivateKey {}

impl PublicKey {
    pub(super) const PREFIX: &str = "whpk_";

    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn verifies(&self, message: &Message<'_>, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(&whole(message), signature).is_ok()
    }
}

/// Ed25519 reads its message twice, so it must lie in one piece.
fn whole(message: &Message<'_>) -> Vec<u8> {
    [message.head.as_bytes(), message.body].concat()
}
