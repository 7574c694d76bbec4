//! Pointers for a config.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{NoPlace, get, is_pointer, remove, set};

/// A JSON Pointer in a config: one place of the payload, or none. `""` is the whole payload.
/// ```
/// use hookwright_sdk::json;
/// use hookwright_sdk::pointer::Pointer;
///
/// let pointer: Pointer = "/entry/title".parse()?;
/// let mut body = json!({"entry": {"title": "Paris"}});
/// assert_eq!(pointer.get(&body), Some(&json!("Paris")));
/// pointer.set(&mut body, json!("Genève"))?;
/// assert_eq!(pointer.remove(&mut body), Some(json!("Genève")));
///
/// let error = "entry".parse::<Pointer>().unwrap_err();
/// assert_eq!(error.to_string(), "expected a JSON Pointer such as /entry/title, found entry");
/// # Ok::<(), hookwright_sdk::Failure>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer(String);

impl Pointer {
    /// The pointer as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands there: see [`get`].
    pub fn get<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        get(document, &self.0)
    }

    /// Puts `value` there: see [`set`].
    ///
    /// # Errors
    /// Where nothing can be put; nothing has changed then.
    pub fn set(&self, document: &mut Value, value: Value) -> Result<(), NoPlace> {
        set(document, &self.0, value)
    }

    /// Takes out what stands there: see [`remove`].
    pub fn remove(&self, document: &mut Value) -> Option<Value> {
        remove(document, &self.0)
    }
}

impl FromStr for Pointer {
    type Err = NotAPointer;

    fn from_str(text: &str) -> Result<Self, NotAPointer> {
        if is_pointer(text) { Ok(Self(text.to_owned())) } else { Err(NotAPointer::new("such as /entry/title", text)) }
    }
}

impl AsRef<str> for Pointer {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Pointer {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "pointer".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A JSON Pointer into the payload",
            "type": "string",
            "pattern": "^(/([^/~]|~[01])*)*$"
        })
    }
}

/// A text that should be a [`Pointer`] or [`Places`](super::Places), and is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAPointer {
    wanted: &'static str,
    found: String,
}

impl NotAPointer {
    pub(super) fn new(wanted: &'static str, found: &str) -> Self {
        Self { wanted, found: found.to_owned() }
    }
}

impl fmt::Display for NotAPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a JSON Pointer {}, found {}", self.wanted, self.found)
    }
}

impl std::error::Error for NotAPointer {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_config_has_pointers_or_is_refused() {
        let pointer: Pointer = serde_json::from_value(json!("/a~1b/0")).unwrap();
        assert_eq!(pointer.to_string(), "/a~1b/0");
        assert_eq!(pointer.get(&json!({"a/b": [7]})), Some(&json!(7)));
        for wrong in [json!("a"), json!("/~2"), json!(3), json!(null)] {
            assert!(serde_json::from_value::<Pointer>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
