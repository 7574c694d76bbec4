//! Hot reload: every way files change, while nothing is lost.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hookwright_tests::host::bundled_plugin;
use hookwright_tests::{Hookwright, Receiver, cases, slowdown};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

fn digest<'s>(status: &'s Value, plugin: &str) -> Option<&'s str> {
    let plugins = status["plugins"].as_array().unwrap();
    plugins.iter().find(|entry| entry["name"] == plugin).and_then(|entry| entry["digest"].as_str())
}

fn faults(status: &Value) -> String {
    status["revision"]["faults"].to_string()
}

#[tokio::test]
async fn a_plugin_copied_into_the_folder_is_live_within_a_second() {
    let host = Hookwright::builder().start().await;
    let copied = Instant::now();
    // As `cp` does: created, then filled.
    fs::create_dir_all(host.home().join("plugins")).unwrap();
    fs::write(host.home().join("plugins/redact.wasm"), bundled_plugin("redact")).unwrap();
    host.status("the plugin", |status| digest(status, "redact").is_some()).await;
    let took = copied.elapsed();
    let slowdown = slowdown();
    println!("live after {took:?} on a machine {slowdown:.1} times slower than idle");
    assert!(took < Duration::from_secs(1).mul_f64(slowdown), "{took:?}");
}

#[tokio::test]
async fn a_truncated_plugin_changes_nothing_and_is_reported_also_after_a_restart() {
    let receiver = Receiver::start().await;
    let config = json!({ "url": receiver.url(), "events": ["*"],
        "plugins": [ { "plugin": "redact", "config": { "remove": ["/entry/city"] } } ] });
    let mut host = Hookwright::builder().plugin("redact").webhook("w", config).start().await;
    let good = digest(&host.api("/v1/status").await, "redact").unwrap().to_owned();
    let wasm = bundled_plugin("redact");
    host.write("plugins/redact.wasm", &wasm[..wasm.len() / 2]);
    let status = host.status("the fault", |status| faults(status).contains("redact.wasm")).await;
    assert_eq!(digest(&status, "redact"), Some(good.as_str()));
    for restarted in [false, true] {
        if restarted {
            host.kill().await;
            host.restart().await;
        }
        let status = host.api("/v1/status").await;
        assert_eq!(digest(&status, "redact"), Some(good.as_str()), "restarted: {restarted}");
        assert!(faults(&status).contains("redact.wasm"), "{status}");
        let posted = host.post(cases::body("strapi-v5/entry.create")).await;
        host.deliveries(posted.event(), |delivery| delivery["state"] == "delivered").await;
        assert!(receiver.received().last().unwrap().json()["entry"].get("city").is_none());
    }
    let check = host.command(&["check"]).await;
    assert_eq!(check.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&check.stdout).contains("redact.wasm"), "{check:?}");
}

#[tokio::test]
async fn a_bad_webhook_file_keeps_its_last_good_version_also_after_a_restart() {
    let receiver = Receiver::start().await;
    let mut host = Hookwright::builder().webhook("w", json!({ "url": receiver.url(), "events": ["*"] })).start().await;
    host.write("config/webhooks/w.json", "{ \"url\": ");
    host.status("the fault", |status| faults(status).contains("w.json")).await;
    host.kill().await;
    host.restart().await;
    let status = host.api("/v1/status").await;
    assert!(faults(&status).contains("config/webhooks/w.json"), "{status}");
    host.post(cases::body("strapi-v5/entry.create")).await;
    receiver.wait_for(1).await;
}

#[tokio::test]
async fn strict_refuses_what_is_broken() {
    let (code, said) =
        Hookwright::builder().file("config/webhooks/w.json", "{ \"url\": ").argument("--strict").fails().await;
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("config/webhooks/w.json"), "{said}");
}

#[tokio::test]
async fn a_removed_webhook_holds_its_deliveries_and_gets_them_back_with_its_file() {
    let receiver = Receiver::answering(|index, _| if index == 0 { 500 } else { 204 }).await;
    let config = json!({ "url": receiver.url(), "events": ["*"], "retry": { "schedule": ["1m"] } });
    let mut host = Hookwright::builder().webhook("w", config.clone()).start().await;
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    host.deliveries(posted.event(), |delivery| delivery["state"] == "retrying").await;
    fs::remove_file(host.home().join("config/webhooks/w.json")).unwrap();
    let held = host.deliveries(posted.event(), |delivery| delivery["state"] == "held").await;
    assert_eq!(held[0]["heldFor"], "webhook-removed");
    host.kill().await;
    host.restart().await;
    assert_eq!(host.api("/v1/status").await["counts"]["held"], 1);
    host.write("config/webhooks/w.json", config.to_string());
    host.deliveries(posted.event(), |delivery| delivery["state"] == "delivered").await;
}

#[tokio::test]
async fn what_was_removed_while_the_host_was_down_holds_too() {
    let receiver = Receiver::answering(|_, _| 500).await;
    let config = json!({ "url": receiver.url(), "events": ["*"], "retry": { "schedule": ["1m"] } });
    let other = json!({ "url": receiver.url(), "events": ["trigger-test"] });
    let mut host = Hookwright::builder().webhook("w", config).webhook("other", other).start().await;
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    host.deliveries(posted.event(), |delivery| delivery["state"] == "retrying").await;
    host.kill().await;
    fs::remove_file(host.home().join("config/webhooks/w.json")).unwrap();
    host.restart().await;
    let held = host.deliveries(posted.event(), |delivery| delivery["state"] == "held").await;
    assert_eq!(held[0]["heldFor"], "webhook-removed");
}

#[tokio::test]
async fn changing_headers_and_schemas_under_200_events_a_second_loses_and_refuses_none() {
    const EVENTS: usize = 800;
    let receiver = Receiver::start().await;
    let host = Hookwright::builder().webhook("w", json!({ "url": receiver.url(), "events": ["*"] })).start().await;
    let host = Arc::new(host);
    let running = Arc::new(AtomicBool::new(true));
    let editing = tokio::spawn({
        let (host, running) = (Arc::clone(&host), Arc::clone(&running));
        async move {
            let mut edits = 0;
            while running.load(Ordering::Relaxed) {
                let before = host.revision().await;
                let overlay = json!({ "webhooks": { "defaultHeaders": { "X-Edit": edits.to_string() } } });
                host.write("config/environments/development/server.json", overlay.to_string());
                let schema = json!({ "type": "object", "description": format!("edit {edits}") });
                host.write("schemas/entry.create.json", schema.to_string());
                host.reloaded(before, |_| true).await;
                edits += 1;
            }
            edits
        }
    });
    let mut ticks = interval(Duration::from_millis(5));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for _ in 0..EVENTS {
        ticks.tick().await;
        let posted = host.post(cases::body("strapi-v5/entry.create")).await;
        assert_eq!(posted.status, 202, "{posted:?}");
    }
    receiver.wait_for(EVENTS).await;
    running.store(false, Ordering::Relaxed);
    let edits = editing.await.unwrap();
    assert!(edits >= 3, "only {edits} edits happened");
    assert_eq!(receiver.received().len(), EVENTS);
    let last = receiver.received().last().unwrap().header("x-edit").map(str::to_owned);
    assert!(last.is_some(), "the changed header arrives");
}
