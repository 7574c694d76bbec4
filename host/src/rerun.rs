//! Repeats the recorded run of a delivery's chain: the same event, run number, clock, seed and plugin versions, and
//! the same config and limits if they still are. Compares what comes out with the record.
//!
//! Runs on the transform threads, in the webhook's own turn, one at a time. Changes nothing.

mod compare;
mod plan;
mod versions;

use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Mutex;

pub use self::compare::Difference;
use self::versions::{Today, Versions};
use crate::delivery::{ChainRecord, Conditions, DeliveryView, PluginRun};
use crate::event::Event;
use crate::ids::{DeliveryId, WebhookId};
use crate::kept::KeptError;
use crate::plugin::{ChainJob, Handed, Handing, LoadError};
use crate::revision::Live;
use crate::store::{Administration, StoreError};
use crate::transform::{Closed, TransformPool};

/// Repeats runs for whoever asks.
pub struct Reruns {
    live: Live,
    administration: Arc<dyn Administration>,
    transform: TransformPool,
    /// Held for a whole repetition: they queue here and not before the transform threads.
    versions: Mutex<Versions>,
}

/// With what a run is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// As it was, or not at all.
    AsRecorded,
    /// The recorded versions, with what the webhook says today.
    Today,
}

/// What a repetition came to.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rerun {
    pub delivery: DeliveryId,
    pub webhook: WebhookId,
    pub conditions: Conditions,
    /// Run with today's config and limits.
    pub today: bool,
    /// Verdict, payload, headers, logs, fuel and memory are as recorded.
    pub same: bool,
    pub differences: Vec<Difference>,
    /// Of the repetition.
    pub runs: Vec<PluginRun>,
    /// What each plugin handed on, for the pages.
    #[serde(skip)]
    pub steps: Vec<Handed>,
}

/// Why a run is not repeated.
#[derive(Debug, thiserror::Error)]
pub enum RerunError {
    #[error("There is no delivery {0}.")]
    NoDelivery(DeliveryId),
    #[error("Delivery {delivery} has no run to repeat: {reason}.")]
    NoRun { delivery: DeliveryId, reason: &'static str },
    #[error("Delivery {delivery} is a replay of {original}, and sent what is on record: repeat the run of {original}.")]
    Copied { delivery: DeliveryId, original: DeliveryId },
    #[error(
        "Webhook {0} is gone, and its config is not kept with the delivery; bring its file back to repeat the run."
    )]
    NoWebhook(WebhookId),
    #[error(
        "The run cannot be repeated exactly, because this changed since: {}. `hookwright plugin run --delivery {delivery} \
         --today` runs the recorded versions with today's config and limits.", .changed.join("; ")
    )]
    Changed { delivery: DeliveryId, changed: Vec<String> },
    #[error("{0}.")]
    NotKept(#[from] KeptError),
    #[error("Version {version} of plugin {plugin} {error}.")]
    NotLoaded { plugin: String, version: String, error: LoadError },
    #[error(transparent)]
    Closed(#[from] Closed),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Reruns {
    pub fn new(home: PathBuf, live: Live, administration: Arc<dyn Administration>, transform: TransformPool) -> Self {
        Self { live, administration, transform, versions: Mutex::new(Versions::new(home)) }
    }

    /// Repeats the last run of a delivery's chain.
    ///
    /// # Errors
    /// When it cannot be repeated on these terms.
    pub async fn rerun(&self, id: DeliveryId, terms: Terms) -> Result<Rerun, RerunError> {
        let view = self.administration.delivery(id).await?.ok_or(RerunError::NoDelivery(id))?;
        let event = self.administration.event(view.event).await?.ok_or(RerunError::NoDelivery(id))?;
        let no_run = |reason| RerunError::NoRun { delivery: id, reason };
        let DeliveryView { webhook, chain, runs, replay_of, .. } = view;
        let record = chain.ok_or_else(|| no_run("its chain has not run yet"))?;
        if let (0, Some(original), false) = (runs, replay_of, record.runs.is_empty()) {
            return Err(RerunError::Copied { delivery: id, original });
        }
        let conditions = record.conditions.clone().ok_or_else(|| no_run("no plugin ran"))?;
        if plan::was_stopped(&record) {
            return Err(no_run("its plugin was not run, because it kept breaking"));
        }
        let (again, steps) = self.repeat(id, event, &webhook, &record, &conditions, terms).await?;
        let differences = compare::differences(&record, &again);
        Ok(Rerun {
            delivery: id,
            webhook,
            conditions,
            today: terms == Terms::Today,
            same: differences.is_empty(),
            differences,
            runs: again.runs,
            steps,
        })
    }

    async fn repeat(
        &self,
        id: DeliveryId,
        event: Event,
        webhook: &WebhookId,
        record: &ChainRecord,
        conditions: &Conditions,
        terms: Terms,
    ) -> Result<(ChainRecord, Vec<Handed>), RerunError> {
        let revision = self.live.load_full();
        let webhook = revision.webhooks.get(webhook).ok_or_else(|| RerunError::NoWebhook(webhook.clone()))?;
        let mut versions = self.versions.lock().await;
        let today = Today { plugins: &revision.plugins, limits: &revision.server.plugins };
        let plugins = versions.of_record(record, webhook, &today).await?;
        if terms == Terms::AsRecorded {
            let changed = plan::changes(record, conditions, webhook, &plugins);
            if !changed.is_empty() {
                return Err(RerunError::Changed { delivery: id, changed });
            }
        }
        let handing = Handing::default();
        let job = ChainJob {
            plugins: Arc::new(plugins),
            webhook: Arc::clone(webhook),
            event: Arc::new(event),
            delivery: id,
            run: conditions.run,
            now: conditions.now,
            observer: None,
            watch: None,
            handing: Some(handing.clone()),
        };
        Ok((self.transform.run(job).await?, handing.take()))
    }
}
