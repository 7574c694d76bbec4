//! The host against plugins written by hand, good and bad.

mod chain;
mod files;
mod hostile;

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::guests::{
    ANSWER, DATA, DELIVERY_DATA, DROP_REASON, FAILURE_DELAY, FAILURE_MESSAGE, Guest, SET_HEADERS, TEXT, VERDICT,
};
use super::*;
use crate::delivery::{ChainRecord, ChainVerdict, Changes};
use crate::ids::EventId;
use crate::webhook::{Headers, OnError, PluginUse};

const LIMITS: PluginLimits = PluginLimits {
    fuel: NonZeroU64::new(5_000_000).expect("not zero"),
    memory_bytes: NonZeroUsize::new(1 << 20).expect("not zero"),
    // As many as tests may run at once.
    threads: NonZeroU32::new(64).expect("not zero"),
};
const BODY: &str = r#"{"event":"entry.create"}"#;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(&LIMITS).expect("wasmtime works here"));

fn load(wasm: &[u8]) -> Result<Plugin, LoadError> {
    ENGINE.load(&"test".parse().expect("a name"), wasm)
}

fn refusal(wasm: &[u8]) -> String {
    load(wasm).err().expect("refused").to_string()
}

/// A job over one small event for `webhook`.
pub(crate) fn job(webhook: &str, chain: Vec<PluginUse>, plugins: Catalog) -> ChainJob {
    let webhook = Webhook {
        id: webhook.parse().expect("an id"),
        name: "Site".into(),
        url: "https://example.org/".parse().expect("a URL"),
        shown_url: String::new(),
        method: Method::POST,
        enabled: true,
        labels: BTreeMap::new(),
        events: vec![],
        filter: None,
        headers: Headers::default(),
        plugins: chain,
        timeout: Duration::from_secs(1),
        retry_schedule: vec![],
        concurrency: NonZeroU32::MIN,
        signing_secrets: vec![],
    };
    let event = Event {
        id: EventId::from_bytes([1; 16]),
        event_type: "entry.create".parse().expect("a type"),
        source: "strapi".parse().expect("a name"),
        received: Timestamp::from_ms(1_000),
        content_type: "application/json".into(),
        headers: vec![("x-strapi-event".into(), "entry.create".into()), ("traceparent".into(), "00-1-2-3".into())],
        data: Bytes::from_static(BODY.as_bytes()),
    };
    ChainJob {
        plugins: Arc::new(plugins),
        webhook: Arc::new(webhook),
        event: Arc::new(event),
        delivery: DeliveryId::from_bytes([2; 16]),
        run: 1,
        now: Timestamp::from_ms(2_000),
    }
}

/// A job whose chain is these plugins, in the order of their names.
fn job_of(plugins: impl IntoIterator<Item = Plugin>, on_error: OnError) -> ChainJob {
    let plugins: BTreeMap<_, _> = plugins.into_iter().map(|plugin| (plugin.name.clone(), Arc::new(plugin))).collect();
    let uses = plugins.keys().map(|plugin| PluginUse { plugin: plugin.clone(), config: "{}".into(), on_error });
    job("site", uses.collect(), Catalog::new(plugins))
}

fn run_with(guest: &Guest, on_error: OnError) -> ChainRecord {
    run_chain(&job_of([load(&guest.wasm()).unwrap_or_else(|error| panic!("{error}"))], on_error))
}

fn delivered(record: &ChainRecord) -> &Changes {
    match &record.verdict {
        ChainVerdict::Deliver { changes } => changes,
        other => panic!("delivered was expected, got {other:?}"),
    }
}

/// Instructions that answer with one header to set: name of `name` bytes and value of `value` bytes, both in
/// the text.
fn set_header(name: usize, value: usize) -> String {
    format!(
        "(call $pair (i32.const 1024) (i32.const {TEXT}) (i32.const {name}))
         (call $pair (i32.const 1032) (i32.const {}) (i32.const {value}))
         (call $pair (i32.const {SET_HEADERS}) (i32.const 1024) (i32.const 1))",
        TEXT as usize + name
    )
}
