//! SIGTERM: nothing new is accepted, what is under way finishes or is given back, and the next start goes on with it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hookwright_tests::host::TOKEN;
use hookwright_tests::{Hookwright, Receiver, cases, in_time, until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const EVENTS: usize = 300;
/// Attempts that the slow receiver gets at once.
const AT_ONCE: usize = 8;
/// Attempts that hang.
const HANGING: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_finishes_or_gives_back_what_is_under_way() {
    let well = Arc::new(AtomicBool::new(false));
    let hanging = hanging_until(&well).await;
    let quick = Arc::clone(&well);
    let slow = Receiver::answering_after(move |_, _| {
        (Duration::from_secs(if quick.load(Ordering::Relaxed) { 0 } else { 2 }), 204)
    })
    .await;
    let webhook = |receiver: &Receiver, concurrency: usize| json!({ "url": receiver.url(), "events": ["*"], "concurrency": concurrency, "timeout": "60s" });
    let mut host = Hookwright::builder()
        .webhook("hanging", webhook(&hanging, HANGING))
        .webhook("slow", webhook(&slow, AT_ONCE))
        .start()
        .await;
    let mut accepted = HashSet::new();
    for _ in 0..EVENTS {
        accepted.insert(host.post(cases::body("strapi-v5/entry.update")).await.event().to_owned());
    }
    hanging.wait_for(HANGING).await;
    slow.wait_for(AT_ONCE).await;
    let half = HalfSent::post(&host).await;

    host.signal("TERM").await;
    refused(&host).await;
    let (head, body) = half.finish().await;
    assert!(head.starts_with("HTTP/1.1 202 ") && head.to_lowercase().contains("connection: close"), "{head}");
    accepted.insert(body["id"].as_str().expect("an id").to_owned());
    assert_eq!(host.ended().await.code(), Some(0));
    let before = slow.received().len();
    assert!(before < EVENTS, "most were given back, {before} were sent");

    well.store(true, Ordering::Relaxed);
    host.restart().await;
    host.status("all delivered", |status| status["counts"]["delivered"] == 2 * accepted.len()).await;
    let times = times(&slow);
    assert!(accepted.iter().all(|id| times.get(id) == Some(&1)), "what was under way finished: each once");
    let times = self::times(&hanging);
    assert!(accepted.iter().all(|id| times.contains_key(id)));
    let twice = times.values().filter(|times| **times > 1).count();
    assert_eq!(twice, HANGING, "what was cut off is sent again, and nothing else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once_and_loses_nothing() {
    const EVENTS: usize = 5;
    let well = Arc::new(AtomicBool::new(false));
    let hanging = hanging_until(&well).await;
    let webhook = json!({ "url": hanging.url(), "events": ["*"], "timeout": "60s" });
    let mut host = Hookwright::builder().webhook("w", webhook).start().await;
    for second in ["TERM", "INT"] {
        for _ in 0..EVENTS {
            assert_eq!(host.post(cases::body("strapi-v5/entry.update")).await.status, 202);
        }
        hanging.wait_for(EVENTS).await;
        host.signal("TERM").await;
        refused(&host).await;
        let signalled = Instant::now();
        host.signal(second).await;
        assert_eq!(host.ended().await.code(), Some(130));
        // It would be ten seconds.
        assert!(signalled.elapsed() < Duration::from_secs(5), "{:?}", signalled.elapsed());
        host.restart().await;
    }
    well.store(true, Ordering::Relaxed);
    host.kill().await;
    host.restart().await;
    host.status("all delivered", |status| status["counts"]["delivered"] == 2 * EVENTS).await;
}

/// Never answers until `well`.
async fn hanging_until(well: &Arc<AtomicBool>) -> Receiver {
    let well = Arc::clone(well);
    Receiver::answering(move |_, _| if well.load(Ordering::Relaxed) { 204 } else { 0 }).await
}

/// Nobody gets a connection any more.
async fn refused(host: &Hookwright) {
    until("connections to be refused", || async { TcpStream::connect(host.listen()).await.err() }).await;
}

/// How often each event came.
fn times(receiver: &Receiver) -> HashMap<String, usize> {
    let mut times = HashMap::new();
    for request in receiver.received() {
        *times.entry(request.header("webhook-id").expect("an id").to_owned()).or_default() += 1;
    }
    times
}

/// A post whose body has begun.
struct HalfSent {
    connection: TcpStream,
    rest: Vec<u8>,
}

impl HalfSent {
    async fn post(host: &Hookwright) -> Self {
        let mut connection = TcpStream::connect(host.listen()).await.expect("connects");
        let body = cases::body("strapi-v5/entry.create");
        let (begun, rest) = body.split_at(body.len() / 2);
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            body.len()
        );
        connection.write_all(head.as_bytes()).await.expect("sends");
        // The host reads the body: the post is under way.
        let mut go_on = [0; 25];
        in_time("100 Continue", connection.read_exact(&mut go_on)).await.expect("an answer");
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        connection.write_all(begun).await.expect("sends");
        Self { connection, rest: rest.to_vec() }
    }

    /// Sends the rest, and returns what is answered: the head, and the body.
    async fn finish(mut self) -> (String, Value) {
        self.connection.write_all(&self.rest).await.expect("sends");
        let mut answer = String::new();
        in_time("an answer", self.connection.read_to_string(&mut answer)).await.expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
        (head.to_owned(), serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}")))
    }
}
