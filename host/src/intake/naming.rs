//! The event type of a body: in Strapi's shape, or where the settings of its source say it stands. Pure.

use std::borrow::Cow;

use serde_json::Value;

use super::Refusal;
use super::refusal::Shape;
use super::shape::{self, kind_of, violation};
use crate::config::{TypePlace, TypeRule};
use crate::ids::EventType;
use crate::schemas::Violation;

/// # Errors
/// When there is none, or it is none.
pub(super) fn event_type(
    rule: Option<&TypeRule>,
    headers: &[(String, String)],
    body: &Value,
) -> Result<EventType, Refusal> {
    let Some(TypeRule { place, prefix }) = rule else { return shape::event_type(body) };
    let found = match place {
        TypePlace::Value(event_type) => return Ok(event_type.clone()),
        TypePlace::Header(name) => {
            let sent = headers.iter().find(|(known, _)| known == name.as_str());
            let sent = sent.ok_or_else(|| {
                violation("", "type", format!("comes without a usable header {name}, which names the event"))
            });
            sent.and_then(|(_, text)| named(text, prefix, ""))
        }
        TypePlace::Pointer(pointer) => match pointer.find(body) {
            Some(Value::String(text)) => named(text, prefix, pointer.as_str()),
            Some(other) => Err(violation(pointer.as_str(), "type", format!("must be a text, is {}", kind_of(other)))),
            None => Err(violation(pointer.as_str(), "required", "is absent; it names the event".to_owned())),
        },
    };
    found.map_err(|fault| Refusal::NotAnEvent { shape: Shape::OfSource, violations: vec![fault] })
}

/// Where in the body the type stands; empty: it is not there.
pub(super) fn place(rule: Option<&TypeRule>) -> Cow<'static, str> {
    match rule.map(|rule| &rule.place) {
        None => Cow::Borrowed("/event"),
        Some(TypePlace::Pointer(pointer)) => Cow::Owned(pointer.as_str().to_owned()),
        Some(TypePlace::Header(_) | TypePlace::Value(_)) => Cow::Borrowed(""),
    }
}

fn named(text: &str, prefix: &str, pointer: &str) -> Result<EventType, Violation> {
    if prefix.is_empty() { sent(text, pointer) } else { sent(&format!("{prefix}{text}"), pointer) }
}

/// A type that a sender says. Never one of ours: a sender must not be able to say that a delivery failed.
pub(super) fn sent(text: &str, pointer: &str) -> Result<EventType, Violation> {
    match text.parse::<EventType>() {
        Ok(own) if own.is_operational() => {
            Err(violation(pointer, "not", format!("{own} is reserved for the host itself")))
        }
        Ok(event_type) => Ok(event_type),
        Err(error) => Err(violation(pointer, "pattern", error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_stands_where_the_source_says() {
        let headers = [("x-topic".to_owned(), "Entry.publish".to_owned())];
        let body = json!({"event": "items.create", "n": 5, "bad": "a b", "own": "hookwright.delivery.failed"});
        let header = |name: &str| TypePlace::Header(name.parse().expect("valid"));
        let pointer = |text: &str| TypePlace::Pointer(text.parse().expect("valid"));
        let found = |place, prefix: &str| {
            let rule = TypeRule { place, prefix: prefix.to_owned() };
            event_type(Some(&rule), &headers, &body).map(|event_type| event_type.as_str().to_owned())
        };
        assert_eq!(found(header("X-Topic"), "cms.").expect("a type"), "cms.Entry.publish");
        assert_eq!(found(pointer("/event"), "").expect("a type"), "items.create");
        assert_eq!(found(TypePlace::Value("a.b".parse().expect("valid")), "").expect("a type"), "a.b");
        for (place, prefix, pointer, keyword) in [
            (header("X-Other"), "", "", "type"),
            (pointer("/absent"), "", "/absent", "required"),
            (pointer("/n"), "", "/n", "type"),
            (pointer("/bad"), "", "/bad", "pattern"),
            (pointer("/own"), "", "/own", "not"),
        ] {
            let Err(Refusal::NotAnEvent { violations, .. }) = found(place, prefix) else { panic!("{pointer}") };
            assert_eq!((violations[0].pointer.as_str(), violations[0].keyword.as_str()), (pointer, keyword));
        }
    }
}
