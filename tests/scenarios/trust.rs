//! Try before you trust: other files on stored events, and candidates beside live plugins.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::SystemTime;

use hookwright_tests::host::{bundled_plugin, command, guest, output};
use hookwright_tests::wait::until;
use hookwright_tests::{Hookwright, Receiver, cases};
use serde_json::{Value, json};
use tempfile::TempDir;

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn redacting(receiver: &Receiver, removed: &str) -> Value {
    let redact = json!({ "plugin": "redact", "config": { "remove": [removed] } });
    json!({ "url": receiver.url(), "events": ["entry.*"], "plugins": ["published-only", redact] })
}

/// A host with history: delivered, dropped, held, pending and quarantined.
async fn with_history(receiver: &Receiver) -> (Hookwright, String) {
    let host = Hookwright::builder()
        .plugin("redact")
        .plugin("published-only")
        .file("plugins/dice.wasm", guest("dice"))
        .webhook("redacted", redacting(receiver, "/entry/postal_code"))
        .webhook("dicey", json!({ "url": receiver.url(), "events": ["*"], "plugins": ["dice"] }))
        .webhook("plain", json!({ "url": receiver.url(), "events": ["*"], "filter": { "/model": ["address"] } }))
        .start()
        .await;
    let published = host.post(cases::body("strapi-v5/entry.publish")).await.event().to_owned();
    let draft = host.post(cases::body("strapi-v5/entry.create")).await.event().to_owned();
    host.post(cases::body("strapi-v5/media.create")).await;
    for event in [&published, &draft] {
        let done = |delivery: &Value| delivery["state"] == "delivered" || delivery["state"] == "dropped";
        assert_eq!(host.deliveries(event, done).await.len(), 3);
    }
    (host, published)
}

/// A home with these files in place of those of the host.
fn candidate(host: &Hookwright, files: &[(&str, Value)]) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    for folder in ["config/webhooks", "plugins", "schemas"] {
        fs::create_dir_all(home.path().join(folder)).unwrap();
        let Ok(entries) = fs::read_dir(host.home().join(folder)) else { continue };
        for entry in entries.map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file()) {
            fs::copy(entry.path(), home.path().join(folder).join(entry.file_name())).unwrap();
        }
    }
    fs::copy(host.home().join("config/server.json"), home.path().join("config/server.json")).unwrap();
    for (path, content) in files {
        fs::write(home.path().join(path), content.to_string()).unwrap();
    }
    home
}

fn store(host: &Hookwright) -> String {
    format!("sqlite:{}", host.home().join("data/hookwright.db").display())
}

/// Every file below a folder, with what tells it from another.
fn files(folder: &Path) -> BTreeMap<String, (u64, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, metadata) = (entry.path(), entry.metadata().unwrap());
            if metadata.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.display().to_string(), (metadata.len(), metadata.modified().unwrap()));
            }
        }
    }
    found
}

#[tokio::test]
async fn files_that_did_not_change_never_differ_beside_a_host_and_without_one() {
    let receiver = Receiver::start().await;
    let (mut host, published) = with_history(&receiver).await;
    let unchanged = ["check", "--against", "last:500"];
    let (code, text) = said(&host.command(&unchanged).await);
    assert!(code == Some(0) && text.contains("nothing differs in 3 events"), "{text}");
    host.terminate().await;
    let before = files(host.home());
    let (code, text) = said(&host.command(&["check", "--json", "--against", "since:2h"]).await);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((code, &report["events"], &report["different"]), (Some(0), &json!(3), &json!(0)), "{report}");
    assert_eq!(report["webhooks"]["dicey"]["same"], 3, "clock and random numbers are those of the record: {report}");
    let (code, text) = said(&host.command(&["check", "--against", &published]).await);
    assert!(code == Some(0) && text.contains("nothing differs in 1 event"), "{text}");
    assert_eq!(files(host.home()), before, "nothing is written");
}

#[tokio::test]
async fn what_other_files_would_do_is_told_before_they_are_in_force() {
    let receiver = Receiver::start().await;
    let (host, published) = with_history(&receiver).await;
    let odd = json!({ "event": "shop.sold", "createdAt": "2026-01-01T00:00:00.000Z", "model": "address" });
    assert_eq!(host.post(odd.to_string()).await.status, 422);

    let strict = json!({ "required": ["never"] });
    let elsewhere = json!({ "url": receiver.url(), "events": ["entry.publish"], "plugins": ["published-only"] });
    let changed = candidate(
        &host,
        &[
            ("config/webhooks/redacted.json", redacting(&receiver, "/entry/city")),
            ("config/webhooks/plain.json", json!({ "url": receiver.url(), "events": ["*"], "enabled": false })),
            ("config/webhooks/new.json", elsewhere),
            ("schemas/media.create.json", strict),
            ("schemas/shop.sold.json", json!({})),
        ],
    );
    fs::remove_file(changed.path().join("config/webhooks/dicey.json")).unwrap();
    let check = |more: &[&str]| {
        let store = store(&host);
        let arguments = [&["check", "--against", "last:10", "--store", &store][..], more].concat();
        let mut command = command(changed.path(), &arguments);
        async move { said(&output(&mut command).await) }
    };
    let (code, text) = check(&["--json"]).await;
    assert_eq!(code, Some(1), "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&report["refused"], &report["admitted"], &report["events"]),
        (&json!(1), &json!(1), &json!(3)),
        "{report}"
    );
    let of = |webhook: &str, what: &str| report["webhooks"][webhook][what].as_u64().unwrap();
    assert_eq!((of("redacted", "payload"), of("redacted", "same")), (1, 1), "the draft is dropped as before: {report}");
    assert_eq!((of("dicey", "unmatched"), of("plain", "unmatched"), of("new", "matched")), (2, 2, 1), "{report}");
    let rewritten = report["differences"].as_array().unwrap().iter().find(|found| found["webhook"] == "redacted");
    let rewritten = rewritten.unwrap();
    assert_eq!(rewritten["event"], json!(published));
    let mut pointers: Vec<_> = rewritten["payload"]["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["pointer"].as_str().unwrap())
        .collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/entry/city", "/entry/postal_code"]);

    let (code, text) = check(&["--show", "100"]).await;
    for words in [
        "1 event would be refused",
        "1 quarantined event would be let in",
        "+ /entry/postal_code: ",
        "+ no delivery: the webhook is disabled",
        "+ refused: the event media.create does not fit its schema",
        "- no delivery\n    + deliver",
    ] {
        assert!(code == Some(1) && text.contains(words), "{words}: {text}");
    }
    let (_, text) = check(&["--show", "1"]).await;
    assert!(text.contains("more differences are not shown"), "{text}");

    fs::write(changed.path().join("plugins/redact.wasm"), "no wasm").unwrap();
    let (code, text) = check(&[]).await;
    assert!(code == Some(78) && text.contains("plugins/redact.wasm"), "{text}");
    let absent = ["check", "--against", "last:10", "--store", "sqlite:/nonexistent/hookwright.db"];
    let (code, text) = said(&host.command(&absent).await);
    assert!(code == Some(1) && text.contains("there is no database"), "{text}");
}

#[tokio::test]
async fn what_did_not_run_is_counted_and_what_broke_is_compared() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder()
        .file("plugins/spin.wasm", guest("spin"))
        .webhook("waiting", json!({ "url": receiver.url(), "events": ["*"], "plugins": ["redact"] }))
        .webhook("spinning", json!({ "url": receiver.url(), "events": ["*"], "plugins": ["spin"] }))
        .start()
        .await;
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    host.deliveries(posted.event(), |delivery| delivery["state"] == "held").await;
    let mended = candidate(&host, &[]);
    for name in ["redact", "spin"] {
        fs::write(mended.path().join(format!("plugins/{name}.wasm")), bundled_plugin("redact")).unwrap();
    }
    let arguments = ["check", "--json", "--against", posted.event(), "--store", &store(&host)];
    let (code, text) = said(&output(&mut command(mended.path(), &arguments)).await);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(
        (code, &report["webhooks"]["waiting"]["notCompared"]),
        (Some(1), &json!({ "heldUnrun": 1 })),
        "{report}"
    );
    assert_eq!(report["differences"][0]["verdict"]["after"], "deliver", "{report}");
    assert!(report["differences"][0]["verdict"]["before"].as_str().unwrap().contains("fuel"), "{report}");
}

/// The shadow of a webhook, once it satisfies `done`.
async fn shadow(host: &Hookwright, done: impl Fn(&Value) -> bool) -> Value {
    until("a shadow", || async {
        let shadow = host.api("/v1/shadows?webhook=w").await["shadows"][0].clone();
        done(&shadow).then_some(shadow)
    })
    .await
}

#[tokio::test]
async fn a_candidate_sees_what_the_live_plugin_sees_and_sends_nothing() {
    const EVENTS: usize = 3;
    let receiver = Receiver::start().await;
    let chain = json!(["published-only", { "plugin": "redact", "config": { "remove": ["/entry/postal_code"] },
        "shadow": { "plugin": "redact-next", "config": { "mask": ["/entry/postal_code"] } } }]);
    let host = Hookwright::builder()
        .plugin("redact")
        .plugin("published-only")
        .webhook("w", json!({ "url": receiver.url(), "events": ["*"], "plugins": chain }))
        .start()
        .await;
    let published = || cases::body("strapi-v5/entry.publish");
    host.post(published()).await;
    receiver.wait_for(1).await;
    let absent = shadow(&host, |_| true).await;
    assert_eq!((&absent["trouble"], &absent["runs"]), (&json!("no plugin redact-next is loaded"), &json!(0)));
    let faults = host.api("/v1/status").await["revision"]["faults"].clone();
    assert_eq!((&faults[0]["pointer"], faults.as_array().unwrap().len()), (&json!("/plugins/1/shadow"), 1), "{faults}");

    host.write("plugins/redact-next.wasm", bundled_plugin("redact"));
    shadow(&host, |shadow| shadow["trouble"].is_null()).await;
    for _ in 0..EVENTS {
        host.post(published()).await;
    }
    let seen = shadow(&host, |shadow| shadow["runs"] == EVENTS).await;
    assert_eq!(
        (&seen["different"], &seen["payload"], &seen["verdict"]),
        (&json!(EVENTS), &json!(EVENTS), &json!(0)),
        "{seen}"
    );
    assert!(seen["fuelRatio"].as_f64().is_some_and(|ratio| ratio > 0.5 && ratio < 2.0), "{seen}");
    for received in receiver.wait_for(1 + EVENTS).await {
        assert!(received.json()["entry"].get("postal_code").is_none(), "the live plugin's");
    }
    let (code, text) = said(&host.command(&["plugin", "shadow", "w"]).await);
    assert!(code == Some(0) && text.contains("+ /entry/postal_code: \"***\""), "{text}");
    for list in [&["status"][..], &["plugin", "list"]] {
        let (_, text) = said(&host.command(list).await);
        assert!(text.contains("Shadows\n"), "{text}");
    }

    // A candidate that never ends: told apart, and nobody else's concern.
    host.write("plugins/redact-next.wasm", guest("spin"));
    let digest = seen["shadow"]["digest"].clone();
    let fresh = shadow(&host, |shadow| shadow["shadow"]["digest"] != digest).await;
    assert_eq!((&fresh["runs"], &fresh["differences"]), (&json!(0), &json!([])), "another version starts at zero");
    let posted = host.post(published()).await;
    host.deliveries(posted.event(), |delivery| delivery["state"] == "delivered").await;
    let failed = shadow(&host, |shadow| shadow["runs"] == 1).await;
    assert_eq!(failed["failed"], 1, "{failed}");
    assert!(failed["lastFailure"].as_str().unwrap().contains("fuel"), "{failed}");
    let (_, text) = said(&host.command(&["plugin", "shadow"]).await);
    assert!(text.contains("failed, the last time: ran out of fuel"), "{text}");
    // And nothing that is written down knows of it.
    let (code, text) = said(&host.command(&["check", "--against", "last:10"]).await);
    assert!(code == Some(0) && text.contains("nothing differs in 5 events"), "{text}");
}

#[tokio::test]
async fn a_candidate_that_draws_the_same_numbers_is_the_same() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder()
        .file("plugins/dice.wasm", guest("dice"))
        .file("plugins/dice-next.wasm", guest("dice"))
        .webhook(
            "w",
            json!({ "url": receiver.url(), "events": ["*"], "plugins": [
            { "plugin": "dice", "shadow": "dice-next" } ] }),
        )
        .start()
        .await;
    host.post(cases::body("strapi-v5/entry.create")).await;
    let seen = shadow(&host, |shadow| shadow["runs"] == 1).await;
    assert_eq!((&seen["same"], &seen["fuelRatio"]), (&json!(1), &json!(1.0)), "{seen}");
}
