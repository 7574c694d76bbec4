//! The one place where the errors of rooms become HTTP answers.
//!
//! A caller learns what went wrong and what to do; what only the operator may know (paths, database messages)
//! stays in the error, for the log.

use std::time::Duration;

use super::problem::{self, Kind, Problem};
use crate::access::{CreateError, RevokeError, Role};
use crate::ids::{EventId, EventType, NameError};
use crate::intake::{AdmitError, Refusal, Shape};
use crate::managed::EditError;
use crate::pattern::EventPattern;
use crate::reload::ReloadClosed;
use crate::replay::{ManyError, ReplayError};
use crate::rerun::RerunError;
use crate::schemas::Violation;
use crate::store::StoreError;

const MAKE_SOURCE_TOKEN: &str = "hookwright token create --role source --name NAME";

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::NoToken => Self::new(
                Kind::Unauthorized,
                "No token was sent. Send a source's token in the header `Authorization: Bearer <token>`, or in the one that \
                 `tokenHeader` of the source names.",
            ),
            Refusal::WrongToken => Self::new(
                Kind::Unauthorized,
                format!(
                    "The token sent is not the token of any source. Compare it with `sources` in config/server.json, or \
                     make one: `{MAKE_SOURCE_TOKEN}`."
                ),
            ),
            Refusal::EndedToken(ended) => {
                Self::new(Kind::Unauthorized, format!("The {ended}. An admin makes another: `{MAKE_SOURCE_TOKEN}`."))
            }
            Refusal::TooManyAttempts { wait } => too_many_attempts(*wait),
            Refusal::NoSource { role } => Self::new(
                Kind::Forbidden,
                format!(
                    "Events are posted with a source's token; the token sent has the role {role}. An admin makes one: \
                     `{MAKE_SOURCE_TOKEN}`."
                ),
            )
            .with("needed", Role::Source.as_str()),
            Refusal::TypeNotAllowed { event_type, allowed } => type_not_allowed(event_type, allowed),
            Refusal::MediaType { found } => media_type(found.as_deref()),
            Refusal::DataType { place, found } => data_type(place, found),
            Refusal::BadIdempotencyKey { header } => {
                Self::new(Kind::BadRequest, format!("The header {header} must be 1 to 255 visible ASCII characters."))
                    .with("field", header.as_str())
            }
            Refusal::KeyOfBatch => Self::new(
                Kind::BadRequest,
                "One idempotency key cannot stand for the events of a batch, which are known by source and id. Leave it out.",
            )
            .with("field", "idempotency-key"),
            Refusal::TooLarge { max_bytes } => Self::new(
                Kind::BodyTooLarge,
                format!("The body is larger than the {max_bytes} bytes that `server.maxBodyBytes` allows."),
            )
            .with("maxBytes", *max_bytes),
            Refusal::TooSlow { timeout } => Self::new(
                Kind::BodyTooSlow,
                format!("The body did not arrive within {} (`server.bodyTimeout`).", seconds(*timeout)),
            ),
            Refusal::BrokenOff => Self::new(Kind::BadRequest, "The body broke off before its end."),
            Refusal::Malformed(found) => Self::new(Kind::MalformedJson, format!("The body is not JSON: {found}."))
                .with("line", found.line)
                .with("column", found.column),
            Refusal::NotAnEvent { shape, violations } => {
                let what = match shape {
                    Shape::Strapi => "a Strapi event",
                    Shape::CloudEvent => "a CloudEvent",
                    Shape::OfSource => "an event as `type` of its source says",
                };
                Self::new(Kind::NotAnEvent, format!("The body is not {what}. {}.", in_words(violations)))
                    .with("errors", as_members(violations))
            }
            Refusal::UnknownEvent { event_type, place } => unknown_event(event_type.as_str(), place),
            Refusal::SchemaViolation { event_type, violations } => Self::new(
                Kind::SchemaViolation,
                format!("The event {event_type} does not fit its schema. {}.", in_words(violations)),
            )
            .with("errors", as_members(violations)),
            Refusal::Conflict { event, place } => conflict(place, event),
            Refusal::Overloaded => {
                Self::new(Kind::Overloaded, "Too many bytes are being received at once. Try again in a second.")
            }
            Refusal::Store(error) => store_problem(error),
        }
    }
}

impl From<AdmitError> for Problem {
    fn from(error: AdmitError) -> Self {
        match error {
            AdmitError::Absent(id) => Self::new(
                Kind::NotFound,
                format!("{id} is not in quarantine: it was let in, or made room for newer ones."),
            ),
            AdmitError::Store(error) | AdmitError::Refused(Refusal::Store(error)) => error.into(),
            AdmitError::Refused(refusal) => Self::from(&refusal),
        }
    }
}

/// Of the admin listener, whose callers are few: each failure is logged.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "failed to answer from the store");
        store_problem(&error)
    }
}

impl From<ReloadClosed> for Problem {
    fn from(_: ReloadClosed) -> Self {
        Self::new(Kind::ShuttingDown, "The host is shutting down; nothing was reloaded.")
    }
}

impl From<RerunError> for Problem {
    fn from(error: RerunError) -> Self {
        match error {
            RerunError::NoDelivery(_) => Self::new(Kind::NotFound, error.to_string()),
            RerunError::Store(error) => error.into(),
            RerunError::Closed(_) => Self::new(Kind::ShuttingDown, "The host is shutting down; nothing was run."),
            _ => Self::new(Kind::NotRepeatable, error.to_string()),
        }
    }
}

impl From<ReplayError> for Problem {
    fn from(error: ReplayError) -> Self {
        let kind = match &error {
            ReplayError::Absent(_) => Kind::NotFound,
            ReplayError::NoWebhook(_) | ReplayError::Off { .. } => Kind::WebhookOff,
            ReplayError::Refused(refusal) => return refusal.into(),
            ReplayError::Store(_) => Kind::StoreUnavailable,
            _ => Kind::NotReplayable,
        };
        match error {
            ReplayError::Store(error) => error.into(),
            told => Self::new(kind, told.to_string()),
        }
    }
}

impl From<ManyError> for Problem {
    fn from(error: ManyError) -> Self {
        match error {
            ManyError::Absent(_) => Self::new(Kind::NotFound, error.to_string()),
            ManyError::NeedsToday(_) | ManyError::Unfinished(_) => Self::new(Kind::NotReplayable, error.to_string()),
            ManyError::Busy(_) => Self::new(Kind::TooManyRuns, error.to_string()),
            ManyError::Webhook(error) => error.into(),
            ManyError::Store(error) => error.into(),
        }
    }
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Self {
        let kind = match error {
            EditError::Invalid(violations) => {
                let detail = format!("The webhook would not work. {}.", in_words(&violations));
                return Self::new(Kind::InvalidDefinition, detail).with("errors", as_members(&violations));
            }
            EditError::Store(error) => return error.into(),
            EditError::Closed(_) => {
                return Self::new(Kind::ShuttingDown, "The host is shutting down; look again whether it was changed.");
            }
            EditError::Absent(_) => Kind::NotFound,
            EditError::Name(_) => Kind::BadRequest,
            EditError::InFile(_) => Kind::ManagedByFile,
            EditError::Exists(_) | EditError::LeftBehind(_) => Kind::Exists,
            EditError::KeyUsed(_) => Kind::IdempotencyConflict,
            EditError::ChangedMeanwhile(_) => Kind::PreconditionFailed,
            EditError::TooMany => Kind::TooMany,
            EditError::NeedsAdmin => Kind::Forbidden,
            EditError::Sealed { .. } | EditError::Seal(_) | EditError::Vault(_) | EditError::Unexpected => {
                tracing::error!(%error, "failed to change a webhook");
                let detail = "The keys or the store failed, so nothing was done. The host's log says why.";
                return Self::new(Kind::StoreUnavailable, detail);
            }
        };
        Self::new(kind, error.to_string())
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        Self::new(Kind::BadRequest, format!("The address is wrong: {error}."))
    }
}

impl From<CreateError> for Problem {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::NameTaken(..) => Self::new(Kind::Exists, sentence(&error)).with("field", "name"),
            CreateError::Full => Self::new(Kind::TooMany, sentence(&error)),
            CreateError::Store(error) => error.into(),
        }
    }
}

impl From<RevokeError> for Problem {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::Absent(_) => Self::new(Kind::NotFound, sentence(&error)),
            RevokeError::Store(error) => error.into(),
        }
    }
}

/// An error as a sentence.
fn sentence(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}

/// Of both listeners.
pub(crate) fn too_many_attempts(wait: Duration) -> Problem {
    let detail = format!(
        "Too many wrong tokens came from this address. The next is looked at in {} s; after a minute without any, all \
         is forgiven.",
        problem::whole_seconds(wait)
    );
    Problem::new(Kind::TooManyAttempts, detail).retry_after(wait)
}

fn type_not_allowed(event_type: &EventType, allowed: &[EventPattern]) -> Problem {
    let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
    let detail = format!("The token sent is for {} only, and this event is {event_type}.", allowed.join(", "));
    Problem::new(Kind::TypeNotAllowed, detail).with_text("eventType", event_type).with("allowed", allowed)
}

fn store_problem(error: &StoreError) -> Problem {
    match error {
        StoreError::Failed(_) | StoreError::Corrupt(_) => {
            Problem::new(Kind::StoreUnavailable, "The store failed, so nothing was done. The host's log says why.")
        }
        StoreError::Closed => Problem::new(Kind::ShuttingDown, "The host is shutting down, so nothing was done."),
        StoreError::Busy => Problem::new(Kind::Overloaded, "Too much waits to be committed. Try again in a second."),
    }
}

fn media_type(found: Option<&str>) -> Problem {
    let found = match found {
        Some(text) => format!("The content type {text} is not taken"),
        None => "No usable content type was sent".to_owned(),
    };
    Problem::new(
        Kind::UnsupportedMediaType,
        format!("{found}. Send application/json or an application/…+json, in UTF-8."),
    )
}

fn data_type(place: &str, found: &str) -> Problem {
    let message = format!("is {found}; only JSON in UTF-8 is taken");
    let violation = Violation { pointer: place.to_owned(), keyword: "contentMediaType".into(), message };
    let detail = format!("The data of the CloudEvent is not JSON. {}.", in_words(std::slice::from_ref(&violation)));
    Problem::new(Kind::UnsupportedMediaType, detail).with("errors", as_members(&[violation]))
}

/// `place`: of a batch, which event.
fn conflict(place: &str, event: &EventId) -> Problem {
    let subject = if place.is_empty() {
        "An event with this idempotency key".to_owned()
    } else {
        format!("The batch is refused whole: an event with the source and id of {place}")
    };
    let detail = format!("{subject} was accepted within 24 hours with other bytes, as {event}.");
    let problem = Problem::new(Kind::IdempotencyConflict, detail).with_text("event", event);
    if place.is_empty() { problem } else { problem.with("pointer", place) }
}

fn unknown_event(event_type: &str, place: &str) -> Problem {
    let message = format!("there is no schema for {event_type}");
    let detail = format!(
        "The event type {event_type} has no schema. Add schemas/{event_type}.json, or set `schemas.unknownEvents` to \
         \"accept\"."
    );
    let violation = Violation { pointer: place.to_owned(), keyword: "unknownEvents".into(), message };
    Problem::new(Kind::UnknownEvent, detail).with("errors", as_members(&[violation]))
}

/// The first violation and how many more there are.
fn in_words(violations: &[Violation]) -> String {
    let Some((first, rest)) = violations.split_first() else { return "No reason is known".to_owned() };
    let place = if first.pointer.is_empty() { "The body" } else { &first.pointer };
    match rest.len() {
        0 => format!("{place}: {}", first.message),
        more => format!("{place}: {} (and {more} more)", first.message),
    }
}

fn as_members(violations: &[Violation]) -> serde_json::Value {
    // Three texts each: always serialises.
    serde_json::to_value(violations).unwrap_or_default()
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests;
