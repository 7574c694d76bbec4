//! From an accepted event to a receiver's answer.

use std::collections::HashMap;

use hookwright_tests::{Hookwright, Receiver, cases};
use serde_json::{Value, json};

fn state_is(state: &'static str) -> impl Fn(&Value) -> bool {
    move |delivery| delivery["state"] == state
}

#[tokio::test]
async fn every_real_body_arrives_byte_for_byte_and_signed() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder()
        .webhook("all", json!({ "url": receiver.url(), "events": ["*", "trigger-test"] }))
        .start()
        .await;
    let mut sent = HashMap::new();
    for case in cases::all() {
        let posted = host.post(case.body.clone()).await;
        assert_eq!(posted.status, 202, "{}: {posted:?}", case.name);
        assert_eq!(posted.body["deliveries"][0]["webhook"], "all", "{}", case.name);
        sent.insert(posted.event().to_owned(), case);
    }
    for received in receiver.wait_for(sent.len()).await {
        let id = received.header("webhook-id").unwrap();
        let case = sent.remove(id).unwrap_or_else(|| panic!("{id} twice or never sent"));
        assert_eq!(received.body, case.body, "{}", case.name);
        assert_eq!(received.header("x-hookwright-event"), Some(case.event_type.as_str()));
        assert!(received.verified(), "{}", case.name);
    }
    assert!(sent.is_empty(), "{sent:?}");
}

#[tokio::test]
async fn a_failing_receiver_gets_the_same_message_again_until_it_takes_it() {
    let receiver = Receiver::answering(|index, _| [500, 302, 204][index.min(2)]).await;
    let host = Hookwright::builder().webhook("w", json!({ "url": receiver.url(), "events": ["*"] })).start().await;
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    let received = receiver.wait_for(3).await;
    for (index, request) in received.iter().enumerate() {
        assert_eq!(request.header("webhook-id"), Some(posted.event()));
        assert_eq!(request.header("x-hookwright-attempt"), Some((index + 1).to_string().as_str()));
        assert_eq!(request.body, received[0].body);
        assert!(request.verified());
    }
    let deliveries = host.deliveries(posted.event(), state_is("delivered")).await;
    assert_eq!(deliveries[0]["attempts"], 3);
    let attempts = deliveries[0]["attemptList"].as_array().unwrap();
    let statuses: Vec<&Value> = attempts.iter().map(|attempt| &attempt["result"]["status"]).collect();
    assert_eq!(statuses, [500, 302, 204]);
}

#[tokio::test]
async fn an_empty_schedule_means_one_attempt() {
    let receiver = Receiver::answering(|_, _| 500).await;
    let webhook = json!({ "url": receiver.url(), "events": ["*"], "retry": { "schedule": [] } });
    let host = Hookwright::builder().webhook("w", webhook).start().await;
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    let deliveries = host.deliveries(posted.event(), state_is("failed")).await;
    assert!(deliveries[0]["reason"].as_str().unwrap().contains("answered 500"), "{deliveries:?}");
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_silent_receiver_delays_no_other_webhook() {
    let silent = Receiver::answering(|_, _| 0).await;
    let lively = Receiver::start().await;
    let host = Hookwright::builder()
        .webhook("silent", json!({ "url": silent.url(), "events": ["*"], "concurrency": 1, "timeout": "60s" }))
        .webhook("lively", json!({ "url": lively.url(), "events": ["*"] }))
        .start()
        .await;
    for _ in 0..600 {
        assert_eq!(host.post(cases::body("strapi-v5/entry.update")).await.status, 202);
    }
    lively.wait_for(600).await;
    assert_eq!(silent.received().len(), 1, "its concurrency is 1 and it never answered");
}

#[tokio::test]
async fn a_backlog_on_disk_is_drained_when_the_receiver_comes_back() {
    // More than a lane holds in memory: the rest must come from disk.
    const EVENTS: usize = 900;
    let receiver = Receiver::answering(|index, _| if index < 8 { 503 } else { 204 }).await;
    let webhook = json!({ "url": receiver.url(), "events": ["*"], "retry": { "schedule": ["1s", "1s", "1s"] } });
    let host = Hookwright::builder().webhook("w", webhook).start().await;
    for _ in 0..EVENTS {
        assert_eq!(host.post(cases::body("strapi-v5/entry.update")).await.status, 202);
    }
    let status = host.status("all delivered", |status| status["counts"]["delivered"] == EVENTS).await;
    assert_eq!(status["counts"]["retrying"], 0);
}

#[tokio::test]
async fn gone_holds_everything_until_the_url_changes() {
    let gone = Receiver::answering(|_, _| 410).await;
    let moved = Receiver::start().await;
    let host = Hookwright::builder().webhook("w", json!({ "url": gone.url(), "events": ["*"] })).start().await;
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    let held = host.deliveries(posted.event(), state_is("held")).await;
    assert_eq!(held[0]["heldFor"], "webhook-gone");
    let next = host.post(cases::body("strapi-v5/entry.update")).await;
    assert_eq!(next.body["deliveries"], json!([]), "a webhook that is gone takes no new events");

    host.write("config/webhooks/w.json", json!({ "url": moved.url(), "events": ["*"] }).to_string());
    host.deliveries(posted.event(), state_is("delivered")).await;
    assert_eq!(moved.received().len(), 1);
    assert_eq!(gone.received().len(), 1);
}

#[tokio::test]
async fn events_go_where_patterns_and_filters_send_them() {
    let receiver = Receiver::start().await;
    let url = receiver.url();
    let host = Hookwright::builder()
        .webhook("stars", json!({ "url": url, "events": ["*"] }))
        .webhook("tests", json!({ "url": url, "events": ["trigger-test"] }))
        .webhook("media", json!({ "url": url, "events": ["media.*"] }))
        .webhook("articles", json!({ "url": url, "events": ["entry.*"], "filter": { "/model": ["article", "page"] } }))
        .webhook("zurich", json!({ "url": url, "events": ["*"],
            "filter": { "schema": { "properties": { "entry": { "properties": { "city": { "const": "Zürich" } }, "required": ["city"] } }, "required": ["entry"] } } }))
        .webhook("off", json!({ "url": url, "events": ["*"], "enabled": false }))
        .start()
        .await;
    let went_to = async |case: &str| -> Vec<String> {
        let posted = host.post(cases::body(case)).await;
        assert_eq!(posted.status, 202, "{case}: {posted:?}");
        let deliveries = posted.body["deliveries"].as_array().unwrap();
        deliveries.iter().map(|delivery| delivery["webhook"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(went_to("strapi-v5/trigger-test").await, ["tests"]);
    assert_eq!(went_to("strapi-v5/media.create").await, ["media", "stars"]);
    assert_eq!(went_to("strapi-v5/entry.create").await, ["stars", "zurich"]);
    assert_eq!(went_to("strapi-v5/entry.publish").await, ["stars"]);
}

#[tokio::test]
async fn the_same_key_gives_the_same_event_once() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder().webhook("w", json!({ "url": receiver.url(), "events": ["*"] })).start().await;
    let post = |body: &str| {
        let request = host.request().header("content-type", "application/json").header("idempotency-key", "k1");
        host.send(request.body(cases::body(body)))
    };
    let same = "strapi-v5/entry.create";
    let (first, second, third) = tokio::join!(post(same), post(same), post(same));
    let (first, second, third) = (first.unwrap(), second.unwrap(), third.unwrap());
    assert_eq!([first.status, second.status, third.status], [202; 3]);
    assert!(first.body == second.body && second.body == third.body, "{first:?} {second:?} {third:?}");
    assert_eq!(post("strapi-v5/entry.update").await.unwrap().status, 409);
    host.deliveries(first.event(), state_is("delivered")).await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn loopback_is_refused_at_connect_in_every_spelling_once_it_is_closed() {
    const SPELLINGS: [&str; 9] = [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "localhost",
        "localhost.",
    ];
    let receiver = Receiver::start().await;
    let port = receiver.address.port();
    let mut host = Hookwright::builder().server(json!({ "egress": { "allow": ["0.0.0.0/8", "127.0.0.0/8"] } }));
    for (index, spelling) in SPELLINGS.iter().enumerate() {
        let url = format!("http://{spelling}:{port}/");
        host = host.webhook(
            &format!("w{index}"),
            json!({ "name": spelling, "url": url, "events": ["*"], "retry": { "schedule": [] } }),
        );
    }
    let host = host.start().await;
    let before = host.revision().await;
    host.write("config/environments/development/server.json", r#"{ "egress": { "allow": [] } }"#);
    // Each keeps its last good version, which is judged again when it connects.
    host.reloaded(before, |status| status["revision"]["faults"].as_array().unwrap().len() == 2 * SPELLINGS.len()).await;
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    let deliveries = host.deliveries(posted.event(), state_is("failed")).await;
    assert_eq!(deliveries.len(), SPELLINGS.len());
    for delivery in deliveries {
        let reason = delivery["reason"].as_str().unwrap();
        assert!(reason.contains("is refused") && reason.contains("egress.allow"), "{delivery}");
        assert_eq!(delivery["attemptList"][0]["result"]["kind"], "refused", "{delivery}");
    }
    assert_eq!(receiver.received().len(), 0);
}
