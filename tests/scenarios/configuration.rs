//! Configuration as people write it, and what they are told when it is wrong.

use hookwright_tests::host::{TOKEN, binary, output};
use hookwright_tests::{Hookwright, Receiver, cases};
use serde_json::json;

/// The two snippets of Strapi's documentation, spelling included, as an overlay for an environment.
const LITERAL: &str = r#"{
  "webhooks": {
    "defaultHeaders": {
      "Authroization": "Bearer my-very-secured-token"
    }
  }
}"#;
const FROM_ENVIRONMENT: &str = r#"{
  "webhooks": {
    "defaultHeaders": {
      "Authroization": "Bearer ${ process.env.WEBHOOK_TOKEN }"
    }
  }
}"#;

#[tokio::test]
async fn strapis_snippets_load_unchanged_and_arrive() {
    for (snippet, expected) in [(LITERAL, "Bearer my-very-secured-token"), (FROM_ENVIRONMENT, "Bearer from-the-env")] {
        let receiver = Receiver::start().await;
        let host = Hookwright::builder()
            .file("config/environments/development/server.json", snippet)
            .env("WEBHOOK_TOKEN", "from-the-env")
            .webhook("w", json!({ "url": receiver.url(), "events": ["*"] }))
            .start()
            .await;
        host.post(cases::body("strapi-v3/entry.create")).await;
        assert_eq!(receiver.wait_for(1).await[0].header("authroization"), Some(expected));
        let check = host.command(&["check"]).await;
        let said = String::from_utf8_lossy(&check.stdout).into_owned() + &String::from_utf8_lossy(&check.stderr);
        assert!(said.contains("Authroization") && said.contains("Authorization"), "{said}");
    }
}

#[tokio::test]
async fn the_webhooks_header_wins_over_the_default_whatever_the_case() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder()
        .server(json!({ "webhooks": { "defaultHeaders": { "X-Site": "default", "X-Other": "kept" } } }))
        .webhook("w", json!({ "url": receiver.url(), "events": ["*"], "headers": { "x-SITE": "mine" } }))
        .start()
        .await;
    host.post(cases::body("strapi-v5/entry.create")).await;
    let received = receiver.wait_for(1).await;
    assert_eq!(received[0].header("x-site"), Some("mine"));
    assert_eq!(received[0].header("x-other"), Some("kept"));
    assert_eq!(received[0].headers.get_all("x-site").iter().count(), 1);
}

#[tokio::test]
async fn a_wrong_server_file_is_refused_with_place_and_remedy_and_no_secret() {
    let (code, said) = Hookwright::builder()
        .server(json!({ "schemas": { "mode": "${MODE}" } }))
        .env("MODE", "s3cr3t-value")
        .fails()
        .await;
    assert_eq!(code, Some(78), "{said}");
    for part in ["config/server.json", "/schemas/mode", "${MODE}", "enforce", "warn"] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
    assert!(!said.contains("s3cr3t-value"), "{said}");
}

#[tokio::test]
async fn a_missing_variable_is_named() {
    let server = json!({ "sources": [ { "name": "strapi", "token": "${ process.env.NOT_SET_ANYWHERE }" } ] });
    let (code, said) = Hookwright::builder().server(server).fails().await;
    assert_eq!(code, Some(78), "{said}");
    for part in ["config/server.json", "/sources/0/token", "NOT_SET_ANYWHERE"] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
}

#[tokio::test]
async fn a_webhook_to_a_special_address_is_refused_when_it_is_loaded_until_its_range_is_opened() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder()
        .server(json!({ "egress": { "allow": ["10.0.0.0/8", "169.254.0.0/16"] } }))
        .webhook("metadata", json!({ "url": "http://169.254.169.254/", "events": ["*"] }))
        .webhook("local", json!({ "url": format!("http://2130706433:{}/", receiver.address.port()), "events": ["*"] }))
        .start()
        .await;
    let metadata = "169.254.169.254 is refused: a cloud metadata service, never opened";
    let local = "127.0.0.1 is refused: loopback (127.0.0.0/8); \"127.0.0.1/32\" under egress.allow in config/server.json \
                 opens it; written: \"http://2130706433:";
    let check = host.command(&["check"]).await;
    let said = String::from_utf8_lossy(&check.stdout);
    assert_eq!(check.status.code(), Some(78), "{said}");
    let status = host.api("/v1/status").await;
    let faults = status["revision"]["faults"].as_array().unwrap();
    assert_eq!((status["webhooks"].as_array().unwrap().len(), faults.len()), (0, 2), "{status}");
    for (fault, id, message) in [(&faults[0], "local", local), (&faults[1], "metadata", metadata)] {
        let file = format!("config/webhooks/{id}.json");
        assert_eq!((fault["file"].as_str(), fault["pointer"].as_str()), (Some(&*file), Some("/url")));
        assert!(fault["message"].as_str().unwrap().starts_with(message), "{fault}");
        assert!(said.contains(message) && said.contains(&format!("{file} at /url")), "{said}");
    }

    let before = host.revision().await;
    host.write("config/environments/development/server.json", r#"{ "egress": { "allow": ["127.0.0.0/8"] } }"#);
    let status = host.reloaded(before, |status| status["webhooks"].as_array().unwrap().len() == 1).await;
    assert_eq!(status["revision"]["faults"].as_array().unwrap().len(), 1, "{status}");
    host.post(cases::body("strapi-v5/entry.create")).await;
    receiver.wait_for(1).await;
}

#[tokio::test]
async fn a_webhook_that_was_never_good_is_named_wherever_one_would_miss_it() {
    let host = Hookwright::builder()
        .file("config/webhooks/site.json", r#"{ "url": "https://receiver.example/", "event": ["*"] }"#)
        .file("event.json", cases::body("strapi-v5/entry.create"))
        .start()
        .await;
    let event = host.home().join("event.json");
    let event = event.to_str().expect("a path of ours");
    for command in [&["send", event][..], &["why", "last"], &["status"], &["webhook", "list"]] {
        let output = host.command(command).await;
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said}");
        for part in ["1 webhook is left out", "config/webhooks/site.json", "hookwright check --home"] {
            assert!(said.contains(part), "{command:?}: {part} is missing in: {said}");
        }
        assert!(!said.contains("There is no webhook"), "{said}");
    }
    assert_eq!(host.api("/v1/status").await["leftOut"][0]["file"], "config/webhooks/site.json");

    // Once it was good, a change that is not taken is missed as much.
    let good = r#"{ "url": "https://receiver.example/", "events": ["media.*"] }"#;
    host.write("config/webhooks/site.json", good);
    host.status("the mended webhook", |status| status["webhooks"][0]["id"] == "site").await;
    host.write("config/webhooks/site.json", good.replace("media.*", "*.create"));
    host.status("the change at fault", |status| status["webhooks"][0]["fault"]["pointer"] == "/events/0").await;
    let said = host.command(&["send", event]).await.stdout;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("1 webhook is as it was before") && said.contains("config/webhooks/site.json"), "{said}");
}

#[tokio::test]
async fn an_empty_variable_names_no_home() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let run = async |variable: &str, arguments: &[&str]| {
        let mut command = tokio::process::Command::new(binary());
        output(command.args(arguments).env("HOOKWRIGHT_HOME", variable).current_dir(home.path())).await
    };
    assert_eq!(run("", &["init"]).await.status.code(), Some(0));
    assert!(home.path().join("config/server.json").is_file());
    assert_eq!(run("elsewhere", &["check", "--home", ""]).await.status.code(), Some(2), "a mistake");
}

#[tokio::test]
async fn a_second_host_on_the_same_home_is_refused() {
    let host = Hookwright::builder().start().await;
    let second = host.command(&["serve"]).await;
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("already"), "{said}");
    assert_eq!(host.post(cases::body("strapi-v5/entry.create")).await.status, 202);
    assert!(!said.contains(TOKEN));
}
