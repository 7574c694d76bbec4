//! The plugins in the folder, and the engine that runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bound::Bound;
use super::{Ground, Keeping};
use crate::clock;
use crate::config::{LimitsByKind, PluginLimits};
use crate::ids::{Digest, PluginName};
use crate::kept::{self, Kept};
use crate::plugin::{Catalog, Compiler, Engine, LoadError, Plugin};
use crate::reload::layout::{plugin_path, plugin_stem};
use crate::reload::scan::{self, Content, PluginMoved};
use crate::reload::unit::{Failure, Unit};
use crate::revision::Fault;

pub(super) struct Plugins {
    /// For as many runs at once as the host started with.
    engine: Arc<Engine>,
    units: BTreeMap<PluginName, Unit<Version, Plugin>>,
    misnamed: Vec<Fault>,
    /// What was loaded last of each: in force, unless configs do not fit or the bytes could not be kept.
    loaded: BTreeMap<PluginName, Arc<Plugin>>,
    /// None while nothing may be written.
    kept: Option<Kept>,
    catalog: Arc<Catalog>,
}

/// A file, what its runs may use, and what webhooks configure.
#[derive(Clone, PartialEq)]
struct Version {
    content: Content,
    limits: LimitsByKind,
    bound: Digest,
}

impl Plugins {
    /// # Errors
    /// When wasmtime cannot be set up.
    pub(super) fn start(limits: &PluginLimits, compiler: Arc<Compiler>) -> Result<Self, LoadError> {
        Ok(Self {
            engine: Arc::new(Engine::new(limits.threads, compiler)?),
            units: BTreeMap::new(),
            misnamed: Vec::new(),
            loaded: BTreeMap::new(),
            kept: None,
            catalog: Arc::default(),
        })
    }

    pub(super) fn advance(&mut self, ground: &Ground<'_>, limits: &PluginLimits, bound: &Bound, reread: bool) {
        let names = self.names(ground);
        self.units.retain(|name, _| names.contains(name));
        self.loaded.retain(|name, _| names.contains(name));
        for name in names {
            let path = plugin_path(&name);
            let Some(entry) = ground.files.get(&path) else { continue };
            let limits = limits.of(&name);
            let version = Version { content: entry.content.clone(), limits, bound: bound.digest(&name) };
            let Self { engine, units, loaded, kept, .. } = self;
            let unit = units.entry(name.clone()).or_default();
            if reread {
                // What failed may have failed for want of memory or time: whoever asks for a reload asks for another try.
                unit.give_another_chance();
            }
            let mut making = Making { engine, path: &path, name: &name, ground, bound, loaded, kept };
            let last_good = || engine.load(&name, &ground.last_good.plugin(&path)?, &limits).ok();
            unit.advance(&path, version, |version, in_force| making.make(version, in_force), last_good);
            // A last good version has the limits of today too, where it can live with them.
            unit.amend(|plugin| engine.limit(plugin, &limits).ok().filter(|limited| !Arc::ptr_eq(limited, plugin)));
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

    /// Keeps what is in force and is not kept yet; from then on each version is kept before it comes into force.
    pub(super) fn keep_versions(&mut self, ground: &Ground<'_>) -> Vec<Fault> {
        let kept = self.kept.get_or_insert_with(|| Kept::open(ground.home.root()));
        let mut faults = Vec::new();
        for (name, unit) in &self.units {
            let Some(plugin) = unit.value().filter(|plugin| !kept.is_newest(plugin)) else { continue };
            let path = plugin_path(name);
            let wasm = || match scan::read_plugin(&ground.home.root().join(&path), plugin.digest) {
                Ok(wasm) => Ok(wasm),
                Err(PluginMoved(reason)) => {
                    let copy = ground.last_good.plugin(&path).filter(|copy| Digest::of(copy) == plugin.digest);
                    copy.ok_or_else(|| std::io::Error::other(reason))
                }
            };
            if let Err(error) = kept.keep(plugin, wasm, clock::now()) {
                faults.push(not_kept(&path, plugin, &error));
            }
        }
        faults
    }

    fn advance_catalog(&mut self) {
        let same = |plugin: &Plugin, known: &Catalog| {
            known.get(&plugin.name).is_some_and(|other| std::ptr::eq(&raw const **other, plugin))
        };
        let in_force = || self.units.iter().filter_map(|(name, unit)| Some((name, unit.value()?)));
        let unchanged = self.catalog.engine().is_some()
            && in_force().count() == self.catalog.iter().count()
            && in_force().all(|(_, plugin)| same(plugin, &self.catalog));
        if !unchanged {
            let plugins = in_force().map(|(name, plugin)| (name.clone(), Arc::clone(plugin))).collect();
            self.catalog = Arc::new(Catalog::new(plugins).with_engine(Arc::clone(&self.engine)));
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

/// How a version of one plugin is made.
struct Making<'a> {
    engine: &'a Arc<Engine>,
    path: &'a str,
    name: &'a PluginName,
    ground: &'a Ground<'a>,
    bound: &'a Bound,
    loaded: &'a mut BTreeMap<PluginName, Arc<Plugin>>,
    kept: &'a mut Option<Kept>,
}

impl Making<'_> {
    fn make(&mut self, version: &Version, in_force: Option<&Arc<Plugin>>) -> Result<Arc<Plugin>, Failure> {
        let digest = match &version.content {
            Content::Plugin(digest) => *digest,
            Content::Unusable(reason) => return Err(self.bad([reason.clone()])),
            Content::Absent | Content::Text(_) => return Err(Failure::Bad(Vec::new())),
        };
        let plugin = self.load(digest, &version.limits)?;
        // Only configs changed: the webhooks are checked against what is in force.
        if in_force.is_some_and(|in_force| Arc::ptr_eq(in_force, &plugin)) {
            return Ok(plugin);
        }
        let has_earlier = in_force.is_some_and(|plugin| plugin.digest != digest)
            || (in_force.is_none() && self.ground.last_good.has_other_plugin(self.path, digest));
        // Without an earlier version to stay with, it is the webhooks that are refused.
        let objections = if has_earlier { self.bound.objections(&plugin) } else { Vec::new() };
        if !objections.is_empty() {
            return Err(self.bad(objections));
        }
        self.keep(&plugin)?;
        Ok(plugin)
    }

    fn load(&mut self, digest: Digest, limits: &LimitsByKind) -> Result<Arc<Plugin>, Failure> {
        let plugin = match self.loaded.remove(self.name) {
            Some(plugin) if plugin.digest == digest => self.engine.limit(&plugin, limits),
            _ => {
                let wasm = self.read(digest).map_err(|reason| Failure::Again(Fault::of_file(self.path, reason)))?;
                self.engine.load(self.name, &wasm, limits).map(Arc::new)
            }
        };
        let plugin = plugin.map_err(|error| {
            let fault = Fault::of_file(self.path, error.to_string());
            if error.may_pass() { Failure::Again(fault) } else { Failure::Bad(vec![fault]) }
        })?;
        self.loaded.insert(self.name.clone(), Arc::clone(&plugin));
        Ok(plugin)
    }

    /// No delivery may be run by a version whose bytes are not kept.
    fn keep(&mut self, plugin: &Arc<Plugin>) -> Result<(), Failure> {
        let (path, home) = (self.path, self.ground.home.root());
        let Some(kept) = self.kept else { return Ok(()) };
        let wasm = || {
            let read = scan::read_plugin(&home.join(path), plugin.digest);
            read.map_err(|PluginMoved(reason)| std::io::Error::other(reason))
        };
        kept.keep(plugin, wasm, clock::now()).map_err(|error| Failure::Again(not_kept(path, plugin, &error)))
    }

    fn read(&self, digest: Digest) -> Result<Vec<u8>, String> {
        scan::read_plugin(&self.ground.home.root().join(self.path), digest).map_err(|PluginMoved(reason)| reason)
    }

    fn bad(&self, messages: impl IntoIterator<Item = String>) -> Failure {
        Failure::Bad(messages.into_iter().map(|message| Fault::of_file(self.path, message)).collect())
    }
}

fn not_kept(path: &str, plugin: &Plugin, error: &std::io::Error) -> Fault {
    let version = plugin.digest.short();
    let message = format!("version {version} cannot be kept in {}: {error}; it is tried again", kept::FOLDER);
    Fault::of_file(path, message)
}
