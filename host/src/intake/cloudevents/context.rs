//! Whether the attributes of a CloudEvent are what the specification says, and what follows from them. Pure.

use std::sync::Arc;

use super::super::naming;
use super::super::shape::violation;
use crate::clock::Timestamp;
use crate::ids::{Digest, EventType};
use crate::schemas::Violation;

/// The context travels with every delivery, as headers: receivers take no more.
const MAX_ATTRIBUTES: usize = 64;
/// Names and values together.
const MAX_CONTEXT_BYTES: usize = 8 << 10;
/// The specification advises 20.
const MAX_NAME_BYTES: usize = 64;
const VERSION: &str = "1.0";
/// Of a name that is not one, only the beginning is told.
const MAX_SHOWN_CHARS: usize = 64;

/// The type of the event, and what tells it from others: its source and id. No sender's own key looks like that: it has a
/// space. None if there is no type; all that is wrong is added to `faults`.
pub(super) fn check(
    attributes: &[(String, String)],
    at: &str,
    faults: &mut Vec<Violation>,
) -> Option<(EventType, Arc<str>)> {
    check_size(attributes, at, faults)?;
    for (index, (name, value)) in attributes.iter().enumerate() {
        let fault = of_name(name).or_else(|| of_value(name, value)).or_else(|| {
            let again = attributes.iter().take(index).any(|(other, _)| other == name);
            again.then(|| ("maxContains", "must be there once".to_owned()))
        });
        faults.extend(fault.map(|(keyword, message)| violation(&pointer(at, name), keyword, message)));
    }
    let mut required = |name: &str| {
        let found = attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        if found.is_none() {
            let message = format!("is absent (in binary mode, the header ce-{name})");
            faults.push(violation(&format!("{at}/{name}"), "required", message));
        }
        found
    };
    let _ = required("specversion");
    let (id, source, event_type) = (required("id"), required("source"), required("type"));
    let event_type = naming::sent(event_type?, &format!("{at}/type")).map_err(|fault| faults.push(fault)).ok()?;
    // Neither holds a line end.
    let identity = Digest::of(format!("{}\n{}", source?, id?).as_bytes());
    Some((event_type, format!("cloudevent {identity}").into()))
}

/// The place of an attribute, whatever its name is.
pub(super) fn pointer(at: &str, name: &str) -> String {
    let shown: String = name.chars().take(MAX_SHOWN_CHARS).collect();
    format!("{at}/{}", shown.replace('~', "~0").replace('/', "~1"))
}

fn check_size(attributes: &[(String, String)], at: &str, faults: &mut Vec<Violation>) -> Option<()> {
    let bytes: usize = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    if attributes.len() <= MAX_ATTRIBUTES && bytes <= MAX_CONTEXT_BYTES {
        return Some(());
    }
    let message = format!(
        "has {} attributes with {bytes} bytes beside its data; at most {MAX_ATTRIBUTES} with {MAX_CONTEXT_BYTES} are taken",
        attributes.len()
    );
    faults.push(violation(at, "maxProperties", message));
    None
}

type Fault = (&'static str, String);

fn of_name(name: &str) -> Option<Fault> {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let fits = plain && (1..=MAX_NAME_BYTES).contains(&name.len()) && name != super::DATA;
    let message = || format!("is not the name of an attribute: 1 to {MAX_NAME_BYTES} lower-case letters and digits");
    (!fits).then(|| ("propertyNames", message()))
}

fn of_value(name: &str, value: &str) -> Option<Fault> {
    if value.chars().any(char::is_control) {
        return Some(("pattern", "must not hold control characters, such as line ends".to_owned()));
    }
    match name {
        "specversion" if value != VERSION => Some(("const", format!("must be {VERSION}"))),
        "id" | "source" | "subject" | "dataschema" if value.is_empty() => {
            Some(("minLength", "must not be empty".to_owned()))
        }
        "time" => value.parse::<Timestamp>().err().map(|error| ("format", error.to_string())),
        _ => None,
    }
}
