//! Hot reload: every way files change, while nothing is lost.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hookwright_tests::host::bundled_plugin;
use hookwright_tests::{Hookwright, Receiver, cases};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

fn webhook(url: &str) -> String {
    json!({ "url": url, "events": ["*"] }).to_string()
}

fn ids(status: &Value) -> Vec<&str> {
    status["webhooks"].as_array().unwrap().iter().map(|webhook| webhook["id"].as_str().unwrap()).collect()
}

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
    assert!(took < Duration::from_secs(1), "{took:?}");
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
async fn files_change_in_every_way_editors_and_tools_change_them() {
    let receiver = Receiver::start().await;
    let (first, second) = (webhook(&receiver.url()), webhook(&format!("{}?v=2", receiver.url())));
    let host = Hookwright::builder().file("config/webhooks/a.json", &first).start().await;
    let folder = host.home().join("config/webhooks");
    let path = folder.join("a.json");
    let url_is = |ending: &'static str| {
        move |status: &Value| status["webhooks"][0]["url"].as_str().is_some_and(|url| url.ends_with(ending))
    };

    // Removed and created again, as some editors save: nothing is removed in between.
    fs::remove_file(&path).unwrap();
    fs::write(&path, &second).unwrap();
    host.status("unlink + create", url_is("v=2")).await;

    // Renamed over.
    host.write("config/webhooks/a.json", &first);
    host.status("rename over", url_is("/hook")).await;

    // Written in two halves: the half is never taken for the whole.
    let (head, _) = second.split_at(second.len() / 2);
    fs::write(&path, head).unwrap();
    host.status("the half is reported", |status| faults(status).contains("a.json")).await;
    fs::write(&path, &second).unwrap();
    host.status("the whole", |status| url_is("v=2")(status) && !faults(status).contains("a.json")).await;

    // A symlink to another file, swapped at once, as Kubernetes mounts configuration.
    fs::create_dir(host.home().join("v1")).unwrap();
    fs::write(host.home().join("v1/a.json"), &first).unwrap();
    symlink(host.home().join("v1/a.json"), host.home().join("link")).unwrap();
    fs::rename(host.home().join("link"), &path).unwrap();
    host.status("symlink swap", url_is("/hook")).await;

    // Several at once, with an editor's leftovers beside them.
    for name in ["b", "c", "d"] {
        fs::write(folder.join(format!("{name}.json")), &first).unwrap();
        fs::write(folder.join(format!(".{name}.json.swp")), "binary").unwrap();
        fs::write(folder.join(format!("{name}.json~")), "{").unwrap();
    }
    let status = host.status("several at once", |status| ids(status) == ["a", "b", "c", "d"]).await;
    assert_eq!(faults(&status), "[]");

    // The folder replaced by another one.
    fs::create_dir(host.home().join("new")).unwrap();
    for name in ["a", "b", "c", "d", "e"] {
        fs::write(host.home().join(format!("new/{name}.json")), &second).unwrap();
    }
    fs::rename(&folder, host.home().join("old")).unwrap();
    fs::rename(host.home().join("new"), &folder).unwrap();
    host.status("folder replaced", |status| ids(status).contains(&"e") && url_is("v=2")(status)).await;

    // One file removed for good.
    fs::remove_file(folder.join("e.json")).unwrap();
    host.status("one removed", |status| ids(status) == ["a", "b", "c", "d"]).await;

    // The folder gone: nothing is removed until somebody says so.
    fs::rename(&folder, host.home().join("gone")).unwrap();
    let status = host.status("the vanished folder", |status| faults(status).contains("accept-removals")).await;
    assert_eq!(ids(&status), ["a", "b", "c", "d"]);
    let accepted = host.command(&["reload", "--accept-removals"]).await;
    assert!(accepted.status.success(), "{accepted:?}");
    host.status("accepted", |status| ids(status).is_empty()).await;
}

#[tokio::test]
async fn a_removed_webhook_holds_its_deliveries_and_gets_them_back_with_its_file() {
    let receiver = Receiver::answering(|index, _| if index == 0 { 500 } else { 204 }).await;
    let config = json!({ "url": receiver.url(), "events": ["*"], "retry": { "schedule": ["1s"] } });
    let host = Hookwright::builder().webhook("w", config.clone()).start().await;
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    receiver.wait_for(1).await;
    fs::remove_file(host.home().join("config/webhooks/w.json")).unwrap();
    let held = host.deliveries(posted.event(), |delivery| delivery["state"] == "held").await;
    assert_eq!(held[0]["heldFor"], "webhook-removed");
    host.write("config/webhooks/w.json", config.to_string());
    host.deliveries(posted.event(), |delivery| delivery["state"] == "delivered").await;
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
