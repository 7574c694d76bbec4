//! `/v1/plugins`: what is in force, tried out with one event, and put in its place. An upload passes every check before it
//! touches the folder.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::SemaphorePermit;

use super::status::{PluginStatus, plugin_statuses};
use super::trials::{self, TestBody};
use super::{Admin, AdminState, params};
use crate::access::Principal;
use crate::clock::{self, Timestamp};
use crate::config;
use crate::delivery::ChainRecord;
use crate::dispatch::Trial;
use crate::files;
use crate::http::body::{self, BodyLimits};
use crate::http::problem::{Kind, Problem};
use crate::ids::{Digest, PluginName, WebhookId};
use crate::kept;
use crate::managed::Definition;
use crate::plugin::{MAX_PLUGIN_FILE_BYTES, Plugin};
use crate::revision::{Fault, Revision};
use crate::schemas::Violation;
use crate::store::Change;
use crate::tasks;
use crate::webhook::Managed;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PluginList {
    plugins: Vec<PluginStatus>,
    /// Of files that are not in force as they are.
    faults: Vec<Fault>,
}

pub(super) async fn list(State(admin): Admin) -> Json<PluginList> {
    let revision = admin.live.load_full();
    let faults = revision.faults.iter().filter(|fault| fault.file.starts_with("plugins/")).cloned().collect();
    Json(PluginList { plugins: plugin_statuses(&revision, &admin.dispatcher), faults })
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FullPlugin {
    #[serde(flatten)]
    pub(super) status: PluginStatus,
    /// JSON Schema of its config; none: it takes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) config_schema: Option<Value>,
    /// Whose chains it is in.
    pub(super) webhooks: Vec<WebhookId>,
    /// Versions that came into force, newest first.
    pub(super) versions: Vec<VersionView>,
    pub(super) faults: Vec<Fault>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct VersionView {
    pub(super) digest: Digest,
    pub(super) version: String,
    pub(super) since: Timestamp,
}

pub(super) async fn one(State(admin): Admin, Path(name): Path<String>) -> Result<Json<FullPlugin>, Problem> {
    let name: PluginName = params::id(&name)?;
    Ok(Json(admin.full_plugin(name).await?))
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RunBody {
    /// As a webhook would have it.
    config: Option<Value>,
    /// An event type whose schema has an example.
    sample: Option<String>,
    /// An event that was accepted once.
    event: Option<crate::ids::EventId>,
    /// A body as a CMS would post it.
    data: Option<Value>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ran {
    chain: ChainRecord,
    /// The payload as the plugin rewrote it; invalid UTF-8 replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    rewritten_data: Option<String>,
}

/// Runs it over one event. Nothing is stored or sent.
pub(super) async fn run(State(admin): Admin, Path(name): Path<String>, request: Request) -> Result<Json<Ran>, Problem> {
    let name: PluginName = params::id(&name)?;
    let revision = admin.live.load_full();
    let max_bytes = revision.server.limits.max_body_bytes;
    let RunBody { config, sample, event, data } =
        params::body(request, params::BodyLimits::of(&admin, max_bytes)).await?;
    let plugin = revision.plugins.get(&name).ok_or_else(|| absent(&name))?;
    let config = config.unwrap_or_else(|| json!({}));
    plugin.check_config(&config.to_string()).map_err(|violations| unfit_config(&name, violations))?;
    let _permit = trials::permit(&admin)?;
    let event = Arc::new(admin.event_to_try(&revision, TestBody::of(sample, event, data)).await?);
    let trial = Trial { webhook: Arc::new(webhook_with(&name, &config)?), event, send: false };
    let tried = admin.dispatcher.try_out(&revision, trial).await.map_err(|_| trials::shutting_down())?;
    let rewritten_data = tried.chain.data().map(|data| String::from_utf8_lossy(data).into_owned());
    Ok(Json(Ran { chain: tried.chain, rewritten_data }))
}

/// A webhook of no host, with this plugin alone in its chain.
fn webhook_with(name: &PluginName, config: &Value) -> Result<crate::webhook::Webhook, Problem> {
    let draft = json!({
        "url": "https://webhook.invalid/", "events": ["*"], "plugins": [{ "plugin": name, "config": config }],
    });
    let unfit = || Problem::new(Kind::Unfit, "The config is not one.").with("field", "config");
    let definition = Definition::sent(&draft, None).map_err(|_| unfit())?;
    let (id, now) = ("dry-run".parse()?, clock::now());
    let managed = Managed { id, definition, version: 0, created: now, changed: now, retiring: BTreeMap::default() };
    config::parse_managed(&Arc::new(managed)).map_err(|_| unfit())
}

/// Checks a file as a reload would, puts it in its place, and answers once it is in force.
pub(super) async fn upload(
    State(admin): Admin,
    Extension(who): Extension<Principal>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let name: PluginName = params::id(&name)?;
    let timeout = admin.live.load().server.limits.body_timeout;
    let max_bytes = usize::try_from(MAX_PLUGIN_FILE_BYTES).unwrap_or(usize::MAX);
    // Before its bytes are in memory.
    let _one = admin.one_upload()?;
    let wasm = body::read(request.into_body(), BodyLimits { max_bytes, timeout })
        .await
        .map_err(|error| params::unread(&error))?;
    let status = match admin.put_plugin(&who, &name, wasm).await? {
        Uploaded::New => StatusCode::CREATED,
        Uploaded::Known | Uploaded::Replaced => StatusCode::OK,
    };
    Ok((status, Json(admin.full_plugin(name).await?)).into_response())
}

/// What an upload did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uploaded {
    /// These very bytes were in force.
    Known,
    /// There was no plugin of this name.
    New,
    Replaced,
}

/// Everything that keeps a file from coming into force: its form, its imports, its compilation, the configs of its webhooks.
async fn check(
    admin: &AdminState,
    revision: &Arc<Revision>,
    name: &PluginName,
    wasm: bytes::Bytes,
) -> Result<(), Problem> {
    let Some(engine) = revision.plugins.engine().cloned() else { return Err(trials::shutting_down()) };
    let (limits, loading) = (revision.server.plugins.of(name), name.clone());
    let plugin = tasks::blocking(move || engine.load(&loading, &wasm, &limits)).await.map_err(|error| {
        Problem::new(Kind::InvalidDefinition, format!("The file is no plugin that runs here: {error}."))
    })?;
    let uses = admin.live.load_full();
    let uses = uses.webhooks.values().flat_map(|webhook| webhook.plugins.iter().map(move |used| (webhook, used)));
    for (webhook, used) in uses.filter(|(_, used)| used.plugin == *name) {
        if let Err(violations) = plugin.check_config(&used.config) {
            let first = violations.first().map(|one| format!("{}: {}", one.pointer, one.message)).unwrap_or_default();
            let detail = format!("This version does not take what webhook {} configures: {first}.", webhook.id);
            return Err(Problem::new(Kind::InvalidDefinition, detail));
        }
    }
    Ok(())
}

pub(super) fn absent(name: &PluginName) -> Problem {
    Problem::new(Kind::NotFound, format!("There is no plugin {name}. `hookwright plugin list` shows all."))
}

fn unfit_config(name: &PluginName, violations: Vec<Violation>) -> Problem {
    let first = violations.first().map(|one| format!("{}: {}", one.pointer, one.message)).unwrap_or_default();
    let errors = serde_json::to_value(violations).unwrap_or_default();
    Problem::new(Kind::Unfit, format!("Plugin {name} does not take this config: {first}.")).with("errors", errors)
}

impl AdminState {
    /// Leave to upload; given back when dropped.
    pub(super) fn one_upload(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let busy = |_| Problem::new(Kind::TooManyRuns, "Another plugin is being uploaded. Try again in a moment.");
        self.uploads.try_acquire().map_err(busy)
    }

    /// Checks, writes, records, and waits until it is in force.
    pub(super) async fn put_plugin(
        &self,
        who: &Principal,
        name: &PluginName,
        wasm: bytes::Bytes,
    ) -> Result<Uploaded, Problem> {
        let revision = self.live.load_full();
        let known = revision.plugins.get(name).map(|plugin| plugin.digest);
        let digest = Digest::of(&wasm);
        if known == Some(digest) {
            return Ok(Uploaded::Known);
        }
        check(self, &revision, name, wasm.clone()).await?;
        let file = format!("plugins/{name}.wasm");
        let path = self.home.join(&file);
        let written = tasks::blocking(move || {
            path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| files::replace_public(&path, &wasm))
        });
        if let Err(error) = written.await {
            tracing::error!(%error, file, "failed to write an uploaded plugin");
            let detail = format!("{file} could not be written. The host's log says why.");
            return Err(Problem::new(Kind::StoreUnavailable, detail));
        }
        let change = Change {
            from: known.map(|digest| json!({ "digest": digest })),
            to: Some(json!({ "digest": digest })),
            ..Change::by(who, "plugin.upload", name.to_string(), clock::now())
        };
        self.record(change).await;
        let revision = self.reload.reload(false).await?;
        if revision.plugins.get(name).is_none_or(|plugin| plugin.digest != digest) {
            let told = revision.faults.iter().find(|fault| fault.file == file).map(ToString::to_string);
            let told = told.unwrap_or_else(|| format!("{file} is not in force yet; `hookwright status` says why."));
            return Err(Problem::new(Kind::WrongState, told));
        }
        Ok(if known.is_some() { Uploaded::Replaced } else { Uploaded::New })
    }

    pub(super) async fn full_plugin(&self, name: PluginName) -> Result<FullPlugin, Problem> {
        let revision = self.live.load_full();
        let plugin: &Arc<Plugin> = revision.plugins.get(&name).ok_or_else(|| absent(&name))?;
        let statuses = plugin_statuses(&revision, &self.dispatcher);
        let status = statuses.into_iter().find(|status| status.is_of(&name)).ok_or_else(|| absent(&name))?;
        let (home, of) = (self.home.clone(), name.clone());
        let mut versions = tasks::blocking(move || kept::history(&home, &of)).await;
        versions.reverse();
        let file = format!("plugins/{name}.wasm");
        let uses = |webhook: &&Arc<crate::webhook::Webhook>| webhook.plugins.iter().any(|used| used.plugin == name);
        Ok(FullPlugin {
            status,
            config_schema: serde_json::from_str(&plugin.manifest.config_schema).ok(),
            webhooks: revision.webhooks.values().filter(uses).map(|webhook| webhook.id.clone()).collect(),
            versions: versions
                .into_iter()
                .map(|kept| VersionView { digest: kept.digest, version: kept.version, since: kept.since })
                .collect(),
            faults: revision.faults.iter().filter(|fault| fault.file == file).cloned().collect(),
        })
    }
}
