//! The receiver's side: `hookwright listen`, `demo`, tests.

use std::str::FromStr;

use super::asymmetric::PublicKey;
use super::{Message, SigningSecret, SymmetricSecret, decoded};
use crate::clock::Timestamp;

/// How far a timestamp may be from the verifier's clock, in seconds, as other verifiers have it.
pub const TOLERANCE_SECONDS: i64 = 300;

/// What a signature is verified with.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Symmetric(SymmetricSecret),
    Public(PublicKey),
}

/// Why a text is not a verifying key. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected whsec_… (the secret both sides hold) or whpk_… (the public half of an Ed25519 key)")]
pub struct KeyError;

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

impl VerifyingKey {
    /// What verifies the signatures of `secret`.
    pub fn of(secret: &SigningSecret) -> Option<Self> {
        match secret {
            SigningSecret::Symmetric(secret) => Some(Self(Kind::Symmetric(secret.clone()))),
            SigningSecret::Asymmetric(key) => key.public().map(|key| Self(Kind::Public(key))),
        }
    }

    /// `entry` is one of `webhook-signature`.
    fn fits(&self, message: &Message<'_>, entry: &str) -> bool {
        let Some((version, signature)) = entry.split_once(',') else { return false };
        let Some(signature) = decoded(signature) else { return false };
        match (&self.0, version) {
            (Kind::Symmetric(secret), "v1") => secret.verifies(message, &signature),
            (Kind::Public(key), "v1a") => key.verifies(message, &signature),
            _ => false,
        }
    }
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VerifyingKey(…)")
    }
}

impl FromStr for VerifyingKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if let Some(encoded) = text.strip_prefix(PublicKey::PREFIX) {
            let key = decoded(encoded).and_then(|bytes| PublicKey::new(&bytes));
            return key.map(|key| Self(Kind::Public(key))).ok_or(KeyError);
        }
        let secret = text.parse::<SigningSecret>().map_err(|_| KeyError)?;
        Self::of(&secret).ok_or(KeyError)
    }
}

/// Checks the three headers of a delivery against any of the keys.
///
/// # Errors
/// When the time is off or no signature fits.
pub fn verify(
    keys: &[VerifyingKey],
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
    let message = Message::new(id, seconds, body);
    let fits = signatures.split(' ').any(|entry| keys.iter().any(|key| key.fits(&message, entry)));
    if fits { Ok(()) } else { Err(VerifyError::Mismatch) }
}

#[cfg(test)]
mod tests {
    use super::super::sign;
    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = b"{}";
    const SECONDS: &str = "1614265330";

    #[test]
    fn verifies_any_of_several_and_refuses_the_rest() {
        let now = Timestamp::from_ms(1_614_265_330_000);
        let secrets = [SigningSecret::generate(), SigningSecret::generate(), SigningSecret::generate_asymmetric()];
        let keys: Vec<VerifyingKey> = secrets.iter().filter_map(VerifyingKey::of).collect();
        let all = sign(&secrets, ID, now, BODY);
        let check = |keys: &[_], timestamp: &str, signatures: &str, body: &[u8]| {
            verify(keys, ID, timestamp, signatures, body, now)
        };
        for (index, key) in keys.iter().enumerate() {
            let key = std::slice::from_ref(key);
            let alone = sign(&secrets[index..=index], ID, now, BODY);
            let others = sign(&[&secrets[..index], &secrets[index + 1..]].concat(), ID, now, BODY);
            assert_eq!(check(key, SECONDS, &all, BODY), Ok(()), "{index}");
            assert_eq!(check(key, SECONDS, &alone, BODY), Ok(()), "{index}");
            assert_eq!(check(&keys, SECONDS, &alone, BODY), Ok(()), "{index}");
            assert_eq!(check(key, SECONDS, &others, BODY), Err(VerifyError::Mismatch), "{index}");
            assert_eq!(check(key, SECONDS, &all, b"{ }"), Err(VerifyError::Mismatch), "{index}");
        }
        assert_eq!(check(&keys, "1614265029", &all, BODY), Err(VerifyError::Stale));
        assert_eq!(check(&keys, "soon", &all, BODY), Err(VerifyError::Timestamp));
        assert_eq!(check(&keys, "-9223372036854775808", &all, BODY), Err(VerifyError::Stale));
        for nonsense in ["", " ", "v1", "v1,", "v1a,AAAA", "v2,AAAA", "v1a,é", "v1,v1,v1"] {
            assert_eq!(check(&keys, SECONDS, nonsense, BODY), Err(VerifyError::Mismatch), "{nonsense}");
        }
    }

    #[test]
    fn a_version_is_not_taken_for_the_other() {
        let now = Timestamp::from_ms(1_614_265_330_000);
        let secret = SigningSecret::generate();
        let key = VerifyingKey::of(&secret).expect("a key");
        let swapped = sign(&[secret], ID, now, BODY).replace("v1,", "v1a,");
        assert_eq!(verify(&[key], ID, SECONDS, &swapped, BODY, now), Err(VerifyError::Mismatch));
    }

    #[test]
    fn reads_what_either_side_holds() {
        let key = SigningSecret::generate_asymmetric();
        let SigningSecret::Asymmetric(private) = &key else { panic!("asymmetric") };
        assert_eq!(private.public_text().parse(), Ok(VerifyingKey::of(&key).expect("a key")));
        assert_eq!(key.expose().parse(), Ok(VerifyingKey::of(&key).expect("a key")));
        for bad in ["", "whpk_", "whpk_AAAA", "whsec_AAAA"] {
            assert_eq!(bad.parse::<VerifyingKey>(), Err(KeyError), "{bad}");
        }
    }
}
