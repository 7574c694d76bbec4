//! What a plugin says of itself, and the function behind it: the border between the attribute and the glue.

use crate::{Delivery, Result, Verdict};

/// A plugin as the attribute writes it down.
pub struct Plugin {
    /// What it says of itself.
    pub manifest: Manifest,
    /// What it does.
    pub transform: fn(Delivery) -> Result<Verdict>,
}

/// What a plugin says of itself.
pub struct Manifest {
    /// `redact`.
    pub name: &'static str,
    /// `1.2.0`.
    pub version: &'static str,
    /// One line.
    pub description: &'static str,
    /// JSON Schema text; empty: any config.
    pub config_schema: fn() -> String,
}
