//! Plugin versions of the past, loaded again from what is kept. A few stay loaded: who repeats a run mostly repeats it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::RerunError;
use crate::delivery::ChainRecord;
use crate::ids::{Digest, PluginName};
use crate::kept;
use crate::plugin::{Catalog, Engine, Plugin};
use crate::tasks;
use crate::webhook::Webhook;

/// Each holds compiled code of some hundred kilobytes.
const MAX_LOADED: usize = 4;

pub(super) struct Versions {
    home: PathBuf,
    /// The one used last comes last.
    loaded: Vec<Arc<Plugin>>,
    /// What loaded them: under other limits all are loaded anew.
    engine: Option<Arc<Engine>>,
}

impl Versions {
    pub(super) fn new(home: PathBuf) -> Self {
        Self { home, loaded: Vec::new(), engine: None }
    }

    /// The plugins of the record in the versions that ran; those of the webhook's chain that did not run, as of today.
    pub(super) async fn of_record(
        &mut self,
        record: &ChainRecord,
        webhook: &Webhook,
        today: &Catalog,
    ) -> Result<Catalog, RerunError> {
        let not_recorded = webhook.plugins.iter().filter_map(|used| today.get(&used.plugin)).cloned();
        let mut plugins: BTreeMap<_, _> = not_recorded.map(|plugin| (plugin.name.clone(), plugin)).collect();
        for run in &record.runs {
            match run.digest {
                Some(digest) => drop(plugins.insert(run.plugin.clone(), self.get(&run.plugin, digest, today).await?)),
                None => drop(plugins.remove(&run.plugin)),
            }
        }
        Ok(Catalog::new(plugins))
    }

    async fn get(&mut self, name: &PluginName, digest: Digest, today: &Catalog) -> Result<Arc<Plugin>, RerunError> {
        if let Some(plugin) = today.get(name).filter(|plugin| plugin.digest == digest) {
            return Ok(Arc::clone(plugin));
        }
        self.forget_other_engines(today);
        let place = self.loaded.iter().position(|plugin| plugin.name == *name && plugin.digest == digest);
        let plugin = match place {
            Some(place) => self.loaded.remove(place),
            None => self.load(name, digest).await?,
        };
        self.loaded.push(Arc::clone(&plugin));
        let surplus = self.loaded.len().saturating_sub(MAX_LOADED);
        self.loaded.drain(..surplus);
        Ok(plugin)
    }

    async fn load(&self, name: &PluginName, digest: Digest) -> Result<Arc<Plugin>, RerunError> {
        let absent = || kept::KeptError::Absent { name: name.clone(), digest, path: kept::FOLDER.into() };
        let engine = self.engine.clone().ok_or_else(absent)?;
        let (home, name) = (self.home.clone(), name.clone());
        tasks::blocking(move || {
            let wasm = kept::read(&home, &name, digest)?;
            engine.load(&name, &wasm).map(Arc::new).map_err(|error| RerunError::NotLoaded {
                plugin: name.to_string(),
                version: digest.short(),
                error,
            })
        })
        .await
    }

    fn forget_other_engines(&mut self, today: &Catalog) {
        let is_same = match (&self.engine, today.engine()) {
            (Some(known), Some(engine)) => Arc::ptr_eq(known, engine),
            (None, None) => true,
            _ => false,
        };
        if !is_same {
            self.loaded.clear();
            self.engine = today.engine().cloned();
        }
    }
}
