//! Pointers that may mean many places.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{NotAPointer, index, is_pointer, unescape};

/// A JSON Pointer in a config in which `*` stands for every element of an array and every member of an object. A member
/// that is itself called `*` can only be meant together with all others. At least one segment: the whole payload is no
/// such place.
/// ```
/// use hookwright_sdk::json;
/// use hookwright_sdk::pointer::Places;
///
/// let mut body = json!({"comments": [{"author": "Ana", "text": "x"}, {"text": "y"}]});
/// let authors: Places = "/comments/*/author".parse()?;
/// assert_eq!(authors.get(&body), [&json!("Ana")]);
/// assert_eq!(authors.walk(&mut body, |author| *author = json!("***")), 1);
/// assert_eq!(authors.remove(&mut body), 1);
/// assert_eq!(body, json!({"comments": [{"text": "x"}, {"text": "y"}]}));
/// # Ok::<(), hookwright_sdk::Failure>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    text: String,
    segments: Vec<Segment>,
}

/// One step of [`Places`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// The member of this name, or the element of this index.
    Name(String),
    /// All of them: `*`.
    Every,
}

impl Places {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Step by step, for plugins that walk on their own. Never empty.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// What stands at these places, in the order of the document.
    pub fn get<'v>(&self, document: &'v Value) -> Vec<&'v Value> {
        self.segments
            .iter()
            .fold(vec![document], |places, segment| places.into_iter().flat_map(|place| segment.below(place)).collect())
    }

    /// Calls `visit` with what stands at each of these places, in the order of the document, and says how many there
    /// were.
    pub fn walk(&self, document: &mut Value, mut visit: impl FnMut(&mut Value)) -> usize {
        let mut places = vec![document];
        for segment in &self.segments {
            places = places.into_iter().flat_map(|place| segment.below_mut(place)).collect();
        }
        let number = places.len();
        places.into_iter().for_each(&mut visit);
        number
    }

    /// Takes out what stands at these places, keeping the order of the rest, and says how many there were.
    pub fn remove(&self, document: &mut Value) -> usize {
        let Some((last, way)) = self.segments.split_last() else { return 0 };
        let mut places = vec![document];
        for segment in way {
            places = places.into_iter().flat_map(|place| segment.below_mut(place)).collect();
        }
        places.into_iter().map(|place| last.remove(place)).sum()
    }
}

impl Segment {
    /// Whether this step leads to the member of this name.
    pub fn is_member(&self, name: &str) -> bool {
        match self {
            Self::Name(wanted) => wanted == name,
            Self::Every => true,
        }
    }

    /// Whether this step leads to the element of this index.
    pub fn is_element(&self, element: usize) -> bool {
        match self {
            Self::Name(wanted) => index(wanted) == Some(element),
            Self::Every => true,
        }
    }

    fn below<'v>(&self, place: &'v Value) -> Vec<&'v Value> {
        match (self, place) {
            (Self::Every, Value::Object(members)) => members.values().collect(),
            (Self::Every, Value::Array(items)) => items.iter().collect(),
            (Self::Name(name), Value::Object(members)) => members.get(name).into_iter().collect(),
            (Self::Name(name), Value::Array(items)) => index(name).and_then(|at| items.get(at)).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn below_mut<'v>(&self, place: &'v mut Value) -> Vec<&'v mut Value> {
        match (self, place) {
            (Self::Every, Value::Object(members)) => members.values_mut().collect(),
            (Self::Every, Value::Array(items)) => items.iter_mut().collect(),
            (Self::Name(name), Value::Object(members)) => members.get_mut(name).into_iter().collect(),
            (Self::Name(name), Value::Array(items)) => {
                index(name).and_then(|at| items.get_mut(at)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn remove(&self, place: &mut Value) -> usize {
        match (self, place) {
            (Self::Every, Value::Object(members)) => std::mem::take(members).len(),
            (Self::Every, Value::Array(items)) => std::mem::take(items).len(),
            (Self::Name(name), Value::Object(members)) => usize::from(members.shift_remove(name).is_some()),
            (Self::Name(name), Value::Array(items)) => match index(name) {
                Some(at) if at < items.len() => {
                    items.remove(at);
                    1
                }
                _ => 0,
            },
            _ => 0,
        }
    }
}

impl FromStr for Places {
    type Err = NotAPointer;

    fn from_str(text: &str) -> Result<Self, NotAPointer> {
        let segments = text
            .strip_prefix('/')
            .filter(|_| is_pointer(text))
            .ok_or_else(|| NotAPointer::new("below the root such as /entry/email", text))?;
        let segment = |text: &str| if text == "*" { Segment::Every } else { Segment::Name(unescape(text)) };
        Ok(Self { text: text.to_owned(), segments: segments.split('/').map(segment).collect() })
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Places {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "places".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A JSON Pointer into the payload, * for every element or member",
            "type": "string",
            "pattern": "^(/([^/~]|~[01])*)+$"
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BODY: &str = r#"{"b":{"x":1,"y":[1,2]},"a":[{"x":1},[7]],"*":3}"#;

    #[test]
    fn a_star_means_members_and_elements() {
        for (places, found) in [
            ("/*", json!([{"x": 1, "y": [1, 2]}, [{"x": 1}, [7]], 3])),
            ("/*/x", json!([1])),
            ("/*/*", json!([1, [1, 2], {"x": 1}, [7]])),
            ("/a/*/0", json!([7])),
            ("/a/1/0", json!([7])),
            ("/b/none/*", json!([])),
            ("/*/*/*/*", json!([])),
        ] {
            let mut body: Value = BODY.parse().unwrap();
            let places: Places = places.parse().unwrap();
            assert_eq!(json!(places.get(&body)), found, "{places}");
            let mut walked = Vec::new();
            let number = places.walk(&mut body, |value| walked.push(value.take()));
            assert_eq!((json!(walked), number), (found, walked.len()), "{places}");
        }
    }

    #[test]
    fn removing_counts_and_keeps_the_rest() {
        for (places, number, rest) in [
            ("/*/x", 1, r#"{"b":{"y":[1,2]},"a":[{"x":1},[7]],"*":3}"#),
            ("/a/*", 2, r#"{"b":{"x":1,"y":[1,2]},"a":[],"*":3}"#),
            ("/a/*/x", 1, r#"{"b":{"x":1,"y":[1,2]},"a":[{},[7]],"*":3}"#),
            ("/b/y/0", 1, r#"{"b":{"x":1,"y":[2]},"a":[{"x":1},[7]],"*":3}"#),
            ("/*", 3, "{}"),
            ("/b/y/7", 0, BODY),
            ("/b/y/-", 0, BODY),
        ] {
            let mut body: Value = BODY.parse().unwrap();
            assert_eq!(places.parse::<Places>().unwrap().remove(&mut body), number, "{places}");
            assert_eq!(body.to_string(), rest, "{places}");
        }
    }

    #[test]
    fn what_means_no_place_below_the_root_is_refused() {
        for wrong in ["", "*", "entry", "/a~"] {
            let error = wrong.parse::<Places>().unwrap_err();
            assert!(error.to_string().contains("below the root such as /entry/email"), "{error}");
        }
    }
}
