//! JSON Pointer, RFC 6901.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// A place in a JSON document, `/entry/tags/0`; the empty text is the whole document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer(Box<str>);

/// Why a text is not a JSON Pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a JSON Pointer such as /entry/id: empty or starting with '/', '~' written ~0 and '/' in a name ~1")]
pub struct PointerError;

impl Pointer {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands at this place, if anything does.
    pub fn find<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        document.pointer(&self.0)
    }
}

/// The pointer of a member or item of what stands at `pointer`.
pub(crate) fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

impl FromStr for Pointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        let rooted = text.is_empty() || text.starts_with('/');
        let escaped = text.split('~').skip(1).all(|rest| rest.starts_with('0') || rest.starts_with('1'));
        if rooted && escaped { Ok(Self(text.into())) } else { Err(PointerError) }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_rfc_6901_says() {
        let document = serde_json::json!({"a/b": 1, "m~n": 2, "list": [10, 20], "": 3});
        for (text, expected) in [("/a~1b", 1), ("/m~0n", 2), ("/list/1", 20), ("/", 3)] {
            let pointer: Pointer = text.parse().expect(text);
            assert_eq!(pointer.find(&document), Some(&Value::from(expected)), "{text}");
        }
        for bad in ["a", "/a~", "/~2"] {
            assert_eq!(bad.parse::<Pointer>(), Err(PointerError), "{bad}");
        }
    }
}
