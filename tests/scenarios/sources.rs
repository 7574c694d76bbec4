//! Other CMSs than Strapi, by the settings that `docs/sources.md` gives for them.

use std::fs;

use hookwright_tests::host::workspace;
use hookwright_tests::{Hookwright, Receiver, cases};
use http::Method;
use serde_json::{Value, json};

/// The source that the guide shows under this heading, with `token`.
fn source(heading: &str, token: &str) -> Value {
    let guide = fs::read_to_string(workspace().join("docs/sources.md")).unwrap();
    let (_, section) = guide.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, block) = section.split_once("```json\n").unwrap();
    let mut source: Value = serde_json::from_str(block.split("```").next().unwrap()).unwrap();
    source["token"] = json!(token);
    source
}

#[tokio::test]
async fn each_cms_is_understood_by_the_settings_of_the_guide_and_delivered_byte_for_byte() {
    let cmss = [
        ("Contentful", "contentful", &["ContentManagement.Entry.delete", "ContentManagement.Entry.publish"][..]),
        ("Sanity", "sanity", &["sanity.update"]),
        ("Directus", "directus", &["articles.items.create", "articles.items.update"]),
        ("Ghost", "ghost", &["post.deleted", "post.published"]),
    ];
    let receiver = Receiver::start().await;
    let token = |folder: &str| format!("{folder}-token-for-the-scenarios");
    let sources: Vec<_> = cmss.iter().map(|(heading, folder, _)| source(heading, &token(folder))).collect();
    let host = Hookwright::builder()
        .server(json!({ "sources": sources, "schemas": { "unknownEvents": "accept" } }))
        .webhook("w", json!({ "url": receiver.url(), "events": ["*"] }))
        .start()
        .await;
    let mut posted = 0;
    for (_, folder, types) in cmss {
        let mut seen = Vec::new();
        for case in cases::requests_of(folder) {
            let mut request = host.anonymous(Method::POST).bearer_auth(token(folder)).body(case.body.clone());
            for (name, value) in &case.headers {
                request = request.header(name, value);
            }
            let answer = host.send(request).await.unwrap();
            assert_eq!(answer.status, 202, "{}: {answer:?}", case.name);
            posted += 1;
            let received = receiver.wait_for(posted).await.pop().unwrap();
            assert_eq!(received.body, case.body, "{}", case.name);
            let content_type = case.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            assert_eq!(received.header("content-type"), content_type.map(|(_, value)| value.as_str()));
            assert!(received.verified());
            seen.push(received.header("x-hookwright-event").unwrap().to_owned());
        }
        assert_eq!(seen, types, "{folder}");
    }
    let topics: Vec<_> =
        receiver.received().iter().filter_map(|one| Some(one.header("x-contentful-topic")?.len())).collect();
    assert_eq!(topics.len(), 2, "the header that says the type goes on, as Strapi's does");
}

#[tokio::test]
async fn a_repeat_is_known_by_a_header_or_by_places_in_the_body_and_a_token_by_its_header() {
    let receiver = Receiver::start().await;
    let by_places = json!({ "name": "places", "token": "places-token-for-the-scenarios", "tokenHeader": "X-Token",
        "type": { "pointer": "/event" }, "idempotency": ["/id", "/version"] });
    let host = Hookwright::builder()
        .server(json!({ "sources": [source("Contentful", "contentful-token-for-tests"), by_places],
            "schemas": { "unknownEvents": "accept" } }))
        .webhook("w", json!({ "url": receiver.url(), "events": ["*"] }))
        .start()
        .await;
    let contentful = async |key: &str| {
        let request = host.anonymous(Method::POST).bearer_auth("contentful-token-for-tests");
        let request = request.header("x-contentful-topic", "ContentManagement.Entry.save");
        let request = request.header("content-type", "application/vnd.contentful.management.v1+json");
        host.send(request.header("x-contentful-idempotency-key", key).body("{}")).await.unwrap()
    };
    let first = contentful("a").await;
    assert_eq!(contentful("a").await.event(), first.event());
    assert_ne!(contentful("b").await.event(), first.event());
    assert_eq!(contentful("a b").await.status, 400, "no key");

    let places = async |body: &'static str| {
        let request = host.anonymous(Method::POST).header("x-token", "places-token-for-the-scenarios");
        host.send(request.header("content-type", "application/json").body(body)).await.unwrap()
    };
    let first = places(r#"{"event": "a.saved", "id": 1, "version": 1}"#).await;
    assert_eq!(first.status, 202, "{first:?}");
    assert_eq!(places(r#"{"event": "a.saved", "id": 1, "version": 1}"#).await.event(), first.event());
    assert_eq!(places(r#"{"event": "a.saved", "id": 1, "version": 1, "more": 1}"#).await.status, 409);
    assert_ne!(places(r#"{"event": "a.gone", "id": 1, "version": 1}"#).await.event(), first.event());
    assert_ne!(places(r#"{"event": "a.saved", "id": 1}"#).await.event(), first.event());
    let bearer = host.anonymous(Method::POST).bearer_auth("places-token-for-the-scenarios");
    let bearer = bearer.header("content-type", "application/json").body(r#"{"event": "a.saved"}"#);
    assert_eq!(host.send(bearer).await.unwrap().status, 401);
    assert_eq!(receiver.wait_for(5).await.len(), 5);
}

#[tokio::test]
async fn a_body_without_the_type_waits_in_quarantine_until_the_setting_is_mended() {
    let receiver = Receiver::start().await;
    let server = |pointer: &str| {
        json!({ "server": { "listen": "127.0.0.1:0", "admin": "127.0.0.1:0" },
            "sources": [{ "name": "cms", "token": hookwright_tests::host::TOKEN, "type": { "pointer": pointer } }],
            "egress": { "allow": ["127.0.0.0/8"] }, "schemas": { "unknownEvents": "accept" } })
    };
    let host = Hookwright::builder()
        .server(server("/evnt"))
        .webhook("w", json!({ "url": receiver.url(), "events": ["*"] }))
        .start()
        .await;
    let refused = host.post(r#"{"event": "items.create"}"#).await;
    assert_eq!((refused.status.as_u16(), &refused.body["errors"][0]["pointer"]), (422, &json!("/evnt")));
    let before = host.revision().await;
    host.write("config/server.json", server("/event").to_string());
    host.reloaded(before, |_| true).await;
    let id = refused.body["quarantine"].as_str().unwrap();
    let admitted = host.admin_request(Method::POST, &format!("/v1/quarantine/{id}/admit")).await;
    assert_eq!(admitted.status, 202, "{admitted:?}");
    assert_eq!(receiver.wait_for(1).await[0].header("x-hookwright-event"), Some("items.create"));
}
