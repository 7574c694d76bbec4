//! When deliveries go out: in order, debounced, at a rate, paused, or not at all for a while.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hookwright_tests::{Hookwright, Receiver, cases, until};
use http::Method;
use serde_json::{Value, json};

/// An update of an entry, as Strapi sends it.
fn update(entry: usize, version: usize) -> String {
    let mut body = cases::json("strapi-v5/entry.update");
    body["entry"]["documentId"] = json!(format!("entry-{entry}"));
    body["entry"]["version"] = json!(version);
    body.to_string()
}

/// Entry and version of each update that the receiver took, in the order they came.
fn taken(receiver: &Receiver, is_taken: impl Fn(usize) -> bool) -> Vec<(String, u64)> {
    let received = receiver.received().into_iter().enumerate().filter(|(index, _)| is_taken(*index));
    let read = |body: Value| {
        let entry = &body["entry"];
        (entry["documentId"].as_str().unwrap().to_owned(), entry["version"].as_u64().unwrap())
    };
    received.map(|(_, request)| read(request.json())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_of_an_entry_arrive_in_order_while_one_attempt_in_five_fails() {
    const ENTRIES: usize = 100;
    const VERSIONS: usize = 20;
    let receiver = Receiver::answering(|index, _| if index % 5 == 4 { 500 } else { 204 }).await;
    let webhook = json!({ "url": receiver.url(), "events": ["*"], "order": "/entry/documentId",
        "retry": { "schedule": ["100ms", "100ms", "100ms", "100ms", "100ms", "100ms", "100ms", "100ms"] } });
    let host = Hookwright::builder().webhook("w", webhook).start().await;
    for version in 0..VERSIONS {
        for entry in 0..ENTRIES {
            assert_eq!(host.post(update(entry, version)).await.status, 202);
        }
    }
    host.status("all delivered", |status| status["counts"]["delivered"] == ENTRIES * VERSIONS).await;
    let mut next: HashMap<String, u64> = HashMap::new();
    for (entry, version) in taken(&receiver, |index| index % 5 != 4) {
        let expected = next.entry(entry.clone()).or_default();
        assert_eq!(version, *expected, "of {entry}");
        *expected += 1;
    }
    assert_eq!(next.len(), ENTRIES);
    assert!(next.values().all(|count| *count == VERSIONS as u64), "{next:?}");
}

#[tokio::test]
async fn a_held_delivery_stops_its_own_order_only_until_it_is_given_up() {
    let receiver =
        Receiver::answering(|_, request| if request.json()["entry"]["version"] == 0 { 400 } else { 204 }).await;
    let webhook = json!({ "url": receiver.url(), "events": ["*"], "retry": { "schedule": [] },
        "order": { "by": "/entry/documentId", "onStuck": { "failed": "block" } } });
    let host = Hookwright::builder().webhook("w", webhook).start().await;
    let first = host.post(update(1, 0)).await;
    let held = host.deliveries(first.event(), |delivery| delivery["state"] == "held").await;
    assert_eq!(held[0]["heldFor"], "stuck");
    let behind = host.post(update(1, 1)).await;
    let other = host.post(update(2, 1)).await;
    host.deliveries(other.event(), |delivery| delivery["state"] == "delivered").await;
    let waiting = host.deliveries(behind.event(), |_| true).await;
    assert_eq!((&waiting[0]["state"], &waiting[0]["attempts"]), (&json!("pending"), &json!(0)));

    let id = held[0]["id"].as_str().unwrap();
    let why = host.command(&["why", behind.event()]).await;
    let why = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(why.contains("`order`: before it is") && why.contains(&format!("next: hookwright why {id}")), "{why}");
    let status = host.api("/v1/status").await;
    assert_eq!((&status["webhooks"][0]["waiting"], &status["webhooks"][0]["held"]), (&json!(1), &json!(1)), "{status}");
    let discarded = host.admin_request(Method::POST, &format!("/v1/deliveries/{id}/discard")).await;
    assert_eq!(discarded.status, 200, "{discarded:?}");
    host.deliveries(behind.event(), |delivery| delivery["state"] == "delivered").await;
}

#[tokio::test]
async fn sixty_saves_build_the_site_once_whatever_happens_meanwhile() {
    const SAVES: usize = 60;
    let receiver = Receiver::start().await;
    let webhook = json!({ "url": receiver.url(), "events": ["*"],
        "debounce": { "window": "1s", "key": "/entry/documentId", "maxWait": "1m" } });
    let mut host = Hookwright::builder().webhook("build", webhook).start().await;
    let mut last = host.post(update(7, 0)).await;
    let shared = last.body["deliveries"][0]["id"].clone();
    for version in 1..SAVES {
        if version == SAVES / 2 {
            host.kill().await;
            host.restart().await;
        }
        last = host.post(update(7, version)).await;
        assert_eq!(last.body["deliveries"][0]["id"], shared, "save {version}: {last:?}");
    }
    let delivered = host.deliveries(last.event(), |delivery| delivery["state"] == "delivered").await;
    assert_eq!(delivered[0]["id"], shared);
    let received = receiver.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].json()["entry"]["version"], SAVES - 1, "the newest");
    assert_eq!(received[0].header("webhook-id"), Some(last.event()));
    assert!(received[0].verified());
    let status = host.api("/v1/status").await;
    assert_eq!(status["counts"]["superseded"], SAVES - 1, "{status}");
    let shown = host.api(&format!("/v1/deliveries/{}", shared.as_str().unwrap())).await;
    assert_eq!(shown["window"], json!({ "count": SAVES }), "{shown}");
}

#[tokio::test]
async fn a_rate_is_kept() {
    const EVENTS: usize = 12;
    let receiver = Receiver::start().await;
    let webhook = json!({ "url": receiver.url(), "events": ["*"], "rateLimit": "5/s" });
    let host = Hookwright::builder().webhook("w", webhook).start().await;
    let began = Instant::now();
    for version in 0..EVENTS {
        assert_eq!(host.post(update(version, version)).await.status, 202);
    }
    receiver.wait_for(EVENTS).await;
    // Two whole spans of rest lie between the first five and the last two.
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_paused_webhook_gathers_and_says_who_paused_it_over_a_restart() {
    let receiver = Receiver::start().await;
    let mut host = Hookwright::builder().webhook("w", json!({ "url": receiver.url(), "events": ["*"] })).start().await;
    let paused = host.admin_send(Method::POST, "/v1/webhooks/w/pause", r#"{"by": "ana"}"#).await;
    assert_eq!(paused.body["runStates"][0]["by"], "ana", "{paused:?}");
    let posted = host.post(update(1, 1)).await;
    assert_eq!(posted.body["deliveries"].as_array().map(Vec::len), Some(1), "it takes events");
    host.terminate().await;
    host.restart().await;
    let why = host.api(&format!("/v1/events/{}/why", posted.event())).await.to_string();
    assert!(why.contains("paused by ana since") && why.contains("hookwright webhook resume w"), "{why}");
    assert_eq!(receiver.received().len(), 0);

    assert_eq!(host.admin_send(Method::POST, "/v1/webhooks/w/resume", "").await.body["changed"], true);
    receiver.wait_for(1).await;
}

#[tokio::test]
async fn a_webhook_switched_off_holds_and_one_switched_on_sends() {
    let receiver = Receiver::start().await;
    let webhook = json!({ "url": receiver.url(), "events": ["*"], "order": "webhook" });
    let host = Hookwright::builder().webhook("w", webhook).start().await;
    host.admin_send(Method::POST, "/v1/webhooks/w/pause", "").await;
    let mut posted = Vec::new();
    for version in 0..3 {
        posted.push(host.post(update(1, version)).await.event().to_owned());
    }
    host.admin_send(Method::POST, "/v1/webhooks/w/disable", "").await;
    host.admin_send(Method::POST, "/v1/webhooks/w/resume", "").await;
    for event in &posted {
        host.deliveries(event, |delivery| delivery["heldFor"] == "webhook-disabled").await;
    }
    assert_eq!(host.post(update(1, 9)).await.body["deliveries"], json!([]), "it takes nothing new");
    let enabled = host.admin_send(Method::POST, "/v1/webhooks/w/enable", "").await;
    assert_eq!((&enabled.body["changed"], &enabled.body["takesNew"]), (&json!(true), &json!(true)));
    receiver.wait_for(3).await;
    assert_eq!(taken(&receiver, |_| true).iter().map(|(_, version)| *version).collect::<Vec<_>>(), [0, 1, 2]);
    let absent = host.admin_send(Method::POST, "/v1/webhooks/nobody/pause", "").await;
    assert_eq!(absent.status, 404);
}

#[tokio::test]
async fn a_dead_receiver_is_left_alone_and_burns_no_attempts() {
    let is_well = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&is_well);
    let receiver = Receiver::answering(move |_, _| if answers.load(Ordering::Relaxed) { 204 } else { 500 }).await;
    let webhook = json!({ "url": receiver.url(), "events": ["*"], "concurrency": 1,
        "retry": { "schedule": ["1s", "1s", "1s"] } });
    let host = Hookwright::builder().webhook("w", webhook).start().await;
    for version in 0..50 {
        assert_eq!(host.post(update(version, 0)).await.status, 202);
    }
    let opened = |status: &Value| status["webhooks"][0]["receiver"]["openUntil"].is_string();
    let status = host.status("its breaker is open", opened).await;
    assert_eq!(status["webhooks"][0]["runStates"][0]["kind"], "failing", "{status}");
    // Ten failures opened it; since then only probes went out.
    let seen = receiver.received().len();
    assert!((10..=14).contains(&seen), "{seen} attempts");

    is_well.store(true, Ordering::Relaxed);
    let enabled = host.command(&["webhook", "enable", "w"]).await;
    let enabled = String::from_utf8_lossy(&enabled.stdout).into_owned();
    assert!(enabled.contains("was not switched off") && enabled.contains("tried again at once"), "{enabled}");
    let status = host.status("all delivered", |status| status["counts"]["delivered"] == 50).await;
    assert_eq!(status["webhooks"][0]["runStates"], json!([]), "{status}");
}

#[tokio::test]
async fn a_delivery_that_kills_its_host_three_times_is_held() {
    let receiver = Receiver::start().await;
    let ops = Receiver::start().await;
    let mut host = Hookwright::builder()
        .server(json!({ "plugins": { "limits": { "spin": { "fuel": 100_000_000_000_u64 } } } }))
        .file("plugins/spin.wasm", hookwright_tests::host::guest("spin"))
        .webhook("w", json!({ "url": receiver.url(), "events": ["*"], "plugins": ["spin"] }))
        .webhook("ops", json!({ "url": ops.url(), "events": ["hookwright.delivery.held"] }))
        .start()
        .await;
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    for _ in 0..3 {
        let under_way = host.home().join("data/under-way");
        until("its chain runs", || async {
            std::fs::read(&under_way).is_ok_and(|bytes| bytes.iter().any(|byte| *byte != 0)).then_some(())
        })
        .await;
        host.kill().await;
        host.restart().await;
    }
    let held = host.deliveries(posted.event(), |delivery| delivery["state"] == "held").await;
    assert_eq!(held[0]["heldFor"], "crashed");
    assert!(held[0]["reason"].as_str().unwrap().contains("the host died 3 times"), "{held:?}");
    assert_eq!(ops.wait_for(1).await[0].json()["delivery"]["id"], held[0]["id"]);
}
