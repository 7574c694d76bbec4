//! Whether an event may be accepted: by its token, its schema, and what the configuration makes of that. Pure.

use serde_json::Value;

use super::Refusal;
use super::message::{self, Place, Raw};
use crate::config::{SchemaMode, SchemaRules, Source, UnknownEvents};
use crate::event::Event;
use crate::ids::{EventType, SourceName};
use crate::pattern::EventPattern;
use crate::revision::Revision;
use crate::schemas::{Check, Violation};
use crate::store::Quarantined;

/// The settings of a source; none, if it is not configured (any more).
pub(super) fn source_of<'r>(revision: &'r Revision, name: &SourceName) -> Option<&'r Source> {
    revision.server.sources.iter().find(|source| source.name == *name)
}

/// Whether a token that is for `only` these types may post one of this type.
pub(super) fn permitted(only: &[EventPattern], event_type: &EventType) -> Result<(), Refusal> {
    if only.is_empty() || only.iter().any(|pattern| pattern.matches(event_type)) {
        return Ok(());
    }
    Err(Refusal::TypeNotAllowed { event_type: event_type.clone(), allowed: only.to_vec() })
}

/// The type and the data of a stored event, if `revision` would accept it.
///
/// # Errors
/// Why it would not.
pub(crate) fn judge_again(revision: &Revision, event: &Event) -> Result<(EventType, Value), Refusal> {
    let (event_type, body) = message::read_again(event, source_of(revision, &event.source))?;
    judge(revision, &event.source, &event_type, &body, &Place::default())?;
    Ok((event_type, body))
}

/// Types and data of the events in a refused body, if `revision` would accept them.
///
/// # Errors
/// Why it would not.
pub(crate) fn judge_refused(revision: &Revision, entry: &Quarantined) -> Result<Vec<(EventType, Value)>, Refusal> {
    let raw = Raw { content_type: &entry.content_type, headers: &entry.headers, data: &entry.data };
    let messages = message::read(raw, source_of(revision, &entry.source))?;
    let judged = messages.into_iter().map(|message| {
        judge(revision, &entry.source, &message.event_type, &message.body, &message.place)?;
        Ok((message.event_type, message.body))
    });
    judged.collect()
}

/// Whether an event fits its schema, or may be as it is.
pub(super) fn judge(
    revision: &Revision,
    source: &SourceName,
    event_type: &EventType,
    body: &Value,
    place: &Place,
) -> Result<(), Refusal> {
    let check = match revision.schemas.check(event_type, body) {
        Check::Violations(violations) if !place.data.is_empty() => {
            let whole = |one: Violation| Violation { pointer: format!("{}{}", place.data, one.pointer), ..one };
            Check::Violations(violations.into_iter().map(whole).collect())
        }
        check => check,
    };
    rule(check, revision.server.schemas, event_type, source, place)
}

/// What the configuration makes of a schema's verdict.
fn rule(
    check: Check,
    rules: SchemaRules,
    event_type: &EventType,
    source: &SourceName,
    place: &Place,
) -> Result<(), Refusal> {
    match (check, rules) {
        (Check::Valid, _) | (Check::Unknown, SchemaRules { unknown_events: UnknownEvents::Accept, .. }) => Ok(()),
        (Check::Unknown, _) => {
            Err(Refusal::UnknownEvent { event_type: event_type.clone(), place: place.event_type.clone() })
        }
        (Check::Violations(violations), SchemaRules { mode: SchemaMode::Enforce, .. }) => {
            Err(Refusal::SchemaViolation { event_type: event_type.clone(), violations })
        }
        (Check::Violations(violations), SchemaRules { mode: SchemaMode::Warn, .. }) => {
            let first = violations.first().map_or("", |violation| &violation.message);
            let pointer = violations.first().map_or("", |violation| &violation.pointer);
            tracing::warn!(%event_type, %source, pointer, first, "accepted an event that does not fit its schema");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_decide_what_a_verdict_means() {
        use SchemaMode::{Enforce, Warn};
        use UnknownEvents::{Accept, Reject};
        let broken =
            || Check::Violations(vec![Violation { pointer: "/a".into(), keyword: "type".into(), message: "b".into() }]);
        let judge = |check, mode, unknown_events| {
            let rules = SchemaRules { mode, unknown_events };
            let place = Place { event_type: "/event".into(), ..Place::default() };
            rule(check, rules, &"entry.create".parse().expect("valid"), &"strapi".parse().expect("valid"), &place)
        };
        assert!(judge(Check::Valid, Enforce, Reject).is_ok());
        assert!(judge(Check::Unknown, Warn, Accept).is_ok());
        assert!(judge(broken(), Warn, Reject).is_ok());
        assert!(matches!(judge(Check::Unknown, Warn, Reject), Err(Refusal::UnknownEvent { .. })));
        assert!(matches!(judge(broken(), Enforce, Accept), Err(Refusal::SchemaViolation { .. })));
    }
}
