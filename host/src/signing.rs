//! Standard Webhooks signatures, <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.
//!
//! Signs and verifies `v1` (HMAC-SHA256 over `id.timestamp.body`). Does not send.

use std::fmt::Write as _;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::clock::Timestamp;

/// A symmetric secret, `whsec_` and base64 of 24 to 64 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Box<[u8]>);

/// Why a text is not a signing secret. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a signing secret: whsec_ followed by base64 of 24 to 64 bytes (`openssl rand -base64 32` makes the base64)"
)]
pub struct SecretError;

/// How far a timestamp may be from the verifier's clock, in seconds, as other verifiers have it.
pub const TOLERANCE_SECONDS: i64 = 300;

impl SigningSecret {
    /// A fresh secret of 32 random bytes.
    pub fn generate() -> Self {
        Self(Box::new(rand::random::<[u8; 32]>()))
    }

    /// The text to give to a receiver, `whsec_…`.
    pub fn expose(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.0))
    }

    fn mac(&self, id: &str, timestamp: i64, body: &[u8]) -> Hmac<Sha256> {
        // HMAC takes keys of any length, so this cannot fail; an empty MAC would verify nothing.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0)
            .unwrap_or_else(|_| Hmac::new(&hmac::digest::Key::<Hmac<Sha256>>::default()));
        let mut seconds = String::with_capacity(24);
        let _ = write!(seconds, ".{timestamp}.");
        mac.update(id.as_bytes());
        mac.update(seconds.as_bytes());
        mac.update(body);
        mac
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
        let bytes = text.strip_prefix("whsec_").and_then(|rest| STANDARD.decode(rest).ok()).ok_or(SecretError)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes.into())) } else { Err(SecretError) }
    }
}

/// The value of `webhook-signature`: one `v1,…` per secret, separated by spaces. Empty without secrets.
pub fn sign(secrets: &[SigningSecret], id: &str, at: Timestamp, body: &[u8]) -> String {
    let mut header = String::with_capacity(secrets.len() * 48);
    for secret in secrets {
        if !header.is_empty() {
            header.push(' ');
        }
        header.push_str("v1,");
        STANDARD.encode_string(secret.mac(id, at.as_seconds(), body).finalize().into_bytes(), &mut header);
    }
    header
}

/// Why a signature was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("webhook-timestamp is not a number of seconds")]
    Timestamp,
    #[error("webhook-timestamp is more than five minutes from this clock")]
    Stale,
    #[error("no signature fits any secret")]
    Mismatch,
}

/// Checks the three headers of a delivery against any of the secrets.
///
/// # Errors
/// When the time is off or no signature fits.
pub fn verify(
    secrets: &[SigningSecret],
    id: &str,
    timestamp: &str,
    signatures: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), VerifyError> {
    let seconds: i64 = timestamp.parse().map_err(|_| VerifyError::Timestamp)?;
    if seconds.abs_diff(now.as_seconds()) > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(VerifyError::Stale);
    }
    let fits = signatures
        .split(' ')
        .filter_map(|entry| STANDARD.decode(entry.strip_prefix("v1,")?).ok())
        .any(|given| secrets.iter().any(|secret| secret.mac(id, seconds, body).verify_slice(&given).is_ok()));
    if fits { Ok(()) } else { Err(VerifyError::Mismatch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The vector of the specification.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn signs_the_specifications_vector() {
        let secret: SigningSecret = SECRET.parse().expect("valid");
        let at = Timestamp::from_ms(1_614_265_330_999);
        assert_eq!(sign(std::slice::from_ref(&secret), ID, at, BODY), SIGNATURE);
        assert_eq!(secret.expose(), SECRET);
    }

    #[test]
    fn verifies_any_of_several_and_refuses_the_rest() {
        let now = Timestamp::from_ms(1_614_265_330_000);
        let secrets = [SigningSecret::generate(), SECRET.parse().expect("valid")];
        let both = sign(&secrets, ID, now, BODY);
        let only_old = sign(&secrets[1..], ID, now, BODY);
        let check = |secrets: &[_], timestamp: &str, signatures: &str, body: &[u8]| {
            verify(secrets, ID, timestamp, signatures, body, now)
        };
        assert_eq!(check(&secrets[..1], "1614265330", &both, BODY), Ok(()));
        assert_eq!(check(&secrets, "1614265330", &only_old, BODY), Ok(()));
        assert_eq!(check(&secrets[..1], "1614265330", &only_old, BODY), Err(VerifyError::Mismatch));
        assert_eq!(check(&secrets, "1614265330", &both, b"{}"), Err(VerifyError::Mismatch));
        assert_eq!(check(&secrets, "1614265029", &both, BODY), Err(VerifyError::Stale));
        assert_eq!(check(&secrets, "soon", &both, BODY), Err(VerifyError::Timestamp));
        assert_eq!(check(&secrets, "-9223372036854775808", &both, BODY), Err(VerifyError::Stale));
    }

    #[test]
    fn refuses_secrets_of_the_wrong_shape() {
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***"] {
            assert_eq!(bad.parse::<SigningSecret>(), Err(SecretError), "{bad}");
        }
    }
}
