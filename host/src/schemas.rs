//! JSON Schemas: the built-in ones of every event Strapi documents, overridden by files; verdict on a body.
//!
//! JSON Schema 2020-12. `$ref` reaches files of the folder only, never the network.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::ids::EventType;

/// One place where a body breaks its schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// JSON Pointer into the body.
    pub pointer: String,
    /// The schema keyword that was broken: `required`, `type`, …
    pub keyword: String,
    pub message: String,
}

/// At most this many violations are reported of one body: more help nobody.
pub const MAX_VIOLATIONS: usize = 20;

/// One compiled schema.
pub struct Compiled {
    source: Value,
}

/// All schemas in force.
#[derive(Default)]
pub struct SchemaSet {}

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

impl Compiled {
    /// # Errors
    /// In words, when this is not a usable JSON Schema.
    pub fn compile(_schema: &Value) -> Result<Self, String> {
        todo!()
    }

    /// Where the body breaks the schema, at most [`MAX_VIOLATIONS`]; empty: it fits.
    pub fn violations(&self, _body: &Value) -> Vec<Violation> {
        todo!()
    }
}

impl PartialEq for Compiled {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Compiled({})", self.source)
    }
}

impl SchemaSet {
    /// Compiles the built-in schemas and `files` (path below `schemas/` → text), files winning. A file that
    /// cannot be used is reported and left out, as are those that refer to it.
    pub fn build(_files: &BTreeMap<String, Arc<str>>) -> (Self, Vec<SchemaFault>) {
        todo!()
    }

    /// Judges a body: by the schema of its event type, and by `models/<model>.json` at `/entry` if there is one.
    pub fn check(&self, _event_type: &EventType, _body: &Value) -> Check {
        todo!()
    }
}

/// A value as JSON text short enough to show.
pub fn shortened(_value: &Value) -> String {
    todo!()
}
