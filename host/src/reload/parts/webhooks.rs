//! The webhooks declared in files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bound::Bound;
use super::layered::{Layered, failure, last_good_layers, reused};
use super::settings::{Settings, with_either};
use super::{Ground, Keeping};
use crate::config;
use crate::egress::Egress;
use crate::ids::WebhookId;
use crate::plugin::Catalog;
use crate::reload::checks;
use crate::reload::unit::{Failure, Unit};
use crate::revision::Fault;
use crate::webhook::Webhook;

#[derive(Default)]
pub(super) struct Webhooks {
    units: BTreeMap<WebhookId, Unit<Layered, Webhook>>,
    /// Files whose names are no ids.
    misnamed: Vec<Fault>,
    /// Grows when the surroundings change, because webhooks are checked against them.
    generation: u64,
    surroundings: Option<Surroundings>,
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
            advance_one(&id, unit, ground, settings, surroundings, settings.generation() + self.generation);
        }
    }

    /// What webhooks ask of plugins, as their files say now; those that cannot be read, as they are in force.
    pub(super) fn bound(&self, ground: &Ground<'_>, settings: &Settings) -> Bound {
        let (mut bound, variables) = (Bound::default(), settings.variables());
        let stems = ground.files.keys().filter_map(|path| ground.layout.webhook_stem(path));
        let ids: BTreeSet<WebhookId> = stems.filter_map(|stem| stem.parse().ok()).collect();
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

    pub(super) fn in_force(&self) -> BTreeMap<WebhookId, Arc<Webhook>> {
        self.units.iter().filter_map(|(id, unit)| Some((id.clone(), Arc::clone(unit.value()?)))).collect()
    }

    pub(super) fn wants_another_try(&self) -> bool {
        self.units.values().any(Unit::wants_another_try)
    }

    pub(super) fn is_current(&self) -> bool {
        self.units.values().all(|unit| unit.current().is_some())
    }

    pub(super) fn faults(&self, Surroundings { catalog, egress, .. }: &Surroundings) -> Vec<Fault> {
        let mut faults = self.misnamed.clone();
        for (id, unit) in &self.units {
            faults.extend(unit.faults().iter().cloned());
            let Some(webhook) = unit.value() else { continue };
            let layers = unit.current().and_then(|layers| layers.texts().ok()).unwrap_or_default();
            let missing = checks::missing_plugin_faults(webhook, &layers, catalog);
            let shadows = checks::shadow_faults(webhook, &layers, catalog);
            let refused = checks::refused_in_force_fault(webhook, egress);
            faults.extend(missing.into_iter().chain(shadows).chain(refused).map(|fault| named(fault, id)));
        }
        faults
    }

    pub(super) fn keeping(&self, ground: &Ground<'_>, keeping: &mut Keeping) {
        for (id, unit) in &self.units {
            keeping.unit(&ground.layout.webhook_layers(id.as_str()), unit.current());
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
        ids
    }
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
    unit: &mut Unit<Layered, Webhook>,
    ground: &Ground<'_>,
    settings: &Settings,
    surroundings: &Surroundings,
    generation: u64,
) {
    let paths = ground.layout.webhook_layers(id.as_str());
    let variables = settings.variables();
    let make = |input: &Layered, in_force: Option<&Arc<Webhook>>| {
        let layers = input.texts()?;
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
    let input = Layered::of(&paths, ground.files, generation);
    let file = input.files().next().map_or(String::new(), |(path, _)| path.clone());
    unit.advance(&file, input, make, last_good);
}

/// A fault of a webhook in force by its last good version has no current file to be named.
fn named(fault: Fault, id: &WebhookId) -> Fault {
    if fault.file.is_empty() { Fault { file: format!("config/webhooks/{id}.json"), ..fault } } else { fault }
}
