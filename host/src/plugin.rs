//! Plugins: from a wasm file to a sandboxed run with evidence.
//!
//! A fresh instance for every run; fuel, memory, output and log limits; no state from one run to the next.
//! Does not decide which plugins run, nor on which thread.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::config::PluginLimits;
use crate::delivery::ChainRecord;
use crate::event::Event;
use crate::ids::{DeliveryId, Digest, PluginName};
use crate::webhook::Webhook;

/// A larger file in `plugins/` is refused unread.
pub const MAX_PLUGIN_FILE_BYTES: u64 = 32 << 20;

/// Compiles and runs plugins.
pub struct Engine {}

/// One loaded version of a plugin.
pub struct Plugin {
    pub name: PluginName,
    pub digest: Digest,
    pub manifest: Manifest,
}

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub name: String,
    pub version: String,
    pub description: String,
    /// JSON Schema text; empty: any config.
    pub config_schema: String,
}

/// The plugins in force, by name.
#[derive(Clone, Default)]
pub struct Catalog {
    plugins: BTreeMap<PluginName, Arc<Plugin>>,
}

/// Why a file is not a usable plugin, in words that name the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(pub String);

/// One run of a chain: what `transform` executes on its threads.
#[derive(Clone)]
pub struct ChainJob {
    pub plugins: Arc<Catalog>,
    pub webhook: Arc<Webhook>,
    pub event: Arc<Event>,
    pub delivery: DeliveryId,
    /// 1 for the first.
    pub run: u32,
    /// The fixed clock of this run.
    pub now: Timestamp,
}

impl Engine {
    /// # Errors
    /// When wasmtime cannot be set up on this machine.
    pub fn new(_limits: &PluginLimits) -> Result<Self, LoadError> {
        todo!()
    }

    /// Validates, compiles, smoke-instantiates and asks for the manifest. Blocking: tens of milliseconds.
    ///
    /// # Errors
    /// When the bytes are not a plugin this host can run.
    pub fn load(&self, _name: &PluginName, _wasm: &[u8]) -> Result<Plugin, LoadError> {
        todo!()
    }
}

impl Plugin {
    /// Checks a webhook's config against the manifest's schema: pointer and reason of the first objection.
    ///
    /// # Errors
    /// The violations.
    pub fn check_config(&self, _config: &str) -> Result<(), Vec<crate::schemas::Violation>> {
        todo!()
    }
}

impl Catalog {
    pub fn new(plugins: BTreeMap<PluginName, Arc<Plugin>>) -> Self {
        Self { plugins }
    }

    pub fn get(&self, name: &PluginName) -> Option<&Arc<Plugin>> {
        self.plugins.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.plugins.values()
    }
}

/// Runs the chain of `job.webhook` from the first plugin to the last. Blocking; ends within the limits.
pub fn run_chain(_job: &ChainJob) -> ChainRecord {
    todo!()
}
