//! The command line, as a user types it.

use std::process::Stdio;

use hookwright_tests::host::{command, output, plugins, use_free_ports};
use hookwright_tests::{Hookwright, Receiver, cases, in_time, until};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::ChildStdout;

#[tokio::test]
async fn in_an_empty_folder_init_serve_listen_and_send_deliver_a_signed_event() {
    let home = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| output(&mut command(home.path(), arguments)).await;
    let init = run(&["init"]).await;
    assert!(init.status.success(), "{init:?}");
    use_free_ports(home.path());

    let mut listen = command(home.path(), &["listen", "--port", "0", "--count", "1", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(listen.stdout.take().unwrap()).lines();
    let greeting = next_json(&mut said).await;
    let local = home.path().join("config/webhooks/local.json");
    let mut webhook: Value = serde_json::from_slice(&std::fs::read(&local).unwrap()).unwrap();
    webhook["url"] = greeting["listening"].clone();
    std::fs::write(&local, webhook.to_string()).unwrap();

    let mut serve = command(home.path(), &["serve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the host", || async { home.path().join("data/run.json").exists().then_some(()) }).await;
    std::fs::write(home.path().join("event.json"), cases::body("strapi-v5/entry.create")).unwrap();
    let sent = run(&["send", home.path().join("event.json").to_str().unwrap(), "--json"]).await;
    assert!(sent.status.success(), "{sent:?}");

    let heard = next_json(&mut said).await;
    assert_eq!(heard["verified"], true, "{heard}");
    assert_eq!(heard["event"], "entry.create", "{heard}");
    assert_eq!(heard["body"], cases::json("strapi-v5/entry.create"));
    assert!(in_time("`listen --count 1` to end", listen.wait()).await.unwrap().success());

    // The receiver knows of the answer a moment before the store does.
    until("`why` to tell of the answer", || async {
        let why = run(&["why", "last"]).await;
        let said = String::from_utf8_lossy(&why.stdout);
        assert!(why.status.success() && said.contains("local"), "{why:?}");
        said.contains("204").then_some(())
    })
    .await;
    serve.kill().await.unwrap();
}

async fn next_json(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = in_time("a line of `listen`", lines.next_line()).await.unwrap();
    serde_json::from_str(&line.expect("`listen` said nothing more")).unwrap()
}

#[tokio::test]
async fn why_names_the_gate_that_stopped_an_event() {
    let receiver = Receiver::answering(|_, _| 500).await;
    let host = Hookwright::builder()
        .webhook("media", json!({ "url": receiver.url(), "events": ["media.*"] }))
        .webhook("pages", json!({ "url": receiver.url(), "events": ["*"], "filter": { "/model": "page" } }))
        .webhook("off", json!({ "url": receiver.url(), "events": ["*"], "enabled": false }))
        .webhook("failing", json!({ "url": receiver.url(), "events": ["*"], "retry": { "schedule": [] } }))
        .start()
        .await;
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    host.deliveries(posted.event(), |delivery| delivery["state"] == "failed").await;
    let why = host.command(&["why", posted.event()]).await;
    let said = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(why.status.success(), "{why:?}");
    for part in ["media.*", "/model", "address", "its file says \"enabled\": false", "answered 500"] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
}

#[tokio::test]
async fn the_demo_shows_the_five_documented_events_and_ends_well() {
    let home = tempfile::tempdir().unwrap();
    let plugins = plugins();
    let demo = output(&mut command(home.path(), &["demo", "--once", "--plugins", plugins.to_str().unwrap()])).await;
    let said = String::from_utf8_lossy(&demo.stdout);
    assert!(demo.status.success(), "{demo:?}");
    for part in [
        "entry.create",
        "entry.update",
        "entry.delete",
        "media.create",
        "media.delete",
        "dropped",
        "delivered",
        "receiver answered 204",
        "-     \"full_name\": \"Paris\"",
        "+     \"full_name\": \"***\"",
    ] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
}
