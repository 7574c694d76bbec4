//! Plugins that keep breaking for a webhook: after so many breaks in a row they are not run for it any more, until
//! another version, config or limit is in force. One that breaks only after it has cost much gets fewer. Failures that a
//! plugin returned are no breaks.
//!
//! In memory only: after a restart the count begins again. Costs one atomic read while nothing breaks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::Serialize;

use super::binding::binding;
use crate::clock::{self, Timestamp};
use crate::delivery::{ChainRecord, PluginRun, RunVerdict};
use crate::ids::{PluginName, WebhookId};
use crate::plugin::{Catalog, ChainJob, Plugin, Watch, held_unrun};
use crate::revision::Revision;
use crate::webhook::Webhook;

/// Breaks in a row, each that cost much counted as several: so many are no accident.
const MOST_BREAKS: u32 = 10;
/// What one counts for that cost much: four of them are enough.
const COSTLY_BREAK: u32 = 3;
/// From this part of its fuel on a run cost much. Not judged by time, which tells of a busy machine too.
const COSTLY_PART: u64 = 20;

/// What broke lately, by webhook and plugin: bounded by their number.
#[derive(Default)]
pub(super) struct Breaks {
    /// How many streaks there are; 0 keeps the lock out of every delivery's way.
    known: AtomicUsize,
    streaks: Mutex<Streaks>,
}

type Streaks = BTreeMap<(WebhookId, PluginName), Streak>;

struct Streak {
    /// Another one makes a fresh start.
    binding: Box<str>,
    breaks: u32,
    /// The same, each as what it counts for.
    counted: u32,
    /// The last one.
    at: Timestamp,
    /// How the last one ended.
    reason: String,
}

/// A plugin that is not run for a webhook any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stopped {
    #[serde(skip)]
    pub plugin: PluginName,
    pub webhook: WebhookId,
    /// In a row.
    pub breaks: u32,
    pub since: Timestamp,
    /// How the last one ended.
    pub reason: String,
}

impl Breaks {
    /// The first plugin of the webhook's chain that is not to be run any more, and why.
    fn stopped(&self, webhook: &Webhook, plugins: &Catalog) -> Option<(Arc<Plugin>, String)> {
        if self.known.load(Ordering::Relaxed) == 0 {
            return None;
        }
        // Not under the lock, which all threads take: a binding is a digest.
        webhook.plugins.iter().find_map(|used| {
            let key = (webhook.id.clone(), used.plugin.clone());
            let (known, reason) = {
                let streaks = self.lock();
                let streak = streaks.get(&key).filter(|streak| streak.is_over())?;
                (streak.binding.clone(), streak.reason(&used.plugin))
            };
            let plugin = plugins.get(&used.plugin)?;
            (known == binding(webhook, plugins, &used.plugin)).then(|| (Arc::clone(plugin), reason))
        })
    }

    /// Counts what a run of the chain showed.
    fn count(&self, webhook: &Webhook, plugins: &Catalog, record: &ChainRecord, now: Timestamp) {
        // A break ends the chain, so it is the last run.
        let broke = record.runs.last().filter(|run| run.verdict == RunVerdict::Broke);
        if broke.is_none() && self.known.load(Ordering::Relaxed) == 0 {
            return;
        }
        let broke = broke.map(|run| (run, binding(webhook, plugins, &run.plugin), counts_for(run, plugins)));
        let mut streaks = self.lock();
        for run in record.runs.iter().filter(|run| broke.as_ref().is_none_or(|(broke, ..)| broke.plugin != run.plugin))
        {
            if matches!(run.verdict, RunVerdict::Delivered | RunVerdict::Dropped | RunVerdict::Failed) {
                streaks.remove(&(webhook.id.clone(), run.plugin.clone()));
            }
        }
        let mut said = None;
        if let Some((broke, binding, counts_for)) = broke {
            let key = (webhook.id.clone(), broke.plugin.clone());
            let earlier = streaks.get(&key).filter(|streak| streak.binding == binding);
            let (breaks, counted) = earlier.map_or((0, 0), |streak| (streak.breaks, streak.counted));
            let was_over = earlier.is_some_and(Streak::is_over);
            let streak = Streak {
                binding,
                breaks: breaks.saturating_add(1),
                counted: counted.saturating_add(counts_for),
                at: now,
                reason: broke.summary.clone(),
            };
            said = (streak.is_over() && !was_over).then(|| streak.reason(&broke.plugin));
            streaks.insert(key, streak);
        }
        self.known.store(streaks.len(), Ordering::Relaxed);
        drop(streaks);
        if let Some(reason) = said {
            tracing::warn!(webhook = %webhook.id, "{reason}");
        }
    }

    /// What is not run any more under this revision.
    pub(super) fn list(&self, revision: &Revision) -> Vec<Stopped> {
        let streaks = self.lock();
        let stopped = streaks.iter().filter(|(_, streak)| streak.is_over());
        let in_force = stopped.filter(|(key, streak)| is_in_force(revision, key, streak));
        let view =
            |((webhook, plugin), Streak { breaks, at, reason, .. }): (&(WebhookId, PluginName), &Streak)| Stopped {
                plugin: plugin.clone(),
                webhook: webhook.clone(),
                breaks: *breaks,
                since: *at,
                reason: reason.clone(),
            };
        in_force.map(view).collect()
    }

    /// Forgets what this revision changed.
    pub(super) fn follow(&self, revision: &Revision) {
        let mut streaks = self.lock();
        streaks.retain(|key, streak| is_in_force(revision, key, streak));
        self.known.store(streaks.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Streaks> {
        // Every method leaves the streaks consistent.
        self.streaks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch for Breaks {
    fn instead(&self, job: &ChainJob) -> Option<ChainRecord> {
        let (plugin, reason) = self.stopped(&job.webhook, &job.plugins)?;
        Some(held_unrun(job, &plugin, reason))
    }

    fn learn(&self, job: &ChainJob, record: &ChainRecord) {
        self.count(&job.webhook, &job.plugins, record, clock::now());
    }
}

impl Streak {
    const fn is_over(&self) -> bool {
        self.counted >= MOST_BREAKS
    }

    fn reason(&self, plugin: &PluginName) -> String {
        format!(
            "plugin {plugin} is not run any more: it broke {} times in a row (the last time it {}); {}",
            self.breaks,
            self.reason,
            remedy(plugin.as_str())
        )
    }
}

/// What to do about a plugin that is not run any more, for people.
pub fn remedy(plugin: &str) -> String {
    format!(
        "copy a mended file to plugins/{plugin}.wasm, or, if it has an earlier version, go back with `hookwright plugin \
         rollback {plugin}`"
    )
}

fn counts_for(broke: &PluginRun, plugins: &Catalog) -> u32 {
    let limit = plugins.get(&broke.plugin).map_or(u64::MAX, |plugin| plugin.limits().0);
    if broke.fuel >= limit / COSTLY_PART { COSTLY_BREAK } else { 1 }
}

fn is_in_force(revision: &Revision, (webhook, plugin): &(WebhookId, PluginName), streak: &Streak) -> bool {
    let webhook = revision.webhooks.get(webhook);
    webhook.is_some_and(|webhook| binding(webhook, &revision.plugins, plugin) == streak.binding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::ChainVerdict;
    use crate::plugin::tests::{job, loaded};
    use crate::webhook::{OnError, PluginUse};

    fn webhook(config: &str) -> Arc<Webhook> {
        let used = PluginUse {
            plugin: "test".parse().expect("a name"),
            config: config.into(),
            on_error: OnError::Hold,
            shadow: None,
        };
        job("site", vec![used], Catalog::default()).webhook
    }

    fn record(verdict: RunVerdict) -> ChainRecord {
        let run = PluginRun { verdict, summary: "panicked: no".into(), ..PluginRun::example("test") };
        let held = ChainVerdict::Hold { plugin: run.plugin.clone(), reason: String::new() };
        ChainRecord { verdict: held, runs: vec![run], conditions: None }
    }

    #[test]
    fn only_breaks_in_a_row_stop_a_plugin_and_another_binding_starts_afresh() {
        let (breaks, plugins, site) = (Breaks::default(), loaded(), webhook("{}"));
        let learn = |times, verdict| {
            (0..times).for_each(|_| breaks.count(&site, &plugins, &record(verdict), Timestamp::from_ms(1)));
        };
        learn(MOST_BREAKS - 1, RunVerdict::Broke);
        learn(1, RunVerdict::Delivered);
        assert_eq!(breaks.known.load(Ordering::Relaxed), 0, "nothing is asked of the lock any more");
        learn(MOST_BREAKS - 1, RunVerdict::Broke);
        learn(1, RunVerdict::Failed);
        learn(MOST_BREAKS - 1, RunVerdict::Broke);
        assert!(breaks.stopped(&site, &plugins).is_none());
        learn(1, RunVerdict::Broke);
        let (_, reason) = breaks.stopped(&site, &plugins).expect("stopped");
        assert_eq!(
            reason,
            "plugin test is not run any more: it broke 10 times in a row (the last time it panicked: no); copy a \
             mended file to plugins/test.wasm, or, if it has an earlier version, go back with `hookwright plugin rollback \
             test`"
        );
        assert!(breaks.stopped(&webhook(r#"{"a":1}"#), &plugins).is_none(), "another config");
        assert!(breaks.stopped(&site, &Catalog::default()).is_none(), "another version, or none");
    }

    #[test]
    fn breaks_that_cost_much_stop_a_plugin_sooner() {
        let costly = loaded().get(&"test".parse().expect("a name")).expect("loaded").limits().0 / COSTLY_PART;
        for (fuel, enough) in [(costly, 4), (costly - 1, 10)] {
            let (breaks, plugins, site) = (Breaks::default(), loaded(), webhook("{}"));
            let mut record = record(RunVerdict::Broke);
            record.runs[0].fuel = fuel;
            for number in 1..=enough {
                assert!(breaks.stopped(&site, &plugins).is_none(), "{number} of {enough}");
                breaks.count(&site, &plugins, &record, Timestamp::from_ms(1));
            }
            let (_, reason) = breaks.stopped(&site, &plugins).expect("stopped");
            assert!(reason.contains(&format!("it broke {enough} times in a row")), "{reason}");
        }
    }
}
