//! What is old goes by itself, and nothing else does.

use hookwright_tests::{Hookwright, Receiver, cases};
use serde_json::json;

#[tokio::test]
async fn old_finished_work_goes_and_unfinished_work_stays() {
    let [takes, fails] = [Receiver::start().await, Receiver::answering(|_, _| 400).await];
    let host = Hookwright::builder()
        .server(json!({ "store": { "retention": { "age": "1s" } } }))
        .webhook("takes", json!({ "url": takes.url(), "events": ["*"] }))
        .webhook("fails", json!({ "url": fails.url(), "events": ["entry.delete"], "retry": { "schedule": ["1h"] } }))
        .start()
        .await;
    let stays = host.post(cases::body("strapi-v5/entry.delete")).await;
    for _ in 0..5 {
        host.post(cases::body("strapi-v5/entry.create")).await;
    }
    let status = host.status("five events to go", |status| status["counts"]["events"] == 1).await;
    let retention = &status["store"]["retention"];
    assert_eq!((&retention["age"], &retention["sweptEvents"]), (&json!("1s"), &json!(5)), "{retention}");
    assert_eq!((&status["counts"]["retrying"], &status["counts"]["delivered"]), (&json!(1), &json!(1)));
    let event = host.api(&format!("/v1/events/{}", stays.event())).await;
    assert_eq!(event["deliveries"].as_array().map(Vec::len), Some(2), "a finished one stays with its event");
    assert_eq!(retention["oldestEvent"], event["received"]);
    let shown = host.command(&["status"]).await;
    assert!(String::from_utf8_lossy(&shown.stdout).contains("swept 5 events, 5 deliveries"));
}

#[tokio::test]
async fn the_oldest_go_when_the_store_is_too_large() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder()
        .server(json!({ "store": { "retention": { "age": "20s", "bytes": "2MB" } } }))
        .webhook("w", json!({ "url": receiver.url(), "events": ["*"] }))
        .start()
        .await;
    let mut body: serde_json::Value = serde_json::from_slice(&cases::body("strapi-v5/entry.create")).expect("JSON");
    body["entry"]["text"] = "x".repeat(50_000).into();
    let mut last = String::new();
    for _ in 0..100 {
        host.post(body.to_string()).await.event().clone_into(&mut last);
    }
    let status = host
        .status("the store to shrink", |status| {
            let retention = &status["store"]["retention"];
            retention["sweptEvents"].as_u64() > Some(0) && retention["usedBytes"].as_u64() <= Some(2_000_000)
        })
        .await;
    assert!(status["counts"]["events"].as_u64() > Some(10), "no more than needed: {status}");
    host.api(&format!("/v1/events/{last}")).await;
}
