//! The names of things, each a type of its own. All are checked when made; nothing downstream checks again.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use ulid::Ulid;

use crate::clock::Timestamp;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("expected {expected}")]
    Shape { expected: &'static str },
}

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// A fresh id; ids made later sort later (to the millisecond).
            pub fn generate(now: Timestamp) -> Self {
                let ms = u64::try_from(now.as_ms()).unwrap_or(0);
                Self(Ulid::from_parts(ms, rand::random()))
            }

            /// The lowest id of this time: all made before it are lower, all made at it or later are not.
            pub fn first_at(time: Timestamp) -> Self {
                Self(Ulid::from_parts(u64::try_from(time.as_ms()).unwrap_or(0), 0))
            }

            /// When it was made.
            pub fn time(self) -> Timestamp {
                Timestamp::from_ms(i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX))
            }

            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.to_bytes()
            }

            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Ulid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                text.strip_prefix($prefix)
                    .and_then(|rest| Ulid::from_string(rest).ok())
                    .map(Self)
                    .ok_or(NameError::Shape { expected: $expected })
            }
        }

        serde_as_text!($name, ToString::to_string);
        // 26 characters of Crockford's base 32 hold 130 bits, of which an id has 128.
        schema_of_text!($name, concat!("^", $prefix, "[0-7][0-9A-HJKMNP-TV-Z]{25}$"));
    };
}

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident, $valid:path, $pattern:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if $valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError::Shape { expected: $expected })
                }
            }
        }

        serde_as_text!($name, Self::as_str);
        schema_of_text!($name, $pattern);
    };
}

/// An id in the schema of the API.
macro_rules! schema_of_text {
    ($name:ident, $pattern:expr) => {
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

macro_rules! serde_as_text {
    ($name:ident, $text:path) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // In one piece: by `collect_str`, each piece of a text is searched for what JSON escapes.
                serializer.serialize_str(&$text(self))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

ulid_id!(
    /// One accepted event. Also the `webhook-id` of its deliveries.
    EventId, "evt_", "an event id such as evt_01JD5Z8Q0V4N1S3T9X7K2M6B8C"
);
ulid_id!(
    /// One event for one webhook.
    DeliveryId, "dlv_", "a delivery id such as dlv_01JD5Z8Q0V4N1S3T9X7K2M6B8C"
);
ulid_id!(
    /// One refused body, kept in quarantine.
    QuarantineId, "qrt_", "a quarantine id such as qrt_01JD5Z8Q0V4N1S3T9X7K2M6B8C"
);
ulid_id!(
    /// A run that replays many deliveries.
    ReplayId, "rpl_", "the id of a run of replays such as rpl_01JD5Z8Q0V4N1S3T9X7K2M6B8C"
);
ulid_id!(
    /// A token that was made over the API. Says nothing of the token itself.
    TokenId, "tok_", "the id of a token such as tok_01JD5Z8Q0V4N1S3T9X7K2M6B8C"
);
text_name!(
    /// What people call a token, and whoever holds it.
    TokenName, is_slug, r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,63}$", "a name of 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"
);
text_name!(
    /// A webhook: the stem of its file, or a name given over the API.
    WebhookId, is_slug, r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,63}$", "a name of 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"
);
text_name!(
    /// A producer that may post events.
    SourceName, is_slug, r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,63}$", "a name of 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"
);
text_name!(
    /// A plugin: the stem of its file.
    PluginName, is_slug, r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,63}$", "a name of 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"
);
text_name!(
    /// What happened: `entry.create`, `media.update`, `trigger-test`.
    EventType, is_event_type, r"^[A-Za-z0-9][A-Za-z0-9._:/\-]{0,127}$", "an event type: 1 to 128 letters, digits, '.', '_', ':', '/' or '-', starting with a letter or digit"
);

impl SourceName {
    /// The source that the host makes when the configuration names none.
    pub fn local() -> Self {
        Self("local".into())
    }

    /// The program around an embedded host.
    pub fn program() -> Self {
        Self("program".into())
    }

    /// The host itself, of its operational events. No configured source has this name.
    pub fn hookwright() -> Self {
        Self("hookwright".into())
    }
}

impl EventType {
    /// What comes before the name of an operational event.
    const OPERATIONAL: &str = "hookwright.";

    /// That of an operational event: `name` is letters and dots.
    pub(crate) fn operational(name: &'static str) -> Self {
        Self(format!("{}{name}", Self::OPERATIONAL).into())
    }

    /// Whether only the host itself makes events of this type.
    pub fn is_operational(&self) -> bool {
        self.0.starts_with(Self::OPERATIONAL)
    }
}

fn is_slug(text: &str) -> bool {
    text.len() <= 64 && is_name(text, |byte| matches!(byte, b'.' | b'_' | b'-'))
}

fn is_event_type(text: &str) -> bool {
    text.len() <= 128 && is_name(text, |byte| matches!(byte, b'.' | b'_' | b'-' | b':' | b'/'))
}

fn is_name(text: &str, extra: impl Fn(u8) -> bool) -> bool {
    text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || extra(byte))
}

/// SHA-256 of some bytes: the version of a plugin, the identity of a body, the stored form of a token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

schema_of_text!(Digest, "^[0-9a-f]{64}$");

impl Digest {
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first twelve hex digits: enough for people to tell versions apart.
    pub fn short(&self) -> String {
        self.hex()[..12].iter().copied().map(char::from).collect()
    }

    /// By hand: `{:02x}` takes ten times as long, and every delivery writes some.
    fn hex(&self) -> [u8; 64] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 64];
        for (digits, byte) in hex.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *digits = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
        }
        hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.hex()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = NameError::Shape { expected: "64 hex digits" };
        if text.len() != 64 || !text.is_ascii() {
            return Err(error);
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).map_err(|_| error.clone())?;
        }
        Ok(Self(bytes))
    }
}

serde_as_text!(Digest, ToString::to_string);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_read_back() {
        let early = EventId::generate(Timestamp::from_ms(1_000));
        let late = EventId::generate(Timestamp::from_ms(2_000));
        assert!(early < late && early.to_string() < late.to_string());
        let first = EventId::first_at(Timestamp::from_ms(2_000));
        assert!(early < first && first <= late && late.time() == first.time());
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!(EventId::from_bytes(early.to_bytes()), early);
        assert!(early.to_string().replace("evt_", "dlv_").parse::<EventId>().is_err());
    }

    #[test]
    fn names_are_checked_when_made() {
        assert!("site-build".parse::<WebhookId>().is_ok());
        assert!("review-workflows.updateEntryStage".parse::<EventType>().is_ok());
        for bad in ["", ".hidden", "../up", "a b", "naïve", "-x", &"x".repeat(65)] {
            assert!(bad.parse::<WebhookId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn digests_read_back() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.short(), "ba7816bf8f01");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("é".repeat(32).parse::<Digest>().is_err());
    }
}
