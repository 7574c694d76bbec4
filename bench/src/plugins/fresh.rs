//! In a fresh instance, by the dispatcher's own code: what a transform thread does with a delivery, fuel, limits and
//! evidence included.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use hookwright::clock::Timestamp;
use hookwright::config::PluginLimits;
use hookwright::delivery::{ChainRecord, ChainVerdict};
use hookwright::destination::Destination;
use hookwright::event::Event;
use hookwright::ids::{DeliveryId, EventId, PluginName};
use hookwright::plugin::{Catalog, ChainJob, Compiler, Engine, run_chain};
use hookwright::webhook::{Headers, OnError, PluginUse, Webhook};
use hyper::Method;

use super::contestant::Contestant;

/// A plugin, compiled once for all payloads.
pub(crate) struct Loaded {
    name: PluginName,
    plugins: Arc<Catalog>,
}

pub(crate) struct Fresh {
    job: ChainJob,
}

/// What one call costs: every call costs the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) fuel: u64,
    pub(crate) memory_bytes: u64,
}

impl Loaded {
    pub(crate) fn new(wasm: &[u8]) -> anyhow::Result<Self> {
        let name: PluginName = "edit".parse()?;
        let limits = PluginLimits::default();
        let engine = Engine::new(limits.threads, Arc::new(Compiler::in_process()))?;
        let plugin = engine.load(&name, wasm, &limits.of(&name))?;
        let plugins = Arc::new(Catalog::new(BTreeMap::from([(name.clone(), Arc::new(plugin))])));
        Ok(Self { name, plugins })
    }
}

impl Fresh {
    pub(crate) fn new(loaded: &Loaded, body: &Bytes) -> anyhow::Result<Self> {
        let Loaded { name, plugins } = loaded;
        let step = PluginUse { plugin: name.clone(), config: "{}".into(), on_error: OnError::Hold, shadow: None };
        let webhook = Webhook {
            id: "bench".parse()?,
            name: "Bench".into(),
            url: "https://example.org/".parse::<Destination>()?.into(),
            shown_url: String::new(),
            method: Method::POST,
            enabled: true,
            labels: BTreeMap::new(),
            events: Vec::new(),
            filter: None,
            headers: Headers::default(),
            plugins: vec![step],
            timeout: Duration::from_secs(1),
            retry_schedule: Vec::new(),
            disable_after: None,
            rate_limit: None,
            order: None,
            debounce: None,
            concurrency: NonZeroU32::MIN,
            signing_secrets: Vec::new(),
            extra_signatures: Vec::new(),
            origin: hookwright::webhook::Origin::default(),
        };
        let event = Event {
            id: EventId::from_bytes([1; 16]),
            event_type: "entry.update".parse()?,
            source: "bench".parse()?,
            received: Timestamp::from_ms(1_000),
            content_type: "application/json".into(),
            headers: vec![("x-strapi-event".into(), "entry.update".into())],
            attributes: Vec::new(),
            data: body.clone(),
        };
        let job = ChainJob {
            plugins: Arc::clone(plugins),
            webhook: Arc::new(webhook),
            event: Arc::new(event),
            delivery: DeliveryId::from_bytes([2; 16]),
            run: 1,
            now: Timestamp::from_ms(2_000),
            observer: None,
            watch: None,
            handing: None,
        };
        Ok(Self { job })
    }

    pub(crate) fn cost(&self) -> anyhow::Result<Cost> {
        let record = run_chain(&self.job);
        let run = record.runs.first().context("it did not run")?;
        Ok(Cost { fuel: run.fuel, memory_bytes: run.memory_bytes })
    }
}

impl Contestant for Fresh {
    fn call(&mut self) -> anyhow::Result<Vec<u8>> {
        match run_chain(&self.job) {
            ChainRecord { verdict: ChainVerdict::Deliver { changes }, .. } => {
                Ok(changes.data.context("it changed nothing")?.into())
            }
            other => anyhow::bail!("it did not deliver: {other:?}"),
        }
    }
}
