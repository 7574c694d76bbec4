//! What the tests of the bundled plugins have in common. A plugin is tried natively on every body in `tests/cases`, as
//! Strapi sends them, and on any JSON at all.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use hookwright_sdk::serde::de::DeserializeOwned;
use hookwright_sdk::{Changes, Delivery, Result, Value, Verdict, json, serde_json};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// A plugin's function.
pub type Plugin<C> = fn(Delivery, C) -> Result<Verdict>;

/// What `plugin` answers to every real body with this config, as people read it.
pub fn on_real_bodies<C: DeserializeOwned>(plugin: Plugin<C>, config: &Value) -> String {
    let mut told = format!("config: {config}\n");
    for (name, event_type, body) in cases() {
        let answer = answer(plugin, Delivery::example(event_type, Value::Null).with_data(body.clone()), config);
        write!(told, "\n## {name}\n{}", shown(&answer, &body)).unwrap();
    }
    told
}

/// Lets `plugin` see many bodies and event types that nobody sends. A panic fails the test, and so does a failure without
/// a code.
pub fn on_any_json<C: DeserializeOwned>(plugin: Plugin<C>, configs: &[Value]) {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let types = prop_oneof!["[a-z]{1,9}(\\.[a-z-]{1,9})?", sample_of(&TYPES)];
    runner
        .run(&(types, body()), |(event_type, body)| {
            for config in configs {
                let delivery = Delivery::example(event_type.clone(), Value::Null).with_data(body.to_string());
                match answer(plugin, delivery, config) {
                    Err(failure) if failure.code.is_none() => panic!("no code: {failure}"),
                    _ => {}
                }
            }
            Ok(())
        })
        .unwrap();
    // As deep as JSON is read at all.
    let deep = format!("{}{}", "[".repeat(127), "]".repeat(127));
    for body in [format!(r#"{{"entry":{}}}"#, &deep[1..253]), deep, "nope".into(), String::new(), "null".into()] {
        for config in configs {
            let _ = answer(plugin, Delivery::example("entry.create", Value::Null).with_data(body.clone()), config);
        }
    }
}

/// Runs `check` on any JSON.
pub fn for_any_json(check: impl Fn(&Value)) {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    runner
        .run(&body(), |body| {
            check(&body);
            Ok(())
        })
        .unwrap();
}

/// Lets `plugin` run natively on its own fixtures (`fixtures/*.json` below `krate`). `hookwright plugin test` runs the same
/// ones in the sandbox: both say what the fixtures expect.
pub fn on_its_fixtures<C: DeserializeOwned>(plugin: Plugin<C>, krate: &str) {
    let folder = Path::new(krate).join("fixtures");
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        let fixture = json(&path);
        let captured = fixture["event"].as_str().map(|file| json(&folder.join(file)));
        let event = captured.as_ref().unwrap_or(&fixture["event"]);
        let event = event.get("body").unwrap_or(event);
        let event_type = fixture.get("type").or_else(|| event.get("event")).and_then(Value::as_str).unwrap();
        let mut delivery = Delivery::example(event_type, event.clone());
        delivery.source = "strapi".into();
        for (name, value) in fixture["attributes"].as_object().into_iter().flatten() {
            delivery = delivery.with_attribute(name, value.as_str().unwrap());
        }
        let config = fixture.get("config").cloned().unwrap_or_else(|| json!({}));
        let outcome = outcome(&answer(plugin, delivery, &config), event.to_string().as_bytes());
        assert_eq!(outcome, fixture["expect"], "{}", path.display());
    }
}

/// An answer as fixtures write it.
fn outcome(answer: &Result<Verdict>, before: &[u8]) -> Value {
    let changes = match answer {
        Err(failure) => return json!({"fail": {"message": failure.message, "code": failure.code}}),
        Ok(Verdict::Drop(dropped)) => return json!({ "drop": dropped.reason }),
        Ok(Verdict::Deliver(changes)) => changes,
    };
    let mut deliver = json!({});
    if let Some(data) = changes.data.as_ref().filter(|data| *data != before) {
        deliver["data"] = serde_json::from_slice(data).unwrap();
    }
    if let Some(content_type) = &changes.content_type {
        deliver["contentType"] = content_type.as_str().into();
    }
    for (name, value) in &changes.set_headers {
        deliver["setHeaders"][name.to_ascii_lowercase()] = value.as_str().into();
    }
    for (name, value) in &changes.annotations {
        deliver["annotations"][name] = value.as_str().into();
    }
    json!({ "deliver": deliver })
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What `plugin` answers, its config read as in the sandbox.
///
/// # Errors
/// Those of the plugin, and those of reading its config.
pub fn answer<C: DeserializeOwned>(plugin: Plugin<C>, delivery: Delivery, config: &Value) -> Result<Verdict> {
    let delivery = delivery.with_config(config.clone());
    let config = delivery.config()?;
    plugin(delivery, config)
}

/// The new payload that `plugin` makes of a body, as JSON.
pub fn rewritten<C: DeserializeOwned>(plugin: Plugin<C>, event_type: &str, body: &Value, config: &Value) -> Value {
    match answer(plugin, Delivery::example(event_type, body.clone()), config) {
        Ok(Verdict::Deliver(Changes { data: Some(data), .. })) => serde_json::from_slice(&data).unwrap(),
        other => panic!("no new payload: {other:?}"),
    }
}

const TYPES: [&str; 8] = [
    "entry.create",
    "entry.publish",
    "entry.delete",
    "media.update",
    "releases.publish",
    "review-workflows.updateEntryStage",
    "trigger-test",
    "hookwright.delivery.failed",
];

/// Names that plugins look for: objects of others alone would reach little of them.
const NAMES: [&str; 14] = [
    "event",
    "createdAt",
    "created_at",
    "model",
    "uid",
    "entry",
    "media",
    "release",
    "id",
    "documentId",
    "title",
    "error",
    "publishedAt",
    "locale",
];

fn sample_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(texts).prop_map(str::to_owned)
}

/// Any JSON, mostly objects with names that Strapi uses.
fn body() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,30}".prop_map(Value::from),
        "[\\\\<>@*|&{}%\"\u{0}-\u{1f} é日👍]{0,300}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        let name = prop_oneof![3 => sample_of(&NAMES), 1 => "\\PC{0,6}".prop_map(String::from)];
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            4 => proptest::collection::vec((name, inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Name, event type and body of every real body, sorted by name.
fn cases() -> Vec<(String, String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cases");
    let mut cases = Vec::new();
    for version in ["strapi-v3", "strapi-v5"] {
        for file in fs::read_dir(folder.join(version)).unwrap() {
            let path = file.unwrap().path();
            let value = json(&path);
            // Strapi 5's were captured with their headers.
            let body = value.get("body").unwrap_or(&value);
            let event_type = body["event"].as_str().unwrap().to_owned();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            cases.push((format!("{version}/{stem}"), event_type, body.to_string().into_bytes()));
        }
    }
    cases.sort();
    cases
}

fn shown(answer: &Result<Verdict>, before: &[u8]) -> String {
    let changes = match answer {
        Err(failure) => return format!("fail: {failure}\n"),
        Ok(Verdict::Drop(dropped)) => return format!("drop: {}\n", dropped.reason),
        Ok(Verdict::Deliver(changes)) => changes,
    };
    let mut text = String::from("deliver\n");
    for (name, value) in &changes.set_headers {
        writeln!(text, "{name}: {value}").unwrap();
    }
    for name in &changes.remove_headers {
        writeln!(text, "without {name}").unwrap();
    }
    for (name, value) in changes.content_type.iter().map(|value| ("content type", value)) {
        writeln!(text, "{name}: {value}").unwrap();
    }
    for (name, value) in &changes.annotations {
        writeln!(text, "({name}: {value})").unwrap();
    }
    match &changes.data {
        None => text.push_str("the same payload\n"),
        Some(data) if data == before => text.push_str("the same payload, written again\n"),
        Some(data) => match serde_json::from_slice::<Value>(data) {
            Ok(json) => writeln!(text, "{json:#}").unwrap(),
            Err(_) => writeln!(text, "{}", String::from_utf8_lossy(data)).unwrap(),
        },
    }
    text
}
