//! The plugins in the folder, and the engine that runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Ground, Keeping};
use crate::config::{LimitsByKind, PluginLimits};
use crate::ids::PluginName;
use crate::plugin::{Catalog, Compiler, Engine, LoadError, Plugin};
use crate::reload::layout::{plugin_path, plugin_stem};
use crate::reload::scan::{self, Content, PluginMoved};
use crate::reload::unit::{Failure, Unit};
use crate::revision::Fault;

pub(super) struct Plugins {
    /// For as many runs at once as the host started with.
    engine: Engine,
    units: BTreeMap<PluginName, Unit<Version, Plugin>>,
    misnamed: Vec<Fault>,
    catalog: Arc<Catalog>,
}

/// A file, and what its runs may use.
#[derive(Clone, PartialEq)]
struct Version {
    content: Content,
    limits: LimitsByKind,
}

impl Plugins {
    /// # Errors
    /// When wasmtime cannot be set up.
    pub(super) fn start(limits: &PluginLimits, compiler: Arc<Compiler>) -> Result<Self, LoadError> {
        Ok(Self {
            engine: Engine::new(limits.threads, compiler)?,
            units: BTreeMap::new(),
            misnamed: Vec::new(),
            catalog: Arc::default(),
        })
    }

    pub(super) fn advance(&mut self, ground: &Ground<'_>, limits: &PluginLimits) {
        let names = self.names(ground);
        self.units.retain(|name, _| names.contains(name));
        for name in names {
            let path = plugin_path(&name);
            let Some(entry) = ground.files.get(&path) else { continue };
            let limits = limits.of(&name);
            let version = Version { content: entry.content.clone(), limits };
            let make = |version: &Version, in_force: Option<&Arc<Plugin>>| {
                load(&self.engine, &name, &path, version, in_force, ground)
            };
            let last_good = || self.engine.load(&name, &ground.last_good.plugin(&path)?, &limits).ok();
            self.units.entry(name.clone()).or_default().advance(&path, version, make, last_good);
        }
        self.advance_catalog();
    }

    pub(super) fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    pub(super) fn wants_another_try(&self) -> bool {
        self.units.values().any(Unit::wants_another_try)
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let units = self.units.values().flat_map(Unit::faults);
        self.misnamed.iter().chain(units).cloned().collect()
    }

    pub(super) fn keeping(&self, keeping: &mut Keeping) {
        for (name, unit) in &self.units {
            match unit.current() {
                Some(version) => drop(keeping.good.insert(plugin_path(name), version.content.clone())),
                None => drop(keeping.kept.insert(plugin_path(name))),
            }
        }
    }

    fn advance_catalog(&mut self) {
        let same = |plugin: &Plugin, known: &Catalog| {
            known.get(&plugin.name).is_some_and(|other| std::ptr::eq(&raw const **other, plugin))
        };
        let in_force = || self.units.iter().filter_map(|(name, unit)| Some((name, unit.value()?)));
        let unchanged = in_force().count() == self.catalog.iter().count()
            && in_force().all(|(_, plugin)| same(plugin, &self.catalog));
        if !unchanged {
            let plugins = in_force().map(|(name, plugin)| (name.clone(), Arc::clone(plugin))).collect();
            self.catalog = Arc::new(Catalog::new(plugins));
        }
    }

    fn names(&mut self, ground: &Ground<'_>) -> BTreeSet<PluginName> {
        self.misnamed.clear();
        let mut names = BTreeSet::new();
        for path in ground.files.keys() {
            match plugin_stem(path).map(str::parse) {
                Some(Ok(name)) => drop(names.insert(name)),
                Some(Err(error)) => {
                    let message = format!("the file's name is the plugin's name: {error}, then .wasm");
                    self.misnamed.push(Fault::of_file(path, message));
                }
                None => {}
            }
        }
        names
    }
}

fn load(
    engine: &Engine,
    name: &PluginName,
    path: &str,
    version: &Version,
    in_force: Option<&Arc<Plugin>>,
    ground: &Ground<'_>,
) -> Result<Arc<Plugin>, Failure> {
    let bad = |message: String| Failure::Bad(vec![Fault::of_file(path, message)]);
    match &version.content {
        Content::Plugin(digest) => {
            // Only the limits changed, and perhaps not those of its kind.
            if let Some(plugin) = in_force.filter(|plugin| plugin.digest == *digest) {
                return engine.limit(plugin, &version.limits).map_err(|error| bad(error.to_string()));
            }
            let moved = |PluginMoved(reason)| Failure::Again(Fault::of_file(path, reason));
            let wasm = scan::read_plugin(&ground.home.root().join(path), *digest).map_err(moved)?;
            engine.load(name, &wasm, &version.limits).map(Arc::new).map_err(|error| {
                let fault = Fault::of_file(path, error.to_string());
                if error.may_pass() { Failure::Again(fault) } else { Failure::Bad(vec![fault]) }
            })
        }
        Content::Unusable(reason) => Err(bad(reason.clone())),
        Content::Absent | Content::Text(_) => Err(Failure::Bad(Vec::new())),
    }
}
