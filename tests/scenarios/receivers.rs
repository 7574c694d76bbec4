//! Receivers that mean harm, all at once: each delivery ends as the table says, within the webhook's timeout, and nobody
//! else notices.

mod acts;
mod case;
mod contents;
mod framing;
mod heads;
mod patience;
mod tls;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use hookwright_tests::{Hookwright, Receiver, cases, slowdown, until};
use serde_json::{Value, json};
use tokio::time::Instant;

use case::{Case, Ending, Kept, Peer, TIMEOUT};

/// Rounds of events for all receivers; more than one shows what a connection leaves behind.
const ROUNDS: usize = 3;
/// Larger than what the kernel holds of a connection, so that a receiver has to read to get it.
const LARGE_BODY_BYTES: usize = 6 << 20;
/// An attempt ends this much after its deadline at the latest, on a machine that is not busy.
const GRACE: Duration = Duration::from_millis(500);
/// A good receiver waits for an event this long at most, on a machine that is not busy.
const MOST_DELAY: Duration = Duration::from_millis(400);
/// What the host takes at most while all of them pull at it.
const MOST_MEMORY_BYTES: u64 = 256 << 20;
/// As much of a response's body as is kept.
const KEPT_BYTES: usize = 16 << 10;
const KEPT_HEADER_BYTES: usize = 8 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_that_mean_harm_end_each_delivery_as_told_and_delay_no_other() {
    let authority = tls::Authority::new("An authority that this host trusts");
    let tables = [patience::cases(), framing::cases(), heads::cases(), contents::cases(), tls::cases(&authority)];
    let cases: Vec<Case> = tables.into_iter().flatten().collect();
    let trusted = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&trusted, authority.pem()).unwrap();

    let neighbour = Receiver::start().await;
    let limit = LARGE_BODY_BYTES + (1 << 20);
    let mut host = Hookwright::builder()
        .server(json!({ "server": { "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "maxBodyBytes": limit } }))
        .env("SSL_CERT_FILE", trusted.path().to_str().unwrap())
        .webhook("neighbour", json!({ "url": neighbour.url(), "events": ["media.*"] }));
    // On a thread of their own, so that what the neighbour waits for is the host and not them.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut peers = Vec::new();
    for case in &cases {
        let peer = Peer::start(case, runtime.handle()).await;
        host = host.webhook(case.name, webhook(case, &peer));
        peers.push(peer);
    }
    let host = host.start().await;

    let large = large_body();
    let mut events = Vec::new();
    let mut slowest = Duration::ZERO;
    for round in 0..ROUNDS {
        for body in [cases::body("strapi-v5/entry.create"), large.clone()] {
            events.push(host.post(body).await.event().to_owned());
        }
        slowest = slowest.max(neighbour_is_served(&host, &neighbour, round * 20..(round + 1) * 20).await);
    }
    println!("the neighbour waited {slowest:?} at most");
    let slowdown = slowdown();
    assert!(slowest < MOST_DELAY.mul_f64(slowdown), "{slowest:?} at a slowdown of {slowdown}");

    let mut wrong = Vec::new();
    let mut ended: HashMap<String, usize> = HashMap::new();
    let case_of = |delivery: &Value| cases.iter().find(|case| delivery["webhook"] == case.name).unwrap();
    // Whoever asks for quiet gets it: what comes after waits.
    let waits = |delivery: &Value| delivery["state"] == "pending" && case_of(delivery).is_quiet();
    for event in &events {
        for delivery in host.deliveries(event, |delivery| delivery["state"] != "pending" || waits(delivery)).await {
            if waits(&delivery) {
                continue;
            }
            let webhook = delivery["webhook"].as_str().unwrap().to_owned();
            let case = case_of(&delivery);
            let whole = host.api(&format!("/v1/deliveries/{}", delivery["id"].as_str().unwrap())).await;
            wrong.extend(objections(case, &whole, slowdown));
            *ended.entry(webhook).or_default() += 1;
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    for case in &cases {
        let count = ended.get(case.name).copied().unwrap_or_default();
        // After 410 no more deliveries are made.
        let is_right = match case.name {
            "gone" => count == 1,
            _ if case.is_quiet() => (1..=ROUNDS).contains(&count),
            _ => count == ROUNDS,
        };
        assert!(is_right, "{}: {count}", case.name);
    }

    // Of no receiver that misbehaved is a connection kept.
    until("the host to hang up", || async {
        let left = |(case, peer): &(&Case, &Peer)| !case.may_be_kept && peer.connections() > 0;
        let left: Vec<_> = cases.iter().zip(&peers).filter(left).map(|(case, _)| case.name).collect();
        left.is_empty().then_some(())
    })
    .await;
    assert_shown_inert(&host, &events[0]).await;
    let peak = host.peak_memory_bytes();
    println!("{} receivers, peak memory {peak:?}", cases.len());
    runtime.shutdown_background();
    assert!(cases.len() >= 24 && peak.is_none_or(|peak| peak < MOST_MEMORY_BYTES), "{peak:?}");
}

fn webhook(case: &Case, peer: &Peer) -> Value {
    // One attempt, so that it ends; who asks to come back later gets to say when.
    let schedule = if matches!(case.ending, Ending::Later { .. }) { json!(["10m"]) } else { json!([]) };
    json!({
        "url": peer.url(case),
        "events": [if case.is_large { "entry.publish" } else { "entry.create" }],
        "timeout": format!("{}ms", TIMEOUT.as_millis()),
        "retry": { "schedule": schedule },
    })
}

fn large_body() -> Bytes {
    let mut body = cases::json("strapi-v5/entry.publish");
    body["entry"]["text"] = "x".repeat(LARGE_BODY_BYTES).into();
    body.to_string().into()
}

/// Posts events that only the neighbour wants, one after the other: the longest that one was under way.
async fn neighbour_is_served(host: &Hookwright, neighbour: &Receiver, events: std::ops::Range<usize>) -> Duration {
    let mut slowest = Duration::ZERO;
    for index in events {
        let posted = Instant::now();
        assert_eq!(host.post(cases::body("strapi-v5/media.create")).await.status, 202);
        neighbour.wait_for(index + 1).await;
        slowest = slowest.max(posted.elapsed());
    }
    slowest
}

/// What of a delivery is not as the table says.
fn objections(case: &Case, delivery: &Value, slowdown: f64) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |what: &str, fine: bool| {
        if !fine {
            wrong.push(format!("{}: {what}: {}", case.name, shortened(delivery)));
        }
    };
    let attempt = &delivery["attemptList"][0];
    let result = &attempt["result"];
    let (state, reason) = (delivery["state"].as_str().unwrap(), delivery["reason"].as_str().unwrap_or_default());
    let took = Duration::from_micros(attempt["micros"].as_u64().unwrap_or_default());
    check("took too long", took < TIMEOUT + GRACE.mul_f64(slowdown));
    check("one attempt", delivery["attemptList"].as_array().is_some_and(|attempts| attempts.len() == 1));
    match &case.ending {
        Ending::Answered { status, body } => {
            check("status", result["status"] == *status);
            let (told_state, told_reason) = told(case, *status);
            check("state and reason", (state, reason) == (told_state, told_reason.as_str()));
            check("body", is_kept(result, body));
            check("headers", header_bytes(result) <= KEPT_HEADER_BYTES);
        }
        Ending::Later { status, seconds } => {
            check("status", result["status"] == *status);
            check("state and reason", (state, reason) == ("retrying", &*format!("answered {status}")));
            check("when", seconds.contains(&wait_seconds(delivery)));
        }
        Ending::Error { kind, words } => {
            let message = result["message"].as_str().unwrap_or_default();
            check("kind", result["kind"] == *kind);
            check("words", words.split('|').any(|words| message.contains(words)));
            check(
                "state and reason",
                state == "failed" && reason == format!("{message}; that was attempt 1, the last"),
            );
        }
    }
    wrong
}

/// State and reason of a delivery that got this answer to its only attempt.
fn told(case: &Case, status: u16) -> (&'static str, String) {
    match status {
        200..=299 => ("delivered", String::new()),
        300..=399 => ("failed", format!("answered {status}; redirects are not followed; that was attempt 1, the last")),
        410 => {
            let enable = format!("`hookwright webhook enable {}`", case.name);
            ("held", format!("the receiver answered 410 Gone; {enable} or another `url` releases this"))
        }
        _ => ("failed", format!("answered {status}; that was attempt 1, the last")),
    }
}

fn is_kept(result: &Value, kept: &Kept) -> bool {
    let (body, is_cut) = (result["body"].as_str().unwrap_or_default(), result["bodyCut"] == true);
    match kept {
        Kept::All(text) => body == *text && !is_cut,
        Kept::Cut(start) => is_cut && body.chars().count() <= KEPT_BYTES && body.starts_with(start),
    }
}

fn header_bytes(result: &Value) -> usize {
    let headers = result["headers"].as_array().map_or(&[][..], Vec::as_slice);
    headers.iter().flat_map(|pair| pair.as_array().unwrap()).map(|text| text.as_str().unwrap().len()).sum()
}

fn wait_seconds(delivery: &Value) -> i64 {
    let time = |name: &str| delivery[name].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    match (time("changed"), time("due")) {
        (Some(changed), Some(due)) => due.as_second() - changed.as_second(),
        _ => -1,
    }
}

/// Bodies can be long.
fn shortened(delivery: &Value) -> String {
    let result = &delivery["attemptList"][0]["result"];
    let text = format!("{} {} {result}", delivery["state"], delivery["reason"]);
    text.chars().take(400).collect()
}

/// A terminal is told what a receiver said, and does nothing of it.
async fn assert_shown_inert(host: &Hookwright, event: &str) {
    let deliveries = host.deliveries(event, |_| true).await;
    let of = |webhook: &str| deliveries.iter().find(|delivery| delivery["webhook"] == webhook).unwrap();
    let id = of("escape-sequences")["id"].as_str().unwrap();
    for command in [vec!["delivery", "show", id], vec!["why", event]] {
        let shown = host.command(&command).await;
        let text = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.status.success() && text.contains("escape-sequences"), "{text}");
        // A terminal's library takes escape sequences out on the way to a pipe, so they must have been spelt out before.
        assert!(command[0] != "delivery" || text.contains(r"\u{1b}["), "{command:?}: {text:?}");
        let is_dangerous = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(is_dangerous), "{command:?}: {text:?}");
    }
}
