//! The webhooks: those declared in files, and the managed ones. Of one id, the file's stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bound::Bound;
use super::layered::{Layered, failure, fault, last_good_layers, reused};
use super::settings::{Settings, with_either};
use super::{Ground, Keeping};
use crate::config::{self, Layer, Variables};
use crate::egress::Egress;
use crate::ids::WebhookId;
use crate::plugin::Catalog;
use crate::reload::checks;
use crate::reload::unit::{Failure, Unit};
use crate::revision::Fault;
use crate::webhook::{Managed, Webhook};

#[derive(Default)]
pub(super) struct Webhooks {
    units: BTreeMap<WebhookId, Unit<Input, Webhook>>,
    /// Files whose names are no ids.
    misnamed: Vec<Fault>,
    in_files: BTreeSet<WebhookId>,
    /// Grows when the surroundings change, because webhooks are checked against them.
    generation: u64,
    surroundings: Option<Surroundings>,
}

/// What a webhook is made from.
#[derive(Clone, PartialEq)]
enum Input {
    Files(Layered),
    Managed { managed: Arc<Managed>, generation: u64 },
}

/// What else of the same revision decides whether a webhook is good.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) catalog: Arc<Catalog>,
    pub(super) egress: Arc<Egress>,
    /// The file that has the last word on what `egress` allows.
    pub(super) allowed_in: String,
}

impl Webhooks {
    pub(super) fn advance(&mut self, ground: &Ground<'_>, settings: &Settings, surroundings: &Surroundings) {
        if !self.surroundings.as_ref().is_some_and(|known| known.is_same(surroundings)) {
            self.surroundings = Some(surroundings.clone());
            self.generation += 1;
        }
        let ids = self.ids(ground);
        self.units.retain(|id, _| ids.contains(id));
        for id in ids {
            let unit = self.units.entry(id.clone()).or_default();
            // Both only grow, so that their sum never comes back to an earlier value.
            let generation = settings.generation() + self.generation;
            match ground.managed.get(&id).filter(|_| !in_files(&id, ground)) {
                Some(managed) => advance_managed(managed, unit, surroundings, generation),
                None => advance_one(&id, unit, ground, settings, surroundings, generation),
            }
        }
    }

    /// What webhooks ask of plugins, as their files say now; those that cannot be read, as they are in force.
    pub(super) fn bound(&self, ground: &Ground<'_>, settings: &Settings) -> Bound {
        let (mut bound, variables) = (Bound::default(), settings.variables());
        let stems = ground.files.keys().filter_map(|path| ground.layout.webhook_stem(path));
        let ids: BTreeSet<WebhookId> = stems.filter_map(|stem| stem.parse().ok()).collect();
        for managed in ground.managed.values().filter(|managed| !ids.contains(&managed.id)) {
            if let Ok(webhook) = config::parse_managed(managed) {
                bound.add(&webhook, &format!("webhook {}", managed.id));
            }
        }
        for id in ids {
            let layers = Layered::of(&ground.layout.webhook_layers(id.as_str()), ground.files, 0).texts();
            let layers = layers.unwrap_or_default();
            let file = checks::file_with(&layers, "/plugins").to_owned();
            match config::parse_webhook(id.clone(), &layers, &variables) {
                Ok(webhook) => bound.add(&webhook, &file),
                Err(_) => {
                    if let Some(webhook) = self.units.get(&id).and_then(Unit::value) {
                        bound.add(webhook, &format!("config/webhooks/{id}.json"));
                    }
                }
            }
        }
        bound
    }

    pub(super) fn in_files(&self) -> &BTreeSet<WebhookId> {
        &self.in_files
    }

    pub(super) fn in_force(&self) -> BTreeMap<WebhookId, Arc<Webhook>> {
        self.units.iter().filter_map(|(id, unit)| Some((id.clone(), Arc::clone(unit.value()?)))).collect()
    }

    pub(super) fn wants_another_try(&self) -> bool {
        self.units.values().any(Unit::wants_another_try)
    }

    pub(super) fn is_current(&self) -> bool {
        self.units.values().all(|unit| unit.current().is_some())
    }

    pub(super) fn faults(
        &self,
        ground: &Ground<'_>,
        Surroundings { catalog, egress, .. }: &Surroundings,
    ) -> Vec<Fault> {
        let mut faults = self.misnamed.clone();
        for id in ground.managed.keys().filter(|id| in_files(id, ground)) {
            let message = format!(
                "is not in force, because config/webhooks/{id}.json declares a webhook of the same name: rename that file, \
                 or delete this one (`hookwright webhook delete {id}`; the file's stays)"
            );
            faults.push(Fault::of_managed(id, message));
        }
        for unit in self.units.values() {
            faults.extend(unit.faults().iter().cloned());
            let Some(webhook) = unit.value() else { continue };
            let layers = unit.current().and_then(Input::texts).unwrap_or_default();
            let missing = checks::missing_plugin_faults(webhook, &layers, catalog);
            let shadows = checks::shadow_faults(webhook, &layers, catalog);
            let refused = checks::refused_in_force_fault(webhook, egress);
            faults.extend(missing.into_iter().chain(shadows).chain(refused).map(|fault| named(fault, webhook)));
        }
        faults
    }

    pub(super) fn keeping(&self, ground: &Ground<'_>, keeping: &mut Keeping) {
        for (id, unit) in self.units.iter().filter(|(id, _)| in_files(id, ground)) {
            let current = match unit.current() {
                Some(Input::Files(layers)) => Some(layers),
                Some(Input::Managed { .. }) | None => None,
            };
            keeping.unit(&ground.layout.webhook_layers(id.as_str()), current);
        }
    }

    fn ids(&mut self, ground: &Ground<'_>) -> BTreeSet<WebhookId> {
        self.misnamed.clear();
        let mut ids = BTreeSet::new();
        for path in ground.files.keys() {
            match ground.layout.webhook_stem(path).map(str::parse) {
                Some(Ok(id)) => drop(ids.insert(id)),
                Some(Err(error)) => {
                    let message = format!("the file's name is the webhook's id: {error}, then .json");
                    self.misnamed.push(Fault::of_file(path, message));
                }
                None => {}
            }
        }
        self.in_files.clone_from(&ids);
        ids.extend(ground.managed.keys().cloned());
        ids
    }
}

impl Input {
    fn texts(&self) -> Option<Vec<Layer>> {
        match self {
            Self::Files(layers) => layers.texts().ok(),
            Self::Managed { .. } => None,
        }
    }
}

fn in_files(id: &WebhookId, ground: &Ground<'_>) -> bool {
    ground.layout.webhook_layers(id.as_str()).iter().any(|path| ground.files.contains_key(path))
}

fn advance_managed(
    managed: &Arc<Managed>,
    unit: &mut Unit<Input, Webhook>,
    surroundings: &Surroundings,
    generation: u64,
) {
    let id = &managed.id;
    let of_managed = |fault: Fault| Fault { pointer: fault.pointer, ..Fault::of_managed(id, fault.message) };
    let make = |_: &Input, in_force: Option<&Arc<Webhook>>| {
        let webhook = config::parse_managed(managed)
            .map_err(|errors| Failure::Bad(errors.into_iter().map(|error| of_managed(fault(error))).collect()))?;
        let Surroundings { egress, allowed_in, catalog } = surroundings;
        let mut objections = checks::plugin_config_faults(&webhook, &[], catalog);
        objections.extend(checks::refused_url_fault(&webhook, &[], &Variables::default(), egress, allowed_in));
        let objections: Vec<_> = objections.into_iter().map(of_managed).collect();
        if objections.is_empty() { Ok(reused(webhook, in_force)) } else { Err(Failure::Bad(objections)) }
    };
    // It was good when it was stored: what changed are its surroundings.
    let last_good = || config::parse_managed(managed).ok();
    let input = Input::Managed { managed: Arc::clone(managed), generation };
    unit.advance(&format!("webhook {id}"), input, make, last_good);
}

impl Surroundings {
    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.catalog, &other.catalog)
            && Arc::ptr_eq(&self.egress, &other.egress)
            && self.allowed_in == other.allowed_in
    }
}

fn advance_one(
    id: &WebhookId,
    unit: &mut Unit<Input, Webhook>,
    ground: &Ground<'_>,
    settings: &Settings,
    surroundings: &Surroundings,
    generation: u64,
) {
    let paths = ground.layout.webhook_layers(id.as_str());
    let variables = settings.variables();
    let files = Layered::of(&paths, ground.files, generation);
    let make = |_: &Input, in_force: Option<&Arc<Webhook>>| {
        let layers = files.texts()?;
        let webhook = config::parse_webhook(id.clone(), &layers, &variables).map_err(failure)?;
        let mut objections = checks::plugin_config_faults(&webhook, &layers, &surroundings.catalog);
        let Surroundings { egress, allowed_in, .. } = surroundings;
        objections.extend(checks::refused_url_fault(&webhook, &layers, &variables, egress, allowed_in));
        if objections.is_empty() { Ok(reused(webhook, in_force)) } else { Err(Failure::Bad(objections)) }
    };
    // Not checked against the surroundings: at worst its deliveries are held, or fail when they connect to what is
    // refused, which is better than none being made.
    let last_good = || {
        let layers = last_good_layers(&paths, ground.last_good)?;
        with_either(&variables, ground, |variables| config::parse_webhook(id.clone(), &layers, variables).ok())
    };
    let file = files.files().next().map_or(String::new(), |(path, _)| path.clone());
    unit.advance(&file, Input::Files(files.clone()), make, last_good);
}

/// A fault of a webhook in force by its last good version has no current file to be named, and a managed one has none at
/// all.
fn named(fault: Fault, webhook: &Webhook) -> Fault {
    let id = &webhook.id;
    match (fault.file.is_empty(), webhook.managed()) {
        (true, Some(_)) => Fault { pointer: fault.pointer, ..Fault::of_managed(id, fault.message) },
        (true, None) => Fault { file: format!("config/webhooks/{id}.json"), ..fault },
        (false, _) => fault,
    }
}
