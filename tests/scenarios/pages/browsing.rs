//! What people do with the pages, in a real browser.

use hookwright_tests::browser::Browser;
use hookwright_tests::{Hookwright, Receiver};

/// An empty host greets with steps that tick themselves off.
#[tokio::test]
async fn three_steps_lead_to_the_first_delivered_event() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder().start().await;
    let Some(browser) = Browser::sign_in(&host).await else { return };
    browser.at("/start").await;
    browser.sees("hookwright listen").await;
    // A file ticks the first step off, without a reload.
    host.write("config/webhooks/site.json", serde_json::json!({ "url": receiver.url(), "events": ["*"], "signing": { "secrets": [hookwright_tests::SECRET] } }).to_string());
    browser.find("ol.steps > li:first-child.done").await;
    browser.press("Send a sample event").await;
    browser.find("ol.steps > li:last-child.done").await;
    browser.sees("Delivered.").await;
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(browser.console().await, Vec::<String>::new());
    browser.close().await;
}
