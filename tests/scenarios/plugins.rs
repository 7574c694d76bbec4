//! Plugins on real deliveries: what they change, and what a bad one can and cannot do.

use std::collections::HashMap;

use hookwright_tests::host::{bundled_plugin, guest};
use hookwright_tests::{Hookwright, Receiver, cases};
use serde_json::json;
use serde_json::value::RawValue;

#[tokio::test]
async fn plugins_filter_and_rewrite_payload_and_headers() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder()
        .plugin("published-only")
        .plugin("redact")
        .plugin("add-headers")
        .webhook(
            "w",
            json!({ "url": receiver.url(), "events": ["*"], "plugins": [
                "published-only",
                { "plugin": "redact", "config": { "remove": ["/entry/postal_code"], "mask": ["/entry/full_name"] } },
                { "plugin": "add-headers", "config": { "headers": { "X-Model": "/model" } } } ] }),
        )
        .start()
        .await;
    // A draft, then a published entry.
    let draft = host.post(cases::body("strapi-v5/entry.create")).await;
    let dropped = host.deliveries(draft.event(), |delivery| delivery["state"] == "dropped").await;
    assert!(dropped[0]["reason"].as_str().unwrap().starts_with("published-only: "), "{dropped:?}");

    let published = host.post(cases::body("strapi-v5/entry.publish")).await;
    let received = receiver.wait_for(1).await;
    let mut expected = cases::json("strapi-v5/entry.publish");
    expected["entry"].as_object_mut().unwrap().shift_remove("postal_code").expect("it was there");
    expected["entry"]["full_name"] = json!("***");
    assert_eq!(received[0].body, expected.to_string(), "the rest stays as it was, where it was");
    assert_eq!(received[0].header("x-model"), Some("address"));
    assert!(received[0].verified(), "signed after the rewrite");
    let delivered = host.deliveries(published.event(), |delivery| delivery["state"] == "delivered").await;
    let runs = delivered[0]["chain"]["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3);
    assert!(runs.iter().all(|run| run["fuel"].as_u64().unwrap() > 0 && run["digest"].is_string()), "{runs:?}");
}

#[tokio::test]
async fn every_real_body_arrives_as_its_plugins_say() {
    let receiver = Receiver::start().await;
    let webhook = json!({ "url": receiver.url(), "events": ["*", "trigger-test"], "plugins": [
        { "plugin": "redact", "config": { "remove": ["/createdAt", "/created_at"], "mask": ["/event"] } } ] });
    let host = Hookwright::builder().plugin("redact").webhook("w", webhook).start().await;
    let mut expected = HashMap::new();
    for case in cases::all() {
        let mut body = cases::json(&case.name);
        let members = body.as_object_mut().unwrap();
        assert!(members.shift_remove("createdAt").or_else(|| members.shift_remove("created_at")).is_some());
        members["event"] = json!("***");
        let posted = host.post(case.body.clone()).await;
        expected.insert(posted.event().to_owned(), (case, body.to_string()));
    }
    for received in receiver.wait_for(expected.len()).await {
        let (case, body) = expected.remove(received.header("webhook-id").unwrap()).expect("once, and sent");
        assert_eq!(received.json().to_string(), body, "{}: values, and the order of keys", case.name);
        assert!(received.verified(), "{}", case.name);
        let arrived = std::str::from_utf8(&received.body).unwrap();
        let text = std::str::from_utf8(&case.body).unwrap();
        let sent: HashMap<String, Box<RawValue>> = serde_json::from_str(text).unwrap();
        for (key, value) in sent.iter().filter(|(key, _)| !["event", "createdAt", "created_at"].contains(&key.as_str()))
        {
            // From the key to the end of the value, as it was written.
            let written = &text[text.find(&format!("\"{key}\"")).unwrap()..];
            let kept = &written[..written.find(value.get()).unwrap() + value.get().len()];
            assert!(arrived.contains(kept), "{}: {key} byte for byte, white space included", case.name);
        }
    }
}

#[tokio::test]
async fn an_endless_plugin_ends_at_its_limit_and_hurts_only_its_own_webhook() {
    const EVENTS: usize = 20;
    let receiver = Receiver::start().await;
    let host = Hookwright::builder()
        .file("plugins/spin.wasm", guest("spin"))
        .webhook("spinning", json!({ "url": receiver.url(), "events": ["*"], "plugins": ["spin"] }))
        .webhook("plain", json!({ "url": receiver.url(), "events": ["*"] }))
        .start()
        .await;
    let mut events = Vec::new();
    for _ in 0..EVENTS {
        events.push(host.post(cases::body("strapi-v5/entry.create")).await.event().to_owned());
    }
    receiver.wait_for(EVENTS).await;
    for event in &events {
        let deliveries = host.deliveries(event, |delivery| delivery["state"] != "pending").await;
        let of = |webhook: &str| deliveries.iter().find(|delivery| delivery["webhook"] == webhook).unwrap();
        assert_eq!(of("plain")["state"], "delivered");
        assert_eq!(of("spinning")["state"], "held");
        assert!(of("spinning")["reason"].as_str().unwrap().contains("fuel"), "{deliveries:?}");
    }

    // A fixed version releases what the broken one held, and runs again.
    host.write("plugins/spin.wasm", bundled_plugin("redact"));
    for event in &events {
        host.deliveries(event, |delivery| delivery["state"] == "delivered").await;
    }
    assert_eq!(receiver.received().len(), 2 * EVENTS);
}

#[tokio::test]
async fn a_limit_of_one_plugin_holds_and_another_releases() {
    let limit = |bytes: usize| json!({ "plugins": { "limits": { "redact": { "memoryBytes": bytes } } } });
    let receiver = Receiver::start().await;
    let redact = json!({ "plugin": "redact", "config": { "remove": ["/entry/postal_code"] } });
    let host = Hookwright::builder()
        .server(limit(1 << 20))
        .plugin("redact")
        .plugin("published-only")
        .webhook("tight", json!({ "url": receiver.url(), "events": ["*"], "plugins": [redact] }))
        .webhook("usual", json!({ "url": receiver.url(), "events": ["*"], "plugins": ["published-only"] }))
        .start()
        .await;
    let mut body = cases::json("strapi-v5/entry.publish");
    body["entry"]["city"] = json!("x".repeat(900_000));
    let posted = host.post(body.to_string()).await;
    let deliveries = host.deliveries(posted.event(), |delivery| delivery["state"] != "pending").await;
    let of = |webhook: &str| deliveries.iter().find(|delivery| delivery["webhook"] == webhook).unwrap();
    assert_eq!(of("usual")["state"], "delivered");
    let reason = of("tight")["reason"].as_str().unwrap();
    assert!(reason.contains("needs more memory") && reason.contains("`plugins.limits`"), "{reason}");
    host.write("config/environments/development/server.json", limit(16 << 20).to_string());
    host.deliveries(posted.event(), |delivery| delivery["state"] == "delivered").await;
}

#[tokio::test]
async fn a_missing_plugin_holds_until_it_is_there() {
    let receiver = Receiver::start().await;
    let webhook = json!({ "url": receiver.url(), "events": ["*"],
        "plugins": [ { "plugin": "redact", "config": { "remove": ["/entry/city"] } } ] });
    let host = Hookwright::builder().webhook("w", webhook).start().await;
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    let held = host.deliveries(posted.event(), |delivery| delivery["state"] == "held").await;
    assert!(held[0]["reason"].as_str().unwrap().contains("redact"), "{held:?}");
    assert_eq!(receiver.received().len(), 0, "nothing passes untransformed");
    host.write("plugins/redact.wasm", bundled_plugin("redact"));
    host.deliveries(posted.event(), |delivery| delivery["state"] == "delivered").await;
    assert!(receiver.received()[0].json()["entry"].get("city").is_none());
}

#[tokio::test]
async fn the_outcome_of_the_chain_is_fixed_over_retries() {
    let receiver = Receiver::answering(|index, _| if index == 0 { 500 } else { 204 }).await;
    let webhook = json!({ "url": receiver.url(), "events": ["*"], "retry": { "schedule": ["2s"] },
        "plugins": [ { "plugin": "redact", "config": { "mask": ["/entry/city"], "with": "first" } } ] });
    let host = Hookwright::builder().plugin("redact").webhook("w", webhook.clone()).start().await;
    host.post(cases::body("strapi-v5/entry.create")).await;
    receiver.wait_for(1).await;
    let before = host.revision().await;
    let mut changed = webhook;
    changed["plugins"][0]["config"]["with"] = json!("second");
    host.write("config/webhooks/w.json", changed.to_string());
    host.reloaded(before, |_| true).await;
    let received = receiver.wait_for(2).await;
    assert_eq!(received[0].json()["entry"]["city"], "first");
    assert_eq!(received[1].body, received[0].body);
}
