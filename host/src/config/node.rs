//! Reads a merged document place by place and collects everything that is wrong with it.
//!
//! A place that is wrong is reported and read as if it were not written; the errors decide whether anything
//! comes of it. Text is filled in when it is read, so an error can only repeat what the file says. `null` counts
//! as not written: an overlay can take a setting back.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};

use super::interpolate::{Expanded, expand};
use super::near::nearest;
use super::overlay::Merged;
use super::{ConfigError, Layer, MAX_FILE_BYTES, Variables, json};
use crate::duration;
use crate::pointer::child;
use crate::schemas::shortened;

/// More errors of one document help nobody.
const MAX_ERRORS: usize = 100;

/// One configuration being read, and what was found wrong with it.
pub(super) struct Reading<'v> {
    files: Vec<String>,
    merged: Merged,
    variables: &'v Variables,
    errors: RefCell<Vec<ConfigError>>,
}

/// One place in it.
#[derive(Clone)]
pub(super) struct Node<'r> {
    reading: &'r Reading<'r>,
    pointer: String,
    raw: &'r Value,
    /// What stands here as literal text is not to be shown.
    secret: bool,
}

/// The keys of an object; of one that is not there, none.
pub(super) struct Fields<'r> {
    node: Node<'r>,
    members: Option<&'r Map<String, Value>>,
}

/// What an object may hold.
pub(super) struct Keys {
    pub(super) known: &'static [&'static str],
    /// Promised, and not there yet.
    pub(super) later: &'static [&'static str],
}

impl<'v> Reading<'v> {
    /// Parses and merges the layers. `name` is the file to blame when there is none.
    pub(super) fn new(
        name: &str,
        layers: &[Layer],
        header_maps: &[&str],
        variables: &'v Variables,
    ) -> Result<Self, Vec<ConfigError>> {
        let (mut documents, mut errors) = (Vec::new(), Vec::new());
        for layer in layers {
            match parse_layer(layer) {
                Ok(document) => documents.push(document),
                Err(message) => errors.push(ConfigError::of_file(&layer.file, message)),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut files: Vec<_> = layers.iter().map(|layer| layer.file.clone()).collect();
        if files.is_empty() {
            files.push(name.to_owned());
        }
        Ok(Self { files, merged: Merged::new(documents, header_maps), variables, errors: RefCell::default() })
    }

    pub(super) fn root(&self) -> Node<'_> {
        Node { reading: self, pointer: String::new(), raw: self.merged.value(), secret: false }
    }

    /// All of it, nothing filled in.
    pub(super) fn written(&self) -> &Value {
        self.merged.value()
    }

    /// What was read, if nothing was wrong.
    pub(super) fn result<T>(&self, read: Option<T>) -> Result<T, Vec<ConfigError>> {
        let errors = self.errors.take();
        match read {
            Some(read) if errors.is_empty() => Ok(read),
            _ => Err(errors),
        }
    }
}

/// # Errors
/// In words, when this is not an object.
pub(super) fn parse_layer(layer: &Layer) -> Result<Value, String> {
    if layer.text.len() > MAX_FILE_BYTES {
        return Err(format!("expected at most {MAX_FILE_BYTES} bytes"));
    }
    match json::parse(&layer.text) {
        Ok(document @ Value::Object(_)) => Ok(document),
        Ok(_) => Err("expected a JSON object, { … }".to_owned()),
        Err(error) => Err(format!("expected JSON: {error}")),
    }
}

impl<'r> Node<'r> {
    /// From here on, literal text is not shown.
    pub(super) fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Reports what is wrong here.
    pub(super) fn refuse(&self, message: impl Display) {
        self.report(self.written(), message);
    }

    /// Reports what is missing here, or what is better not repeated.
    pub(super) fn refuse_missing(&self, message: impl Display) {
        self.report(None, message);
    }

    pub(super) fn fields(&self, keys: &Keys) -> Option<Fields<'r>> {
        let members = self.members()?;
        for key in members.keys().filter(|key| !keys.known.contains(&key.as_str())) {
            let allowed = keys.known.join(", ");
            let message = if keys.later.contains(&key.as_str()) {
                format!("not supported yet; allowed: {allowed}")
            } else if let Some(meant) = nearest(key, keys.known.iter().copied()) {
                format!("unknown key, did you mean {meant}? Allowed: {allowed}")
            } else {
                format!("unknown key; allowed: {allowed}")
            };
            self.at(key, self.raw).refuse_missing(message);
        }
        Some(Fields { node: self.clone(), members: Some(members) })
    }

    /// Every member, whatever its key.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'r str, Node<'r>)> {
        let members = self.members().into_iter().flatten();
        members.map(|(key, raw)| (key.as_str(), self.at(key, raw)))
    }

    /// Every item of a list of at most `most`.
    pub(super) fn items(&self, most: usize) -> Vec<Node<'r>> {
        match self.raw {
            Value::Array(items) if items.len() <= most => {
                items.iter().enumerate().map(|(index, raw)| self.at(&index.to_string(), raw)).collect()
            }
            _ => {
                self.refuse(format_args!("expected a list of at most {most}"));
                Vec::new()
            }
        }
    }

    pub(super) fn text(&self) -> Option<Expanded> {
        self.text_of("a text")
    }

    /// A text; of what kind, for those who wrote something else.
    pub(super) fn text_of(&self, kind: impl Display) -> Option<Expanded> {
        let Value::String(raw) = self.raw else {
            self.refuse(format_args!("expected {kind}"));
            return None;
        };
        match expand(raw, self.reading.variables) {
            Ok(expanded) => Some(expanded),
            Err(errors) => {
                for error in &errors {
                    self.refuse(error);
                }
                None
            }
        }
    }

    /// A text of some kind. The kind's error must not repeat the text.
    pub(super) fn parse<T: FromStr<Err: Display>>(&self) -> Option<T> {
        self.text()?.text.parse().map_err(|error| self.refuse(error)).ok()
    }

    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let kind = choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" or ");
        let text = self.text_of(&kind)?.text;
        let chosen = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        if chosen.is_none() {
            self.refuse(format_args!("expected {kind}"));
        }
        chosen
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        let value = self.raw.as_bool();
        if value.is_none() {
            self.refuse("expected true or false");
        }
        value
    }

    pub(super) fn number(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.raw.as_u64().filter(|value| range.contains(value));
        if value.is_none() {
            self.refuse(format_args!("expected a whole number from {} to {}", range.start(), range.end()));
        }
        value
    }

    /// A duration in the range, which `range_text` says in words.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>, range_text: &str) -> Option<Duration> {
        let kind = format!("a duration from {range_text}, such as \"15s\"");
        let value = duration::parse(&self.text_of(&kind)?.text).ok().filter(|value| range.contains(value));
        if value.is_none() {
            self.refuse(format_args!("expected {kind}"));
        }
        value
    }

    /// Any JSON, every text in it filled in; and whether any was.
    pub(super) fn json(&self) -> Option<(Value, bool)> {
        let mut filled = false;
        self.fill(&mut filled).map(|value| (value, filled))
    }

    pub(super) fn is_null(&self) -> bool {
        self.raw.is_null()
    }

    pub(super) fn is_list(&self) -> bool {
        self.raw.is_array()
    }

    pub(super) fn is_empty_list(&self) -> bool {
        self.raw.as_array().is_some_and(Vec::is_empty)
    }

    pub(super) fn is_text(&self) -> bool {
        self.raw.is_string()
    }

    pub(super) fn is_object(&self) -> bool {
        self.raw.is_object()
    }

    /// Goes through all of it, errors or not.
    fn fill(&self, filled: &mut bool) -> Option<Value> {
        match self.raw {
            Value::String(_) => {
                let expanded = self.text()?;
                *filled |= expanded.filled;
                Some(expanded.text.into())
            }
            Value::Array(items) => {
                let places = items.iter().enumerate().map(|(index, raw)| self.at(&index.to_string(), raw));
                let items: Vec<_> = places.map(|place| place.fill(filled)).collect();
                items.into_iter().collect()
            }
            Value::Object(_) => {
                let members: Vec<_> =
                    self.entries().map(|(key, place)| Some((key.to_owned(), place.fill(filled)?))).collect();
                members.into_iter().collect::<Option<_>>().map(Value::Object)
            }
            plain => Some(plain.clone()),
        }
    }

    fn members(&self) -> Option<&'r Map<String, Value>> {
        let members = self.raw.as_object();
        if members.is_none() {
            self.refuse("expected an object, { … }");
        }
        members
    }

    fn at(&self, key: &str, raw: &'r Value) -> Node<'r> {
        Node { reading: self.reading, pointer: child(&self.pointer, key), raw, secret: self.secret }
    }

    /// What the file says here. Not the inside of objects and lists, which may hold secrets.
    fn written(&self) -> Option<String> {
        match self.raw {
            Value::Object(_) => Some("an object".to_owned()),
            Value::Array(_) => Some("a list".to_owned()),
            Value::String(text) if self.secret && !text.contains("${") => None,
            scalar => Some(shortened(scalar)),
        }
    }

    fn report(&self, written: Option<String>, message: impl Display) {
        let mut errors = self.reading.errors.borrow_mut();
        if errors.len() < MAX_ERRORS {
            let file = self.reading.files.get(self.reading.merged.origin(&self.pointer)).cloned().unwrap_or_default();
            errors.push(ConfigError { file, pointer: self.pointer.clone(), written, message: message.to_string() });
        }
    }
}

impl<'r> Fields<'r> {
    /// What stands at a key, if anything does.
    pub(super) fn get(&self, key: &str) -> Option<Node<'r>> {
        let raw = self.members?.get(key)?;
        (!raw.is_null()).then(|| self.node.at(key, raw))
    }

    /// What must stand at a key; `expected` says what that is.
    pub(super) fn require(&self, key: &str, expected: &str) -> Option<Node<'r>> {
        let found = self.get(key);
        if found.is_none() {
            self.node.refuse_missing(format_args!("{key} is missing: expected {expected}"));
        }
        found
    }

    /// The object at a key. One that is not there has no keys.
    pub(super) fn section(&self, key: &str, keys: &Keys) -> Fields<'r> {
        let section = self.get(key).and_then(|node| node.fields(keys));
        section.unwrap_or_else(|| Fields { node: self.node.clone(), members: None })
    }
}
