//! Standard Webhooks signatures, <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.
//!
//! Signs and verifies `id.timestamp.body`: `v1` by HMAC-SHA256, `v1a` by Ed25519. `extra`: signatures of other
//! forms, for receivers that expect them. Does not send.

mod asymmetric;
mod extra;
mod symmetric;
mod verify;

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::clock::Timestamp;

pub use self::asymmetric::PrivateKey;
pub use self::extra::{ExtraSignature, Signed, Template, TemplateError};
pub use self::symmetric::SymmetricSecret;
pub use self::verify::{TOLERANCE_SECONDS, VerifyError, VerifyingKey, verify};

/// What a webhook's deliveries are signed with. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub enum SigningSecret {
    /// `whsec_…`: receivers hold the same.
    Symmetric(SymmetricSecret),
    /// `whsk_…`: receivers hold its public half, `whpk_…`.
    Asymmetric(PrivateKey),
}

/// Why a text is not a signing secret. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a signing secret: whsec_ and base64 of 24 to 64 bytes, or whsk_ and an Ed25519 key \
     (`hookwright secret new` makes either)"
)]
pub struct SecretError;

impl SigningSecret {
    /// A fresh secret of 32 random bytes.
    pub fn generate() -> Self {
        Self::Symmetric(SymmetricSecret::generate())
    }

    /// A fresh Ed25519 key.
    pub fn generate_asymmetric() -> Self {
        Self::Asymmetric(PrivateKey::generate())
    }

    /// The text for the configuration, `whsec_…` or `whsk_…`.
    pub fn expose(&self) -> String {
        match self {
            Self::Symmetric(secret) => secret.expose(),
            Self::Asymmetric(key) => key.expose(),
        }
    }

    /// One entry of `webhook-signature`.
    fn sign_into(&self, header: &mut String, message: &Message<'_>) {
        match self {
            Self::Symmetric(secret) => {
                header.push_str("v1,");
                STANDARD.encode_string(secret.sign(message), header);
            }
            Self::Asymmetric(key) => {
                header.push_str("v1a,");
                STANDARD.encode_string(key.sign(message), header);
            }
        }
    }
}

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

impl FromStr for SigningSecret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        match text.split_at_checked(text.find('_').map_or(0, |at| at + 1)).ok_or(SecretError)? {
            (SymmetricSecret::PREFIX, encoded) => {
                decoded(encoded).and_then(|key| SymmetricSecret::new(&key)).map(Self::Symmetric)
            }
            (PrivateKey::PREFIX, encoded) => {
                decoded(encoded).and_then(|key| PrivateKey::new(&key)).map(Self::Asymmetric)
            }
            _ => None,
        }
        .ok_or(SecretError)
    }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// What is signed: `id.timestamp.body`.
struct Message<'a> {
    /// `id.timestamp.`
    head: String,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    fn new(id: &str, seconds: i64, body: &'a [u8]) -> Self {
        Self { head: format!("{id}.{seconds}."), body }
    }
}

/// The value of `webhook-signature`: one entry per secret, separated by spaces. Empty without secrets.
pub fn sign(secrets: &[SigningSecret], id: &str, at: Timestamp, body: &[u8]) -> String {
    let mut header = String::with_capacity(secrets.len() * 96);
    if secrets.is_empty() {
        return header;
    }
    let message = Message::new(id, at.as_seconds(), body);
    for secret in secrets {
        if !header.is_empty() {
            header.push(' ');
        }
        secret.sign_into(&mut header, &message);
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    // The vectors of the specification: the same message, signed either way.
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const V1: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const KEY: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    const V1A: &str = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";

    #[test]
    fn signs_the_specifications_vectors() {
        let secrets = [SECRET, KEY].map(|text| text.parse::<SigningSecret>().expect("valid"));
        let at = Timestamp::from_ms(1_614_265_330_999);
        assert_eq!(sign(&secrets, ID, at, BODY), format!("{V1} {V1A}"));
        assert_eq!(secrets.map(|secret| secret.expose()), [SECRET, KEY]);
        assert_eq!(sign(&[], ID, at, BODY), "");
    }

    #[test]
    fn secrets_survive_being_written_and_read() {
        for secret in [SigningSecret::generate(), SigningSecret::generate_asymmetric()] {
            assert_eq!(secret.expose().parse(), Ok(secret.clone()));
            assert_eq!(format!("{secret:?}"), "SigningSecret(…)");
        }
    }

    #[test]
    fn refuses_secrets_of_the_wrong_shape() {
        let public_half = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
        let mismatched =
            "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvw==";
        for bad in [
            "",
            "_",
            "é_",
            "whsec_",
            "whsec_c2hvcnQ=",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_***",
            "whsk_",
            "whsk_c2hvcnQ=",
            public_half,
            mismatched,
        ] {
            assert_eq!(bad.parse::<SigningSecret>(), Err(SecretError), "{bad}");
        }
    }
}
