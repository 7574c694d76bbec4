//! What is known of one shadow: how often it did the same, how often not, and the newest differences. Bounded.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::delivery::{ChainRecord, PluginRun, RunVerdict};
use crate::difference::{Difference, KindCounts, Outcome};
use crate::ids::{DeliveryId, Digest, EventId, EventType, PluginName, WebhookId};
use crate::plugin::{Catalog, Plugin, StepSeen};
use crate::webhook::PluginUse;

/// Differences kept of one shadow, the newest.
const DIFFERENCES: usize = 20;

/// What is compared with what: another one starts at zero.
#[derive(Clone, PartialEq)]
pub(super) struct Pairing {
    used: PluginUse,
    live: Option<Version>,
    shadow: Option<Version>,
}

/// A plugin under its limits.
#[derive(Clone, Copy, PartialEq)]
struct Version {
    digest: Digest,
    limits: (u64, usize),
}

/// How one comparison ended.
pub(super) enum Judgement {
    Same {
        fuel: u64,
    },
    Different {
        fuel: u64,
        difference: Box<Difference>,
    },
    /// The candidate broke.
    Failed(String),
}

pub(super) struct Tally {
    pairing: Pairing,
    live: Side,
    shadow: Side,
    since: Timestamp,
    /// Why the candidate is not run.
    trouble: Option<String>,
    counts: Counts,
    /// How the candidate broke the last time.
    last_failure: Option<String>,
    differences: VecDeque<Found>,
}

/// A plugin as it is shown.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Side {
    pub(crate) name: PluginName,
    /// None: it is not loaded.
    pub(crate) digest: Option<Digest>,
    pub(crate) version: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    /// Of the candidate; each was the same, different or failed.
    pub(crate) runs: u64,
    pub(crate) same: u64,
    pub(crate) different: u64,
    #[serde(flatten)]
    pub(crate) kinds: KindCounts,
    /// It trapped, went over a limit or broke the contract.
    pub(crate) failed: u64,
    /// It was not run, because too much waited.
    pub(crate) skipped: u64,
    /// Of the runs that did not fail, in sum; what the live plugin took for the same.
    pub(crate) live_fuel: u64,
    pub(crate) shadow_fuel: u64,
}

/// One difference.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Found {
    pub(crate) at: Timestamp,
    pub(crate) event: EventId,
    pub(crate) event_type: EventType,
    pub(crate) delivery: DeliveryId,
    #[serde(flatten)]
    pub(crate) difference: Difference,
}

/// A shadow on one line.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShadowSummary {
    pub(crate) webhook: WebhookId,
    /// From 0, in the webhook's chain.
    pub(crate) step: usize,
    pub(crate) plugin: Side,
    pub(crate) shadow: Side,
    pub(crate) since: Timestamp,
    /// Why the candidate is not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<String>,
    #[serde(flatten)]
    pub(crate) counts: Counts,
    /// Fuel of the candidate for one unit of the live plugin's; none before the first run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fuel_ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_failure: Option<String>,
}

/// A shadow with its newest differences, newest first.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ShadowView {
    #[serde(flatten)]
    pub(crate) summary: ShadowSummary,
    pub(crate) differences: Vec<Found>,
}

impl Pairing {
    /// None: the step has no shadow.
    pub(super) fn of(used: &PluginUse, plugins: &Catalog) -> Option<Self> {
        let version = |name| {
            let plugin: &Plugin = plugins.get(name)?;
            Some(Version { digest: plugin.digest, limits: plugin.limits() })
        };
        let shadow = used.shadow.as_ref()?;
        Some(Self { used: used.clone(), live: version(&used.plugin), shadow: version(&shadow.plugin) })
    }
}

impl Judgement {
    /// `shadow`: what the candidate's run came to, if it could be run.
    pub(super) fn of(step: &StepSeen, shadow: Option<ChainRecord>) -> Self {
        let Some(shadow) = shadow else { return Self::Failed("it is not loaded".to_owned()) };
        let fuel = match shadow.runs.last() {
            Some(PluginRun { verdict: RunVerdict::Broke, summary, .. }) => return Self::Failed(summary.clone()),
            run => run.map_or(0, |run| run.fuel),
        };
        let event = &step.job().event;
        let (live, candidate) = (Outcome::of_step(step.live(), event), Outcome::of_step(&shadow, event));
        match Difference::between(&live, &candidate) {
            None => Self::Same { fuel },
            Some(difference) => Self::Different { fuel, difference: Box::new(difference) },
        }
    }
}

impl Tally {
    pub(super) fn new(pairing: Pairing, plugins: &Catalog, now: Timestamp) -> Self {
        let side = |name: &PluginName| {
            let plugin = plugins.get(name);
            Side {
                name: name.clone(),
                digest: plugin.map(|plugin| plugin.digest),
                version: plugin.map(|plugin| plugin.manifest.version.clone()),
            }
        };
        let live = side(&pairing.used.plugin);
        let shadow = pairing.used.shadow.as_ref().map_or_else(|| live.clone(), |shadow| side(&shadow.plugin));
        Self {
            trouble: trouble(&pairing.used, plugins),
            pairing,
            live,
            shadow,
            since: now,
            counts: Counts::default(),
            last_failure: None,
            differences: VecDeque::new(),
        }
    }

    pub(super) const fn pairing(&self) -> &Pairing {
        &self.pairing
    }

    /// Whether the candidate can be run, and this step is of what is compared here.
    pub(super) fn takes(&self, step: &StepSeen) -> bool {
        let job = step.job();
        let pairing = job.webhook.plugins.get(step.index()).and_then(|used| Pairing::of(used, &job.plugins));
        self.trouble.is_none() && self.pairing.live.is_some() && pairing.as_ref() == Some(&self.pairing)
    }

    pub(super) const fn skip(&mut self) {
        self.counts.skipped += 1;
    }

    pub(super) fn learn(&mut self, step: &StepSeen, judgement: Judgement, now: Timestamp) {
        let counts = &mut self.counts;
        counts.runs += 1;
        let fuel = match judgement {
            Judgement::Failed(reason) => {
                counts.failed += 1;
                self.last_failure = Some(reason);
                return;
            }
            Judgement::Same { fuel } => {
                counts.same += 1;
                fuel
            }
            Judgement::Different { fuel, difference } => {
                counts.add(&difference);
                self.differences.truncate(DIFFERENCES - 1);
                self.differences.push_front(Found::of(step, *difference, now));
                fuel
            }
        };
        let live = step.live().runs.last().map_or(0, |run| run.fuel);
        self.counts.live_fuel = self.counts.live_fuel.saturating_add(live);
        self.counts.shadow_fuel = self.counts.shadow_fuel.saturating_add(fuel);
    }

    pub(super) fn summary(&self, webhook: &WebhookId, step: usize) -> ShadowSummary {
        ShadowSummary {
            webhook: webhook.clone(),
            step,
            plugin: self.live.clone(),
            shadow: self.shadow.clone(),
            since: self.since,
            trouble: self.trouble.clone(),
            counts: self.counts,
            fuel_ratio: self.counts.fuel_ratio(),
            last_failure: self.last_failure.clone(),
        }
    }

    pub(super) fn view(&self, webhook: &WebhookId, step: usize) -> ShadowView {
        let differences = self.differences.iter().cloned().collect();
        ShadowView { summary: self.summary(webhook, step), differences }
    }
}

impl Counts {
    fn add(&mut self, difference: &Difference) {
        self.different += 1;
        self.kinds.add(difference);
    }

    /// To two places: more would be noise.
    #[expect(clippy::cast_precision_loss, reason = "shown to two places")]
    fn fuel_ratio(&self) -> Option<f64> {
        let ratio = self.shadow_fuel as f64 / self.live_fuel as f64;
        (self.live_fuel > 0).then(|| (ratio * 100.0).round() / 100.0)
    }
}

impl Found {
    fn of(step: &StepSeen, difference: Difference, at: Timestamp) -> Self {
        let job = step.job();
        let (event, event_type) = (job.event.id, job.event.event_type.clone());
        Self { at, event, event_type, delivery: job.delivery, difference }
    }
}

/// Why a candidate cannot be run.
fn trouble(used: &PluginUse, plugins: &Catalog) -> Option<String> {
    let shadow = used.shadow.as_ref()?;
    let name = &shadow.plugin;
    let Some(candidate) = plugins.get(name) else { return Some(format!("no plugin {name} is loaded")) };
    let violation = candidate.check_config(&shadow.config).err()?.into_iter().next()?;
    Some(format!("plugin {name} does not take its config at {:?}: {}", violation.pointer, violation.message))
}
