//! Webhooks in the browser: the verbs of the documentation the project began from, the form made of a plugin's schema, and what
//! each plugin would change.

use hookwright_tests::browser::Browser;
use hookwright_tests::{Hookwright, Receiver, cases};
use http::Method;
use serde_json::{Value, json};

/// A host and, signed in to it, a browser.
async fn begin(plugins: &[&str]) -> Option<(Hookwright, Browser)> {
    let mut builder = Hookwright::builder();
    for plugin in plugins {
        builder = builder.plugin(plugin);
    }
    let host = builder.start().await;
    let browser = Browser::sign_in(&host).await?;
    Some((host, browser))
}

async fn make(host: &Hookwright, webhook: Value) {
    let made = host.admin_send(Method::POST, "/v1/webhooks", webhook.to_string()).await;
    assert_eq!(made.status.as_u16(), 201, "{made:?}");
}

#[tokio::test]
async fn create_test_disable_update_delete() {
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    let Some((host, browser)) = begin(&[]).await else { return };

    // Create. What is missing is said beside its field; what was typed stays.
    browser.go("/webhooks/new").await;
    browser.fill("#name", "Site build").await;
    browser.fill("#url", "not a url").await;
    browser.click("input[name=event][value='entry.create']").await;
    browser.press("Make it").await;
    browser.find("#url[aria-invalid=true]").await;
    assert_eq!((browser.value("#name").await, browser.value("#url").await), ("Site build".into(), "not a url".into()));
    assert!(browser.has("input[name=event][value='entry.create']:checked").await);
    browser.fill("#url", &first.url()).await;
    browser.press("Make it").await;
    browser.at("/webhooks/site-build").await;
    let secret = browser.text(".told .secret code").await;
    browser.go("/webhooks/site-build").await;
    assert!(!browser.has(".told").await, "a secret is shown once");

    // Test: looked at first, then sent.
    browser.press("Try it").await;
    browser.press("Try it without sending").await;
    browser.find("button[name=step][value=send]").await;
    assert_eq!(first.received().len(), 0);
    browser.press("Send it").await;
    browser.sees("The answer 204").await;
    assert!(first.wait_for(1).await[0].verified_with(&secret));

    // Disable, in the list, by keyboard.
    browser.go("/webhooks").await;
    browser.find("button[role=switch][aria-checked=true]").await.send_keys(" ").await.expect("typed");
    browser.find("button[role=switch][aria-checked=false]").await;
    assert_eq!(host.api("/v1/webhooks/site-build").await["takesNew"], false);
    browser.click("button[role=switch]").await;
    browser.find("button[role=switch][aria-checked=true]").await;

    // Update.
    browser.go("/webhooks/site-build/edit").await;
    browser.fill("#url", &second.url()).await;
    browser.click("input[name=event][value='entry.update']").await;
    browser.press("Save").await;
    browser.sees(&second.url()).await;
    host.post(cases::body("strapi-v5/entry.update")).await;
    assert!(second.wait_for(1).await[0].verified_with(&secret), "its secret is the one it had");

    // Delete.
    browser.press("Delete").await;
    browser.click("details.confirm[open] button.danger").await;
    browser.at("/webhooks").await;
    browser.sees("site-build").await;
    assert_eq!(host.admin_request(Method::GET, "/v1/webhooks/site-build").await.status.as_u16(), 404);
    let console = browser.console().await;
    assert!(console.iter().all(|line| line.contains("422")), "beside the form that was refused: {console:?}");
    browser.close().await;
}

#[tokio::test]
async fn whoever_was_too_late_is_told_and_loses_nothing() {
    let Some((host, browser)) = begin(&[]).await else { return };
    make(&host, json!({ "id": "site", "url": "https://a.example/", "events": ["entry.*"] })).await;
    browser.go("/webhooks/site/edit").await;
    browser.fill("#name", "Mine").await;
    let theirs = host.admin(Method::PATCH, "/v1/webhooks/site").body(json!({ "name": "Theirs" }).to_string());
    host.send(theirs).await.expect("answers");
    browser.press("Save").await;
    browser.sees("It was changed by somebody else meanwhile").await;
    assert_eq!(browser.value("#name").await, "Mine");
    assert_eq!(host.api("/v1/webhooks/site").await["name"], "Theirs");
    browser.close().await;
}

#[tokio::test]
async fn a_chain_is_put_together_in_the_form_and_its_work_seen() {
    let receiver = Receiver::start().await;
    let Some((host, browser)) = begin(&["redact", "add-headers"]).await else { return };
    make(&host, json!({ "id": "site", "url": receiver.url(), "events": ["entry.*"] })).await;

    browser.go("/webhooks/site/edit").await;
    for (at, plugin) in [(0, "add-headers"), (1, "redact")] {
        browser.choose("#newPlugin", plugin).await;
        browser.press("Add").await;
        browser.find(&format!("#plugin-{at}-onError")).await;
    }
    // A form made from the schema of the plugin's config.
    browser.fill("textarea[name='plugin.1.config:/remove']", "/entry/title").await;
    browser.click("button[aria-label='Move redact up']").await;
    browser.find("input[name='plugin.0'][value=redact]").await;
    browser.press("Save").await;
    browser.at("/webhooks/site").await;
    let chain = host.api("/v1/webhooks/site").await["definition"]["plugins"].clone();
    assert_eq!((&chain[0]["plugin"], &chain[1]["plugin"]), (&json!("redact"), &json!("add-headers")), "{chain}");
    assert_eq!(chain[0]["config"]["remove"], json!(["/entry/title"]));

    // What each plugin would change, before anything is sent.
    let mut body: Value = serde_json::from_slice(&cases::body("strapi-v5/entry.create")).expect("JSON");
    body["entry"]["title"] = json!("not for everybody");
    browser.go("/webhooks/site/try").await;
    browser.fill("#data", &body.to_string()).await;
    browser.press("Try it without sending").await;
    let gone = browser.texts(".diff del").await;
    assert!(gone.iter().any(|line| line.contains("not for everybody")), "{gone:?}");
    assert_eq!(receiver.received().len(), 0);

    // And of what was delivered.
    let posted = host.post(body.to_string()).await;
    assert_eq!(receiver.wait_for(1).await[0].json()["entry"].get("title"), None);
    let deliveries = host.deliveries(posted.event(), |delivery| delivery["state"] == "delivered").await;
    browser.go(&format!("/deliveries/{}/steps", deliveries[0]["id"].as_str().expect("an id"))).await;
    assert!(browser.texts(".diff del").await.iter().any(|line| line.contains("not for everybody")));
    assert_eq!(browser.console().await, [""; 0]);
    browser.close().await;
}

/// Scripts only spare reloads.
#[tokio::test]
async fn a_webhook_is_made_and_paused_without_a_script() {
    let Some((host, browser)) = begin(&["redact"]).await else { return };
    browser.without_scripts().await;
    browser.go("/webhooks/new").await;
    browser.fill("#name", "Plain").await;
    browser.fill("#url", "https://a.example/").await;
    browser.fill("#patterns", "entry.*").await;
    browser.choose("#newPlugin", "redact").await;
    browser.press("Add").await;
    browser.find("#plugin-0-onError").await;
    browser.press("Make it").await;
    browser.at("/webhooks/plain").await;
    browser.press("Pause").await;
    browser.sees("Paused").await;
    let read = host.api("/v1/webhooks/plain").await;
    assert_eq!((&read["plugins"], &read["runStates"][0]["kind"]), (&json!(["redact"]), &json!("paused")));
    browser.close().await;
}
