//! Which event types a webhook asks for.

use std::fmt;
use std::str::FromStr;

use crate::ids::EventType;

/// `*`, `entry.*`, or one exact type.
///
/// `*` does not match `trigger-test` nor `hookwright.*`: those reach only webhooks that name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPattern(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    All,
    /// With the dot: `entry.`.
    Prefix(Box<str>),
    Exact(EventType),
}

/// Why a text is not an event pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an event pattern: *, a prefix such as entry.*, or a type such as entry.create")]
pub struct PatternError;

impl EventPattern {
    pub fn matches(&self, event_type: &EventType) -> bool {
        let text = event_type.as_str();
        match &self.0 {
            Kind::All => text != "trigger-test" && !event_type.is_operational(),
            Kind::Prefix(prefix) => text.starts_with(&**prefix),
            Kind::Exact(exact) => exact == event_type,
        }
    }

    /// The one type it matches, if it is no wildcard.
    pub fn exact(&self) -> Option<&EventType> {
        if let Kind::Exact(exact) = &self.0 { Some(exact) } else { None }
    }
}

impl FromStr for EventPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self(Kind::All));
        }
        if let Some(stem) = text.strip_suffix(".*") {
            let _: EventType = stem.parse().map_err(|_| PatternError)?;
            return Ok(Self(Kind::Prefix(format!("{stem}.").into())));
        }
        text.parse().map(|exact| Self(Kind::Exact(exact))).map_err(|_| PatternError)
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::All => f.write_str("*"),
            Kind::Prefix(prefix) => write!(f, "{prefix}*"),
            Kind::Exact(exact) => fmt::Display::fmt(exact, f),
        }
    }
}

impl schemars::JsonSchema for EventPattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EventPattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "`*`, a prefix such as `entry.*`, or a type such as `entry.create`.",
            "pattern": r"^(\*|[A-Za-z0-9][A-Za-z0-9._:/\-]{0,125}(\.\*)?)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_what_it_names() {
        let cases = [
            ("*", "entry.create", true),
            ("*", "trigger-test", false),
            ("*", "hookwright.delivery.failed", false),
            ("entry.*", "entry.create", true),
            ("entry.*", "entries.create", false),
            ("trigger-test", "trigger-test", true),
            ("hookwright.*", "hookwright.delivery.failed", true),
            ("media.create", "media.created", false),
        ];
        for (pattern, event_type, expected) in cases {
            let parsed: EventPattern = pattern.parse().expect(pattern);
            assert_eq!(parsed.to_string(), pattern);
            assert_eq!(parsed.matches(&event_type.parse().expect(event_type)), expected, "{pattern} {event_type}");
        }
        for bad in ["", "entry*", ".*", "*.create", "entry.**"] {
            assert!(bad.parse::<EventPattern>().is_err(), "{bad}");
        }
    }
}
