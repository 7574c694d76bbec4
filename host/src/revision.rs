//! One immutable, numbered set of everything that can be reloaded. Swapped whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use schemars::JsonSchema;
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
    /// The ids that files are named after, whether they are good or not.
    pub in_files: BTreeSet<WebhookId>,
    pub schemas: Arc<SchemaSet>,
    pub plugins: Arc<Catalog>,
    pub egress: Arc<Egress>,
    /// What is wrong in the folders right now.
    pub faults: Vec<Fault>,
}

/// A file that could not be taken as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// Relative to the home folder; of a managed webhook, `webhook <id>`.
    pub file: String,
    /// JSON Pointer into it; empty: the file as a whole.
    pub pointer: String,
    pub message: String,
    /// Its last good version stays in force.
    pub last_good_in_force: bool,
}

/// Stands before the id of a managed webhook, where the name of a file would.
const MANAGED: &str = "webhook ";

impl Fault {
    /// A file that cannot be taken as a whole; nothing is in force in its place.
    pub fn of_file(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), pointer: String::new(), message: message.into(), last_good_in_force: false }
    }

    /// Something wrong with a managed webhook.
    pub fn of_managed(id: &WebhookId, message: impl Into<String>) -> Self {
        Self::of_file(&format!("{MANAGED}{id}"), message)
    }

    /// What the file would call its webhook, if it is the file of one; of a managed one, its id.
    pub fn webhook(&self) -> Option<&str> {
        if let Some(id) = self.file.strip_prefix(MANAGED) {
            return Some(id);
        }
        let (folder, name) = self.file.rsplit_once('/')?;
        let layer = folder.strip_prefix("config/")?.strip_suffix("webhooks")?;
        let is_layer = layer.is_empty() || (layer.starts_with("environments/") && layer.ends_with('/'));
        is_layer.then(|| name.strip_suffix(".json"))?
    }
}

/// The faults, one each, of webhooks that take no events because nothing of them was ever good. Everybody who is asked
/// about webhooks must say so: else they look as if nobody had declared them.
pub fn left_out(faults: &[Fault], webhooks: &BTreeMap<WebhookId, Arc<Webhook>>) -> Vec<Fault> {
    let mut seen = BTreeSet::new();
    let of_webhooks = faults.iter().filter_map(|fault| Some((fault, fault.webhook()?)));
    let left_out = of_webhooks.filter(|(_, stem)| !webhooks.keys().any(|id| id.as_str() == *stem));
    left_out.filter(|(_, stem)| seen.insert(*stem)).map(|(fault, _)| fault.clone()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_a_webhook_is_known_by_its_file() {
        for (file, webhook) in [
            ("config/webhooks/site.json", Some("site")),
            ("config/environments/production/webhooks/site.json", Some("site")),
            ("config/webhooks/My hook.json", Some("My hook")),
            ("config/webhooks", None),
            ("config/my-webhooks/site.json", None),
            ("config/server.json", None),
            ("schemas/webhooks/site.json", None),
            (".env", None),
        ] {
            assert_eq!(Fault::of_file(file, "").webhook(), webhook, "{file}");
        }
    }

    #[test]
    fn a_webhook_is_left_out_once_whatever_is_wrong_with_it() {
        let files =
            ["config/environments/production/webhooks/a.json", "config/webhooks/a.json", "config/webhooks/b.json"];
        let faults = files.map(|file| Fault::of_file(file, "is bad"));
        let left_out: Vec<_> = left_out(&faults, &BTreeMap::new()).into_iter().map(|fault| fault.file).collect();
        assert_eq!(left_out, [files[0], files[2]]);
    }
}
