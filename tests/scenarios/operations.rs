//! What the host has to say of itself can be subscribed to.

use hookwright_tests::{Hookwright, Receiver, cases, until};
use serde_json::{Value, json};

/// The first event of this type that came, as far as one did.
fn told(receiver: &Receiver, event_type: &str) -> Option<Value> {
    let received = receiver.received().into_iter();
    let mut events = received.inspect(|request| assert!(request.verified())).map(|request| request.json());
    events.find(|body| body["event"] == event_type)
}

async fn is_told(receiver: &Receiver, event_type: &str) -> Value {
    until(event_type, || async { told(receiver, event_type) }).await
}

#[tokio::test]
async fn failures_holds_switches_refusals_and_faults_are_told_and_nothing_of_themselves() {
    let ops = Receiver::start().await;
    let deaf = Receiver::answering(|_, _| 400).await;
    let failing = Receiver::answering(|_, _| 400).await;
    let gone = Receiver::answering(|_, _| 410).await;
    let only = |receiver: &Receiver, events: Value| {
        let signing = json!({ "secrets": [hookwright_tests::SECRET] });
        json!({ "url": receiver.url(), "events": events, "signing": signing, "retry": { "schedule": [] } })
    };
    let host = Hookwright::builder()
        .webhook("ops", only(&ops, json!(["hookwright.*"])))
        .webhook("deaf", only(&deaf, json!(["hookwright.delivery.failed"])))
        .webhook("failing", only(&failing, json!(["*"])))
        .webhook("gone", only(&gone, json!(["media.*"])))
        .start()
        .await;

    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    let failed = is_told(&ops, "hookwright.delivery.failed").await;
    assert_eq!(
        (&failed["delivery"]["webhook"], &failed["delivery"]["event"]),
        (&json!("failing"), &json!(posted.event()))
    );
    assert!(failed["delivery"]["reason"].as_str().unwrap().contains("answered 400"), "{failed}");

    host.post(cases::body("strapi-v5/media.create")).await;
    assert_eq!(is_told(&ops, "hookwright.webhook.disabled").await["webhook"]["id"], "gone");
    assert_eq!(is_told(&ops, "hookwright.delivery.held").await["heldFor"], "webhook-gone");

    let mut refused = cases::json("strapi-v5/entry.create");
    refused["model"] = json!(5);
    assert_eq!(host.post(refused.to_string()).await.status, 422);
    let told_of = is_told(&ops, "hookwright.event.refused").await;
    assert_eq!(
        told_of["quarantined"]["reason"], "the event entry.create does not fit its schema",
        "nothing of the body"
    );
    assert!(told_of["quarantined"]["id"].as_str().unwrap().starts_with("qrt_"), "{told_of}");

    host.write("config/webhooks/broken.json", "{");
    assert_eq!(is_told(&ops, "hookwright.reload.failed").await["fault"]["file"], "config/webhooks/broken.json");

    // The deaf one failed to take what it was told; nobody is told of that, and `*` is not told of anything.
    until("the deaf one to fail", || async { (!deaf.received().is_empty()).then_some(()) }).await;
    let of_posted = |request: hookwright_tests::Received| request.json()["delivery"]["webhook"].clone();
    let failures = ops.received().into_iter().filter(|request| request.json()["event"] == "hookwright.delivery.failed");
    assert!(failures.map(of_posted).all(|webhook| webhook == "failing"));
    let mut to_star = failing.received().into_iter().map(|request| request.json()["event"].to_string());
    assert!(to_star.all(|event| !event.contains("hookwright.")));

    let forged = json!({ "event": "hookwright.delivery.failed", "createdAt": "2026-11-25T10:00:00.000Z" });
    let forged = host.post(forged.to_string()).await;
    assert_eq!(forged.status, 422, "{forged:?}");
    assert!(forged.body.to_string().contains("is reserved for the host itself"), "{forged:?}");
}

#[tokio::test]
async fn what_comes_of_telling_switches_webhooks_and_is_not_told() {
    let gone = Receiver::answering(|_, _| 410).await;
    let (ops, failing) = (Receiver::start().await, Receiver::answering(|_, _| 400).await);
    let only = |receiver: &Receiver, events: &str| json!({ "url": receiver.url(), "events": [events], "retry": { "schedule": [] } });
    let mut host = Hookwright::builder()
        .webhook("ops", only(&ops, "hookwright.*"))
        .webhook("gone", only(&gone, "hookwright.delivery.failed"))
        .webhook("failing", only(&failing, "*"))
        .start()
        .await;
    host.post(cases::body("strapi-v5/entry.create")).await;
    host.status("the one that is told is gone", |status| status.to_string().contains("410 Gone")).await;
    host.post(cases::body("strapi-v5/entry.create")).await;
    ops.wait_for(2).await;
    // What was told is written before the host ends.
    host.terminate().await;
    host.restart().await;
    host.status("nothing is left to send", |status| status["counts"]["pending"] == 0).await;
    let told = ops.received().into_iter().map(|request| request.json()["event"].clone());
    assert_eq!(told.collect::<Vec<_>>(), ["hookwright.delivery.failed"; 2]);
}
