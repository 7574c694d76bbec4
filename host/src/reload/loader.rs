//! One look at the home folder after the other, each leading to the next revision if anything changed.
//! Blocking. Writes nothing but copies, and those only when told to.

use std::sync::Arc;
use std::time::Duration;

use super::StartError;
use super::last_good::LastGood;
use super::layout::Layout;
use super::parts::{self, Ground, Keeping, Parts};
use super::scan::{self, Snapshot};
use super::settle::{Settled, Settler};
use crate::clock::Timestamp;
use crate::config::{Home, Variables};
use crate::managed::ManagedSet;
use crate::plugin::Compiler;
use crate::revision::{Fault, Revision};

/// So many faults are reported: more help nobody.
const MAX_FAULTS: usize = 1000;
/// When to look again at a file that changed while it was loaded.
const RETRY: Duration = Duration::from_millis(200);

/// Owns what the last look led to.
pub struct Loader {
    home: Home,
    layout: Layout,
    seen: Snapshot,
    settler: Settler,
    settled_faults: Vec<Fault>,
    last_good: LastGood,
    keeping_faults: Vec<Fault>,
    /// Something changed since copies were kept.
    owes_copies: bool,
    managed: Arc<ManagedSet>,
    /// They changed since the last look.
    managed_changed: bool,
    parts: Parts,
    revision: Arc<Revision>,
}

/// Whether faults prevent the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Last good versions stand in for what is bad; what has none is left out.
    Lenient,
    /// `--strict`: any fault is refused.
    Strict,
}

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// What changed in the folder.
    Changes,
    /// Also what changed outside of it, such as files that configuration refers to.
    Everything { accept_removals: bool },
}

/// What one look led to.
pub(super) struct Outcome {
    /// The new revision, if anything changed.
    pub(super) revision: Option<Arc<Revision>>,
    /// Something is under way: look again then.
    pub(super) look_again: Option<Timestamp>,
}

impl Loader {
    /// Makes revision 1. Nothing is written.
    ///
    /// # Errors
    /// When there is no usable configuration, or a fault and no leniency.
    pub fn open(home: Home, compiler: Compiler, strictness: Strictness, now: Timestamp) -> Result<Self, StartError> {
        let layout = Layout::new(&environment(&home)?);
        let last_good = LastGood::open(home.root(), &layout, now);
        let seen = scan::scan(home.root(), &layout, &Snapshot::default(), now);
        let (settler, settled) = Settler::start(last_good.paths(), &seen, &layout);
        let managed = Arc::default();
        let files = settler.accepted();
        let ground = Ground { home: &home, layout: &layout, last_good: &last_good, files, managed: &managed };
        let parts = Parts::start(&ground, compiler)?;
        let faults = collect(&settled.faults, &[], parts.faults(&ground));
        if strictness == Strictness::Strict && !faults.is_empty() {
            return Err(StartError::Strict(faults));
        }
        let revision = Arc::new(parts.revision(1, now, faults));
        Ok(Self {
            settled_faults: settled.faults,
            keeping_faults: Vec::new(),
            owes_copies: true,
            managed,
            managed_changed: false,
            home,
            layout,
            seen,
            settler,
            last_good,
            parts,
            revision,
        })
    }

    /// What `serve` would start with, everything wrong listed in its faults. Touches nothing: this is `check`.
    ///
    /// # Errors
    /// When it would not start.
    pub fn dry_run(home: Home, now: Timestamp) -> Result<Arc<Revision>, StartError> {
        let compiler = Compiler::of_dry_run(&home);
        Self::open(home, compiler, Strictness::Lenient, now).map(|loader| loader.revision)
    }

    /// These are the managed webhooks from the next look on.
    pub fn manage(&mut self, managed: Arc<ManagedSet>) {
        self.managed_changed |= managed != self.managed;
        self.managed = managed;
    }

    /// Takes the managed webhooks into the first revision.
    ///
    /// # Errors
    /// When there is a fault and no leniency.
    pub fn start_managed(
        &mut self,
        managed: Arc<ManagedSet>,
        strictness: Strictness,
        now: Timestamp,
    ) -> Result<(), StartError> {
        self.manage(managed);
        self.load(Wish::Changes, now);
        if strictness == Strictness::Strict && !self.revision.faults.is_empty() {
            return Err(StartError::Strict(self.revision.faults.clone()));
        }
        Ok(())
    }

    /// The environment whose overlays apply.
    pub fn environment(&self) -> &str {
        self.layout.environment()
    }

    /// The revision of the last look.
    pub fn revision(&self) -> &Arc<Revision> {
        &self.revision
    }

    /// The folders that were there at the last look, with what tells them from others in their place.
    pub(super) fn folders(&self) -> impl Iterator<Item = (std::path::PathBuf, scan::Identity)> {
        self.seen.folders.iter().filter_map(|(path, folder)| match folder {
            scan::Folder::Read(identity) => Some((self.home.root().join(path), *identity)),
            scan::Folder::Unreadable(_) => None,
        })
    }

    /// Looks at the home folder. Cheap if nothing changed.
    pub(super) fn load(&mut self, wish: Wish, now: Timestamp) -> Outcome {
        self.seen = scan::scan(self.home.root(), &self.layout, &self.seen, now);
        let accept_removals = wish == Wish::Everything { accept_removals: true };
        let Settled { changed, look_again, faults } =
            self.settler.settle(&self.seen, &self.layout, now, accept_removals);
        self.settled_faults = faults;
        let reread = wish != Wish::Changes;
        if changed || reread || self.managed_changed || self.parts.wants_another_try() {
            let Self { home, layout, last_good, settler, parts, managed, .. } = self;
            parts.advance(&Ground { home, layout, last_good, files: settler.accepted(), managed }, reread);
            self.owes_copies = true;
            self.managed_changed = false;
        }
        let retry = self.parts.wants_another_try().then(|| now.after(RETRY));
        Outcome { revision: self.next_revision(now), look_again: look_again.into_iter().chain(retry).min() }
    }

    /// Copies what is good to `data/last-good/`, and plugins in force to `data/plugins/`. Problems show in the faults of the next look, and are tried
    /// again then.
    pub fn keep_last_good(&mut self) {
        if !self.owes_copies {
            return;
        }
        let Self { home, layout, last_good, settler, parts, managed, .. } = self;
        let versions = parts.keep_versions(&Ground { home, layout, last_good, files: settler.accepted(), managed });
        let Keeping { good, kept } = self.parts.keeping(&self.ground());
        self.keeping_faults = self.last_good.keep(self.home.root(), &good, &kept);
        self.keeping_faults.extend(versions);
        self.owes_copies = !self.keeping_faults.is_empty();
    }

    fn next_revision(&mut self, now: Timestamp) -> Option<Arc<Revision>> {
        let faults = collect(&self.settled_faults, &self.keeping_faults, self.parts.faults(&self.ground()));
        let next = self.parts.revision(self.revision.number + 1, now, faults);
        if is_same(&self.revision, &next) {
            return None;
        }
        self.revision = Arc::new(next);
        Some(Arc::clone(&self.revision))
    }

    fn ground(&self) -> Ground<'_> {
        let Self { home, layout, last_good, settler, managed, .. } = self;
        Ground { home, layout, last_good, files: settler.accepted(), managed }
    }
}

/// Which overlay applies. With a broken `.env`, what its last good copy says.
fn environment(home: &Home) -> Result<String, StartError> {
    let variables = Variables::load(home).or_else(|error| Variables::load(&LastGood::home(home)).map_err(|_| error));
    match variables.and_then(|variables| variables.environment()) {
        Ok(environment) => Ok(environment.as_str().to_owned()),
        Err(error) => Err(StartError::Unusable(vec![parts::fault(error)])),
    }
}

fn collect(settled: &[Fault], keeping: &[Fault], parts: Vec<Fault>) -> Vec<Fault> {
    let mut faults: Vec<_> = settled.iter().chain(keeping).cloned().chain(parts).collect();
    faults.sort_by(|a, b| (&a.file, &a.pointer, &a.message).cmp(&(&b.file, &b.pointer, &b.message)));
    faults.dedup();
    if faults.len() > MAX_FAULTS {
        let message = format!("{} more faults are not listed", faults.len() - MAX_FAULTS);
        faults.truncate(MAX_FAULTS);
        faults.push(Fault::of_file(".", message));
    }
    faults
}

fn is_same(a: &Revision, b: &Revision) -> bool {
    let webhooks = || a.webhooks.iter().zip(&b.webhooks);
    Arc::ptr_eq(&a.server, &b.server)
        && Arc::ptr_eq(&a.schemas, &b.schemas)
        && Arc::ptr_eq(&a.plugins, &b.plugins)
        && Arc::ptr_eq(&a.egress, &b.egress)
        && a.webhooks.len() == b.webhooks.len()
        && webhooks().all(|((a_id, a), (b_id, b))| a_id == b_id && Arc::ptr_eq(a, b))
        && a.in_files == b.in_files
        && a.faults == b.faults
}

#[cfg(test)]
mod tests;
