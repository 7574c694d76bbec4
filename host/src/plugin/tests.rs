//! What plugins can do to the host, and what the host makes of it. Each hostile guest must end within its
//! limits, and leave a reason that tells its author what to do.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::guests::{
    ANSWER, CONTENT_TYPE, DATA, DELIVERY_DATA, DROP_REASON, FAILURE_DELAY, FAILURE_MESSAGE, Guest, REMOVE_HEADERS,
    SET_HEADERS, TEXT, VERDICT,
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

fn job(plugins: impl IntoIterator<Item = Plugin>, on_error: OnError) -> ChainJob {
    let plugins: BTreeMap<_, _> = plugins.into_iter().map(|plugin| (plugin.name.clone(), Arc::new(plugin))).collect();
    let uses = plugins.keys().map(|plugin| PluginUse { plugin: plugin.clone(), config: "{}".into(), on_error });
    let webhook = Webhook {
        id: "site".parse().expect("an id"),
        name: "Site".into(),
        url: "https://example.org/".parse().expect("a URL"),
        method: Method::POST,
        enabled: true,
        labels: BTreeMap::new(),
        events: vec![],
        filter: None,
        headers: Headers::default(),
        plugins: uses.collect(),
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
        plugins: Arc::new(Catalog::new(plugins)),
        webhook: Arc::new(webhook),
        event: Arc::new(event),
        delivery: DeliveryId::from_bytes([2; 16]),
        run: 1,
        now: Timestamp::from_ms(2_000),
    }
}

fn run_with(guest: &Guest, on_error: OnError) -> ChainRecord {
    run_chain(&job([load(&guest.wasm()).unwrap_or_else(|error| panic!("{error}"))], on_error))
}

/// Under `onError: skip`, which must let nothing of this pass.
fn held(guest: &Guest) -> String {
    match run_with(guest, OnError::Skip).verdict {
        ChainVerdict::Hold { plugin, reason } if plugin.as_str() == "test" => reason,
        other => panic!("held was expected, got {other:?}"),
    }
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

#[test]
fn an_endless_loop_ends_at_its_fuel() {
    let endless = "(loop $on (br $on))";
    let reason = "ran out of fuel: 5000000 units (about 1 ms); it may loop endlessly";
    assert_eq!(held(&Guest::new().transform(endless)), format!("plugin test {reason}"));
    let describe = Guest::new().describe(endless).wasm();
    assert_eq!(refusal(&describe), format!("on a trial run of `describe` it {reason}"));
    let start = Guest::new().with(&format!("(func $begin {endless}) (start $begin)")).wasm();
    assert_eq!(refusal(&start), format!("on a trial run of `describe` it {reason}"));
}

#[test]
fn a_loop_of_costly_instructions_does_not_outlast_its_fuel() {
    for costly in [
        "(memory.fill (i32.const 65536) (i32.const 1) (i32.const 65536))",
        "(drop (memory.grow (i32.const 0)))",
        "(drop (call $random))",
        "(call $log (i32.const 0) (i32.const 70000) (i32.const 60000))",
    ] {
        let guest = Guest::new().transform(&format!("(loop $on {costly} (br $on))"));
        let started = std::time::Instant::now();
        assert!(held(&guest).contains("ran out of fuel"), "{costly}");
        // 1 ms of fuel; loading and the slowest of machines included.
        assert!(started.elapsed() < Duration::from_secs(1), "{costly} took {:?}", started.elapsed());
    }
}

#[test]
fn endless_recursion_ends_at_the_stack() {
    let guest = Guest::new().transform("(drop (call $transform (local.get $delivery)))");
    assert_eq!(held(&guest), "plugin test ran out of stack (256 KiB) in transform; it may call itself endlessly");
}

#[test]
fn memory_is_counted_in_sum() {
    let limit = LIMITS.memory_bytes;
    let grow = Guest::new().transform("(drop (memory.grow (i32.const 15)))");
    let wanted = |pages: usize| {
        format!(
            "plugin test needs more memory than it may have: {} bytes in all, limit {limit} (`plugins.memoryBytes`)",
            // The componentiser's shim has a table of one entry.
            (pages << 16) + size_of::<usize>()
        )
    };
    assert_eq!(held(&grow), wanted(17));
    let several = Guest::new()
        .with("(memory $other 3) (memory $third 3)")
        .transform("(drop (memory.grow $other (i32.const 4))) (drop (memory.grow $third (i32.const 5)))");
    assert_eq!(held(&several), wanted(2 + 3 + 3 + 4 + 5));
    let table = Guest::new()
        .with("(table $many 1 funcref)")
        .transform("(drop (table.grow $many (ref.null func) (i32.const 9999999)))");
    assert!(held(&table).contains("needs more memory than it may have: "));
}

#[test]
fn too_much_memory_from_the_start_is_refused_before_compiling() {
    let one = Guest::new().memory("(memory (export \"memory\") 17)").wasm();
    assert_eq!(refusal(&one), "begins with 1114112 bytes of memory, limit 1048576 (`plugins.memoryBytes`)");
    let sum = Guest::new().with("(memory 10) (memory 10)").wasm();
    assert_eq!(refusal(&sum), "begins with 1441792 bytes of memory, limit 1048576 (`plugins.memoryBytes`)");
    let many = Guest::new().with(&"(memory 0)".repeat(4)).wasm();
    assert!(refusal(&many).starts_with("has 5 memories, limit 4;"));
    let table = Guest::new().with("(table 4000000000 funcref)").wasm();
    assert!(refusal(&table).starts_with("begins with 32000131072 bytes of memory"), "{}", refusal(&table));
}

#[test]
fn a_bomb_for_the_compiler_is_refused_before_compiling() {
    let functions = Guest::new().with(&"(func)".repeat(50_001)).wasm();
    assert!(refusal(&functions).starts_with("has 50005 functions, limit 50000;"), "{}", refusal(&functions));
    let code = Guest::new().with(&format!("(func {})", "nop ".repeat(1 << 20))).wasm();
    assert!(refusal(&code).contains("bytes of code in one function, limit 1048576;"), "{}", refusal(&code));
}

#[test]
fn a_panic_is_told_in_its_own_words() {
    let guest = Guest::new()
        .text("index out of bounds: the len is 3 but the index is 7")
        .transform(&format!("(call $log (i32.const 5) (i32.const {TEXT}) (i32.const 52)) unreachable"));
    let record = run_with(&guest, OnError::Skip);
    let reason = "panicked: index out of bounds: the len is 3 but the index is 7";
    let plugin = "test".parse().expect("a name");
    assert_eq!(record.verdict, ChainVerdict::Hold { plugin, reason: format!("plugin test {reason}") });
    assert_eq!((record.runs[0].summary.as_str(), record.runs[0].logs[0].level.as_str()), (reason, "critical"));
    let silent = Guest::new().transform("unreachable");
    assert_eq!(held(&silent), "plugin test aborted without a message (`unreachable`) in transform");
}

#[test]
fn pointers_out_of_bounds_and_bad_text_are_trapped() {
    let text = |pointer: u32, length: u32| {
        Guest::new().text("\u{0}").transform(&format!(
            "(i32.store8 (i32.const {TEXT}) (i32.const 0xff))
             (i32.store (i32.const {CONTENT_TYPE}) (i32.const 1))
             (call $pair (i32.const {}) (i32.const {pointer}) (i32.const {length}))",
            CONTENT_TYPE + 4
        ))
    };
    assert_eq!(held(&text(TEXT, 1)), "plugin test passed text that is not UTF-8");
    assert_eq!(held(&text(0xffff_0000, 10)), "plugin test broke off: string pointer/length out of bounds of memory");
    let list =
        Guest::new().transform(&format!("(call $pair (i32.const {SET_HEADERS}) (i32.const 0) (i32.const 10000000))"));
    assert_eq!(held(&list), "plugin test broke off: list pointer/length out of bounds of memory");
    let load = Guest::new().transform("(drop (i32.load (i32.const -4)))");
    assert_eq!(held(&load), "plugin test trapped: out of bounds memory access in transform");
    let nowhere = Guest::new().transform("(return (i32.const -64))");
    assert_eq!(held(&nowhere), "plugin test broke off: pointer out of bounds of memory");
}

#[test]
fn a_flood_of_logs_is_cut_and_the_run_goes_on() {
    let flood = "(local $left i32) (local.set $left (i32.const 1000))
        (loop $on
            (call $log (i32.const 2) (i32.const 2048) (i32.const 4))
            (br_if $on (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))";
    let record = run_with(&Guest::new().text("line").transform(flood), OnError::Hold);
    assert_eq!(delivered(&record), &Changes::default());
    let run = &record.runs[0];
    assert_eq!((run.logs.len(), run.logs_cut, run.logs[99].message.as_str()), (100, true, "line"));
}

#[test]
fn a_huge_line_is_cut() {
    let guest = Guest::new().transform("(call $log (i32.const 3) (i32.const 70000) (i32.const 60000))");
    let record = run_with(&guest, OnError::Hold);
    assert_eq!(delivered(&record), &Changes::default());
    assert_eq!((record.runs[0].logs[0].message.len(), record.runs[0].logs_cut), (2048, true));
}

#[test]
fn output_is_bounded_in_bytes() {
    let limits = PluginLimits { memory_bytes: NonZeroUsize::new(16 << 20).expect("not zero"), ..LIMITS };
    let engine = Engine::new(&limits).expect("wasmtime works here");
    let output = |bytes: u32| {
        let guest = Guest::new().memory("(memory (export \"memory\") 255)").transform(&format!(
            "(i32.store (i32.const {DATA}) (i32.const 1))
             (call $pair (i32.const {}) (i32.const 0) (i32.const {bytes}))",
            DATA + 4
        ));
        run_chain(&job([engine.load(&"test".parse().expect("a name"), &guest.wasm()).expect("loads")], OnError::Skip))
    };
    let limit = 4_u32 << 20;
    assert_eq!(delivered(&output(limit)).data.as_ref().map(Bytes::len), Some(limit as usize));
    for (bytes, reason) in [
        (limit + 1, "broke the contract: the new payload has 4194305 bytes, limit 4194304"),
        (
            16_000_000,
            "broke off: too much data is being copied between the host and the guest: fuel allocated for hostcalls \
             has been exhausted",
        ),
    ] {
        assert_eq!(output(bytes).runs[0].summary, reason);
    }
}

#[test]
fn nothing_survives_a_run() {
    // The payload becomes the digit of a counter that lives in the module, and one in its memory.
    let guest = Guest::new().with("(global $calls (mut i32) (i32.const 0))").transform(&format!(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (i32.store (i32.const 4000) (i32.add (i32.load (i32.const 4000)) (i32.const 1)))
         (i32.store8 (i32.const 3000) (i32.add (i32.const 48) (global.get $calls)))
         (i32.store8 (i32.const 3001) (i32.add (i32.const 48) (i32.load (i32.const 4000))))
         (i32.store (i32.const {DATA}) (i32.const 1))
         (call $pair (i32.const {}) (i32.const 3000) (i32.const 2))",
        DATA + 4
    ));
    let job = job([load(&guest.wasm()).expect("loads")], OnError::Hold);
    for _ in 0..3 {
        assert_eq!(delivered(&run_chain(&job)).data.as_deref(), Some(b"11".as_slice()));
    }
}

#[test]
fn headers_that_break_http_or_belong_to_the_host_hold() {
    let header = |name: &str, value: &str| {
        held(&Guest::new().text(&format!("{name}{value}")).transform(&set_header(name.len(), value.len())))
    };
    assert_eq!(
        header("X-A", "a\r\nX-Injected: 1"),
        "plugin test broke the contract: the value of header x-a has characters that HTTP does not allow, such as \
         line ends"
    );
    assert_eq!(
        header("Webhook-Signature", "v1,forged"),
        "plugin test broke the contract: header webhook-signature belongs to the host; plugins may not set or remove \
         it"
    );
    let remove = Guest::new().text("Host").transform(&format!(
        "(call $pair (i32.const 1024) (i32.const {TEXT}) (i32.const 4))
         (call $pair (i32.const {REMOVE_HEADERS}) (i32.const 1024) (i32.const 1))"
    ));
    assert!(held(&remove).starts_with("plugin test broke the contract: header host belongs to the host"));
}

#[test]
fn files_that_are_no_plugins_are_told_why() {
    assert!(refusal(b"").starts_with("not a WebAssembly file"));
    assert!(refusal(b"(module)").starts_with("not a WebAssembly file"));
    let whole = Guest::new().wasm();
    for length in 4..whole.len() {
        let words = refusal(&whole[..length]);
        let told = ["cut off or damaged at byte", "without the plugin contract", "not valid WebAssembly"];
        assert!(told.iter().any(|told| words.contains(told)), "cut at {length}: {words}");
    }
    let words = refusal(&Guest::new().without_contract());
    assert!(words.contains("without the plugin contract (no section `component-type`)"), "{words}");
}

#[test]
fn imports_outside_the_contract_are_named_with_the_remedy() {
    let import = |module: &str, name: &str| {
        let text = format!("(module (import \"{module}\" \"{name}\" (func)))");
        refusal(&wat::parse_str(text).expect("valid text"))
    };
    assert!(
        import("env", "fetch").starts_with("imports `env#fetch`: plugins reach nothing but hookwright:plugin/host")
    );
    assert!(import("__wbindgen_placeholder__", "__wbindgen_throw").contains("cargo tree -i wasm-bindgen"));
    assert!(import("wasi_snapshot_preview1", "fd_write").contains("WASI is not offered yet"));
    let newer = refusal(&Guest::new().version("0.2.0").wasm());
    assert!(
        newer.starts_with("imports `hookwright:plugin/host@0.2.0#log`: made for version 0.2.0 of the contract")
            && newer.contains("this host speaks 0.1.0"),
        "{newer}"
    );
    let component = wat::parse_str("(component (import \"wasi:cli/environment@0.2.0\" (instance)))").expect("valid");
    assert!(refusal(&component).starts_with("imports `wasi:cli/environment@0.2.0`: WASI is not offered yet"));
    let empty = wat::parse_str("(component)").expect("valid");
    assert_eq!(refusal(&empty), "does not fit hookwright:plugin@0.1.0: no export `describe` found");
    let nested = wat::parse_str("(component (component))").expect("valid");
    assert!(refusal(&nested).starts_with("has components inside the component"));
}

#[test]
fn a_manifest_is_checked() {
    let nameless = Guest::new().describe("(return (i32.const 128))").wasm();
    assert_eq!(refusal(&nameless), "`describe` answered without a name");
    let long = Guest::new()
        .describe("(call $pair (i32.const 128) (i32.const 16) (i32.const 65)) (return (i32.const 128))")
        .wasm();
    assert_eq!(refusal(&long), "`describe` answered with a name of 65 bytes, limit 64");
    let manifest = load(&Guest::new().wasm()).expect("loads").manifest;
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("test", "0.1.0"));
}

/// Appends `!` to the payload, behind it on the heap.
fn appending() -> Guest {
    let pointer = format!("(i32.load offset={DELIVERY_DATA} (local.get $delivery))");
    let length = format!("(i32.load offset={} (local.get $delivery))", DELIVERY_DATA + 4);
    Guest::new().transform(&format!(
        "(memory.copy (i32.const 100000) {pointer} {length})
         (i32.store8 (i32.add (i32.const 100000) {length}) (i32.const 33))
         (i32.store (i32.const {DATA}) (i32.const 1))
         (call $pair (i32.const {}) (i32.const 100000) (i32.add {length} (i32.const 1)))",
        DATA + 4
    ))
}

#[test]
fn each_plugin_sees_the_payload_as_the_one_before_left_it() {
    let load = |name: &str, guest: &Guest| ENGINE.load(&name.parse().expect("a name"), &guest.wasm()).expect("loads");
    let stamped = appending().text("X-Stampyes").transform(&set_header(7, 3));
    let record = run_chain(&job([load("a", &appending()), load("b", &stamped)], OnError::Hold));
    let changes = delivered(&record);
    assert_eq!(changes.data.as_deref(), Some(format!("{BODY}!!").as_bytes()));
    assert_eq!(changes.set_headers, [("x-stamp".to_owned(), "yes".to_owned())]);
    let summaries: Vec<_> = record.runs.iter().map(|run| run.summary.as_str()).collect();
    assert_eq!(summaries, ["rewrote payload (24 → 25 bytes)", "rewrote payload (25 → 26 bytes), set 1 header"]);
    assert!(record.runs.iter().all(|run| run.fuel > 0 && run.memory_bytes >= 2 << 16 && run.digest.is_some()));
}

#[test]
fn the_same_run_is_the_same_to_the_unit_of_fuel() {
    let guest = Guest::new().transform(&format!(
        "(i64.store (i32.const 3000) (call $random)) (i64.store (i32.const 3008) (call $now))
         (i32.store (i32.const {DATA}) (i32.const 1))
         (call $pair (i32.const {}) (i32.const 3000) (i32.const 16))",
        DATA + 4
    ));
    let job = job([load(&guest.wasm()).expect("loads")], OnError::Hold);
    let (one, two) = (run_chain(&job), run_chain(&job));
    assert_eq!((&one.verdict, one.runs[0].fuel), (&two.verdict, two.runs[0].fuel));
    let clock = delivered(&one).data.as_ref().map(|data| u64::from_le_bytes(data[8..].try_into().expect("8 bytes")));
    assert_eq!(clock, Some(2_000));
    let again = run_chain(&ChainJob { run: 2, ..job });
    assert_ne!(delivered(&one).data, delivered(&again).data, "another run draws other numbers");
}

#[test]
fn a_drop_ends_the_chain_with_its_reason() {
    let guest = Guest::new().text("not published").transform(&format!(
        "(i32.store (i32.const {VERDICT}) (i32.const 1))
         (call $pair (i32.const {DROP_REASON}) (i32.const {TEXT}) (i32.const 13))"
    ));
    let record = run_with(&guest, OnError::Hold);
    let plugin = "test".parse().expect("a name");
    assert_eq!(record.verdict, ChainVerdict::Drop { plugin, reason: "not published".into() });
    assert_eq!(record.runs[0].summary, "dropped: not published");
}

/// Fails with message `busy`: permanently (0), retryable (1), and after `delay` if given.
fn failing(kind: u32, delay: Option<u64>) -> Guest {
    let delay = delay.map_or_else(String::new, |delay| {
        format!(
            "(i32.store (i32.const {FAILURE_DELAY}) (i32.const 1))
             (i64.store (i32.const {}) (i64.const {delay}))",
            FAILURE_DELAY + 8
        )
    });
    Guest::new().text("busy").transform(&format!(
        "(i32.store (i32.const {ANSWER}) (i32.const 1)) (i32.store (i32.const {VERDICT}) (i32.const {kind})) {delay}
         (call $pair (i32.const {FAILURE_MESSAGE}) (i32.const {TEXT}) (i32.const 4))"
    ))
}

#[test]
fn on_error_decides_about_failures_the_plugin_returned() {
    let (plugin, reason): (PluginName, _) = ("test".parse().expect("a name"), "plugin test failed: busy".to_owned());
    let permanent = |on_error| run_with(&failing(0, None), on_error).verdict;
    let (p, r) = (|| plugin.clone(), || reason.clone());
    assert_eq!(permanent(OnError::Hold), ChainVerdict::Hold { plugin: p(), reason: r() });
    assert_eq!(permanent(OnError::Fail), ChainVerdict::Fail { plugin: p(), reason: r() });
    assert_eq!(permanent(OnError::Drop), ChainVerdict::Drop { plugin: p(), reason: r() });
    assert_eq!(permanent(OnError::Skip), ChainVerdict::Deliver { changes: Changes::default() });
    for (asked, after_ms) in [(None, 10_000), (Some(0), 1_000), (Some(5_000), 5_000), (Some(u64::MAX), 3_600_000)] {
        let verdict = run_with(&failing(1, asked), OnError::Hold).verdict;
        assert_eq!(verdict, ChainVerdict::Again { plugin: p(), reason: r(), after_ms });
    }
    let skipped = run_with(&failing(1, None), OnError::Skip);
    assert_eq!(delivered(&skipped), &Changes::default());
    assert_eq!(skipped.runs[0].summary, "failed: busy (skipped)");
}

#[test]
fn a_plugin_that_is_not_there_holds() {
    let mut job = job([load(&Guest::new().wasm()).expect("loads")], OnError::Skip);
    job.plugins = Arc::new(Catalog::default());
    let record = run_chain(&job);
    let reason = "plugin test is not loaded; put test.wasm into plugins/".to_owned();
    assert_eq!(record.verdict, ChainVerdict::Hold { plugin: "test".parse().expect("a name"), reason });
    assert_eq!(record.runs[0].digest, None);
}

#[test]
fn without_room_for_a_pool_instances_are_made_on_demand() {
    let engine = engine::on_demand_for_tests(&LIMITS);
    let linker = load::linker(&engine).expect("links");
    let loaded = load::load(&linker, &LIMITS, &appending().wasm()).expect("loads");
    assert_eq!(loaded.manifest.name, "test");
}
