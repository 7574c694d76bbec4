//! JSON Schemas: the built-in ones of every event Strapi documents, overridden by files; verdict on a body.
//!
//! JSON Schema 2020-12. `$ref` reaches files of the folder only, never the network. A file named as an event
//! type (`entry.create.json`) judges events of that type; `models/<model>.json` judges the entries of a content
//! type; a file that only holds `$defs` serves the others and judges nothing. Reads no files itself.

mod builtin;
mod compile;
mod effort;
mod folder;
mod shorten;

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::EventType;

pub use compile::Compiled;
pub use shorten::shortened;

use builtin::BUILT_IN;
use folder::Folder;

/// One place where a body breaks its schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// JSON Pointer into the body.
    pub pointer: String,
    /// The schema keyword that was broken: `required`, `type`, …
    pub keyword: String,
    pub message: String,
}

/// At most this many violations are reported of one body: more help nobody.
pub const MAX_VIOLATIONS: usize = 20;

/// A larger schema file is refused: it is a mistake, and its text is kept.
pub const MAX_SCHEMA_FILE_BYTES: usize = 1 << 20;

/// All schemas in force.
#[derive(Default)]
pub struct SchemaSet {
    /// By event type.
    events: BTreeMap<String, Compiled>,
    /// By the name of the content type, as `model` in a body has it.
    models: BTreeMap<String, Compiled>,
}

/// What the schemas say of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Check {
    Valid,
    /// No schema for this event type.
    Unknown,
    Violations(Vec<Violation>),
}

/// A schema file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {message}")]
pub struct SchemaFault {
    /// Path below `schemas/`, `entry.create.json` or `models/article.json`.
    pub file: String,
    pub message: String,
}

impl SchemaSet {
    /// Compiles the built-in schemas and `files` (path below `schemas/` → text), files winning. A file that
    /// cannot be used is reported and left out, as are those that refer to it; where it overrides a built-in
    /// schema, that one is back in force, so that an event Strapi documents is never unjudged.
    pub fn build(files: &BTreeMap<String, Arc<str>>) -> (Self, Vec<SchemaFault>) {
        let mut documents = built_in_documents();
        let mut faults = BTreeMap::new();
        for (file, text) in files {
            let document = parse(file, text).map_err(|message| faults.insert(file.clone(), message)).ok();
            documents.insert(file.clone(), document);
        }
        let mut set = Self::default();
        for (file, schema) in compile_all(documents, &mut faults) {
            set.insert(&file, schema);
        }
        set.restore_built_in();
        (set, faults.into_iter().map(|(file, message)| SchemaFault { file, message }).collect())
    }

    /// The event types that have a schema.
    pub fn event_types(&self) -> impl Iterator<Item = &str> {
        self.events.keys().map(String::as_str)
    }

    /// The schema of an event type, as it is written.
    pub fn document(&self, event_type: &str) -> Option<&Value> {
        self.events.get(event_type).map(Compiled::source)
    }

    /// Whether what judges events of this type comes with the program, and not from a file.
    pub fn is_built_in(&self, event_type: &str) -> bool {
        let built_in = BUILT_IN.iter().find(|(file, _)| file.strip_suffix(".json") == Some(event_type));
        let document = built_in.and_then(|(_, text)| serde_json::from_str::<Value>(text).ok());
        document.is_some() && document.as_ref() == self.document(event_type)
    }

    /// The content types whose entries are judged.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// The first example that the schema of an event type gives.
    pub fn example(&self, event_type: &str) -> Option<&Value> {
        self.document(event_type)?.get("examples")?.get(0)
    }

    /// Judges a body: by the schema of its event type, and by `models/<model>.json` at `/entry` if there is one.
    pub fn check(&self, event_type: &EventType, body: &Value) -> Check {
        let event = self.events.get(event_type.as_str());
        let mut violations = event.map(|schema| schema.violations(body)).unwrap_or_default();
        violations.extend(self.entry_violations(body));
        violations.truncate(MAX_VIOLATIONS);
        match event {
            _ if !violations.is_empty() => Check::Violations(violations),
            Some(_) => Check::Valid,
            None => Check::Unknown,
        }
    }

    fn entry_violations(&self, body: &Value) -> impl Iterator<Item = Violation> {
        let model = body.get("model").and_then(Value::as_str).and_then(|name| self.models.get(name));
        let found = model.zip(body.get("entry")).map(|(schema, entry)| schema.violations(entry)).unwrap_or_default();
        found.into_iter().map(|violation| Violation { pointer: format!("/entry{}", violation.pointer), ..violation })
    }

    fn insert(&mut self, file: &str, schema: Compiled) {
        let name = file.strip_suffix(".json").unwrap_or(file);
        if let Some(model) = name.strip_prefix("models/") {
            self.models.insert(model.to_owned(), schema);
        } else if !schema.only_defines() {
            self.events.insert(name.to_owned(), schema);
        }
    }

    fn restore_built_in(&mut self) {
        for (file, document) in built_in_documents() {
            let event = file.strip_suffix(".json").unwrap_or(&file);
            if !self.events.contains_key(event)
                && let Some(Ok(schema)) = document.as_ref().map(Compiled::compile)
            {
                self.events.insert(event.to_owned(), schema);
            }
        }
    }
}

fn built_in_documents() -> BTreeMap<String, Option<Value>> {
    BUILT_IN.iter().map(|(file, text)| ((*file).to_owned(), serde_json::from_str(text).ok())).collect()
}

/// Compiles whatever can be. A document found unusable makes those that refer to it unusable, so all are
/// compiled again without it, until none is found.
fn compile_all(
    mut documents: BTreeMap<String, Option<Value>>,
    faults: &mut BTreeMap<String, String>,
) -> Vec<(String, Compiled)> {
    loop {
        let folder = Folder::new(documents.clone());
        let mut compiled = Vec::with_capacity(documents.len());
        let mut all_usable = true;
        for (file, slot) in &mut documents {
            let Some(document) = slot else { continue };
            match Compiled::compile_file(file, document, folder.clone()) {
                Ok(schema) => compiled.push((file.clone(), schema)),
                Err(message) => {
                    faults.insert(file.clone(), message);
                    *slot = None;
                    all_usable = false;
                }
            }
        }
        if all_usable {
            return compiled;
        }
    }
}

fn parse(file: &str, text: &str) -> Result<Value, String> {
    if !is_plain(file) {
        return Err("expected a file named as an event type, such as entry.create.json, or models/article.json, in \
                    letters, digits, '.', '_', ':' and '-'"
            .to_owned());
    }
    if text.len() > MAX_SCHEMA_FILE_BYTES {
        return Err(format!("expected at most {MAX_SCHEMA_FILE_BYTES} bytes"));
    }
    serde_json::from_str(text).map_err(|error| format!("expected JSON: {error}"))
}

/// Whether a path below the folder can stand in a `$ref` as it is.
fn is_plain(file: &str) -> bool {
    let part_is_plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
    };
    file.strip_suffix(".json").is_some_and(|name| name.split('/').all(part_is_plain))
}

#[cfg(test)]
mod tests;
