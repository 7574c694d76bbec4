//! One step of a chain as it was run, with all that a candidate for its place needs to be run the same way.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::chain::run_step;
use super::{Catalog, ChainJob, Plugin};
use crate::delivery::{ChainRecord, Changes};
use crate::webhook::PluginUse;

/// Is told of steps. Called on a transform thread, so it must be quick.
pub type Observer = Arc<dyn Fn(Vec<StepSeen>) + Send + Sync>;

/// A step that was run for a delivery.
pub struct StepSeen {
    pub(super) job: ChainJob,
    /// In the webhook's chain.
    pub(super) index: usize,
    /// What the plugins before it wanted: it was given the payload as they left it.
    pub(super) before: Changes,
    /// What it made of that.
    pub(super) live: ChainRecord,
}

impl StepSeen {
    pub const fn job(&self) -> &ChainJob {
        &self.job
    }

    pub const fn index(&self) -> usize {
        self.index
    }

    pub const fn live(&self) -> &ChainRecord {
        &self.live
    }

    /// What it costs in memory: the event, and the payloads before and after the step.
    pub fn weight(&self) -> usize {
        let payload = |data: Option<&bytes::Bytes>| data.map_or(0, bytes::Bytes::len);
        self.job.event.weight() + payload(self.before.data.as_ref()) + payload(self.live.data())
    }

    /// Runs the step's shadow on what the live plugin was given: payload, run number, clock, seed, name. Blocking; ends
    /// within the candidate's limits. None: there is no such step, shadow or plugin.
    pub fn run_shadow(&self) -> Option<ChainRecord> {
        let used = self.job.webhook.plugins.get(self.index)?;
        let shadow = used.shadow.as_ref()?;
        let candidate = self.job.plugins.get(&shadow.plugin)?;
        let step = PluginUse { config: Arc::clone(&shadow.config), shadow: None, ..used.clone() };
        let job = ChainJob { plugins: Arc::new(standing_in(used, candidate)), ..self.job.clone() };
        Some(run_step(&job, &step, self.before.clone()))
    }
}

/// The candidate under the name of the live plugin: that is part of the seed, and of what people read.
fn standing_in(used: &PluginUse, candidate: &Arc<Plugin>) -> Catalog {
    Catalog::new(BTreeMap::from([(used.plugin.clone(), Arc::clone(candidate))]))
}
