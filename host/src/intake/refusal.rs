//! Why something was not accepted, and how often.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderName;

use super::shape::Malformed;
use crate::access::{Refused, Role};
use crate::clock::Timestamp;
use crate::http::body::BodyError;
use crate::ids::{EventId, EventType};
use crate::pattern::EventPattern;
use crate::schemas::Violation;
use crate::store::StoreError;
use crate::throttle::Throttle;

/// Why an event was not accepted. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("no token")]
    NoToken,
    #[error("a token of no source")]
    WrongToken,
    #[error("{0}")]
    EndedToken(Refused),
    #[error("too many wrong tokens came from there")]
    TooManyAttempts { wait: Duration },
    #[error("a token of the role {role}, which does not post")]
    NoSource { role: Role },
    #[error("a token that is not for {event_type}")]
    TypeNotAllowed { event_type: EventType, allowed: Vec<EventPattern> },
    /// `found` is short enough to show.
    #[error("the content type is not JSON")]
    MediaType { found: Option<String> },
    /// JSON in UTF-8 alone can be judged; `place` is the pointer of the content type, `found` short enough to show.
    #[error("the data of the CloudEvent is not JSON")]
    DataType { place: String, found: String },
    #[error("the idempotency key in {header} is empty, too long or not visible ASCII")]
    BadIdempotencyKey { header: HeaderName },
    #[error("a batch came with an idempotency key")]
    KeyOfBatch,
    #[error("the body is larger than {max_bytes} bytes")]
    TooLarge { max_bytes: usize },
    #[error("the body did not arrive within {timeout:?}")]
    TooSlow { timeout: Duration },
    #[error("the body broke off")]
    BrokenOff,
    #[error("the body is not JSON: {0}")]
    Malformed(#[source] Malformed),
    #[error("the body has not the shape of an event")]
    NotAnEvent { shape: Shape, violations: Vec<Violation> },
    /// `place` is the pointer of the type; empty: it is not in the body.
    #[error("there is no schema for {event_type}")]
    UnknownEvent { event_type: EventType, place: Cow<'static, str> },
    #[error("the event {event_type} does not fit its schema")]
    SchemaViolation { event_type: EventType, violations: Vec<Violation> },
    /// `place` is the pointer of the event in its batch.
    #[error("the idempotency key was used for other bytes, accepted as {event}")]
    Conflict { event: EventId, place: String },
    #[error("too many bytes in flight")]
    Overloaded,
    #[error("the store did not take it")]
    Store(#[source] StoreError),
}

/// What a body was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Strapi,
    CloudEvent,
    /// As `type` of its source says.
    OfSource,
}

/// The names under which refusals are counted, in the order of [`Refusal::index`].
const NAMES: [&str; 14] = [
    "unauthorized",
    "forbidden",
    "tooManyAttempts",
    "mediaType",
    "idempotencyKey",
    "tooLarge",
    "tooSlow",
    "brokenOff",
    "malformed",
    "notAnEvent",
    "unknownEvent",
    "schemaViolation",
    "conflict",
    "unavailable",
];

impl Refusal {
    const fn index(&self) -> usize {
        match self {
            Self::NoToken | Self::WrongToken | Self::EndedToken(_) => 0,
            Self::NoSource { .. } | Self::TypeNotAllowed { .. } => 1,
            Self::TooManyAttempts { .. } => 2,
            Self::MediaType { .. } | Self::DataType { .. } => 3,
            Self::BadIdempotencyKey { .. } | Self::KeyOfBatch => 4,
            Self::TooLarge { .. } => 5,
            Self::TooSlow { .. } => 6,
            Self::BrokenOff => 7,
            Self::Malformed(_) => 8,
            Self::NotAnEvent { .. } => 9,
            Self::UnknownEvent { .. } => 10,
            Self::SchemaViolation { .. } => 11,
            Self::Conflict { .. } => 12,
            Self::Overloaded | Self::Store(_) => 13,
        }
    }

    /// Whether a token was tried that opens nothing.
    pub(super) const fn is_wrong_token(&self) -> bool {
        matches!(self, Self::WrongToken | Self::EndedToken(_))
    }

    /// Whether the body is kept: these are the refusals that a mended schema can undo, and a CMS never sends twice.
    pub const fn is_kept(&self) -> bool {
        matches!(self, Self::NotAnEvent { .. } | Self::UnknownEvent { .. } | Self::SchemaViolation { .. })
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { max_bytes } => Self::TooLarge { max_bytes },
            BodyError::TooSlow { timeout } => Self::TooSlow { timeout },
            BodyError::Broken(_) => Self::BrokenOff,
        }
    }
}

/// Counts refusals, and logs those that are the host's own failure.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: [AtomicU64; NAMES.len()],
    store_failures: Throttle,
}

impl Tally {
    pub(super) fn note(&self, refusal: &Refusal, now: Timestamp) {
        if let Some(count) = self.counts.get(refusal.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Refusal::Store(error) = refusal {
            self.note_store_failure("failed to store an event", error, now);
        }
    }

    /// Says at most once a second that the store fails.
    pub(super) fn note_store_failure(&self, what: &str, error: &StoreError, now: Timestamp) {
        if let Some(left_out) = self.store_failures.pass(now) {
            tracing::error!(%error, left_out, "{what}");
        }
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        NAMES.into_iter().zip(self.counts.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_under_its_name() {
        let tally = Tally::default();
        let now = Timestamp::from_ms(0);
        for refusal in [
            Refusal::NoToken,
            Refusal::WrongToken,
            Refusal::SchemaViolation { event_type: "entry.create".parse().expect("valid"), violations: vec![] },
            Refusal::Store(StoreError::Busy),
        ] {
            tally.note(&refusal, now);
        }
        let counted: Vec<_> = tally.counts().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("unauthorized", 2), ("schemaViolation", 1), ("unavailable", 1)]);
    }
}
