//! Configuration: plain data out of `config/`, checked whole, errors naming file, place and remedy.
//!
//! Parsing opens nothing but what `${file:…}` names. `server.json` and each `webhooks/*.json` may be overlaid by
//! the file of the same name below `environments/<HOOKWRIGHT_ENV>/`: objects merge, everything else is replaced.
//! A text is filled in after merging, so what an overlay replaces needs no variable.

mod error;
mod headers;
mod home;
mod interpolate;
mod json;
mod near;
mod node;
mod overlay;
mod pace;
mod plugins;
mod server;
mod shown;
mod sources;
mod variables;
mod webhook;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::Value;

use crate::ids::{PluginName, WebhookId};
use crate::webhook::{Headers, Managed, Origin, Webhook};

pub use error::ConfigError;
pub use headers::{Hint, carries_credentials, header_hints, likely_misspelling, names_a_secret, well_known_headers};
pub use home::Home;
pub use near::nearest;
pub(crate) use server::sqlite_path;
pub use sources::{IdempotencyRule, Source, TypePlace, TypeRule};
pub use variables::{Environment, EnvironmentError, Variables};

pub(crate) use webhook::MAX_SECRETS;

use headers::HEADER_MAPS;
use node::Reading;

/// A larger configuration file is refused: it is a mistake, and its text is kept.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// Everything in `config/server.json` after overlay, interpolation and defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    /// `server.adminHosts`: names that browsers may know the admin listener by, beside `localhost` and addresses.
    pub admin_hosts: Vec<String>,
    pub limits: IntakeLimits,
    /// `sqlite:PATH`, the path relative to the home folder.
    pub store_path: String,
    pub retention: RetentionRules,
    /// Empty: the host makes a source `local`.
    pub sources: Vec<Source>,
    /// CIDRs opened beyond the public internet.
    pub egress_allow: Vec<IpNet>,
    pub schemas: SchemaRules,
    pub default_headers: Headers,
    pub plugins: PluginLimits,
}

/// What the public listener takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntakeLimits {
    /// `server.maxBodyBytes`, default 1 MiB.
    pub max_body_bytes: usize,
    /// `server.maxConnections`, default 1024.
    pub max_connections: NonZeroUsize,
    /// `server.headTimeout`, default 10 s: for a request's head to arrive.
    pub head_timeout: Duration,
    /// `server.bodyTimeout`, default 30 s: for a request's body to arrive.
    pub body_timeout: Duration,
}

/// How long and how much finished work is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionRules {
    /// `store.retention.age`, default 30 days; none: `"forever"`.
    pub age: Option<Duration>,
    /// `store.retention.bytes`; none: as the disk has room.
    pub bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaRules {
    pub mode: SchemaMode,
    pub unknown_events: UnknownEvents,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaMode {
    Enforce,
    Warn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownEvents {
    Reject,
    Accept,
}

/// What runs of plugins may use, and how many run at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginLimits {
    /// `plugins.fuel`, `plugins.memoryBytes`, and the same in `plugins.large`.
    pub usual: LimitsByKind,
    /// `plugins.limits`.
    pub named: BTreeMap<PluginName, NamedLimits>,
    /// `plugins.threads`, default the number of processors, at least 2.
    pub threads: NonZeroU32,
    /// `plugins.large.atOnce`, default 2: runs of large plugins, each of which may use much memory.
    pub large_at_once: NonZeroU32,
}

/// What one run of a plugin may use, whichever kind its file turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsByKind {
    /// Default 100,000,000 units, about 20 ms, and 16 MiB.
    pub small: RunLimits,
    /// Default 1,000,000,000 units, about 200 ms, and 128 MiB.
    pub large: RunLimits,
}

/// What one run of one plugin may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLimits {
    pub fuel: NonZeroU64,
    /// The sum of all memories and tables of an instance.
    pub memory_bytes: NonZeroUsize,
    /// What to change for more memory.
    pub memory_setting: &'static str,
}

/// One entry of `plugins.limits`; what is not written is as usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedLimits {
    pub fuel: Option<NonZeroU64>,
    pub memory_bytes: Option<NonZeroUsize>,
}

/// A text that takes part in one configuration: the base, then its overlay.
#[derive(Clone, Debug)]
pub struct Layer {
    /// As people know it: `config/environments/production/server.json`.
    pub file: String,
    pub text: Arc<str>,
}

/// One text as configuration has it, interpolated; none if a reference in it cannot be filled.
pub fn interpolated(text: &str, variables: &Variables) -> Option<String> {
    interpolate::expand(text, variables).ok().map(|expanded| expanded.text)
}

/// Reads `server.json` and its overlay. No layers: all defaults.
///
/// # Errors
/// Everything wrong that can be found in one pass.
pub fn parse_server(layers: &[Layer], variables: &Variables) -> Result<ServerConfig, Vec<ConfigError>> {
    let reading = Reading::new("config/server.json", layers, &HEADER_MAPS, variables)?;
    reading.result(server::read(&reading.root()))
}

/// Reads a webhook's file and its overlay.
///
/// # Errors
/// Everything wrong that can be found in one pass.
pub fn parse_webhook(id: WebhookId, layers: &[Layer], variables: &Variables) -> Result<Webhook, Vec<ConfigError>> {
    let reading = Reading::new(&format!("config/webhooks/{id}.json"), layers, &HEADER_MAPS, variables)?;
    let webhook = reading.result(webhook::read(id, &reading.root()))?;
    let written = Arc::new(shown::written(reading.written(), &webhook));
    Ok(Webhook { origin: Origin::File(written), ..webhook })
}

/// Reads the definition of a managed webhook. Errors name no file.
///
/// # Errors
/// Everything wrong that can be found in one pass.
pub fn parse_managed(managed: &Arc<Managed>) -> Result<Webhook, Vec<ConfigError>> {
    let secrets = managed.definition.secrets().iter();
    let variables = Variables::from_pairs(secrets.map(|(id, text)| (id.as_str(), text.as_str())));
    let layer = Layer { file: String::new(), text: managed.definition.written().to_string().into() };
    let reading = Reading::new("", &[layer], &HEADER_MAPS, &variables)?;
    let webhook = reading.result(webhook::read(managed.id.clone(), &reading.root()))?;
    Ok(Webhook { origin: Origin::Managed(Arc::clone(managed)), ..webhook })
}

/// A webhook's file and its overlay as they are written: nothing is filled in, nothing is checked.
///
/// # Errors
/// When one of them is not JSON.
pub fn written_webhook(id: &WebhookId, layers: &[Layer], variables: &Variables) -> Result<Value, Vec<ConfigError>> {
    let reading = Reading::new(&format!("config/webhooks/{id}.json"), layers, &HEADER_MAPS, variables)?;
    Ok(reading.written().clone())
}

#[cfg(test)]
mod tests;
