//! What senders and receivers make up stays text on every page that shows it.

use std::net::SocketAddr;

use hookwright_tests::{Hookwright, browser::Browser, cases};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const HOSTILE: &str = "\"'><img src=x onerror=\"window.pwned=1\"><script>window.pwned=1</script>";
const ANSI: &str = "\u{1b}[31mred\u{1b}]0;title\u{7}";

/// Answers 500 with a page of its own, and with what a terminal would obey.
async fn receiver() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 64 << 10];
                let _ = socket.read(&mut request).await;
                let body = format!("<!doctype html><title>{HOSTILE}</title>{HOSTILE}{ANSI}");
                let answer = format!(
                    "HTTP/1.1 500 Oh\r\nContent-Type: text/html\r\nX-Evil: {HOSTILE}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = socket.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn what_peers_send_stays_text() {
    let receiver = receiver().await;
    let webhook = json!({
        "name": HOSTILE, "url": format!("http://{receiver}/{}", "%3Cscript%3E"), "events": ["*"],
        "headers": { "X-Hostile": HOSTILE }, "labels": { "note": HOSTILE }, "retry": { "schedule": [] },
    });
    let host = Hookwright::builder().webhook("hostile", webhook).start().await;
    let Some(browser) = Browser::sign_in(&host).await else { return };

    let mut body: Value = serde_json::from_slice(&cases::body("strapi-v5/entry.create")).expect("JSON");
    body["entry"]["title"] = json!(format!("{HOSTILE}{ANSI}"));
    body["entry"][HOSTILE] = json!(1);
    let posted = host.post(body.to_string()).await;
    let event = posted.event().to_owned();
    let delivery = host.deliveries(&event, |delivery| delivery["state"] == "failed").await.remove(0);
    let delivery = delivery["id"].as_str().expect("an id");
    let refused = json!({ "event": "entry.create", "model": HOSTILE, "entry": HOSTILE }).to_string();
    assert_eq!(host.post(refused).await.status.as_u16(), 422);
    let quarantined = host.api("/v1/quarantine").await["quarantined"][0]["id"].as_str().expect("an id").to_owned();
    // Into the record of changes.
    let who =
        host.admin(http::Method::POST, "/v1/webhooks/hostile/pause").header("x-hookwright-by", "<script>x</script>");
    host.send(who).await.expect("answers");

    for (path, shows) in [
        ("/webhooks".to_owned(), true),
        ("/webhooks/hostile".to_owned(), true),
        (format!("/webhooks/hostile/try?event={event}"), true),
        ("/deliveries".to_owned(), false),
        (format!("/deliveries/{delivery}"), true),
        (format!("/deliveries/{delivery}/replay"), false),
        (format!("/deliveries/{delivery}/steps"), false),
        ("/troubles".to_owned(), false),
        ("/events".to_owned(), false),
        (format!("/events/{event}"), true),
        ("/events/quarantine".to_owned(), false),
        (format!("/events/quarantine/{quarantined}"), true),
        ("/settings/audit".to_owned(), false),
        (format!("/settings/audit?subject={}", "%22%3E%3Cimg%20src%3Dx%20onerror%3D1%3E"), false),
    ] {
        browser.go(&path).await;
        let text = browser.text("main").await;
        assert!(!shows || text.contains("<script>") || text.contains("&lt;"), "{path} does not show it:\n{text}");
        assert!(!text.contains('\u{1b}'), "{path} shows an escape sequence");
        let found = browser
            .run("return [window.pwned === undefined, document.querySelectorAll('main img, main script').length]")
            .await;
        assert_eq!(found, json!([true, 0]), "{path}");
        assert_eq!(browser.console().await, [""; 0], "{path}");
    }
    browser.close().await;
}
