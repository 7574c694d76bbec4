//! Which files of a home folder count, and what each of them is. Pure.
//!
//! Only names with the right ending count, and none that starts with a dot: this leaves out what editors
//! put beside a file while saving (`4913`, `site.json~`, `.site.json.swp`, `.#site.json`, `site.json.tmp`) and
//! the `..data` folders of mounted config maps.

use crate::ids::PluginName;

/// The file of variables for interpolation.
pub(super) const VARIABLES: &str = ".env";
/// The base of the server's configuration.
pub(super) const SERVER: &str = "config/server.json";

const WEBHOOKS: &str = "config/webhooks";
const SCHEMAS: &str = "schemas";
const PLUGINS: &str = "plugins";

/// The places of one environment.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    environment: String,
    overlay_server: String,
    overlay_webhooks: String,
}

/// A folder, relative to the home folder (empty: the home folder itself), and what is read of it.
pub(super) struct Place<'a> {
    pub(super) folder: &'a str,
    pub(super) wanted: Wanted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The one file of this name.
    File(&'static str),
    /// Texts directly in the folder.
    Texts,
    /// Texts in the folder and in folders below.
    TextTree,
    /// Plugins directly in the folder.
    Plugins,
}

impl Layout {
    /// `environment` names a folder below `config/environments`.
    pub(super) fn new(environment: &str) -> Self {
        Self {
            environment: environment.to_owned(),
            overlay_server: format!("config/environments/{environment}/server.json"),
            overlay_webhooks: format!("config/environments/{environment}/webhooks"),
        }
    }

    pub(super) fn environment(&self) -> &str {
        &self.environment
    }

    pub(super) fn places(&self) -> [Place<'_>; 7] {
        [
            Place { folder: "", wanted: Wanted::File(VARIABLES) },
            Place { folder: "config", wanted: Wanted::File("server.json") },
            Place { folder: folder_of(&self.overlay_server), wanted: Wanted::File("server.json") },
            Place { folder: WEBHOOKS, wanted: Wanted::Texts },
            Place { folder: &self.overlay_webhooks, wanted: Wanted::Texts },
            Place { folder: SCHEMAS, wanted: Wanted::TextTree },
            Place { folder: PLUGINS, wanted: Wanted::Plugins },
        ]
    }

    /// Base and overlay of the server's configuration.
    pub(super) fn server_layers(&self) -> [String; 2] {
        [SERVER.to_owned(), self.overlay_server.clone()]
    }

    /// Base and overlay of a webhook.
    pub(super) fn webhook_layers(&self, stem: &str) -> [String; 2] {
        [format!("{WEBHOOKS}/{stem}.json"), format!("{}/{stem}.json", self.overlay_webhooks)]
    }

    /// The name a webhook's file gives it.
    pub(super) fn webhook_stem<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (folder, name) = path.rsplit_once('/')?;
        (folder == WEBHOOKS || folder == self.overlay_webhooks).then(|| name.strip_suffix(".json"))?
    }

    /// What the files of a folder are called when people are told about them.
    pub(super) fn noun(&self, folder: &str, count: usize) -> &'static str {
        let (one, many) = if folder == WEBHOOKS || folder == self.overlay_webhooks {
            ("webhook", "webhooks")
        } else if folder == PLUGINS {
            ("plugin", "plugins")
        } else if folder == SCHEMAS || folder.starts_with("schemas/") {
            ("schema", "schemas")
        } else {
            ("file", "files")
        };
        if count == 1 { one } else { many }
    }
}

impl Wanted {
    /// Whether a file of this name counts.
    pub(super) fn takes(self, name: &str) -> bool {
        match self {
            Self::File(wanted) => name == wanted,
            Self::Texts | Self::TextTree => has_ending(name, "json"),
            Self::Plugins => has_ending(name, "wasm"),
        }
    }
}

fn has_ending(name: &str, ending: &str) -> bool {
    !name.starts_with('.') && name.rsplit_once('.').is_some_and(|(_, found)| found == ending)
}

/// The path below `schemas/` of a schema file.
pub(super) fn schema_path(path: &str) -> Option<&str> {
    path.strip_prefix("schemas/")
}

/// The name a plugin's file gives it.
pub(super) fn plugin_stem(path: &str) -> Option<&str> {
    path.strip_prefix("plugins/")?.strip_suffix(".wasm")
}

pub(super) fn plugin_path(name: &PluginName) -> String {
    format!("{PLUGINS}/{name}.wasm")
}

/// The folder a file is in; empty: the home folder.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_editors_leave_does_not_count() {
        for name in ["4913", "site.json~", ".site.json.swp", ".#site.json", "#site.json#", "site.json.tmp", "..data"] {
            assert!(!Wanted::Texts.takes(name), "{name}");
        }
        assert!(Wanted::Texts.takes("site.json") && Wanted::Plugins.takes("redact.wasm"));
        assert!(!Wanted::Plugins.takes("redact.wasm.part") && !Wanted::Plugins.takes("site.json"));
    }

    #[test]
    fn a_webhook_is_known_by_base_or_overlay() {
        let layout = Layout::new("production");
        let [base, overlay] = layout.webhook_layers("site");
        assert_eq!((layout.webhook_stem(&base), layout.webhook_stem(&overlay)), (Some("site"), Some("site")));
        assert_eq!(layout.webhook_stem("config/environments/staging/webhooks/site.json"), None);
        assert_eq!(layout.webhook_stem(SERVER), None);
    }
}
