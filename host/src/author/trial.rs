//! One plugin, one event, no host: the real engine and the real limits.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::Method;

use crate::clock::Timestamp;
use crate::delivery::ChainRecord;
use crate::destination::Destination;
use crate::event::Event;
use crate::ids::{DeliveryId, EventId};
use crate::plugin::{Catalog, ChainJob, Plugin, run_chain};
use crate::webhook::{Headers, OnError, PluginUse, Webhook};

/// What a plugin is tried on.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    pub(crate) event: Event,
    pub(crate) labels: BTreeMap<String, String>,
    /// JSON text.
    pub(crate) config: Arc<str>,
    pub(crate) run: u32,
    pub(crate) now: Timestamp,
}

impl Trial {
    /// Ids of trials: always the same, so that runs repeat.
    pub(crate) const EVENT: EventId = EventId::from_bytes(ONE);
    const DELIVERY: DeliveryId = DeliveryId::from_bytes(ONE);

    /// Runs the plugin as the only one of a chain. Blocking; ends within its limits.
    pub(crate) fn run(&self, plugin: &Arc<Plugin>) -> ChainRecord {
        let plugins = BTreeMap::from([(plugin.name.clone(), Arc::clone(plugin))]);
        run_chain(&ChainJob {
            plugins: Arc::new(Catalog::new(plugins)),
            webhook: Arc::new(self.webhook(plugin)),
            event: Arc::new(self.event.clone()),
            delivery: Self::DELIVERY,
            run: self.run,
            now: self.now,
            observer: None,
            watch: None,
            handing: None,
        })
    }

    /// Nothing is sent to it; a plugin sees its id, name and labels.
    fn webhook(&self, plugin: &Plugin) -> Webhook {
        let used = PluginUse {
            plugin: plugin.name.clone(),
            config: Arc::clone(&self.config),
            on_error: OnError::default(),
            shadow: None,
        };
        Webhook::nowhere(self.labels.clone(), vec![used])
    }
}

const ONE: [u8; 16] = 1_u128.to_be_bytes();

impl Webhook {
    /// A webhook of no host.
    fn nowhere(labels: BTreeMap<String, String>, plugins: Vec<PluginUse>) -> Self {
        Self {
            id: "example".parse().expect("a valid id"),
            name: "Example".to_owned(),
            url: "https://webhook.invalid/".parse::<Destination>().expect("a valid URL").into(),
            shown_url: String::new(),
            method: Method::POST,
            enabled: true,
            labels,
            events: Vec::new(),
            filter: None,
            headers: Headers::default(),
            plugins,
            timeout: Duration::from_secs(1),
            retry_schedule: Vec::new(),
            disable_after: None,
            rate_limit: None,
            order: None,
            debounce: None,
            concurrency: NonZeroU32::MIN,
            signing_secrets: Vec::new(),
            extra_signatures: Vec::new(),
            origin: crate::webhook::Origin::default(),
        }
    }
}
