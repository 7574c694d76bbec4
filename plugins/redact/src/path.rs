//! A JSON Pointer that may mean many places: `*` stands for every element and every member.

use hookwright_sdk::{Value, pointer};
use serde::Deserialize;

/// At least one segment: the whole document is nobody's to redact.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Path(Vec<Segment>);

#[derive(Debug)]
enum Segment {
    Name(String),
    Every,
}

/// What to do at each place.
pub(crate) enum Edit<'a> {
    Remove,
    Mask(&'a str),
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
    /// Edits every place that this path means; how many changed.
    pub(crate) fn apply(&self, document: &mut Value, edit: &Edit<'_>) -> usize {
        walk(document, &self.0, edit)
    }
}

fn walk(value: &mut Value, path: &[Segment], edit: &Edit<'_>) -> usize {
    match (path, edit) {
        ([], Edit::Remove) => 0,
        ([], Edit::Mask(with)) => mask(value, with),
        ([last], Edit::Remove) => remove(value, last),
        ([Segment::Every, rest @ ..], _) => match value {
            Value::Object(members) => members.values_mut().map(|member| walk(member, rest, edit)).sum(),
            Value::Array(items) => items.iter_mut().map(|item| walk(item, rest, edit)).sum(),
            _ => 0,
        },
        ([Segment::Name(name), rest @ ..], _) => child(value, name).map_or(0, |child| walk(child, rest, edit)),
    }
}

fn child<'v>(value: &'v mut Value, name: &str) -> Option<&'v mut Value> {
    match value {
        Value::Object(members) => members.get_mut(name),
        Value::Array(items) => items.get_mut(pointer::index(name)?),
        _ => None,
    }
}

fn mask(value: &mut Value, with: &str) -> usize {
    if value.as_str() == Some(with) {
        return 0;
    }
    *value = with.into();
    1
}

fn remove(parent: &mut Value, last: &Segment) -> usize {
    match (parent, last) {
        (Value::Object(members), Segment::Name(name)) => usize::from(members.shift_remove(name).is_some()),
        (Value::Object(members), Segment::Every) => {
            let count = members.len();
            members.clear();
            count
        }
        (Value::Array(items), Segment::Name(name)) => match pointer::index(name) {
            Some(index) if index < items.len() => {
                items.remove(index);
                1
            }
            _ => 0,
        },
        (Value::Array(items), Segment::Every) => {
            let count = items.len();
            items.clear();
            count
        }
        _ => 0,
    }
}
