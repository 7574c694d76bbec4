//! What webhooks ask of plugins: the configs that a new version must take before it comes into force.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::{Digest, PluginName, WebhookId};
use crate::plugin::Plugin;
use crate::webhook::Webhook;

/// Of one reading of the webhooks' files, by plugin.
#[derive(Default)]
pub(super) struct Bound {
    uses: BTreeMap<PluginName, Vec<Use>>,
}

struct Use {
    webhook: WebhookId,
    /// Where the webhook says so.
    file: String,
    index: usize,
    config: Arc<str>,
}

impl Bound {
    pub(super) fn add(&mut self, webhook: &Webhook, file: &str) {
        for (index, used) in webhook.plugins.iter().enumerate() {
            self.uses.entry(used.plugin.clone()).or_default().push(Use {
                webhook: webhook.id.clone(),
                file: file.to_owned(),
                index,
                config: Arc::clone(&used.config),
            });
        }
    }

    /// Tells these configs of a plugin from others.
    pub(super) fn digest(&self, plugin: &PluginName) -> Digest {
        let uses = self.uses.get(plugin).map_or(&[][..], Vec::as_slice);
        let one = |Use { webhook, file, index, config }: &Use| format!("{webhook}\0{file}\0{index}\0{config}\0");
        Digest::of(uses.iter().map(one).collect::<String>().as_bytes())
    }

    /// What this version of a plugin objects to.
    pub(super) fn objections(&self, plugin: &Plugin) -> Vec<String> {
        let uses = self.uses.get(&plugin.name).map_or(&[][..], Vec::as_slice);
        let objections = uses.iter().flat_map(|Use { webhook, file, index, config }| {
            let violations = plugin.check_config(config).err().unwrap_or_default();
            violations.into_iter().map(move |violation| {
                format!(
                    "does not take what webhook {webhook} configures ({file} at /plugins/{index}/config{}: {}); change \
                     that, or put the earlier version back",
                    violation.pointer, violation.message
                )
            })
        });
        objections.collect()
    }
}
