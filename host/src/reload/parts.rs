//! Everything a revision is made of, each part advanced on its own: what is unchanged is kept as it is, what is
//! bad keeps its last good version. Reads no folder; only plugins are read here, one at a time.

mod bound;
mod layered;
mod plugins;
mod settings;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::StartError;
use super::last_good::LastGood;
use super::layout::{Layout, SERVER};
use super::scan::{Content, Entry};
use super::schema_files::SchemaFiles;
use crate::clock::Timestamp;
use crate::config::{Home, ServerConfig};
use crate::egress::Egress;
use crate::managed::ManagedSet;
use crate::plugin::Compiler;
use crate::revision::{Fault, Revision};
use crate::schemas::{SchemaFault, SchemaSet};
use layered::Layered;
pub(super) use layered::fault;
use plugins::Plugins;
use settings::Settings;
use webhooks::{Surroundings, Webhooks};

/// Where the address policy is written.
const ALLOW: &str = "/egress/allow";

/// Where parts come from.
pub(super) struct Ground<'a> {
    pub(super) home: &'a Home,
    pub(super) layout: &'a Layout,
    pub(super) last_good: &'a LastGood,
    /// The files in force, by path.
    pub(super) files: &'a BTreeMap<String, Entry>,
    /// The webhooks that are not in files.
    pub(super) managed: &'a ManagedSet,
}

/// The parts in force.
pub(super) struct Parts {
    /// What the host started with.
    started: Arc<ServerConfig>,
    server: Arc<ServerConfig>,
    settings: Settings,
    plugins: Plugins,
    webhooks: Webhooks,
    schemas: SchemaFiles<SchemaSet>,
    egress: Arc<Egress>,
    /// The file that has the last word on what it may reach.
    allowed_in: String,
    egress_fault: Option<Fault>,
}

/// What to do with the copies in `data/last-good/`.
#[derive(Default)]
pub(super) struct Keeping {
    /// To be copied.
    pub(super) good: BTreeMap<String, Content>,
    /// Copies that must stay as they are.
    pub(super) kept: BTreeSet<String>,
}

impl Parts {
    /// Makes everything for the first time.
    ///
    /// # Errors
    /// When there is no usable server configuration, not even of an earlier run.
    pub(super) fn start(ground: &Ground<'_>, compiler: Compiler) -> Result<Self, StartError> {
        let mut settings = Settings::default();
        settings.advance(ground, false);
        let server = match settings.server() {
            Some(server) => Arc::clone(server),
            None => return Err(StartError::Unusable(settings.faults_of_files())),
        };
        let mut parts = Self {
            allowed_in: settings.file_with(ALLOW),
            plugins: Plugins::start(&server.plugins, Arc::new(compiler))?,
            egress: Arc::new(Egress::new(&server.egress_allow, &settings.file_with(ALLOW))?),
            egress_fault: None,
            started: Arc::clone(&server),
            server,
            settings,
            webhooks: Webhooks::default(),
            schemas: SchemaFiles::default(),
        };
        parts.advance(ground, false);
        Ok(parts)
    }

    /// Takes the files as they are now. `reread`: parse configuration again even where its files are the same.
    pub(super) fn advance(&mut self, ground: &Ground<'_>, reread: bool) {
        self.settings.advance(ground, reread);
        if let Some(server) = self.settings.server().cloned() {
            self.advance_egress(&server);
            self.server = server;
        }
        let bound = self.webhooks.bound(ground, &self.settings);
        self.plugins.advance(ground, &self.server.plugins, &bound, reread);
        self.webhooks.advance(ground, &self.settings, &self.surroundings());
        self.schemas.advance(ground.files, ground.last_good, compile_schemas);
    }

    pub(super) fn wants_another_try(&self) -> bool {
        self.settings.wants_another_try() || self.plugins.wants_another_try() || self.webhooks.wants_another_try()
    }

    /// Everything in force as one revision.
    pub(super) fn revision(&self, number: u64, loaded: Timestamp, faults: Vec<Fault>) -> Revision {
        Revision {
            number,
            loaded,
            server: Arc::clone(&self.server),
            webhooks: self.webhooks.in_force(),
            in_files: self.webhooks.in_files().clone(),
            schemas: Arc::clone(self.schemas.set()),
            plugins: Arc::clone(self.plugins.catalog()),
            egress: Arc::clone(&self.egress),
            faults,
        }
    }

    pub(super) fn faults(&self, ground: &Ground<'_>) -> Vec<Fault> {
        let mut faults = self.settings.faults(&self.started, ground);
        faults.extend(self.egress_fault.clone());
        faults.extend(self.plugins.faults());
        faults.extend(self.webhooks.faults(ground, &self.surroundings()));
        faults.extend(self.schemas.faults().iter().cloned());
        faults
    }

    /// Keeps the bytes of the plugin versions in force, and from now on of each before it comes into force.
    pub(super) fn keep_versions(&mut self, ground: &Ground<'_>) -> Vec<Fault> {
        self.plugins.keep_versions(ground)
    }

    pub(super) fn keeping(&self, ground: &Ground<'_>) -> Keeping {
        let mut keeping = Keeping::default();
        let all_good = self.settings.is_current() && self.webhooks.is_current();
        self.settings.keeping(ground, all_good, &mut keeping);
        self.webhooks.keeping(ground, &mut keeping);
        self.plugins.keeping(&mut keeping);
        for (path, content, in_force) in self.schemas.files() {
            keeping.file(path, in_force.then_some(content));
        }
        keeping
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            catalog: Arc::clone(self.plugins.catalog()),
            egress: Arc::clone(&self.egress),
            allowed_in: self.settings.file_with(ALLOW),
        }
    }

    /// The client is kept while the policy is the same, and its pooled connections with it.
    fn advance_egress(&mut self, server: &ServerConfig) {
        let file = self.settings.file_with(ALLOW);
        let is_same = server.egress_allow == self.server.egress_allow && file == self.allowed_in;
        if is_same && self.egress_fault.is_none() {
            return;
        }
        match Egress::new(&server.egress_allow, &file) {
            Ok(egress) => (self.egress, self.egress_fault, self.allowed_in) = (Arc::new(egress), None, file),
            Err(error) => {
                let fault = Fault::of_file(SERVER, format!("the earlier address policy stays in force: {error}"));
                self.egress_fault = Some(Fault { pointer: ALLOW.to_owned(), ..fault });
            }
        }
    }
}

impl Ground<'_> {
    /// The copies lie as the files in a home folder do.
    pub(super) fn last_good_home(&self) -> Home {
        Home::new(self.last_good.root())
    }
}

impl Keeping {
    /// A unit of two files: what is in force, if it is what the files say.
    fn unit(&mut self, paths: &[String; 2], current: Option<&Layered>) {
        match current {
            Some(layers) => self.good.extend(layers.files().cloned()),
            None => self.kept.extend(paths.iter().cloned()),
        }
    }

    fn file(&mut self, path: &str, current: Option<&Content>) {
        match current {
            Some(content) => drop(self.good.insert(path.to_owned(), content.clone())),
            None => drop(self.kept.insert(path.to_owned())),
        }
    }
}

/// A panic in the compiler of schemas is taken as an objection to all files: their last good texts follow.
fn compile_schemas(texts: &BTreeMap<String, Arc<str>>) -> (SchemaSet, Vec<SchemaFault>) {
    catch_unwind(AssertUnwindSafe(|| SchemaSet::build(texts))).unwrap_or_else(|_| {
        let message = "made the schema compiler panic, or another file did";
        let fault = |file: &String| SchemaFault { file: file.clone(), message: message.to_owned() };
        (SchemaSet::build(&BTreeMap::new()).0, texts.keys().map(fault).collect())
    })
}
