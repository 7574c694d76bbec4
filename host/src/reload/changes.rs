//! What differs between two revisions, in words for the log.

use std::fmt;
use std::sync::Arc;

use crate::revision::Revision;

/// `server, webhook site-build, plugin redact 1a2b3c4d5e6f, -plugin old, schemas`
pub(super) struct Changes<'a>(pub(super) &'a Revision, pub(super) &'a Revision);

impl fmt::Display for Changes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.parts().chain(self.webhooks()).chain(self.plugins()).collect();
        if words.is_empty() { f.write_str("faults") } else { f.write_str(&words.join(", ")) }
    }
}

impl Changes<'_> {
    fn parts(&self) -> impl Iterator<Item = String> {
        let Self(old, new) = self;
        let changed = [
            ("server", !Arc::ptr_eq(&old.server, &new.server)),
            ("schemas", !Arc::ptr_eq(&old.schemas, &new.schemas)),
            ("address policy", !Arc::ptr_eq(&old.egress, &new.egress)),
        ];
        changed.into_iter().filter(|(_, changed)| *changed).map(|(part, _)| part.to_owned())
    }

    fn webhooks(&self) -> impl Iterator<Item = String> {
        let Self(old, new) = self;
        let same = |id, webhook| old.webhooks.get(id).is_some_and(|known| Arc::ptr_eq(known, webhook));
        let changed = new.webhooks.iter().filter(move |(id, webhook)| !same(*id, *webhook));
        let gone = old.webhooks.keys().filter(|id| !new.webhooks.contains_key(*id));
        changed.map(|(id, _)| format!("webhook {id}")).chain(gone.map(|id| format!("-webhook {id}")))
    }

    fn plugins(&self) -> impl Iterator<Item = String> {
        let Self(old, new) = self;
        let same = |plugin: &_| {
            let plugin: &Arc<crate::plugin::Plugin> = plugin;
            old.plugins.get(&plugin.name).is_some_and(|known| Arc::ptr_eq(known, plugin))
        };
        let changed = new.plugins.iter().filter(move |plugin| !same(plugin));
        let gone = old.plugins.iter().filter(|plugin| new.plugins.get(&plugin.name).is_none());
        changed
            .map(|plugin| format!("plugin {} {}", plugin.name, plugin.digest.short()))
            .chain(gone.map(|plugin| format!("-plugin {}", plugin.name)))
    }
}
