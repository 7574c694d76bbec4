//! The promise: what was answered 202 survives SIGKILL.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hookwright_tests::{Hookwright, Receiver, cases, until};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

const CYCLES: usize = 10;
const SENDERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_under_load_lose_nothing() {
    // One in five attempts fails, so that kills also hit retries.
    let receiver = Receiver::answering(|index, _| if index % 5 == 4 { 500 } else { 204 }).await;
    let mut host = Hookwright::builder()
        .plugin("redact")
        .webhook(
            "w",
            json!({ "url": receiver.url(), "events": ["*"],
                "plugins": [ { "plugin": "redact", "config": { "mask": ["/entry/city"] } } ] }),
        )
        .start()
        .await;
    let accepted: Arc<Mutex<HashSet<String>>> = Arc::default();
    for cycle in 0..CYCLES {
        let stop = Arc::new(AtomicBool::new(false));
        let mut senders = load(&host, &accepted, &stop);
        let goal = accepted.lock().await.len() + 40 + cycle * 7;
        until("some accepted events", || async { (accepted.lock().await.len() >= goal).then_some(()) }).await;
        host.kill().await;
        stop.store(true, Ordering::Relaxed);
        while senders.join_next().await.is_some() {}
        host.restart().await;
    }
    let accepted = accepted.lock().await.clone();
    host.status("every delivery finished", |status| {
        let counts = &status["counts"];
        counts["pending"] == 0 && counts["retrying"] == 0
    })
    .await;
    let mut taken: HashMap<String, usize> = HashMap::new();
    for received in receiver.received() {
        assert!(received.verified());
        assert_eq!(received.json()["entry"]["city"], "***");
        *taken.entry(received.header("webhook-id").unwrap().to_owned()).or_default() += 1;
    }
    let lost: Vec<&String> = accepted.iter().filter(|id| !taken.contains_key(*id)).collect();
    assert!(lost.is_empty(), "lost {} of {}: {lost:?}", lost.len(), accepted.len());
    let status = host.api("/v1/status").await;
    assert!(status["store"]["durability"].as_str().unwrap().contains("FULL"), "{status}");
    println!("{} accepted, {} received, lost 0 over {CYCLES} kills", accepted.len(), taken.values().sum::<usize>());
}

/// Senders that post until told to stop or until the host is gone.
fn load(host: &Hookwright, accepted: &Arc<Mutex<HashSet<String>>>, stop: &Arc<AtomicBool>) -> JoinSet<()> {
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        let request = host.request().header("content-type", "application/json").timeout(Duration::from_secs(5));
        let request = request.body(cases::body("strapi-v5/entry.create"));
        let (accepted, stop) = (Arc::clone(accepted), Arc::clone(stop));
        senders.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let Ok(response) = request.try_clone().expect("a plain body").send().await else { return };
                if response.status() != 202 {
                    continue;
                }
                // Without the whole answer the sender does not know the id: that event is not counted.
                let Ok(answer) = response
                    .bytes()
                    .await
                    .map(|text| serde_json::from_slice::<serde_json::Value>(&text).expect("JSON"))
                else {
                    return;
                };
                accepted.lock().await.insert(answer["id"].as_str().expect("an id").to_owned());
            }
        });
    }
    senders
}
