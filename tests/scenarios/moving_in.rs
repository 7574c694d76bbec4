//! Webhooks of Strapi and Svix come in, and a host takes them as they are written.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use hookwright_tests::host::{command, output, use_free_ports};
use hookwright_tests::{Hookwright, Receiver, cases};
use rusqlite::Connection;
use serde_json::{Value, json};

fn strapi_database(path: &Path, url: &str) {
    let database = Connection::open(path).unwrap();
    let table = "CREATE TABLE strapi_webhooks (id INTEGER PRIMARY KEY, name VARCHAR, url TEXT, headers JSON, events JSON, \
                 enabled BOOLEAN)";
    database.execute(table, []).unwrap();
    let headers = json!({ "Authorization": "Bearer s3cr3t", "X-Site": "main", "Host": "other" }).to_string();
    for (name, events, enabled) in
        [("Site build", json!(["entry.create"]), true), ("Old", json!(["media.create"]), false)]
    {
        let insert = "INSERT INTO strapi_webhooks (name, url, headers, events, enabled) VALUES (?1, ?2, ?3, ?4, ?5)";
        database.execute(insert, (name, url, &headers, events.to_string(), enabled)).unwrap();
    }
}

#[tokio::test]
async fn strapis_webhooks_are_taken_over_and_deliver() {
    let receiver = Receiver::start().await;
    let mut host = Hookwright::builder().start().await;
    host.terminate().await;
    let database = host.home().join("strapi.db");
    strapi_database(&database, &receiver.url());
    let import = ["import", "strapi", database.to_str().unwrap()];

    let dry = host.command(&[&import[..], &["--dry-run"]].concat()).await;
    assert!(dry.status.success() && !host.home().join("config/webhooks/site-build.json").exists(), "{dry:?}");
    let done = host.command(&import).await;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{done:?}");
    for part in ["config/webhooks/site-build.json", "config/webhooks/old.json", "Host", "hookwright check"] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
    assert!(!said.contains("s3cr3t"), "{said}");
    let env = host.home().join(".env");
    assert_eq!(std::fs::metadata(&env).unwrap().permissions().mode() & 0o777, 0o600);
    let secrets = std::fs::read_to_string(&env).unwrap();
    let again = host.command(&[&import[..], &["--json"]].concat()).await;
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again["webhooks"][0]["outcome"], "same", "{again}");
    assert_eq!(std::fs::read_to_string(&env).unwrap(), secrets, "nothing is said twice");
    let check = host.command(&["check"]).await;
    assert!(check.status.success(), "{check:?}");

    host.restart().await;
    host.post(cases::body("strapi-v5/entry.create")).await;
    let received = receiver.wait_for(1).await.remove(0);
    assert_eq!((received.header("authorization"), received.header("x-site")), (Some("Bearer s3cr3t"), Some("main")));
    let status = host.api("/v1/status").await;
    assert_eq!(status["webhooks"][0]["enabled"], false, "{status}");
}

#[tokio::test]
async fn svixs_endpoints_are_taken_over_and_sign_as_before() {
    let home = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| output(&mut command(home.path(), arguments)).await;
    assert!(run(&["init"]).await.status.success());
    use_free_ports(home.path());
    let endpoints = json!({ "done": true, "data": [{
        "id": "ep_1", "uid": "site", "description": "Site build", "url": "https://build.example/hook", "disabled": false,
        "filterTypes": ["entry.create"], "rateLimit": 5, "metadata": { "team": "web" }, "secret": hookwright_tests::SECRET
    }]});
    let file = home.path().join("endpoints.json");
    std::fs::write(&file, endpoints.to_string()).unwrap();
    let done = run(&["import", "svix", file.to_str().unwrap()]).await;
    assert!(done.status.success(), "{done:?}");
    let webhook = std::fs::read(home.path().join("config/webhooks/site.json")).unwrap();
    let webhook: Value = serde_json::from_slice(&webhook).unwrap();
    let expected = json!({
        "name": "Site build", "url": "https://build.example/hook", "labels": { "team": "web" }, "events": ["entry.create"],
        "signing": { "secrets": ["${SITE_SECRET}"] }, "rateLimit": "5/s"
    });
    assert_eq!(webhook, expected);
    let check = run(&["check"]).await;
    assert!(check.status.success(), "{check:?}");
    // What is no export is refused, and nothing is written.
    for junk in [&b"\x1f\x8b\x08"[..], b"SQLite format 3\0", b"[", b"[{\"no\":1}]", b""] {
        std::fs::write(&file, junk).unwrap();
        for origin in ["strapi", "svix"] {
            let refused = run(&["import", origin, file.to_str().unwrap()]).await;
            assert_eq!(refused.status.code(), Some(1), "{origin} {junk:?}: {refused:?}");
        }
    }
}
