//! Plugins: from a wasm file to a sandboxed run with evidence.
//!
//! A fresh instance for every run; fuel, memory, output and log limits; no state from one run to the next.
//! Does not decide which plugins run, nor on which thread.

mod anatomy;
mod backtrace;
pub(crate) mod binding;
mod broken;
mod chain;
mod changes;
mod compile;
mod contract;
mod counts;
mod direct;
mod engine;
mod handed;
mod inspect;
mod load;
mod run;
mod sandbox;
mod step;
mod wasi;
mod words;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(test)]
pub(crate) use hookwright_hostile::guest as guests;

pub(crate) use self::anatomy::{Anatomy, capability};
pub(crate) use self::backtrace::has_name;
pub(crate) use self::chain::held_unrun;
pub use self::chain::{run_chain, try_chain};
pub(crate) use self::changes::MAX_OUTPUT_BYTES;
pub use self::compile::{Cache, Compiler, run_if_asked as compile_if_asked};
pub use self::counts::Counts;
pub(crate) use self::engine::EngineKind;
pub use self::handed::{Handed, Handing};
pub use self::load::{ImportFault, LoadError};
pub use self::step::{Observer, StepSeen};

use self::contract::{Delivery, Failure, Verdict};
use self::load::{Code, Linkers, Loaded};
use self::run::Ran;
use self::sandbox::Seed;
use crate::clock::Timestamp;
use crate::config::{LimitsByKind, RunLimits};
use crate::delivery::ChainRecord;
use crate::event::Event;
use crate::ids::{DeliveryId, Digest, PluginName};
use crate::schemas::{Compiled, Violation};
use crate::webhook::Webhook;

/// A larger file in `plugins/` is refused unread.
pub const MAX_PLUGIN_FILE_BYTES: u64 = 32 << 20;

/// Loads and runs plugins.
pub struct Engine {
    linkers: Linkers,
    compiler: Arc<Compiler>,
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
    code: Code,
    /// Of the config, if the manifest has one.
    schema: Option<Compiled>,
    limits: RunLimits,
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
    /// Is told of the steps that have a shadow, once the chain has ended.
    pub observer: Option<Observer>,
    /// Keeps what each plugin handed on; of trials and repetitions only.
    pub handing: Option<Handing>,
    /// Of deliveries only: whoever keeps account of breaks.
    pub watch: Option<Arc<dyn Watch>>,
}

/// Keeps account of how chains end, on the thread that runs them: whatever waits behind a chain that broke knows of it.
pub trait Watch: Send + Sync {
    /// What a chain came to that is not to be run; none: it is.
    fn instead(&self, job: &ChainJob) -> Option<ChainRecord>;

    /// Is told what it came to.
    fn learn(&self, job: &ChainJob, record: &ChainRecord);
}

impl Engine {
    /// For so many runs at once.
    ///
    /// # Errors
    /// When wasmtime cannot be set up on this machine.
    pub fn new(threads: NonZeroU32, compiler: Arc<Compiler>) -> Result<Self, LoadError> {
        Ok(Self { linkers: Linkers::new(&engine::build(threads)?)?, compiler, loading: Mutex::new(()) })
    }

    /// Validates, has it compiled, smoke-instantiates and asks for the manifest. Blocking: a fraction of a second for
    /// a usual plugin, and at most what `compile` allows.
    ///
    /// # Errors
    /// When the bytes are not a plugin this host can run.
    pub fn load(&self, name: &PluginName, wasm: &[u8], limits: &LimitsByKind) -> Result<Plugin, LoadError> {
        let _turn = self.turn();
        let digest = Digest::of(wasm);
        let loaded = load::load(&self.linkers, limits, &self.compiler, digest, wasm)?;
        Ok(Plugin::new(name.clone(), digest, loaded))
    }

    /// The same version of a plugin under other limits, if these are others: nothing is compiled.
    ///
    /// # Errors
    /// When it cannot even describe itself within them.
    pub fn limit(&self, plugin: &Arc<Plugin>, limits: &LimitsByKind) -> Result<Arc<Plugin>, LoadError> {
        let limits = limits.of(plugin.code.kind);
        if limits == plugin.limits {
            return Ok(Arc::clone(plugin));
        }
        let _turn = self.turn();
        let loaded = load::try_out(plugin.code.clone(), limits)?;
        let limited = Plugin::new(plugin.name.clone(), plugin.digest, loaded);
        Ok(Arc::new(Plugin { counts: Arc::clone(&plugin.counts), ..limited }))
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.loading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plugin {
    fn new(name: PluginName, digest: Digest, loaded: Loaded) -> Self {
        let Loaded { code, limits, manifest, schema } = loaded;
        Self { name, digest, manifest, counts: Arc::default(), code, schema, limits }
    }

    /// Which engine runs it.
    pub(crate) const fn kind(&self) -> EngineKind {
        self.code.kind
    }

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

    fn transform(
        &self,
        seed: Seed,
        delivery: Delivery<'_>,
        at_most_fuel: Option<u64>,
    ) -> Ran<Result<Verdict, Failure>> {
        run::transform(&self.code, &self.limits, seed, delivery, at_most_fuel)
    }
}

impl ChainJob {
    /// Large if any plugin of the chain is.
    pub(crate) fn kind(&self) -> EngineKind {
        let used = self.webhook.plugins.iter().filter_map(|step| self.plugins.get(&step.plugin));
        let has_large = used.map(|plugin| plugin.kind()).any(|kind| kind == EngineKind::Large);
        if has_large { EngineKind::Large } else { EngineKind::Small }
    }

    /// Counts what ran; of a plugin that was not there, nothing.
    pub(crate) fn count(&self, record: &ChainRecord) {
        for run in &record.runs {
            if let Some(plugin) = self.plugins.get(&run.plugin) {
                plugin.counts.add(run.verdict);
            }
        }
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
