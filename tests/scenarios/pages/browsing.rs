//! What people do with the pages, in a real browser.

use hookwright_tests::browser::Browser;
use hookwright_tests::{Hookwright, Receiver, SECRET, cases};
use serde_json::{Value, json};

/// An empty host greets with steps that tick themselves off.
#[tokio::test]
async fn three_steps_lead_to_the_first_delivered_event() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder().start().await;
    let Some(browser) = Browser::sign_in(&host).await else { return };
    browser.at("/start").await;
    browser.sees("hookwright listen").await;
    // A file ticks the first step off, without a reload.
    let webhook = json!({ "url": receiver.url(), "events": ["*"], "signing": { "secrets": [SECRET] } });
    host.write("config/webhooks/site.json", webhook.to_string());
    browser.find("ol.steps > li:first-child.done").await;
    browser.press("Send a sample event").await;
    browser.find("ol.steps > li:last-child.done").await;
    browser.sees("Delivered.").await;
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(browser.console().await, [""; 0]);
    browser.close().await;
}

#[tokio::test]
async fn a_delivery_appears_without_a_reload() {
    let receiver = Receiver::start().await;
    let host =
        Hookwright::builder().webhook("site", json!({ "url": receiver.url(), "events": ["entry.*"] })).start().await;
    let Some(browser) = Browser::sign_in(&host).await else { return };
    browser.go("/deliveries?state=delivered").await;
    browser.find("[data-live-state=on]").await;
    assert!(!browser.has("#list tbody tr").await);
    browser.run("window.loaded = 1").await;

    host.post(cases::body("strapi-v5/entry.create")).await;
    browser.find("#list tbody tr .state.good").await;
    assert_eq!(browser.run("return window.loaded").await, json!(1), "the page was not loaded anew");

    // Paused, nothing moves under the reader's eyes; then all of it is there.
    browser.click("[data-live-pause]").await;
    browser.find("[data-live-state=off]").await;
    host.post(cases::body("strapi-v5/entry.update")).await;
    receiver.wait_for(2).await;
    browser.click("[data-live-pause]").await;
    browser.find("#list tbody tr:nth-child(2)").await;
    assert_eq!(browser.console().await, [""; 0]);
    browser.close().await;
}

#[tokio::test]
async fn a_delivery_is_replayed_edited() {
    let receiver = Receiver::start().await;
    let host =
        Hookwright::builder().webhook("site", json!({ "url": receiver.url(), "events": ["entry.*"] })).start().await;
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    let deliveries = host.deliveries(posted.event(), |delivery| delivery["state"] == "delivered").await;
    let path = format!("/deliveries/{}", deliveries[0]["id"].as_str().expect("an id"));
    let Some(browser) = Browser::sign_in(&host).await else { return };
    browser.go(&format!("{path}/replay")).await;

    // What cannot be sent stays as it was typed, with what is wrong beside it.
    browser.fill("#data", "{\"event\": \"entry.create\", oops").await;
    browser.press("Replay edited").await;
    browser.find("#data[aria-invalid=true]").await;
    assert!(browser.value("#data").await.ends_with("oops"));
    assert_eq!(receiver.received().len(), 1);

    let mut edited: Value = serde_json::from_slice(&cases::body("strapi-v5/entry.create")).expect("JSON");
    edited["entry"]["title"] = json!("Mended by hand");
    browser.fill("#data", &edited.to_string()).await;
    browser.press("Replay edited").await;
    browser.sees("This is the replay of").await;
    assert!(!browser.path().await.starts_with(&path), "we are at the new delivery");
    let received = receiver.wait_for(2).await;
    assert_eq!(received[1].json()["entry"]["title"], "Mended by hand");
    assert!(received[1].verified());
    assert_ne!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    browser.close().await;
}
