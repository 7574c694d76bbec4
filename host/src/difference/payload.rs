//! Payloads compared by what they mean where they are JSON, and by their bytes where not.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{BeforeAfter, Line};

/// Places listed of one payload. The others are counted.
const MAX_CHANGES: usize = 12;
/// Of a payload that is not JSON, before its first difference.
const BEFORE_BYTES: usize = 20;
/// Of such a payload from there on.
const AROUND_BYTES: usize = 400;

/// What differs between two payloads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PayloadDifference {
    before_bytes: usize,
    after_bytes: usize,
    /// The first places, in the order of the document before; empty when both are the same JSON, written differently.
    changes: Vec<Change>,
    /// Places beyond those.
    #[serde(skip_serializing_if = "is_zero")]
    more: usize,
}

/// One place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Change {
    /// JSON Pointer; none: not both are JSON, and this is how they look where they part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// As JSON, cut; none: absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

impl PayloadDifference {
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = vec![Line::About(format!("payload ({} → {} bytes)", self.before_bytes, self.after_bytes))];
        for Change { pointer, before, after } in &self.changes {
            let place = match pointer.as_deref() {
                Some("") => "(all of it)",
                Some(pointer) => pointer,
                None => "(not JSON)",
            };
            lines.extend(before.iter().map(|before| Line::Before(format!("{place}: {before}"))));
            lines.extend(after.iter().map(|after| Line::After(format!("{place}: {after}"))));
        }
        if self.more > 0 {
            lines.push(Line::About(format!("and {} more", self.more)));
        }
        lines
    }

    /// None: they are the same, byte for byte.
    pub(super) fn between(before: &Bytes, after: &Bytes) -> Option<Self> {
        if before == after {
            return None;
        }
        let (before_bytes, after_bytes) = (before.len(), after.len());
        let mut found = Self { before_bytes, after_bytes, changes: Vec::new(), more: 0 };
        match (serde_json::from_slice(before), serde_json::from_slice(after)) {
            (Ok(before), Ok(after)) => found.values(&mut String::new(), &before, &after),
            _ => found.bytes(before, after),
        }
        Some(found)
    }

    /// As deep as a parser goes, which is bounded.
    fn values(&mut self, at: &mut String, before: &Value, after: &Value) {
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => {
                for (name, value) in before {
                    self.member(at, name, Some(value), after.get(name));
                }
                for (name, value) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
                    self.member(at, name, None, Some(value));
                }
            }
            (Value::Array(before), Value::Array(after)) => {
                for index in 0..before.len().max(after.len()) {
                    self.member(at, &index.to_string(), before.get(index), after.get(index));
                }
            }
            _ if before == after => {}
            _ => self.add(at, Some(before), Some(after)),
        }
    }

    fn member(&mut self, at: &mut String, name: &str, before: Option<&Value>, after: Option<&Value>) {
        let above = at.len();
        at.push('/');
        at.push_str(&name.replace('~', "~0").replace('/', "~1"));
        match (before, after) {
            (Some(before), Some(after)) => self.values(at, before, after),
            _ => self.add(at, before, after),
        }
        at.truncate(above);
    }

    fn add(&mut self, at: &str, before: Option<&Value>, after: Option<&Value>) {
        if self.changes.len() == MAX_CHANGES {
            self.more += 1;
            return;
        }
        let text = |value: Option<&Value>| value.map(Value::to_string);
        let (before, after) = (text(before), text(after));
        let shown = BeforeAfter::shown(before.as_deref().unwrap_or(""), after.as_deref().unwrap_or(""));
        self.changes.push(Change {
            pointer: Some(super::excerpt(at, 0)),
            before: before.map(|_| shown.before),
            after: after.map(|_| shown.after),
        });
    }

    fn bytes(&mut self, before: &Bytes, after: &Bytes) {
        let same = before.iter().zip(after.iter()).take_while(|(one, other)| one == other).count();
        let around = |payload: &Bytes| {
            let rest = payload.get(same.saturating_sub(BEFORE_BYTES)..).unwrap_or_default();
            String::from_utf8_lossy(rest.get(..AROUND_BYTES).unwrap_or(rest)).into_owned()
        };
        let BeforeAfter { before, after } = BeforeAfter::shown(&around(before), &around(after));
        self.changes.push(Change { pointer: None, before: Some(before), after: Some(after) });
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}
