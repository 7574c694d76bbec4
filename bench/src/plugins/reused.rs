//! In one instance for all calls, by wasmtime directly. State would leak from one event to the next, so the dispatcher
//! does not do it; it shows what a fresh instance adds. Same engine settings, and in the guest Rust's own allocator.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine, OptLevel, Store};
use wit_component::ComponentEncoder;

use super::contestant::Contestant;

mod contract {
    wasmtime::component::bindgen!({
        path: "../sdk/wit",
        world: "plugin",
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

use contract::Plugin;
use contract::exports::hookwright::plugin::transformer::{Delivery, Verdict};
use contract::hookwright::plugin::host::{Host, Level};
use contract::hookwright::plugin::types::{FieldParam, Webhook};

/// More than a call burns; given anew for each.
const FUEL: u64 = 1_000_000_000;

pub(crate) struct Reused {
    store: Store<Nothing>,
    plugin: Plugin,
    body: Bytes,
}

/// The host's functions, for a plugin that calls none.
struct Nothing;

impl Host for Nothing {
    fn log(&mut self, _: Level, _: String) {}

    fn now_ms(&mut self) -> u64 {
        0
    }

    fn random_u64(&mut self) -> u64 {
        0
    }
}

impl contract::hookwright::plugin::types::Host for Nothing {}

impl Reused {
    pub(crate) fn new(wasm: &[u8], body: &Bytes) -> anyhow::Result<Self> {
        let component = ComponentEncoder::default().validate(true).module(wasm)?.encode()?;
        let (store, plugin) = instance(&component).map_err(told)?;
        Ok(Self { store, plugin, body: body.clone() })
    }
}

fn instance(component: &[u8]) -> wasmtime::Result<(Store<Nothing>, Plugin)> {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true);
    let engine = Engine::new(&config)?;
    let component = Component::from_binary(&engine, component)?;
    let mut linker = Linker::new(&engine);
    Plugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    let mut store = Store::new(&engine, Nothing);
    store.set_fuel(FUEL)?;
    let plugin = Plugin::instantiate(&mut store, &component, &linker)?;
    Ok((store, plugin))
}

#[expect(clippy::needless_pass_by_value, reason = "reads well in map_err")]
fn told(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

impl Contestant for Reused {
    fn call(&mut self) -> anyhow::Result<Vec<u8>> {
        self.store.set_fuel(FUEL).map_err(told)?;
        let headers = [FieldParam { name: "x-strapi-event", value: "entry.update" }];
        let input = Delivery {
            event_id: "evt_00000000000000000000000001",
            delivery_id: "dlv_00000000000000000000000001",
            event_type: "entry.update",
            source: "bench",
            received_ms: 1_000,
            run: 1,
            webhook: Webhook { id: "bench", name: "Bench", labels: &[] },
            attributes: &[],
            headers: &headers,
            content_type: "application/json",
            data: &self.body,
            config: "{}",
        };
        match self.plugin.hookwright_plugin_transformer().call_transform(&mut self.store, input).map_err(told)? {
            Ok(Verdict::Deliver(changes)) => changes.data.context("it changed nothing"),
            other => bail!("it did not deliver: {other:?}"),
        }
    }
}
