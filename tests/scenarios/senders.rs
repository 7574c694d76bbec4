//! Senders that are slow, endless or in a hurry, and that others do not wait for them.

use std::time::Duration;

use bytes::Bytes;
use hookwright_tests::host::TOKEN;
use hookwright_tests::{Hookwright, Receiver, cases, in_time};
use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// A connection that sends what no HTTP client would.
struct Raw(TcpStream);

impl Raw {
    /// Sends the head of a post, with `header` in it.
    async fn post(host: &Hookwright, header: &str) -> Self {
        let mut raw = Self(TcpStream::connect(host.listen()).await.unwrap());
        raw.send(
            format!(
                "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
                 content-type: application/json\r\n{header}\r\n\r\n"
            )
            .as_bytes(),
        )
        .await;
        raw
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// All that comes until the host hangs up.
    async fn heard(mut self) -> String {
        let mut heard = Vec::new();
        // A reset after the answer ends it too.
        let _ = in_time("the host to hang up", self.0.read_to_end(&mut heard)).await;
        String::from_utf8_lossy(&heard).into_owned()
    }
}

#[tokio::test]
async fn a_body_that_stops_half_way_is_answered_408_and_others_go_on() {
    let receiver = Receiver::start().await;
    let server = json!({ "server": { "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "bodyTimeout": "2s" } });
    let webhook = json!({ "url": receiver.url(), "events": ["*"] });
    let host = Hookwright::builder().server(server).webhook("w", webhook).start().await;
    let body = cases::body("strapi-v5/entry.create");
    let started = Instant::now();
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let mut sender = Raw::post(&host, &format!("content-length: {}", body.len())).await;
        sender.send(&body[..body.len() / 2]).await;
        stalled.push(sender);
    }
    assert_eq!(host.post(body).await.status, 202);
    assert!(started.elapsed() < Duration::from_secs(2), "while all of them wait");
    for sender in stalled {
        let heard = sender.heard().await;
        assert!(heard.starts_with("HTTP/1.1 408 ") && heard.contains("server.bodyTimeout"), "{heard}");
    }
    receiver.wait_for(1).await;
    let status = host.api("/v1/status").await;
    assert_eq!([&status["counts"]["events"], &status["refused"]["tooSlow"]], [1, 20], "{status}");
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut() {
    let server = json!({ "server": { "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "headTimeout": "300ms" } });
    let host = Hookwright::builder().server(server).start().await;
    let mut sender = Raw(TcpStream::connect(host.listen()).await.unwrap());
    sender.send(b"POST /v1/events HTTP/1.1\r\nx-slow: ").await;
    let heard = sender.heard().await;
    assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 408 "), "{heard}");
    assert_eq!(host.post(cases::body("strapi-v5/entry.create")).await.status, 202);
}

#[tokio::test]
async fn a_body_without_end_is_answered_413_at_the_limit() {
    let host = Hookwright::builder().start().await;
    let mut sender = Raw::post(&host, "transfer-encoding: chunked").await;
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
    for _ in 0..17 {
        sender.send(chunk.as_bytes()).await;
    }
    let heard = sender.heard().await;
    assert!(heard.starts_with("HTTP/1.1 413 ") && heard.contains("1048576"), "{heard}");
    assert_eq!(host.api("/v1/status").await["counts"]["events"], 0);
}

#[tokio::test]
async fn two_framings_are_refused() {
    let host = Hookwright::builder().start().await;
    for header in ["content-length: 2\r\ncontent-length: 3", "content-length: 2\r\ntransfer-encoding: x"] {
        let mut sender = Raw::post(&host, header).await;
        sender.send(b"{}").await;
        let heard = sender.heard().await;
        assert!(heard.starts_with("HTTP/1.1 400 "), "{header}: {heard}");
    }
}

#[tokio::test]
async fn a_refusal_does_not_cost_the_sender_its_next_event() {
    let host = Hookwright::builder().start().await;
    let large = Bytes::from(vec![b' '; (1 << 20) + 1]);
    // One client, so a connection that stays open is used again.
    for _ in 0..20 {
        let stranger = host.anonymous(Method::POST).body(cases::body("strapi-v5/entry.create"));
        assert_eq!(host.send(stranger).await.unwrap().status, 401);
        assert_eq!(host.post(large.clone()).await.status, 413);
        assert_eq!(host.post(cases::body("strapi-v5/entry.create")).await.status, 202);
    }
}
