//! The verbs of the documentation the project began from (create, test, enable, disable, update, delete), over the API and
//! on the command line; and that webhooks of files are left to their files.

use std::process::Output;

use hookwright_tests::{Hookwright, Posted, Receiver, cases};
use http::{Method, StatusCode};
use serde_json::{Value, json};

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

async fn run(host: &Hookwright, arguments: &[&str]) -> String {
    let output = host.command(arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    text(&output)
}

/// A change of the version with this tag.
async fn change(host: &Hookwright, method: Method, path: &str, etag: Option<&str>, body: Value) -> Posted {
    let mut request = host.admin(method, path).body(body.to_string());
    if let Some(etag) = etag {
        request = request.header("if-match", etag);
    }
    host.send(request).await.expect("the admin listener answers")
}

fn status_of(posted: &Posted) -> (u16, &str) {
    (posted.status.as_u16(), posted.body["type"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn every_verb_over_the_api() {
    let receiver = Receiver::start().await;
    let mut host = Hookwright::builder().plugin("redact").start().await;

    let new = json!({"name": "Site build", "url": receiver.url(), "events": ["entry.*"], "headers": {"Authorization": "Bearer canary"}});
    let create =
        |key: &str| host.admin(Method::POST, "/v1/webhooks").header("idempotency-key", key).body(new.to_string());
    let created = host.send(create("k1")).await.expect("answers");
    assert_eq!((created.status, created.body["id"].as_str()), (StatusCode::CREATED, Some("site-build")), "{created:?}");
    let secret = created.body["secret"].as_str().expect("is shown once").to_owned();
    let again = host.send(create("k1")).await.expect("answers");
    assert_eq!((again.status, &again.body["secret"]), (StatusCode::OK, &Value::Null), "the same again makes nothing");
    assert_eq!(host.send(create("k2")).await.expect("answers").body["id"], "site-build-2");
    assert_eq!(change(&host, Method::DELETE, "/v1/webhooks/site-build-2", None, json!({})).await.status, 204);

    let path = "/v1/webhooks/site-build";
    let read = host.api(path).await;
    assert_eq!(
        (&read["managedBy"], &read["definition"]["headers"]["Authorization"]["$secret"]),
        (&json!("here"), &json!(true))
    );
    assert!(!read.to_string().contains("canary") && !read.to_string().contains(&secret), "{read}");

    // Test: as Strapi's Trigger, although no pattern names it.
    let tested = host.admin_send(Method::POST, &format!("{path}/test"), "").await;
    assert_eq!(
        (&tested.body["attempt"]["result"]["status"], &tested.body["chain"]["verdict"]),
        (&json!(204), &json!("deliver")),
        "{tested:?}"
    );
    assert!(!tested.body.to_string().contains("canary"), "{tested:?}");
    let received = receiver.wait_for(1).await.remove(0);
    assert_eq!(
        (received.json()["event"].as_str(), received.header("x-hookwright-test")),
        (Some("trigger-test"), Some("true"))
    );
    assert!(received.verified_with(&secret) && received.header("authorization") == Some("Bearer canary"));

    // Disable, enable.
    assert_eq!(host.admin_request(Method::POST, &format!("{path}/disable")).await.status, 200);
    assert_eq!(host.post(cases::body("strapi-v5/entry.create")).await.body["deliveries"], json!([]));
    assert_eq!(host.admin_request(Method::POST, &format!("{path}/enable")).await.status, 200);
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    assert_eq!(posted.body["deliveries"][0]["webhook"], "site-build");
    assert!(receiver.wait_for(2).await[1].verified_with(&secret));

    // Update: nobody's change is lost.
    let (old, definition) = (created.etag.clone().expect("a tag"), &read["definition"]);
    assert_eq!(
        change(&host, Method::PUT, path, None, definition.clone()).await.status,
        StatusCode::PRECONDITION_REQUIRED
    );
    let mut new = definition.clone();
    assert!(new.as_object_mut().and_then(|new| new.shift_remove("signing")).is_some());
    new["plugins"] = json!([{"plugin": "redact", "config": {"remove": ["/entry/documentId"]}}]);
    let replaced = change(&host, Method::PUT, path, Some(&old), new.clone()).await;
    assert_eq!((replaced.status, &replaced.body["managed"]["version"]), (StatusCode::OK, &json!(2)), "{replaced:?}");
    let stale = change(&host, Method::PUT, path, Some(&old), new.clone()).await;
    assert_eq!(status_of(&stale), (412, "/problems/precondition-failed"));
    let patched = change(&host, Method::PATCH, path, None, json!({"headers": {"X-Site": "main ${HOME}"}})).await;
    assert_eq!(patched.body["definition"]["headers"]["X-Site"], "main ${HOME}", "{patched:?}");
    host.post(cases::body("strapi-v5/entry.create")).await;
    let received = receiver.wait_for(3).await.remove(2);
    assert_eq!(
        (received.header("x-site"), received.header("authorization")),
        (Some("main ${HOME}"), Some("Bearer canary"))
    );
    assert!(received.json()["entry"].get("documentId").is_none());
    assert!(received.verified_with(&secret), "a definition without `signing` leaves it as it was");
    for (broken, place) in [
        (json!({"url": "ftp://x/"}), "/url"),
        (json!({"url": "http://10.1.2.3/"}), "/url"),
        (json!({"plugins": ["nothing"]}), "/plugins/0/plugin"),
        (json!({"plugins": [{"plugin": "redact", "config": {"remove": 1}}]}), "/plugins/0/config/remove"),
        (json!({"evnets": ["*"]}), "/evnets"),
    ] {
        let refused = change(&host, Method::PATCH, path, None, broken).await;
        assert_eq!((status_of(&refused).0, &refused.body["errors"][0]["pointer"]), (422, &json!(place)), "{refused:?}");
    }

    // Rotate: for a while both secrets verify.
    let rotated = change(&host, Method::POST, &format!("{path}/rotate-secret"), None, json!({"keepOld": "1h"})).await;
    let newer = rotated.body["secret"].as_str().expect("is shown once").to_owned();
    host.kill().await;
    host.restart().await;
    host.post(cases::body("strapi-v5/entry.create")).await;
    let received = receiver.wait_for(4).await.remove(3);
    assert!(received.verified_with(&newer) && received.verified_with(&secret), "also after a restart");
    let rotated = change(&host, Method::POST, &format!("{path}/rotate-secret"), None, json!({"keepOld": "0s"})).await;
    let newest = rotated.body["secret"].as_str().expect("is shown once").to_owned();
    hookwright_tests::until("the old secrets to be gone", || async {
        let webhook = host.api(path).await;
        (webhook["definition"]["signing"]["secrets"].as_array()?.len() == 1).then_some(())
    })
    .await;
    host.post(cases::body("strapi-v5/entry.create")).await;
    let received = receiver.wait_for(5).await.remove(4);
    assert!(received.verified_with(&newest));
    assert!(!received.verified_with(&newer) && !received.verified_with(&secret), "they were to go at once");

    // Delete.
    assert_eq!(change(&host, Method::DELETE, path, None, json!({})).await.status, StatusCode::NO_CONTENT);
    assert_eq!(host.admin_request(Method::GET, path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(host.post(cases::body("strapi-v5/entry.create")).await.body["deliveries"], json!([]));
    for secret in [secret, newer, newest, "canary".to_owned()] {
        assert!(!store_holds(&host, &secret), "a secret rests in the store");
    }
}

/// Whether the files of the store hold this text, in any state of them.
fn store_holds(host: &Hookwright, text: &str) -> bool {
    let files =
        std::fs::read_dir(host.home().join("data")).expect("a folder").map(|entry| entry.expect("reads").path());
    let files =
        files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("hookwright.db")));
    files
        .map(|path| std::fs::read(path).expect("reads"))
        .any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}

#[tokio::test]
async fn every_verb_on_the_command_line() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder().plugin("redact").start().await;
    let url = receiver.url();

    let created = run(
        &host,
        &[
            "webhook",
            "create",
            "--name",
            "Site build",
            "--url",
            &url,
            "--events",
            "entry.*,media.*",
            "--header",
            "X-Site: main",
        ],
    )
    .await;
    let secret = created.split_whitespace().find(|word| word.starts_with("whsec_")).expect("is shown once").to_owned();
    assert!(created.contains("try it out: hookwright webhook test site-build"), "{created}");
    let tested = run(&host, &["webhook", "test", "site-build", "--sample", "entry.publish"]).await;
    assert!(tested.contains("✓ schema    the event fits") && tested.contains("answer    204"), "{tested}");
    assert!(receiver.wait_for(1).await[0].verified_with(&secret));
    let unsent = run(&host, &["webhook", "test", "site-build", "--no-send"]).await;
    assert!(unsent.contains("nothing was sent") && receiver.received().len() == 1, "{unsent}");

    run(&host, &["webhook", "disable", "site-build"]).await;
    assert_eq!(host.post(cases::body("strapi-v5/entry.create")).await.body["deliveries"], json!([]));
    run(&host, &["webhook", "enable", "site-build"]).await;
    run(
        &host,
        &[
            "webhook",
            "update",
            "site-build",
            "--events",
            "entry.publish",
            "--plugin",
            r#"redact={"remove": ["/entry/documentId"]}"#,
        ],
    )
    .await;
    assert_eq!(host.post(cases::body("strapi-v5/entry.create")).await.body["deliveries"], json!([]));
    host.post(cases::body("strapi-v5/entry.publish")).await;
    assert!(receiver.wait_for(2).await[1].json()["entry"].get("documentId").is_none());

    let shown = run(&host, &["webhook", "show", "site-build"]).await;
    assert!(shown.contains("managed here, version 2") && !shown.contains(&secret), "{shown}");
    let exported = run(&host, &["webhook", "export", "site-build"]).await;
    assert!(exported.contains("${ process.env.SITE_BUILD_SECRET }") && !exported.contains(&secret), "{exported}");
    run(&host, &["secret", "rotate-key"]).await;
    run(&host, &["webhook", "test", "site-build"]).await;
    assert!(receiver.wait_for(3).await[2].verified_with(&secret), "sealed anew, and the same");
    run(&host, &["webhook", "delete", "site-build", "--yes"]).await;
    let gone = host.command(&["webhook", "show", "site-build"]).await;
    assert_eq!(
        (gone.status.code(), text(&gone).contains("There is no webhook site-build")),
        (Some(1), true),
        "{}",
        text(&gone)
    );
}

#[tokio::test]
async fn what_is_in_a_file_is_changed_in_the_file_and_paused_by_anybody() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder().webhook("site", json!({"url": receiver.url(), "events": ["*"]})).start().await;
    let path = "/v1/webhooks/site";
    for (method, path, body) in [
        (Method::PUT, path, json!({})),
        (Method::PATCH, path, json!({"name": "x"})),
        (Method::DELETE, path, json!({})),
        (Method::POST, "/v1/webhooks/site/rotate-secret", json!({})),
    ] {
        let refused = change(&host, method.clone(), path, Some("*"), body).await;
        assert_eq!(status_of(&refused), (409, "/problems/managed-by-file"), "{method} {path}");
        assert!(
            refused.body["detail"].as_str().is_some_and(|text| text.contains("config/webhooks/site.json")),
            "{refused:?}"
        );
    }
    let refused = host
        .admin_send(
            Method::POST,
            "/v1/webhooks",
            json!({"id": "site", "url": receiver.url(), "events": ["*"]}).to_string(),
        )
        .await;
    assert_eq!(status_of(&refused), (409, "/problems/exists"));
    let told = host.command(&["webhook", "update", "site", "--name", "x"]).await;
    assert!(text(&told).contains("Change that file"), "{}", text(&told));

    host.admin_send(Method::POST, &format!("{path}/pause"), json!({"by": "ana"}).to_string()).await;
    let read = host.api(path).await;
    assert_eq!(
        (&read["managedBy"], &read["runStates"][0]["kind"], &read["runStates"][0]["by"]),
        (&json!("file"), &json!("paused"), &json!("ana"))
    );
    assert!(read["runStates"][0]["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{read}");

    // A file of the same name as a managed webhook has the last word, and says so.
    let managed = json!({"id": "both", "url": receiver.url(), "events": ["*"], "name": "managed"});
    assert_eq!(host.admin_send(Method::POST, "/v1/webhooks", managed.to_string()).await.status, StatusCode::CREATED);
    let revision = host.revision().await;
    host.write(
        "config/webhooks/both.json",
        json!({"url": receiver.url(), "events": ["*"], "name": "file"}).to_string(),
    );
    let status = host.reloaded(revision, |_| true).await;
    assert!(status["revision"]["faults"].to_string().contains("webhook both"), "{status}");
    assert_eq!(host.api("/v1/webhooks/both").await["name"], "file");
}

#[tokio::test]
async fn what_a_deleted_webhook_left_behind_is_nobody_elses_unless_it_is_said() {
    let (old, new) = (Receiver::start().await, Receiver::start().await);
    let host = Hookwright::builder().start().await;
    let definition = |receiver: &Receiver| json!({ "id": "w", "url": receiver.url(), "events": ["entry.*"] });
    assert_eq!(host.admin_send(Method::POST, "/v1/webhooks", definition(&old).to_string()).await.status, 201);
    host.admin_request(Method::POST, "/v1/webhooks/w/pause").await;
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    assert_eq!(host.admin_request(Method::DELETE, "/v1/webhooks/w").await.status, 204);
    host.deliveries(posted.event(), |one| one["state"] == "held").await;

    let mut again = definition(&new);
    let refused = host.admin_send(Method::POST, "/v1/webhooks", again.to_string()).await;
    assert_eq!(status_of(&refused), (409, "/problems/exists"), "{refused:?}");
    assert!(refused.body["detail"].as_str().is_some_and(|text| text.contains("adoptHeld")), "{refused:?}");
    again["adoptHeld"] = json!(true);
    assert_eq!(host.admin_send(Method::POST, "/v1/webhooks", again.to_string()).await.status, 201);
    assert_eq!(new.wait_for(1).await[0].header("webhook-id"), Some(posted.event()));
    assert!(old.received().is_empty());
}

#[tokio::test]
async fn a_lost_key_stops_the_start_until_it_is_back_or_given_up() {
    let receiver = Receiver::start().await;
    let mut host = Hookwright::builder().start().await;
    let definition = json!({ "id": "w", "url": receiver.url(), "events": ["*"] });
    assert_eq!(host.admin_send(Method::POST, "/v1/webhooks", definition.to_string()).await.status, 201);
    host.kill().await;
    let (key, aside) = (host.home().join("data/master.key"), host.home().join("aside"));
    std::fs::rename(&key, &aside).expect("moves");

    let stopped = host.command(&["serve"]).await;
    let told = text(&stopped);
    assert_eq!(stopped.status.code(), Some(78), "{told}");
    assert!(told.contains("the secrets of webhook w") && told.contains("--drop-unreadable"), "{told}");
    assert!(!key.exists(), "no other key stands where the right one belongs");
    std::fs::rename(&aside, &key).expect("moves");
    host.restart().await;
    assert_eq!(host.admin_request(Method::POST, "/v1/webhooks/w/test").await.body["attempt"]["result"]["status"], 204);

    host.kill().await;
    std::fs::remove_file(&key).expect("removes");
    host.with_argument("--drop-unreadable");
    host.restart().await;
    assert_eq!(host.admin_request(Method::GET, "/v1/webhooks/w").await.status, StatusCode::NOT_FOUND);
    let record = host.api("/v1/audit?action=webhook.delete").await;
    assert_eq!(record["changes"][0]["from"]["url"], definition["url"], "what it was is on record: {record}");
}

#[tokio::test]
async fn an_operator_changes_what_leaves_every_secret_where_it_is() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder().start().await;
    let wanted = json!({ "name": "ops", "role": "operator" });
    let token = host.admin_send(Method::POST, "/v1/tokens", wanted.to_string()).await.body["token"].clone();
    let token = token.as_str().expect("a token");
    let definition = json!({ "id": "w", "url": receiver.url(), "events": ["*"], "headers": { "X-Api-Key": "hidden" } });
    let made = host.admin_send(Method::POST, "/v1/webhooks", definition.to_string()).await;
    let (header, signing) = (&made.body["definition"]["headers"]["X-Api-Key"], &made.body["definition"]["signing"]);
    let patch = async |change: Value| {
        let request = host.admin(Method::PATCH, "/v1/webhooks/w").body(change.to_string());
        // In the place of the admin's.
        let bearer = (http::header::AUTHORIZATION, format!("Bearer {token}").parse().expect("a header"));
        let request = request.headers(http::HeaderMap::from_iter([bearer]));
        host.send(request).await.expect("answers")
    };
    for (change, status) in [
        (json!({ "name": "Renamed", "events": ["entry.*"] }), 200),
        (json!({ "name": header }), 422),
        (json!({ "filter": { "/model": [header] } }), 422),
        (json!({ "headers": { "X-Shown": header } }), 403),
        (json!({ "headers": { "X-Other": signing["secrets"][0] } }), 403),
        (json!({ "headers": { "X-New": { "$secret": "new" } } }), 403),
        (json!({ "url": format!("{}elsewhere", receiver.url()) }), 403),
        (json!({ "signing": null }), 403),
        (json!({ "signing": { "secrets": [] } }), 403),
    ] {
        let answered = patch(change.clone()).await;
        assert_eq!(answered.status.as_u16(), status, "{change}: {answered:?}");
    }
    let kept = host.api("/v1/webhooks/w").await;
    assert_eq!((&kept["name"], &kept["definition"]["signing"]), (&json!("Renamed"), signing));
    assert!(!kept.to_string().contains("hidden"));
}

#[tokio::test]
async fn what_a_file_claims_is_not_changed_here_and_its_shadowed_copy_can_go() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder().start().await;
    let definition = |name: &str| json!({ "url": receiver.url(), "events": ["*"], "name": name });
    let mut managed = definition("managed");
    managed["id"] = json!("w");
    assert_eq!(host.admin_send(Method::POST, "/v1/webhooks", managed.to_string()).await.status, 201);

    let revision = host.revision().await;
    host.write("config/webhooks/w.json", r#"{"url": 5}"#);
    host.reloaded(revision, |_| true).await;
    for (method, path) in [
        (Method::PATCH, "/v1/webhooks/w"),
        (Method::POST, "/v1/webhooks/w/rotate-secret"),
        (Method::DELETE, "/v1/webhooks/w"),
    ] {
        let refused = change(&host, method.clone(), path, None, json!({})).await;
        assert_eq!(status_of(&refused), (409, "/problems/managed-by-file"), "{method} {path}");
    }
    assert_eq!(host.api("/v1/webhooks/w").await["name"], "managed", "a broken file takes nothing down");

    let revision = host.revision().await;
    host.write("config/webhooks/w.json", definition("file").to_string());
    host.reloaded(revision, |_| true).await;
    assert_eq!(host.admin_request(Method::DELETE, "/v1/webhooks/w").await.status, StatusCode::NO_CONTENT);
    assert_eq!(host.api("/v1/webhooks/w").await["name"], "file");
    assert_eq!(host.api("/v1/status").await["revision"]["faults"], json!([]));
    assert_eq!(host.admin_request(Method::DELETE, "/v1/webhooks/w").await.status, StatusCode::CONFLICT);
}
