//! From bytes to an event type: is it JSON, and is it a Strapi event? Pure.
//!
//! Requires little: v3 to v5 of Strapi agree only on an object with `event` and a time of sending. What else an
//! event must hold is for `schemas`.

use std::fmt;

use serde_json::{Map, Value};

use super::refusal::Shape;
use super::{Refusal, naming};
use crate::ids::EventType;
use crate::schemas::Violation;

/// Where and why a body is not JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Malformed {
    /// From 1.
    pub line: usize,
    /// From 1, in bytes, as JSON parsers count.
    pub column: usize,
    pub reason: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {} column {}", self.reason, self.line, self.column)
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a body as JSON, nested at most 128 deep.
pub(super) fn parse(body: &[u8]) -> Result<Value, Malformed> {
    if body.starts_with(BYTE_ORDER_MARK) {
        let reason = "a byte order mark stands before the JSON; send UTF-8 without one".to_owned();
        return Err(Malformed { line: 1, column: 1, reason });
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        let (line, column) = position(body.get(..error.valid_up_to()).unwrap_or(body));
        Malformed { line, column, reason: "bytes that are not UTF-8".to_owned() }
    })?;
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let reason = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text).to_owned();
        // An empty body ends before its first line.
        Malformed { line: line.max(1), column: column.max(1), reason }
    })
}

/// The line and column that follow `before`.
fn position(before: &[u8]) -> (usize, usize) {
    let mut lines = before.rsplit(|byte| *byte == b'\n');
    let column = lines.next().map_or(0, <[u8]>::len) + 1;
    (lines.count() + 1, column)
}

/// The event type of a body in Strapi's shape.
pub(crate) fn event_type(body: &Value) -> Result<EventType, Refusal> {
    let Value::Object(members) = body else {
        let message = format!("must be an object with \"event\" and \"createdAt\", is {}", kind_of(body));
        return Err(not_strapis(vec![violation("", "type", message)]));
    };
    match (named_type(members), sent_at(members)) {
        (Ok(event_type), Ok(())) => Ok(event_type),
        (event_type, time) => Err(not_strapis(event_type.err().into_iter().chain(time.err()).collect())),
    }
}

fn not_strapis(violations: Vec<Violation>) -> Refusal {
    Refusal::NotAnEvent { shape: Shape::Strapi, violations }
}

fn named_type(members: &Map<String, Value>) -> Result<EventType, Violation> {
    let fault = |keyword, message| Err(violation("/event", keyword, message));
    match members.get("event") {
        None => fault("required", "is absent; it must name the event, such as \"entry.create\"".to_owned()),
        Some(Value::String(text)) => naming::sent(text, "/event"),
        Some(other) => fault("type", format!("must be a text, is {}", kind_of(other))),
    }
}

/// v3 writes `created_at`, later ones `createdAt`.
fn sent_at(members: &Map<String, Value>) -> Result<(), Violation> {
    let found = ["createdAt", "created_at"].iter().find_map(|name| members.get_key_value(*name));
    match found {
        Some((_, Value::String(_))) => Ok(()),
        Some((name, other)) => {
            Err(violation(&format!("/{name}"), "type", format!("must be a time as text, is {}", kind_of(other))))
        }
        None => Err(violation("/createdAt", "required", "is absent, and so is created_at".to_owned())),
    }
}

pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

pub(super) fn violation(pointer: &str, keyword: &str, message: String) -> Violation {
    Violation { pointer: pointer.to_owned(), keyword: keyword.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn malformed_bodies_are_placed() {
        let deep = "[".repeat(129);
        let cases: [(&[u8], &str); 11] = [
            (b"", "EOF while parsing a value at line 1 column 1"),
            (b"{\n  \"a\": nope}", "expected ident at line 2 column 9"),
            (b"{\"a\": 1} x", "trailing characters at line 1 column 10"),
            (b"\xef\xbb\xbf{}", "a byte order mark stands before the JSON; send UTF-8 without one at line 1 column 1"),
            (b"{\n\"a\": \"\xff\"}", "bytes that are not UTF-8 at line 2 column 7"),
            (b"{\"a\": NaN}", "expected value at line 1 column 7"),
            (b"{\"a\": 1e400}", "number out of range at line 1 column 11"),
            (b"{\"a\": \"\\ud800\"}", "unexpected end of hex escape at line 1 column 14"),
            (
                b"{\"a\": \"x\ny\"}",
                "control character (\\u0000-\\u001F) found while parsing a string at line 2 column 1",
            ),
            (b"{\"a\": 1", "EOF while parsing an object at line 1 column 7"),
            (deep.as_bytes(), "recursion limit exceeded at line 1 column 128"),
        ];
        for (body, expected) in cases {
            let found = parse(body).expect_err(expected);
            assert_eq!(found.to_string(), expected);
        }
        let deepest = "[".repeat(127) + &"]".repeat(127);
        assert!(parse(deepest.as_bytes()).is_ok());
    }

    #[test]
    fn every_version_of_strapi_is_an_event() {
        for body in [
            json!({"event": "entry.create", "created_at": "2020-01-10T08:47:36.649Z"}),
            json!({"event": "trigger-test", "createdAt": "2026-11-23T20:41:14.791Z"}),
            json!({"event": "review-workflows.updateEntryStage", "createdAt": "", "entity": {"id": 1}}),
        ] {
            assert_eq!(event_type(&body).expect("an event").as_str(), body["event"]);
        }
    }

    #[test]
    fn other_shapes_are_named_by_pointer_and_keyword() {
        let cases = [
            (json!({}), vec![("/event", "required"), ("/createdAt", "required")]),
            (json!({"event": 1, "created_at": "x"}), vec![("/event", "type")]),
            (json!({"event": "", "createdAt": "x"}), vec![("/event", "pattern")]),
            (json!({"event": "a b", "createdAt": 5}), vec![("/event", "pattern"), ("/createdAt", "type")]),
            (json!({"event": "entry.create", "created_at": null}), vec![("/created_at", "type")]),
            (json!({"event": "hookwright.delivery.failed", "createdAt": "x"}), vec![("/event", "not")]),
            (json!([1]), vec![("", "type")]),
        ];
        for (body, expected) in cases {
            let Err(Refusal::NotAnEvent { violations: found, .. }) = event_type(&body) else {
                panic!("{body} is no event")
            };
            let found: Vec<_> = found.iter().map(|one| (one.pointer.as_str(), one.keyword.as_str())).collect();
            assert_eq!(found, expected, "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_are_placed_inside_of_them(body in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Err(found) = parse(&body) {
                prop_assert!((1..=body.split(|byte| *byte == b'\n').count()).contains(&found.line));
                prop_assert!(found.column >= 1 && found.column <= body.len() + 1);
            }
        }
    }
}
