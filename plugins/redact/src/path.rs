//! A JSON Pointer that may mean many places: `*` stands for every element and every member.

use hookwright_sdk::pointer;
use serde::Deserialize;

/// At least one segment: the whole document is nobody's to redact.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Path(Vec<Segment>);

#[derive(Debug)]
pub(crate) enum Segment {
    Name(String),
    Every,
}

impl TryFrom<String> for Path {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let segments = text
            .strip_prefix('/')
            .filter(|_| pointer::is_pointer(&text))
            .ok_or_else(|| format!("expected a JSON Pointer below the root such as /entry/email, found {text}"))?;
        let segment = |text: &str| if text == "*" { Segment::Every } else { Segment::Name(pointer::unescape(text)) };
        Ok(Self(segments.split('/').map(segment).collect()))
    }
}

impl Path {
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.0
    }
}

impl Segment {
    pub(crate) fn is_member(&self, name: &str) -> bool {
        match self {
            Self::Name(wanted) => wanted == name,
            Self::Every => true,
        }
    }

    pub(crate) fn is_element(&self, index: usize) -> bool {
        match self {
            Self::Name(wanted) => pointer::index(wanted) == Some(index),
            Self::Every => true,
        }
    }
}
