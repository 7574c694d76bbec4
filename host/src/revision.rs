//! One immutable, numbered set of everything that can be reloaded. Swapped whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::config::ServerConfig;
use crate::egress::Egress;
use crate::ids::WebhookId;
use crate::plugin::Catalog;
use crate::schemas::SchemaSet;
use crate::webhook::Webhook;

/// Configuration, schemas, plugins and webhooks that belong together.
pub struct Revision {
    pub number: u64,
    pub loaded: Timestamp,
    pub server: Arc<ServerConfig>,
    pub webhooks: BTreeMap<WebhookId, Arc<Webhook>>,
    pub schemas: Arc<SchemaSet>,
    pub plugins: Arc<Catalog>,
    pub egress: Arc<Egress>,
    /// What is wrong in the folders right now.
    pub faults: Vec<Fault>,
}

/// A file that could not be taken as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// Relative to the home folder.
    pub file: String,
    /// JSON Pointer into it; empty: the file as a whole.
    pub pointer: String,
    pub message: String,
    /// Its last good version stays in force.
    pub last_good_in_force: bool,
}

impl Fault {
    /// A file that cannot be taken as a whole; nothing is in force in its place.
    pub fn of_file(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), pointer: String::new(), message: message.into(), last_good_in_force: false }
    }
}

/// `config/webhooks/site.json /url: message (its last good version stays in force)`
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if !self.pointer.is_empty() {
            write!(f, " {}", self.pointer)?;
        }
        write!(f, ": {}", self.message)?;
        if self.last_good_in_force { f.write_str(" (its last good version stays in force)") } else { Ok(()) }
    }
}

/// The revision in force, for everyone who reads it.
pub type Live = Arc<ArcSwap<Revision>>;
