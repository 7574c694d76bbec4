//! Plugins swapped over and over while events flow: nothing is lost, and no delivery is run by half of a version.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hookwright_hostile::stamp::{HEADERS, stamping};
use hookwright_tests::{Hookwright, Receiver, cases, in_time};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

const PLUGINS: usize = 20;
/// A reload is one version coming into force; all plugins are swapped at once.
const RELOADS: usize = 200;
const EVENT_EVERY: Duration = Duration::from_millis(10);

fn name(number: usize) -> String {
    format!("stamp-{number:02}")
}

fn stamp(number: usize, version: usize) -> String {
    format!("{} v{version:02}", name(number))
}

#[tokio::test]
async fn swapping_plugins_under_load_loses_and_mixes_nothing() {
    let receiver = Receiver::start().await;
    let mut host = Hookwright::builder();
    for number in 0..PLUGINS {
        let webhook = json!({ "url": receiver.url(), "events": ["*"], "filter": { "/model": [name(number)] },
            "plugins": [name(number)], "headers": { "X-Number": number.to_string() } });
        let file = format!("plugins/{}.wasm", name(number));
        host = host.file(&file, stamping(&stamp(number, 0))).webhook(&name(number), webhook);
    }
    let host = Arc::new(host.start().await);
    let running = Arc::new(AtomicBool::new(true));
    let posting = tokio::spawn(post_on(Arc::clone(&host), Arc::clone(&running)));

    let versions = RELOADS / PLUGINS;
    for version in 1..=versions {
        let before = digests(&host.api("/v1/status").await);
        for number in 0..PLUGINS {
            host.write(&format!("plugins/{}.wasm", name(number)), stamping(&stamp(number, version)));
        }
        host.status("every new version", |status| {
            let now = digests(status);
            now.len() == PLUGINS && now.iter().zip(&before).all(|(now, before)| now != before)
        })
        .await;
    }
    running.store(false, Ordering::Relaxed);
    let events = in_time("the last answer", posting).await.expect("no event was refused");

    let received = receiver.wait_for(events).await;
    assert_eq!(received.len(), events);
    for one in &received {
        let number: usize = one.header("x-number").unwrap().parse().unwrap();
        let [first, last] = HEADERS.map(|header| one.header(header));
        assert_eq!(first, last, "one version, from its first byte to its last");
        let known = |version| first == Some(stamp(number, version).as_str());
        assert!((0..=versions).any(known), "{first:?}");
    }
    assert_eq!(host.api("/v1/status").await["revision"]["faults"], json!([]));
}

/// One event after the other, for each webhook in turn; how many.
async fn post_on(host: Arc<Hookwright>, running: Arc<AtomicBool>) -> usize {
    let mut ticks = interval(EVENT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut body = cases::json("strapi-v5/entry.create");
    let mut events = 0;
    while running.load(Ordering::Relaxed) {
        ticks.tick().await;
        body["model"] = json!(name(events % PLUGINS));
        assert_eq!(host.post(body.to_string()).await.status, 202);
        events += 1;
    }
    events
}

fn digests(status: &Value) -> Vec<String> {
    status["plugins"].as_array().unwrap().iter().map(|plugin| plugin["digest"].to_string()).collect()
}
