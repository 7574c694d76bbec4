//! How every page looks: at a desk and on a phone, light and dark, to axe-core and in its console.

use std::fs;

use hookwright_tests::browser::{Browser, screenshots};
use hookwright_tests::{Hookwright, Receiver, cases};
use http::Method;
use serde_json::{Value, json};

fn id(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

/// A host on which something of everything happened.
async fn busy_host(receiver: &Receiver, failing: &Receiver) -> Hookwright {
    let host = Hookwright::builder()
        .plugin("redact")
        .plugin("add-headers")
        .plugin("published-only")
        .file("plugins/broken.wasm", "not wasm")
        .webhook("site-build", json!({ "name": "Site build", "url": receiver.url(), "events": ["entry.*", "media.*"] }))
        .webhook("drafts", json!({ "name": "Published only", "url": receiver.url(), "events": ["entry.*"], "plugins": [{ "plugin": "published-only" }] }))
        .webhook("legacy", json!({ "url": failing.url(), "events": ["*"], "retry": { "schedule": [] } }))
        .webhook("search", json!({ "url": failing.url(), "events": ["entry.update"], "retry": { "schedule": ["10m"] } }))
        .file("config/webhooks/wrong.json", r#"{"url": 7}"#)
        .start()
        .await;
    let plugins = json!([
        { "plugin": "redact", "config": { "remove": ["/entry/documentId"] } },
        { "plugin": "add-headers", "config": { "headers": { "X-Model": "/model" } } },
    ]);
    let managed = json!({
        "id": "newsletter", "name": "Newsletter", "url": receiver.url(), "events": ["entry.create", "entry.publish"],
        "headers": { "Authorization": "Bearer of-the-newsletter" }, "plugins": plugins,
        "rateLimit": "100/s", "labels": { "team": "web" },
    });
    let made = host.admin_send(Method::POST, "/v1/webhooks", managed.to_string()).await;
    assert!(made.status.is_success(), "{made:?}");
    for _ in 0..3 {
        for name in ["entry.create", "entry.update", "entry.publish", "media.create", "entry.delete"] {
            host.post(cases::body(&format!("strapi-v5/{name}"))).await;
        }
    }
    host.post(r#"{"event":"entry.create","model":7}"#).await;
    host.admin_request(Method::POST, "/v1/webhooks/drafts/pause").await;
    host.post(cases::body("strapi-v5/entry.create")).await;
    host.admin_send(Method::POST, "/v1/tokens", r#"{"name":"grafana","role":"viewer"}"#).await;
    host
}

#[tokio::test]
async fn every_page_fits_and_is_fit_for_everybody() {
    let receiver = Receiver::start().await;
    let failing = Receiver::answering(|_, _| 503).await;
    let host = busy_host(&receiver, &failing).await;
    let Some(browser) = Browser::open(&host).await else { return };
    let newest = async |query: &str| id(&host.api(&format!("/v1/deliveries?limit=1{query}")).await["deliveries"][0]);
    host.status("some to have failed", |status| status["counts"]["failed"].as_u64() >= Some(8)).await;
    let failed = newest("&state=failed").await;
    let changed = newest("&webhook=newsletter&state=delivered").await;
    let event = host.api(&format!("/v1/deliveries/{changed}")).await["event"].as_str().expect("an id").to_owned();
    let quarantined = id(&host.api("/v1/quarantine").await["quarantined"][0]);
    let many = json!({ "webhook": "legacy" }).to_string();
    let run = id(&host.admin_send(Method::POST, "/v1/replays", many).await.body);

    browser.check("/login", "login").await;
    browser.enter(&host).await;
    for (path, name) in [
        ("/start", "start"),
        ("/webhooks", "webhooks"),
        ("/webhooks/newsletter", "webhook"),
        ("/webhooks/legacy", "webhook-of-a-file"),
        ("/webhooks/newsletter/export", "export"),
        ("/webhooks/new", "webhook-new"),
        ("/webhooks/newsletter/edit", "webhook-edit"),
        (&format!("/webhooks/newsletter/try?event={event}"), "try"),
        ("/deliveries", "deliveries"),
        ("/deliveries?state=nonsense&since=x", "deliveries-wrong"),
        (&format!("/deliveries/{failed}"), "delivery-failed"),
        (&format!("/deliveries/{changed}"), "delivery"),
        (&format!("/deliveries/{changed}/steps"), "steps"),
        (&format!("/deliveries/{changed}/replay"), "replay-edited"),
        ("/troubles", "troubles"),
        ("/replays", "replays"),
        (&format!("/replays/{run}"), "replay"),
        ("/events", "events"),
        (&format!("/events/{event}"), "event"),
        ("/events/quarantine", "quarantine"),
        (&format!("/events/quarantine/{quarantined}"), "quarantined"),
        ("/schemas", "schemas"),
        ("/schemas/entry.create", "schema"),
        ("/plugins", "plugins"),
        ("/plugins/redact", "plugin"),
        ("/plugins/upload", "upload"),
        ("/settings", "settings"),
        ("/settings/sources", "sources"),
        ("/settings/tokens", "tokens"),
        ("/settings/audit", "audit"),
    ] {
        browser.check(path, name).await;
    }
    // What a form came to is a page too.
    browser.go(&format!("/webhooks/newsletter/try?event={event}")).await;
    browser.press("Try it without sending").await;
    browser.find(".diff del").await;
    browser.check_here("tried").await;
    browser.close().await;
    let kept = fs::read_dir(screenshots()).expect("pictures").count();
    assert!(kept > 90, "{kept} pictures are kept");
}
