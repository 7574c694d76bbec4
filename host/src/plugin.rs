//! Plugins: from a wasm file to a sandboxed run with evidence.
//!
//! A fresh instance for every run; fuel, memory, output and log limits; no state from one run to the next.
//! Does not decide which plugins run, nor on which thread.

mod backtrace;
pub(crate) mod binding;
mod broken;
mod chain;
mod changes;
mod contract;
mod counts;
mod engine;
mod inspect;
mod load;
mod run;
mod sandbox;
mod words;

#[cfg(test)]
pub(crate) mod guests;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::Linker;

pub(crate) use self::backtrace::has_name;
pub(crate) use self::chain::held_unrun;
pub use self::chain::run_chain;
pub use self::counts::Counts;
pub use self::load::{ImportFault, LoadError};

use self::contract::{Delivery, Failure, PluginPre, Verdict};
use self::run::Ran;
use self::sandbox::{Sandbox, Seed};
use crate::clock::Timestamp;
use crate::config::PluginLimits;
use crate::event::Event;
use crate::ids::{DeliveryId, Digest, PluginName};
use crate::schemas::{Compiled, Violation};
use crate::webhook::Webhook;

/// A larger file in `plugins/` is refused unread.
pub const MAX_PLUGIN_FILE_BYTES: u64 = 32 << 20;

/// Compiles and runs plugins.
pub struct Engine {
    linker: Linker<Sandbox>,
    limits: PluginLimits,
    /// One at a time: compiling takes a whole processor, and a trial run takes a slot of the pool.
    loading: Mutex<()>,
}

/// One loaded version of a plugin.
pub struct Plugin {
    pub name: PluginName,
    pub digest: Digest,
    pub manifest: Manifest,
    /// Of the runs since it was loaded.
    pub counts: Arc<Counts>,
    /// Compiled and linked; what is left to do is a fresh instance per run.
    pre: PluginPre<Sandbox>,
    /// Of the config, if the manifest has one.
    schema: Option<Compiled>,
    limits: PluginLimits,
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
    /// What loaded them; it can also load earlier versions of them.
    engine: Option<Arc<Engine>>,
}

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
    pub fn new(limits: &PluginLimits) -> Result<Self, LoadError> {
        let linker = load::linker(&engine::build(limits)?)?;
        Ok(Self { linker, limits: *limits, loading: Mutex::new(()) })
    }

    /// Validates, compiles, smoke-instantiates and asks for the manifest. Blocking: tens of milliseconds.
    ///
    /// # Errors
    /// When the bytes are not a plugin this host can run.
    pub fn load(&self, name: &PluginName, wasm: &[u8]) -> Result<Plugin, LoadError> {
        let _turn = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        let load::Loaded { pre, manifest, schema } = load::load(&self.linker, &self.limits, wasm)?;
        let (name, digest, limits) = (name.clone(), Digest::of(wasm), self.limits);
        Ok(Plugin { name, digest, manifest, counts: Arc::default(), pre, schema, limits })
    }
}

impl Plugin {
    /// Fuel and bytes of memory that each run gets.
    pub(crate) const fn limits(&self) -> (u64, usize) {
        (self.limits.fuel.get(), self.limits.memory_bytes.get())
    }

    /// Checks a webhook's config against the manifest's schema. The config may hold secrets that were filled in, so
    /// its values are not repeated.
    ///
    /// # Errors
    /// The violations.
    pub fn check_config(&self, config: &str) -> Result<(), Vec<Violation>> {
        let Some(schema) = &self.schema else { return Ok(()) };
        let violations = match serde_json::from_str(config) {
            Ok(config) => schema.masked_violations(&config),
            Err(error) => vec![Violation {
                pointer: String::new(),
                keyword: "json".to_owned(),
                message: format!("the config is not JSON: {error}"),
            }],
        };
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }

    fn transform(&self, seed: Seed, delivery: Delivery<'_>) -> Ran<Result<Verdict, Failure>> {
        run::transform(&self.pre, &self.limits, seed, delivery)
    }
}

impl Catalog {
    pub fn new(plugins: BTreeMap<PluginName, Arc<Plugin>>) -> Self {
        Self { plugins, engine: None }
    }

    #[must_use]
    pub fn with_engine(self, engine: Arc<Engine>) -> Self {
        Self { engine: Some(engine), ..self }
    }

    pub fn engine(&self) -> Option<&Arc<Engine>> {
        self.engine.as_ref()
    }

    pub fn get(&self, name: &PluginName) -> Option<&Arc<Plugin>> {
        self.plugins.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.plugins.values()
    }
}
