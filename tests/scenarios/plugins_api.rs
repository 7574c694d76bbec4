//! Plugins over the API: put in their place past every check, looked at, run over one event.

use hookwright_tests::host::bundled_plugin;
use hookwright_tests::{Hookwright, Posted, Receiver, cases};
use http::{Method, StatusCode};
use serde_json::{Value, json};

async fn upload(host: &Hookwright, name: &str, wasm: Vec<u8>) -> Posted {
    let request = host.admin(Method::PUT, &format!("/v1/plugins/{name}")).body(wasm);
    host.send(request).await.expect("the admin listener answers")
}

#[tokio::test]
async fn a_plugin_is_uploaded_past_every_check_and_in_force_when_it_is_answered() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder().start().await;
    let redact = bundled_plugin("redact");

    let cut = upload(&host, "redact", redact[..redact.len() / 2].to_vec()).await;
    assert_eq!((cut.status.as_u16(), &cut.body["type"]), (422, &json!("/problems/invalid-definition")), "{cut:?}");
    assert!(!host.home().join("plugins/redact.wasm").exists(), "nothing half-done stays");
    assert_eq!(host.admin_request(Method::GET, "/v1/plugins/redact").await.status, StatusCode::NOT_FOUND);

    let made = upload(&host, "redact", redact.clone()).await;
    assert_eq!((made.status, &made.body["name"]), (StatusCode::CREATED, &json!("redact")), "{made:?}");
    assert_eq!(upload(&host, "redact", redact.clone()).await.status, StatusCode::OK, "the same again changes nothing");
    let plugin = host.api("/v1/plugins/redact").await;
    assert!(plugin["configSchema"]["properties"]["remove"].is_object(), "{plugin}");
    assert_eq!(plugin["versions"].as_array().map(Vec::len), Some(1));

    let webhook = json!({ "id": "site", "url": receiver.url(), "events": ["*"],
        "plugins": [{ "plugin": "redact", "config": { "remove": ["/entry/documentId"] } }] });
    assert_eq!(host.admin_send(Method::POST, "/v1/webhooks", webhook.to_string()).await.status, StatusCode::CREATED);
    assert_eq!(host.api("/v1/plugins/redact").await["webhooks"], json!(["site"]));
    // Another plugin in its place does not take what the webhook configures.
    let other = upload(&host, "redact", bundled_plugin("add-headers")).await;
    assert_eq!(other.status.as_u16(), 422, "{other:?}");
    assert!(other.body["detail"].as_str().is_some_and(|text| text.contains("webhook site")), "{other:?}");
    assert_eq!(host.api("/v1/plugins/redact").await["digest"], plugin["digest"], "the old one stays");

    let event: Value = serde_json::from_slice(&cases::body("strapi-v5/entry.create")).expect("JSON");
    let run = json!({ "config": { "remove": ["/entry/documentId"] }, "data": event });
    let ran = host.admin_send(Method::POST, "/v1/plugins/redact/run", run.to_string()).await;
    assert_eq!(ran.body["chain"]["verdict"], "deliver", "{ran:?}");
    let data: Value = serde_json::from_str(ran.body["rewrittenData"].as_str().unwrap_or_default()).expect("JSON");
    assert!(data["entry"].get("documentId").is_none() && receiver.received().is_empty());
    let unfit = host.admin_send(Method::POST, "/v1/plugins/redact/run", r#"{"config":{"remove":1}}"#).await;
    assert_eq!((unfit.status.as_u16(), &unfit.body["errors"][0]["pointer"]), (422, &json!("/remove")), "{unfit:?}");

    let reloads = host.api("/v1/reloads").await;
    let changed: Vec<_> = reloads["reloads"].as_array().expect("a list").iter().map(|one| &one["changed"]).collect();
    assert!(changed.iter().any(|text| text.as_str().is_some_and(|text| text.contains("plugin redact"))), "{reloads}");
    assert!(changed.contains(&&json!("webhook site")) && changed.last() == Some(&&json!("start")), "{reloads}");
    let uploads = host.api("/v1/audit?action=plugin.upload").await;
    assert_eq!(uploads["changes"].as_array().map(Vec::len), Some(1), "{uploads}");
}
