//! The API as its description says: judged by somebody else's fuzzer of such descriptions, with all its checks on.

use std::net::SocketAddr;
use std::time::Duration;

use hookwright_tests::{Hookwright, Receiver, cases, verifiers};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket};
use tokio::process::Command;

/// It sends some two thousand requests.
const PATIENCE: Duration = Duration::from_mins(5);

#[tokio::test]
async fn schemathesis_finds_no_answer_that_is_not_described() {
    let Some(program) = verifiers::python_program("schemathesis") else { return };
    let receiver = Receiver::start().await;
    let host = Hookwright::builder()
        .plugin("redact")
        .webhook("site", json!({ "url": receiver.url(), "events": ["*"], "plugins": ["redact"] }))
        .start()
        .await;
    host.post(cases::body("strapi-v5/entry.create")).await;
    host.post("{}").await;
    let token = std::fs::read_to_string(host.home().join("data/admin.token")).expect("the admin token");
    let config = verifiers::sources().join("python/schemathesis.toml");
    let mut fuzz = Command::new(program);
    let door = many_peers(host.admin_address()).await;
    fuzz.arg("--config-file").arg(config).arg("run").arg(format!("http://{door}/openapi.json"));
    fuzz.args(["-H", &format!("Authorization: Bearer {}", token.trim()), "--checks", "all"]);
    // So that each request comes from an address of its own.
    fuzz.args(["-H", "Connection: close"]);
    // What it makes up is the same each time; `HOOKWRIGHT_FUZZ_SEED` has it make up other things.
    let seed = std::env::var("HOOKWRIGHT_FUZZ_SEED").unwrap_or_else(|_| "20261125".to_owned());
    fuzz.args(["--seed", &seed]);
    // It has no end.
    fuzz.args(["--exclude-path", "/v1/tail"]);
    fuzz.args(["--max-examples", "15", "--request-timeout", "20", "--suppress-health-check", "all", "--no-color"]);
    // Where it runs it leaves files.
    fuzz.current_dir(host.home()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, fuzz.output()).await.expect("ends in time").expect("runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("passed") && !said.contains("Rate limited"), "{said}");
}

/// The same listener by another address, each connection from another peer: wrong tokens, of which it tries many, are
/// counted by peer, and answered 429 after the twentieth.
async fn many_peers(listener: SocketAddr) -> SocketAddr {
    let door = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = door.local_addr().expect("bound");
    tokio::spawn(async move {
        for number in (2..=250).cycle() {
            let (mut client, _) = door.accept().await.expect("accepts");
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.bind(SocketAddr::from(([127, 0, 0, number], 0))).expect("binds");
            let mut host = socket.connect(listener).await.expect("connects");
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut host).await });
        }
    });
    address
}
