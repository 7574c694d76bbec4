//! Configuration: plain data out of `config/`, checked whole, errors naming file, place and remedy.
//!
//! Parsing opens nothing. `server.json` and each `webhooks/*.json` may be overlaid by the file of the same
//! name below `environments/<HOOKWRIGHT_ENV>/`: objects merge, everything else is replaced.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::ids::{Digest, SourceName, WebhookId};
use crate::webhook::{Headers, Webhook};

/// Everything in `config/server.json` after overlay, interpolation and defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    pub limits: IntakeLimits,
    /// `sqlite:PATH`, the path relative to the home folder.
    pub store_path: String,
    /// Empty: the host makes a source `local`.
    pub sources: Vec<Source>,
    /// CIDRs opened beyond the public internet.
    pub egress_allow: Vec<IpNet>,
    pub schemas: SchemaRules,
    pub default_headers: Headers,
    pub plugins: PluginLimits,
}

/// What the public listener takes.
#[derive(Clone, Debug, PartialEq)]
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

/// A producer that may post events.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub name: SourceName,
    /// SHA-256 of its token.
    pub token: Digest,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SchemaRules {
    pub mode: SchemaMode,
    pub unknown_events: UnknownEvents,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SchemaMode {
    Enforce,
    Warn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownEvents {
    Reject,
    Accept,
}

/// What one run of one plugin may use, and how many run at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginLimits {
    /// `plugins.fuel`, default 100,000,000: about 20 ms.
    pub fuel: NonZeroU64,
    /// `plugins.memoryBytes`, default 16 MiB: the sum of all memories of an instance.
    pub memory_bytes: NonZeroUsize,
    /// `plugins.threads`, default the number of processors, at least 2.
    pub threads: NonZeroU32,
}

/// A text that takes part in one configuration: the base, then its overlay.
#[derive(Clone, Debug)]
pub struct Layer {
    /// As people know it: `config/environments/production/server.json`.
    pub file: String,
    pub text: Arc<str>,
}

/// The values that interpolation may use. Process environment first, then `.env`.
#[derive(Clone, Default)]
pub struct Variables {}

impl Variables {
    /// Reads the process environment and the home folder's `.env`, if there is one.
    ///
    /// # Errors
    /// When `.env` cannot be read.
    pub fn load(_home: &Home) -> Result<Self, ConfigError> {
        todo!()
    }

    /// # Errors
    /// When `HOOKWRIGHT_ENV` is not a plain name.
    pub fn environment(&self) -> Result<Environment, ConfigError> {
        todo!()
    }
}

/// The folder given by `--home`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: std::path::PathBuf,
}

impl Home {
    pub fn new(root: impl Into<std::path::PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn root(&self) -> &std::path::Path {
        &self.root
    }
}

/// Which overlay is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment(Box<str>);

impl Environment {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing wrong in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub file: String,
    /// JSON Pointer; empty: the file as a whole.
    pub pointer: String,
    /// The text as written, before interpolation.
    pub written: Option<String>,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// Reads `server.json` and its overlay. No layers: all defaults.
///
/// # Errors
/// Everything wrong that can be found in one pass.
pub fn parse_server(_layers: &[Layer], _variables: &Variables) -> Result<ServerConfig, Vec<ConfigError>> {
    todo!()
}

/// Reads a webhook's file and its overlay.
///
/// # Errors
/// Everything wrong that can be found in one pass.
pub fn parse_webhook(_id: WebhookId, _layers: &[Layer], _variables: &Variables) -> Result<Webhook, Vec<ConfigError>> {
    todo!()
}
