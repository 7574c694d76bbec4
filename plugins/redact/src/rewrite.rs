//! Edits JSON text at some places and copies the rest as it is: digits, escapes and the order of keys stay, and so
//! does whatever is written twice. Only what lies on the way to a place is read at all.

use std::borrow::Cow;
use std::fmt;

use hookwright_sdk::serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use hookwright_sdk::serde_json::value::RawValue;
use hookwright_sdk::serde_json::{self, Result};

use hookwright_sdk::pointer::Segment;

/// What to do where.
#[derive(Clone, Copy)]
pub(crate) struct Edit<'c> {
    /// The way from here.
    pub(crate) way: &'c [Segment],
    pub(crate) action: Action,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Remove,
    Mask,
}

/// Writes the edited text, and counts.
pub(crate) struct Rewriter {
    pub(crate) text: Vec<u8>,
    pub(crate) removed: usize,
    pub(crate) masked: usize,
    /// As JSON text.
    mask: String,
}

impl Rewriter {
    pub(crate) fn new(mask: &str) -> Result<Self> {
        Ok(Self { text: Vec::new(), removed: 0, masked: 0, mask: serde_json::to_string(mask)? })
    }

    pub(crate) fn write(&mut self, value: &RawValue, edits: &[Edit<'_>]) -> Result<()> {
        let text = value.get();
        let edits = &from_here(edits)[..];
        if edits.iter().any(|edit| edit.way.is_empty()) {
            self.masked += usize::from(text != self.mask);
            self.text.extend_from_slice(self.mask.as_bytes());
            return Ok(());
        }
        match text.as_bytes() {
            [b'{', ..] if !edits.is_empty() => self.object(text, edits),
            [b'[', ..] if !edits.is_empty() => self.array(text, edits),
            _ => {
                self.text.extend_from_slice(text.as_bytes());
                Ok(())
            }
        }
    }

    fn object(&mut self, text: &str, edits: &[Edit<'_>]) -> Result<()> {
        let Members(members) = serde_json::from_str(text)?;
        self.text.push(b'{');
        let start = self.text.len();
        for (key, value) in members {
            let name = name(key)?;
            let Some(below) = self.below(edits, |segment| segment.is_member(&name)) else { continue };
            self.comma(start);
            self.text.extend_from_slice(key.get().as_bytes());
            self.text.push(b':');
            self.write(value, &below)?;
        }
        self.text.push(b'}');
        Ok(())
    }

    fn array(&mut self, text: &str, edits: &[Edit<'_>]) -> Result<()> {
        let items: Vec<&RawValue> = serde_json::from_str(text)?;
        self.text.push(b'[');
        let start = self.text.len();
        for (index, item) in items.into_iter().enumerate() {
            let Some(below) = self.below(edits, |segment| segment.is_element(index)) else { continue };
            self.comma(start);
            self.write(item, &below)?;
        }
        self.text.push(b']');
        Ok(())
    }

    /// The edits that concern a child; none when the child goes.
    fn below<'c>(&mut self, edits: &[Edit<'c>], is_on_the_way: impl Fn(&Segment) -> bool) -> Option<Vec<Edit<'c>>> {
        let mut below = Vec::new();
        for edit in edits {
            let Some((next, way)) = edit.way.split_first() else { continue };
            if is_any_way(next) {
                below.push(*edit);
                continue;
            }
            if !is_on_the_way(next) {
                continue;
            }
            if way.is_empty() && edit.action == Action::Remove {
                self.removed += 1;
                return None;
            }
            below.push(Edit { way, ..*edit });
        }
        Some(below)
    }

    fn comma(&mut self, start: usize) {
        if self.text.len() > start {
            self.text.push(b',');
        }
    }
}

/// `**`: no, one or several members or elements.
pub(crate) fn is_any_way(segment: &Segment) -> bool {
    matches!(segment, Segment::Name(name) if name == "**")
}

/// The edits, and those that begin here because any way leads here. None twice: `**` behind `**` would multiply them.
fn from_here<'e, 'c>(edits: &'e [Edit<'c>]) -> Cow<'e, [Edit<'c>]> {
    if !edits.iter().any(|edit| edit.way.first().is_some_and(is_any_way)) {
        return edits.into();
    }
    let mut all: Vec<Edit<'c>> = Vec::new();
    for edit in edits {
        let mut way = edit.way;
        loop {
            if !all.iter().any(|known| std::ptr::eq(known.way, way) && known.action == edit.action) {
                all.push(Edit { way, ..*edit });
            }
            match way {
                [first, rest @ ..] if is_any_way(first) => way = rest,
                _ => break,
            }
        }
    }
    all.into()
}

/// The name that a key spells.
fn name(key: &RawValue) -> Result<Cow<'_, str>> {
    match key.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        _ => serde_json::from_str(key.get()).map(Cow::Owned),
    }
}

/// The members of an object as they are written.
struct Members<'j>(Vec<(&'j RawValue, &'j RawValue)>);

impl<'j> Deserialize<'j> for Members<'j> {
    fn deserialize<D: Deserializer<'j>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'j> Visitor<'j> for MembersVisitor {
    type Value = Members<'j>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'j>>(self, mut map: A) -> std::result::Result<Members<'j>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
