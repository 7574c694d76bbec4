//! Plugin versions of the past, loaded again from what is kept. A few stay loaded: who repeats a run mostly repeats it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::RerunError;
use crate::config::PluginLimits;
use crate::delivery::ChainRecord;
use crate::ids::{Digest, PluginName};
use crate::kept;
use crate::plugin::{Catalog, Plugin};
use crate::tasks;
use crate::webhook::Webhook;

/// Each holds compiled code of some hundred kilobytes.
const MAX_LOADED: usize = 4;

pub(super) struct Versions {
    home: PathBuf,
    /// The one used last comes last.
    loaded: Vec<Arc<Plugin>>,
}

/// What is in force.
pub(super) struct Today<'a> {
    pub(super) plugins: &'a Catalog,
    pub(super) limits: &'a PluginLimits,
}

impl Versions {
    pub(super) fn new(home: PathBuf) -> Self {
        Self { home, loaded: Vec::new() }
    }

    /// The plugins of the record in the versions that ran; those of the webhook's chain that did not run, as of today.
    pub(super) async fn of_record(
        &mut self,
        record: &ChainRecord,
        webhook: &Webhook,
        today: &Today<'_>,
    ) -> Result<Catalog, RerunError> {
        let not_recorded = webhook.plugins.iter().filter_map(|used| today.plugins.get(&used.plugin)).cloned();
        let mut plugins: BTreeMap<_, _> = not_recorded.map(|plugin| (plugin.name.clone(), plugin)).collect();
        for run in &record.runs {
            match run.digest {
                Some(digest) => drop(plugins.insert(run.plugin.clone(), self.get(&run.plugin, digest, today).await?)),
                None => drop(plugins.remove(&run.plugin)),
            }
        }
        Ok(Catalog::new(plugins))
    }

    async fn get(&mut self, name: &PluginName, digest: Digest, today: &Today<'_>) -> Result<Arc<Plugin>, RerunError> {
        if let Some(plugin) = today.plugins.get(name).filter(|plugin| plugin.digest == digest) {
            return Ok(Arc::clone(plugin));
        }
        let place = self.loaded.iter().position(|plugin| plugin.name == *name && plugin.digest == digest);
        let loaded = place.map(|place| self.loaded.remove(place));
        let plugin = self.load(name, digest, loaded, today).await?;
        self.loaded.push(Arc::clone(&plugin));
        let surplus = self.loaded.len().saturating_sub(MAX_LOADED);
        self.loaded.drain(..surplus);
        Ok(plugin)
    }

    /// From its file, unless it is `loaded`; under the limits of today.
    async fn load(
        &self,
        name: &PluginName,
        digest: Digest,
        loaded: Option<Arc<Plugin>>,
        today: &Today<'_>,
    ) -> Result<Arc<Plugin>, RerunError> {
        let absent = || kept::KeptError::Absent { name: name.clone(), digest, path: kept::FOLDER.into() };
        let engine = Arc::clone(today.plugins.engine().ok_or_else(absent)?);
        let (home, name, limits) = (self.home.clone(), name.clone(), today.limits.of(name));
        tasks::blocking(move || {
            let plugin = match loaded {
                Some(plugin) => engine.limit(&plugin, &limits),
                None => engine.load(&name, &kept::read(&home, &name, digest)?, &limits).map(Arc::new),
            };
            plugin.map_err(|error| RerunError::NotLoaded { plugin: name.to_string(), version: digest.short(), error })
        })
        .await
    }
}
