//! What a plugin says of itself, and the function behind it: the border between the attribute and the glue.

use crate::{Delivery, Result, Verdict};

/// A plugin as the attribute writes it down.
pub struct Plugin {
    pub manifest: Manifest,
    pub transform: fn(Delivery) -> Result<Verdict>,
}

/// What a plugin says of itself.
pub struct Manifest {
    pub name: &'static str,
    pub version: &'static str,
    pub description: &'static str,
    /// JSON Schema text; empty: any config.
    pub config_schema: fn() -> String,
}
