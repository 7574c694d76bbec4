//! `GET /v1/status`, the state of the host on one page, and `POST /v1/reload`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::extract::State;
use axum::{Extension, Json};
use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Admin, AdminState, Who, params};
use crate::access::{Attempts, Principal};
use crate::clock::{self, Timestamp};
use crate::delivery::AttemptHead;
use crate::dispatch::{Condition, Dispatcher, Stopped};
use crate::http::problem::Problem;
use crate::ids::{Digest, PluginName, SourceName, WebhookId};
use crate::plugin::Plugin;
use crate::retention::RetentionStatus;
use crate::revision::{self, Fault, Revision};
use crate::shadow::ShadowSummary;
use crate::store::{Change, Counts, RunState, RunStateKind, Waiting};
use crate::webhook::Webhook;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) version: &'static str,
    pub(super) environment: String,
    pub(super) started_at: Timestamp,
    pub(super) listen: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) revision: RevisionStatus,
    pub(super) sources: Vec<SourceName>,
    pub(super) webhooks: Vec<WebhookStatus>,
    /// Why others take no events: their files were never good.
    pub(super) left_out: Vec<Fault>,
    pub(super) plugins: Vec<PluginStatus>,
    /// Candidates beside live plugins; `/v1/shadows` has their differences.
    pub(super) shadows: Vec<ShadowSummary>,
    pub(super) store: StoreStatus,
    pub(super) counts: Counts,
    pub(super) refused: BTreeMap<&'static str, u64>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RevisionStatus {
    pub(super) number: u64,
    pub(super) loaded_at: Timestamp,
    pub(super) faults: Vec<Fault>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookStatus {
    pub(super) id: WebhookId,
    pub(super) name: String,
    /// Without what may hold a secret.
    pub(super) url: String,
    pub(super) enabled: bool,
    pub(super) takes_new: bool,
    /// By kind; none for most.
    pub(super) run_states: Vec<RunStateView>,
    pub(super) receiver: Condition,
    pub(super) health: Health,
    /// Deliveries that are to be sent and that nobody is at; 1000: there may be more.
    pub(super) waiting: u64,
    /// Counted as far as those that wait.
    pub(super) held: u64,
    pub(super) events: Vec<String>,
    pub(super) plugins: Vec<PluginName>,
    pub(super) managed_by: &'static str,
    /// Of its file, which is not what is in force: its last good version is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fault: Option<Fault>,
}

/// How the last attempts of a webhook went.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    /// How many are known; at most 50.
    pub(super) attempts: usize,
    /// How many of those the receiver took.
    pub(super) good: usize,
    /// Half of them took no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) median_micros: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last: Option<AttemptHead>,
    /// When what was tried and not taken is tried again, at the earliest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_retry: Option<Timestamp>,
}

/// A run state as people see it.
#[derive(Serialize, JsonSchema)]
pub(super) struct RunStateView {
    pub(super) kind: RunStateKind,
    pub(super) since: Timestamp,
    pub(super) by: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct PluginStatus {
    pub(super) name: PluginName,
    pub(super) digest: Digest,
    pub(super) version: String,
    pub(super) description: String,
    /// Since this version was loaded.
    pub(super) runs: u64,
    /// Of those, how many trapped, went over a limit or broke the contract.
    pub(super) breaks: u64,
    /// The webhooks that it is not run for any more, because it kept breaking.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stopped: Vec<Stopped>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct StoreStatus {
    pub(super) durability: String,
    pub(super) retention: RetentionStatus,
}

pub(super) async fn status(State(admin): Admin) -> Result<Json<Status>, Problem> {
    Ok(Json(of(&admin).await?))
}

pub(super) async fn of(admin: &AdminState) -> Result<Status, Problem> {
    let AdminState { administration, dispatcher, intake, info, .. } = admin;
    let (durability, counts, retention) =
        tokio::try_join!(administration.durability(), administration.counts(), admin.retention.status())?;
    let revision = admin.live.load_full();
    let waiting = administration.waiting(revision.webhooks.keys().cloned().collect()).await?;
    let webhooks = revision.webhooks.values().zip(waiting);
    Ok(Status {
        version: env!("CARGO_PKG_VERSION"),
        environment: info.environment.clone(),
        started_at: info.started,
        listen: info.listen,
        admin: info.admin,
        revision: RevisionStatus::of(&revision),
        sources: admin.source_names(&revision),
        webhooks: webhooks
            .map(|(webhook, waiting)| WebhookStatus::of(webhook, waiting, &revision, dispatcher))
            .collect(),
        left_out: revision::left_out(&revision.faults, &revision.webhooks),
        plugins: plugin_statuses(&revision, dispatcher),
        shadows: admin.shadows.summaries(),
        store: StoreStatus { durability, retention },
        counts,
        refused: intake.refused().chain(refused_here(&admin.attempts)).collect(),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReloadQuery {
    /// Take files that vanished as removed, however many.
    #[serde(default)]
    accept_removals: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Reloaded {
    pub(super) revision: u64,
    pub(super) faults: Vec<Fault>,
}

pub(super) async fn reload(State(admin): Admin, Extension(who): Who, uri: Uri) -> Result<Json<Reloaded>, Problem> {
    let ReloadQuery { accept_removals } = params::query(&uri)?;
    Ok(Json(reload_now(&admin, &who, accept_removals).await?))
}

pub(super) async fn reload_now(
    admin: &AdminState,
    who: &Principal,
    accept_removals: bool,
) -> Result<Reloaded, Problem> {
    let before = admin.live.load().number;
    let revision = admin.reload.reload(accept_removals).await?;
    let [from, to] = [before, revision.number].map(|number| json!({ "revision": number }));
    admin.record(Change::by(who, "reload", "revision", clock::now()).between(from, to)).await;
    Ok(Reloaded { revision: revision.number, faults: revision.faults.clone() })
}

/// At the admin listener, since the start.
fn refused_here(attempts: &Attempts) -> [(&'static str, u64); 2] {
    let (failed, blocked) = attempts.counts();
    [("adminUnauthorized", failed), ("adminTooManyAttempts", blocked)]
}

impl RevisionStatus {
    fn of(revision: &Revision) -> Self {
        Self { number: revision.number, loaded_at: revision.loaded, faults: revision.faults.clone() }
    }
}

impl WebhookStatus {
    pub(super) fn of(webhook: &Webhook, waiting: Waiting, revision: &Revision, dispatcher: &Dispatcher) -> Self {
        let Waiting { waiting, held, next_retry } = waiting;
        let is_outdated = |fault: &&Fault| fault.last_good_in_force && fault.webhook() == Some(webhook.id.as_str());
        Self {
            id: webhook.id.clone(),
            name: webhook.name.clone(),
            url: webhook.shown_url.clone(),
            enabled: webhook.enabled,
            takes_new: dispatcher.takes_new(webhook),
            run_states: dispatcher.run_states(&webhook.id).into_iter().map(RunStateView::from).collect(),
            receiver: dispatcher.condition(webhook),
            health: Health::of(&dispatcher.recent(&webhook.id), next_retry),
            waiting,
            held,
            events: webhook.events.iter().map(ToString::to_string).collect(),
            plugins: webhook.plugins.iter().map(|used| used.plugin.clone()).collect(),
            managed_by: if webhook.managed().is_some() { "here" } else { "file" },
            fault: revision.faults.iter().find(is_outdated).cloned(),
        }
    }
}

impl Health {
    /// `recent`: oldest first.
    pub(super) fn of(recent: &[AttemptHead], next_retry: Option<Timestamp>) -> Self {
        let mut micros: Vec<_> = recent.iter().map(|attempt| attempt.micros).collect();
        micros.sort_unstable();
        Self {
            attempts: recent.len(),
            good: recent.iter().filter(|attempt| attempt.good).count(),
            median_micros: micros.get(micros.len().saturating_sub(1) / 2).copied(),
            last: recent.last().copied(),
            next_retry,
        }
    }
}

impl From<RunState> for RunStateView {
    fn from(state: RunState) -> Self {
        let RunState { kind, since, by, webhook: _, url: _ } = state;
        Self { kind, since, by }
    }
}

pub(super) fn plugin_statuses(revision: &Revision, dispatcher: &Dispatcher) -> Vec<PluginStatus> {
    let stopped = dispatcher.stopped(revision);
    let of = |plugin: &Plugin| stopped.iter().filter(|stopped| stopped.plugin == plugin.name).cloned().collect();
    revision.plugins.iter().map(|plugin| PluginStatus::of(plugin, of(plugin))).collect()
}

impl PluginStatus {
    pub(super) fn is_of(&self, name: &PluginName) -> bool {
        self.name == *name
    }

    fn of(plugin: &Plugin, stopped: Vec<Stopped>) -> Self {
        Self {
            name: plugin.name.clone(),
            digest: plugin.digest,
            version: plugin.manifest.version.clone(),
            description: plugin.manifest.description.clone(),
            runs: plugin.counts.runs(),
            breaks: plugin.counts.breaks(),
            stopped,
        }
    }
}
