//! The host against plugins written by hand, good and bad.

mod chain;
mod direct;
mod files;
mod hostile;
mod kinds;
mod pledge;
mod repeat;
mod wasi;

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::guests::{
    ANSWER, DATA, DELIVERY_DATA, DROP_REASON, FAILURE_CODE, FAILURE_DELAY, FAILURE_MESSAGE, Guest, SET_HEADERS, TEXT,
    VERDICT,
};
use super::*;
use crate::delivery::{ChainRecord, ChainVerdict, Changes, RunVerdict};
use crate::destination::Destination;
use crate::ids::EventId;
use crate::webhook::{Headers, OnError, PluginUse};

const LIMITS: LimitsByKind = LimitsByKind { small: SMALL, large: LARGE };
const SMALL: RunLimits = RunLimits {
    fuel: NonZeroU64::new(5_000_000).expect("not zero"),
    memory_bytes: NonZeroUsize::new(1 << 20).expect("not zero"),
    memory_setting: "plugins.memoryBytes",
};
const LARGE: RunLimits = RunLimits {
    fuel: NonZeroU64::new(50_000_000).expect("not zero"),
    memory_bytes: NonZeroUsize::new(32 << 20).expect("not zero"),
    memory_setting: "plugins.large.memoryBytes",
};
/// As many as tests may run at once.
const THREADS: NonZeroU32 = NonZeroU32::new(64).expect("not zero");
const BODY: &str = r#"{"event":"entry.create"}"#;

static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(THREADS, Arc::new(Compiler::in_process())).expect("wasmtime works here"));

fn load(wasm: &[u8]) -> Result<Plugin, LoadError> {
    ENGINE.load(&"test".parse().expect("a name"), wasm, &LIMITS)
}

fn refusal(wasm: &[u8]) -> String {
    load(wasm).err().expect("refused").to_string()
}

/// One that needs the large engine.
pub(crate) fn large_plugin() -> Plugin {
    load(&Guest::new().with("(table 20000 funcref)").wasm()).expect("loads")
}

/// A job over one small event for `webhook`.
pub(crate) fn job(webhook: &str, chain: Vec<PluginUse>, plugins: Catalog) -> ChainJob {
    let webhook = Webhook {
        id: webhook.parse().expect("an id"),
        name: "Site".into(),
        url: "https://example.org/".parse::<Destination>().expect("a URL").into(),
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
        disable_after: None,
        rate_limit: None,
        order: None,
        debounce: None,
        concurrency: NonZeroU32::MIN,
        signing_secrets: vec![],
        extra_signatures: vec![],
        origin: crate::webhook::Origin::default(),
    };
    let event = Event {
        id: EventId::from_bytes([1; 16]),
        event_type: "entry.create".parse().expect("a type"),
        source: "strapi".parse().expect("a name"),
        received: Timestamp::from_ms(1_000),
        content_type: "application/json".into(),
        headers: vec![("x-strapi-event".into(), "entry.create".into()), ("traceparent".into(), "00-1-2-3".into())],
        attributes: Vec::new(),
        data: Bytes::from_static(BODY.as_bytes()),
    };
    ChainJob {
        plugins: Arc::new(plugins),
        webhook: Arc::new(webhook),
        event: Arc::new(event),
        delivery: DeliveryId::from_bytes([2; 16]),
        run: 1,
        now: Timestamp::from_ms(2_000),
        observer: None,
        watch: None,
        handing: None,
    }
}

/// A job whose chain is these plugins, in the order of their names.
fn job_of(plugins: impl IntoIterator<Item = Plugin>, on_error: OnError) -> ChainJob {
    let plugins: BTreeMap<_, _> = plugins.into_iter().map(|plugin| (plugin.name.clone(), Arc::new(plugin))).collect();
    let uses =
        plugins.keys().map(|plugin| PluginUse { plugin: plugin.clone(), config: "{}".into(), on_error, shadow: None });
    job("site", uses.collect(), Catalog::new(plugins))
}

/// Plugin `test`, whose file differs by `number`.
pub(crate) fn version(number: u32) -> (Plugin, Vec<u8>) {
    let wasm = Guest::new().with(&format!("(global i32 (i32.const {number}))")).wasm();
    (load(&wasm).expect("loads"), wasm)
}

/// A plugin made of this guest.
pub(crate) fn named(name: &str, guest: &Guest) -> Plugin {
    ENGINE.load(&name.parse().expect("a name"), &guest.wasm(), &LIMITS).expect("loads")
}

/// A catalog with one plugin, `test`.
pub(crate) fn loaded() -> Catalog {
    let plugin = Arc::new(load(&Guest::new().wasm()).expect("loads"));
    Catalog::new(BTreeMap::from([(plugin.name.clone(), plugin)]))
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

/// Under `onError: skip`, which must let nothing of this pass.
fn held(guest: &Guest) -> String {
    match run_with(guest, OnError::Skip).verdict {
        ChainVerdict::Hold { plugin, reason } if plugin.as_str() == "test" => reason,
        other => panic!("held was expected, got {other:?}"),
    }
}
