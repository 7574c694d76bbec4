//! Senders that mean harm, all at once on raw sockets: each hears exactly what the table says, what is accepted is
//! delivered byte for byte, and a good sender is answered meanwhile.

mod bodies;
mod case;
mod heads;

use std::sync::Arc;
use std::time::Duration;

use hookwright_tests::{Hookwright, Receiver, cases, slowdown};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use case::Case;

/// Long enough for the largest body on a busy machine.
const HEARD_WITHIN: Duration = Duration::from_secs(10);
/// A good sender waits for its 202 this long at most, on a machine that is not busy.
const MOST_DELAY: Duration = Duration::from_millis(500);
const GOOD_EVENTS: usize = 30;
/// What the host takes at most meanwhile.
const MOST_MEMORY_BYTES: u64 = 512 << 20;

/// A body of unknown length takes the room of the largest one, and here is room for four of those: the others would be
/// told that the host is busy, which is not what their cases are about.
const CHUNKED_AT_ONCE: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_that_mean_harm_hear_what_is_told_and_delay_no_other() {
    let cases: Vec<Case> = [heads::cases(), bodies::cases()].into_iter().flatten().collect();
    assert!(cases.len() >= 24);
    let receiver = Receiver::start().await;
    let limit = 16 << 20;
    let host = Hookwright::builder()
        .server(json!({ "server": { "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "maxBodyBytes": limit } }))
        .webhook("all", json!({ "url": receiver.url(), "events": ["*"] }))
        .start()
        .await;

    let chunked = Arc::new(Semaphore::new(CHUNKED_AT_ONCE));
    let hear = |case: &Case| {
        let (host, sends, chunked) = (host.listen(), case.sends.clone(), Arc::clone(&chunked));
        tokio::spawn(async move {
            let is_chunked = sends.windows(7).any(|word| word.eq_ignore_ascii_case(b"chunked"));
            let _turn = if is_chunked { Some(chunked.acquire_owned().await.unwrap()) } else { None };
            heard(host, sends).await
        })
    };
    let hostile = cases.iter().map(hear).collect::<Vec<_>>();
    let mut slowest = Duration::ZERO;
    for _ in 0..GOOD_EVENTS {
        let posted = Instant::now();
        assert_eq!(host.post(cases::body("strapi-v5/media.create")).await.status, 202);
        slowest = slowest.max(posted.elapsed());
    }
    let slowdown = slowdown();

    let mut wrong = Vec::new();
    for (case, heard) in cases.iter().zip(hostile) {
        wrong.extend(case.objection(heard.await.unwrap().as_deref()));
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(slowest < MOST_DELAY.mul_f64(slowdown), "{slowest:?} at a slowdown of {slowdown}");

    let accepted: Vec<&Vec<u8>> = cases.iter().flat_map(|case| &case.delivers).collect();
    let received = receiver.wait_for(accepted.len() + GOOD_EVENTS).await;
    for body in &accepted {
        let is_there = received.iter().any(|request| request.body[..] == body[..]);
        assert!(is_there, "not delivered as sent: {}", case::shortened(&String::from_utf8_lossy(body)));
    }
    let status = host.api("/v1/status").await;
    assert_eq!(status["counts"]["events"], accepted.len() + GOOD_EVENTS, "{status}");
    let peak = host.peak_memory_bytes();
    println!("{} senders; a good one waited {slowest:?} at most; peak memory {peak:?}", cases.len());
    assert!(peak.is_none_or(|peak| peak < MOST_MEMORY_BYTES), "{peak:?}");
}

/// Sends these bytes, and listens until the host hangs up. None: it did not.
async fn heard(host: std::net::SocketAddr, bytes: Vec<u8>) -> Option<String> {
    let (mut from, mut to) = TcpStream::connect(host).await.unwrap().into_split();
    // Ends early where the host does not listen to the end.
    let sending = tokio::spawn(async move {
        let _ = to.write_all(&bytes).await;
        to
    });
    let mut heard = Vec::new();
    // A reset after the answer ends it too.
    let ended = timeout(HEARD_WITHIN, from.read_to_end(&mut heard)).await;
    sending.abort();
    ended.is_ok().then(|| String::from_utf8_lossy(&heard).into_owned())
}
