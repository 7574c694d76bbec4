//! A plugin that was built for 1.0.0, run by this host. What it makes of events is promised for all of 1.x: whoever
//! finds these tests failing has broken the contract, and mends the host.

use serde_json::{Value, json};

use super::*;
use crate::delivery::PluginRun;

const PLEDGE: &[u8] = include_bytes!("../../../../tests/fixtures/plugin-1.0.0.wasm");

/// Runs it on an event of this type.
fn run(event_type: &str, body: &'static str, config: &str) -> ChainRecord {
    let plugin = load(PLEDGE).unwrap_or_else(|error| panic!("a plugin of 1.0.0 is refused: {error}"));
    assert_eq!((plugin.kind(), plugin.check_config(config)), (EngineKind::Small, Ok(())));
    assert!(plugin.code.direct.is_some(), "what the SDK makes is run without its component");
    let used = PluginUse { plugin: plugin.name.clone(), config: config.into(), on_error: OnError::Fail, shadow: None };
    let catalog = Catalog::new(BTreeMap::from([(plugin.name.clone(), Arc::new(plugin))]));
    let mut job = job("site", vec![used], catalog);
    let event = Arc::get_mut(&mut job.event).expect("nobody else has it");
    (event.event_type, event.data) = (event_type.parse().expect("a type"), Bytes::from_static(body.as_bytes()));
    run_chain(&job)
}

fn words(run: &PluginRun) -> (&str, Option<&str>) {
    (&run.summary, run.code.as_deref())
}

#[test]
fn a_plugin_of_1_0_0_rewrites_as_it_always_did() {
    let record = run("entry.create", r#"{"event":"entry.create","a":1.50,"b":2}"#, r#"{"without":["b","c"]}"#);
    let changes = delivered(&record);
    let body: Value = serde_json::from_slice(changes.data.as_ref().expect("rewritten")).expect("JSON");
    let seen = json!({
        "now": 2_000,
        "random": [15_890_893_528_461_252_610_u64, 6_050_064_384_664_149_756_u64],
        "receivedMs": 1_000,
        "contentType": "application/json",
        "traceparent": "00-1-2-3",
        "header": "entry.create",
        "labels": [],
    });
    assert_eq!(body, json!({"event": "entry.create", "a": 1.50, "seen": seen}));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(changes.content_type.as_deref(), Some("application/vnd.pledge+json"));
    assert_eq!(changes.set_headers, [pair("x-pledge", "kept")]);
    assert_eq!(changes.remove_headers, ["x-strapi-event"]);
    assert_eq!(changes.annotations, [pair("kept", "yes")]);
    let logs: Vec<_> = record.runs[0].logs.iter().map(|line| (line.level.as_str(), line.message.as_str())).collect();
    assert_eq!(logs, [("info", "entry.create from strapi for site, run 1"), ("warn", "no c")]);
}

#[test]
fn a_plugin_of_1_0_0_decides_as_it_always_did() {
    let record = run("entry.update", "{}", "{}");
    assert_eq!(words(&record.runs[0]), ("dropped: no updates [unwanted]", Some("unwanted")));
    assert_eq!(record.runs[0].annotations, [("type".to_owned(), "update".to_owned())]);
    assert!(matches!(record.verdict, ChainVerdict::Drop { .. }));

    let record = run("entry.delete", "{}", "{}");
    assert_eq!(words(&record.runs[0]), ("failed: no deletes [unwanted]", Some("unwanted")));
    assert_eq!(record.runs[0].annotations, [("type".to_owned(), "delete".to_owned())]);
    assert!(matches!(record.verdict, ChainVerdict::Fail { .. }));

    let record = run("entry.publish", "{}", "{}");
    assert!(matches!(record.verdict, ChainVerdict::Again { after_ms: 5_000, .. }), "{:?}", record.verdict);

    let record = run("media.create", "{}", "{}");
    assert_eq!(record.runs[0].summary, "panicked at tests/guests/pledge/src/lib.rs:24:27: no media");
    assert!(matches!(record.verdict, ChainVerdict::Hold { .. }));

    let record = run("media.update", "not JSON", "{}");
    assert_eq!(delivered(&record), &Changes::default(), "byte for byte");
}

#[test]
fn its_manifest_reads_as_it_always_did() {
    let plugin = load(PLEDGE).expect("loads");
    assert_eq!((plugin.manifest.name.as_str(), plugin.manifest.version.as_str()), ("pledge", "0.1.0"));
    let objection = plugin.check_config(r#"{"wihtout": []}"#).expect_err("misspelt");
    assert_eq!(objection[0].keyword, "additionalProperties");
}

/// Made for a minor that does not exist yet.
#[test]
fn a_plugin_of_a_newer_minor_runs_unless_it_imports_what_is_new() {
    let record = run_with(&Guest::new().version("1.7.0"), OnError::Hold);
    assert_eq!(delivered(&record), &Changes::default());
    for (module, name) in [("hookwright:plugin/host@1.7.0", "now-ns"), ("hookwright:plugin/metrics@1.7.0", "count")] {
        let text = format!("(module (import \"{module}\" \"{name}\" (func)))");
        let words = refusal(&wat::parse_str(text).expect("valid"));
        let expected =
            format!("imports `{module}#{name}`: came with version 1.7.0 of the contract, this host speaks 1.0.0");
        assert!(words.starts_with(&expected), "{words}");
    }
    for version in ["0.2.0", "2.0.0"] {
        let words = refusal(&Guest::new().version(version).wasm());
        assert!(words.contains(&format!("made for version {version} of the contract")), "{words}");
    }
}
