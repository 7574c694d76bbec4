//! Plugin versions: runs repeated by those of the past, going back to one, and one that keeps breaking.

use std::fs;
use std::process::Output;

use hookwright_tests::host::{bundled_plugin, guest};
use hookwright_tests::{Hookwright, Receiver, cases};
use serde_json::{Value, json};

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn webhook(receiver: &Receiver, config: &Value) -> Value {
    json!({ "url": receiver.url(), "events": ["*"], "plugins": [ { "plugin": "dice", "config": config } ] })
}

/// What is in force as plugin `dice`.
async fn version(host: &Hookwright) -> String {
    let status = host.api("/v1/status").await;
    status["plugins"][0]["digest"].as_str().expect("a digest").to_owned()
}

#[tokio::test]
async fn a_run_is_repeated_exactly_after_a_restart_and_by_a_version_of_the_past() {
    let receiver = Receiver::start().await;
    let mut host = Hookwright::builder()
        .file("plugins/dice.wasm", guest("dice"))
        .webhook("w", webhook(&receiver, &json!({})))
        .start()
        .await;
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    let delivered = host.deliveries(posted.event(), |delivery| delivery["state"] == "delivered").await;
    let id = delivered[0]["id"].as_str().unwrap();
    let run = &delivered[0]["chain"]["runs"][0];
    assert_eq!((&run["verdict"], &run["version"]), (&json!("delivered"), &json!("0.1.0")));
    assert!(run["logs"][0]["message"].as_str().unwrap().starts_with("run 1 at "), "{run}");

    let repeat = ["plugin", "run", "--delivery", id];
    let (code, text) = said(&host.command(&repeat).await);
    assert!(code == Some(0) && text.contains("same: verdict, payload, headers, logs, fuel"), "{text}");
    assert_eq!(host.api("/v1/status").await["plugins"][0]["runs"], 1, "a repetition is no run");

    let before = version(&host).await;
    let revision = host.revision().await;
    host.write("plugins/dice.wasm", bundled_plugin("redact"));
    host.reloaded(revision, |_| true).await;
    host.terminate().await;
    host.restart().await;
    assert_ne!(version(&host).await, before);
    let (code, text) = said(&host.command(&repeat).await);
    assert!(code == Some(0) && text.contains("same: ") && text.contains(&before[..12]), "{text}");

    let revision = host.revision().await;
    let signed = json!({ "mask": ["/entry/city"] });
    host.write("config/webhooks/w.json", webhook(&receiver, &signed).to_string());
    host.reloaded(revision, |_| true).await;
    let (code, text) = said(&host.command(&repeat).await);
    assert!(code == Some(1) && text.contains("the config of plugin dice") && text.contains("--today"), "{text}");
    let (code, text) = said(&host.command(&["plugin", "run", "--today", "--json", "--delivery", id]).await);
    let answer: Value = serde_json::from_str(&text).unwrap();
    // To read another config takes other fuel, and that is all.
    let differences = answer["differences"].as_array().unwrap();
    assert_eq!((code, &answer["today"], differences.len()), (Some(1), &json!(true), 1), "{text}");
    assert_eq!(differences[0]["what"], "fuel of plugin dice");
    assert_eq!(host.api(&format!("/v1/events/{}", posted.event())).await["deliveries"], json!(delivered));
}

#[tokio::test]
async fn a_run_repeats_the_random_numbers_of_ordinary_crates() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder()
        .file("plugins/lots.wasm", guest("lots"))
        .webhook("w", json!({ "url": receiver.url(), "events": ["*"], "plugins": [ { "plugin": "lots" } ] }))
        .start()
        .await;
    for _ in 0..2 {
        let posted = host.post(cases::body("strapi-v5/entry.create")).await;
        let delivered = host.deliveries(posted.event(), |delivery| delivery["state"] == "delivered").await;
        let id = delivered[0]["id"].as_str().unwrap();
        let (code, text) = said(&host.command(&["plugin", "run", "--delivery", id]).await);
        assert!(code == Some(0) && text.contains("same: verdict, payload"), "{text}");
    }
    let received = receiver.wait_for(2).await;
    let (one, other) = (received[0].json(), received[1].json());
    for name in ["uuid", "rand", "second", "third"] {
        assert!(!one["lots"][name].is_null(), "{one}");
        assert_ne!(one["lots"][name], other["lots"][name], "another delivery, other numbers");
    }
}

#[tokio::test]
async fn an_earlier_version_is_put_back_with_and_without_a_host() {
    let receiver = Receiver::start().await;
    let mut host = Hookwright::builder()
        .file("plugins/dice.wasm", guest("dice"))
        .webhook("w", webhook(&receiver, &json!({})))
        .start()
        .await;
    let first = version(&host).await;
    let (code, text) = said(&host.command(&["plugin", "rollback", "dice"]).await);
    assert!(code == Some(1) && text.contains("has no earlier version here"), "{text}");
    let revision = host.revision().await;
    host.write("plugins/dice.wasm", bundled_plugin("redact"));
    host.reloaded(revision, |_| true).await;
    let second = version(&host).await;

    let (code, text) = said(&host.command(&["plugin", "rollback", "dice"]).await);
    assert!(code == Some(0) && text.starts_with(&format!("Now in force: version {}", &first[..12])), "{text}");
    assert_eq!(version(&host).await, first);
    assert_eq!(fs::read(host.home().join("plugins/dice.wasm")).unwrap(), guest("dice"));
    let (_, text) = said(&host.command(&["plugin", "list"]).await);
    assert!(text.contains("in force") && text.contains(&first[..12]), "{text}");

    host.terminate().await;
    let (code, text) = said(&host.command(&["plugin", "rollback", "dice", &second[..8]]).await);
    assert!(code == Some(0) && text.contains("No host runs here"), "{text}");
    let (_, text) = said(&host.command(&["plugin", "versions", "dice", "--json"]).await);
    let versions: Value = serde_json::from_str(&text).unwrap();
    let of = |index: usize, name: &str| versions["versions"][index][name].clone();
    assert_eq!((of(0, "digest"), of(1, "digest"), of(1, "inFolder")), (json!(first), json!(second), json!(true)));

    fs::write(host.home().join(format!("data/plugins/{first}.wasm")), "damaged").unwrap();
    let (code, text) = said(&host.command(&["plugin", "rollback", "dice"]).await);
    assert!(code == Some(1) && text.contains(&format!("data/plugins/{first}.wasm is damaged")), "{text}");
}

#[tokio::test]
async fn a_version_that_keeps_breaking_is_not_run_any_more_until_something_changes() {
    const EVENTS: usize = 13;
    let receiver = Receiver::start().await;
    let host = Hookwright::builder()
        .file("plugins/dice.wasm", guest("dice"))
        .webhook("w", webhook(&receiver, &json!({ "panic": true })))
        .start()
        .await;
    let mut reasons = Vec::new();
    let mut events = Vec::new();
    for _ in 0..EVENTS {
        let posted = host.post(cases::body("strapi-v5/entry.create")).await;
        let held = host.deliveries(posted.event(), |delivery| delivery["state"] == "held").await;
        reasons.push(held[0]["reason"].as_str().unwrap().to_owned());
        events.push((posted.event().to_owned(), held[0]["id"].as_str().unwrap().to_owned()));
    }
    assert!(
        reasons[9].contains("panicked at") && reasons[9].contains("told to panic over entry.create"),
        "{reasons:?}"
    );
    assert!(reasons[10].contains("is not run any more: it broke 10 times in a row"), "{reasons:?}");
    assert!(reasons[10].contains("`hookwright plugin rollback dice`"), "{reasons:?}");
    let plugin = host.api("/v1/status").await["plugins"][0].clone();
    assert_eq!((&plugin["runs"], &plugin["breaks"]), (&json!(10), &json!(10)));
    assert_eq!(plugin["stopped"][0]["webhook"], "w");
    let (_, text) = said(&host.command(&["delivery", "show", &events[0].1]).await);
    assert!(text.contains("told to panic") && text.contains("    at "), "{text}");
    let (_, text) = said(&host.command(&["status"]).await);
    assert!(text.contains("Not run any more") && text.contains("dice for webhook w"), "{text}");

    host.write("config/webhooks/w.json", webhook(&receiver, &json!({})).to_string());
    for (event, _) in &events {
        host.deliveries(event, |delivery| delivery["state"] == "delivered").await;
    }
}
