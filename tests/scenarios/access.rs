//! Who may do what: each documented route with each role, tokens from their making to their end, and who is recorded.

use std::net::IpAddr;

use hookwright_tests::host::workspace;
use hookwright_tests::{Hookwright, Receiver, until};
use http::Method;
use serde_json::{Value, json};

const ROLES: [&str; 4] = ["source", "viewer", "operator", "admin"];

/// Makes a token over the API and returns its id and its text.
async fn token(host: &Hookwright, wanted: Value) -> (String, String) {
    let made = host.admin_send(Method::POST, "/v1/tokens", wanted.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let text = |name: &str| made.body[name].as_str().expect(name).to_owned();
    (text("id"), text("token"))
}

async fn token_of(host: &Hookwright, role: &str) -> String {
    let mut wanted = json!({ "name": role, "role": role });
    if role == "source" {
        wanted["source"] = json!("shop");
    }
    token(host, wanted).await.1
}

/// `(method, path, role)` of each row of the table in docs/access.md, which a unit test compares with what is served.
fn documented() -> Vec<(Method, String, String)> {
    let text = std::fs::read_to_string(workspace().join("docs/access.md")).expect("docs/access.md");
    let rows = text.lines().filter_map(|line| {
        let (route, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let (method, path) = route.split_once(' ')?;
        let (role, _) = rest.split_once(" | ")?;
        Some((method.parse().expect("a method"), path.to_owned(), role.to_owned()))
    });
    rows.collect()
}

/// So that no address fails too often: all of 127.0.0.0/8 is this machine.
#[cfg(target_os = "linux")]
fn client_from(number: u8) -> reqwest::Client {
    let address = IpAddr::from([127, 0, 1, number]);
    reqwest::Client::builder().no_proxy().local_address(address).build().expect("a client")
}

#[cfg(target_os = "linux")]
async fn status(client: &reqwest::Client, host: &Hookwright, route: (&Method, &str), token: Option<&str>) -> u16 {
    let (method, path) = route;
    let request = client.request(method.clone(), format!("http://{}{path}", host.admin_address()));
    let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
    request.send().await.expect("the host answers").status().as_u16()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn every_route_is_open_to_its_roles_and_to_nobody_else() {
    let host = Hookwright::builder().start().await;
    let (expired_id, expired) = token(&host, json!({ "name": "brief", "role": "admin", "expires": "1ms" })).await;
    let (revoked_id, revoked) = token(&host, json!({ "name": "gone", "role": "admin" })).await;
    let ended = host.admin_request(Method::POST, &format!("/v1/tokens/{revoked_id}/revoke")).await;
    assert_eq!(ended.body["state"], "revoked", "{ended:?}");
    until("a token to expire", || async {
        (host.api(&format!("/v1/tokens/{expired_id}")).await["state"] == "expired").then_some(())
    })
    .await;
    let mut tokens = Vec::new();
    for role in ROLES {
        tokens.push((role, token_of(&host, role).await));
    }

    let routes = documented();
    assert!(routes.len() > 40, "the table is read");
    for (number, (method, path, least)) in (1..).zip(&routes) {
        let client = client_from(number);
        // One that is not there: what a role may is decided before.
        let path = path.replace("{id}", "tok_01JD5Z8Q0V4N1S3T9X7K2M6B8C").replace("{type}", "nothing");
        let route = (method, path.as_str());
        for (whose, token) in
            [("none", None), ("wrong", Some("hwa_wrong")), ("expired", Some(&*expired)), ("revoked", Some(&*revoked))]
        {
            assert_eq!(status(&client, &host, route, token).await, 401, "{method} {path} with {whose}");
        }
        for (role, token) in &tokens {
            let rank = |role: &str| ROLES.iter().position(|one| *one == role).expect("a role");
            let may = *role != "source" && rank(role) >= rank(least);
            let answered = status(&client, &host, route, Some(token)).await;
            assert!(![401, 429].contains(&answered), "{method} {path} with {role}: {answered}");
            assert_eq!(answered != 403, may, "{method} {path} with {role}, needs {least}: {answered}");
        }
    }
}

#[tokio::test]
async fn a_sources_token_posts_as_its_source_what_it_is_for() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder().webhook("all", json!({ "url": receiver.url(), "events": ["*"] })).start().await;
    let wanted = json!({ "name": "shop", "role": "source", "source": "shop", "events": ["entry.*"] });
    let (id, shop) = token(&host, wanted).await;
    let post = async |event: &str, token: &str| {
        let body =
            json!({ "event": event, "createdAt": "2026-11-25T10:00:00.000Z", "model": "a", "entry": { "id": 1 } });
        let request = host.anonymous(Method::POST).header("content-type", "application/json").body(body.to_string());
        host.send(request.bearer_auth(token)).await.expect("the host answers")
    };

    let taken = post("entry.create", &shop).await;
    assert_eq!(taken.status, 202, "{taken:?}");
    assert_eq!(host.api(&format!("/v1/events/{}", taken.event())).await["source"], "shop");
    for event in ["media.create", "entries.unknown"] {
        let refused = post(event, &shop).await;
        assert_eq!((refused.status.as_u16(), &refused.body["eventType"]), (403, &json!(event)), "{refused:?}");
        assert_eq!(refused.body["allowed"], json!(["entry.*"]));
    }
    assert_eq!(host.api("/v1/quarantine").await["quarantined"], json!([]), "what it may not post is not kept");
    let viewer = token_of(&host, "viewer").await;
    let unfit = post("entry.create", &viewer).await;
    assert_eq!((unfit.status.as_u16(), &unfit.body["needed"]), (403, &json!("source")), "{unfit:?}");

    let sources = host.api("/v1/sources").await;
    let [shop_there, strapi] = sources["sources"].as_array().expect("a list").as_slice() else { panic!("{sources}") };
    assert_eq!((&strapi["name"], &strapi["from"]), (&json!("strapi"), &json!("config")));
    assert!(shop_there["lastUsed"].is_string() && strapi["lastUsed"].is_null(), "{sources}");
    assert_eq!(host.api("/v1/status").await["sources"], json!(["shop", "strapi"]));
    assert_eq!((&shop_there["from"], &shop_there["tokens"][0]["id"]), (&json!("tokens"), &json!(id)));
    assert!(shop_there["tokens"][0]["lastUsed"].is_string(), "{sources}");

    let revoked = host.command(&["token", "revoke", &id]).await;
    assert!(revoked.status.success());
    assert_eq!(post("entry.create", &shop).await.status, 401);
    let refused = host.api("/v1/status").await["refused"].clone();
    assert_eq!((&refused["unauthorized"], &refused["forbidden"]), (&json!(1), &json!(3)));
}

#[tokio::test]
async fn whoever_shares_an_address_with_a_guesser_may_still_post() {
    let host = Hookwright::builder().start().await;
    let guess = async || host.send(host.anonymous(Method::POST).bearer_auth("hws_guessed")).await.expect("answers");
    let mut guesses = 0;
    let told = loop {
        let told = guess().await;
        if told.status != 401 {
            break told;
        }
        guesses += 1;
    };
    // One more for every three seconds that pass meanwhile.
    assert!((20..40).contains(&guesses), "{guesses}");
    let wait: u32 = told.retry_after.as_deref().and_then(|wait| wait.parse().ok()).expect("Retry-After");
    assert!(told.status == 429 && (1..=3).contains(&wait), "{told:?}");
    let body =
        json!({ "event": "entry.create", "createdAt": "2026-11-25T10:00:00.000Z", "model": "a", "entry": { "id": 1 } });
    assert_eq!(host.post(body.to_string()).await.status, 202);
    assert_eq!(host.api("/v1/status").await["refused"]["tooManyAttempts"], 1, "and the admin listener counts its own");
}

#[tokio::test]
async fn changes_are_recorded_with_whose_they_are() {
    let mut host =
        Hookwright::builder().webhook("w", json!({ "url": "http://127.0.0.1:9/", "events": ["*"] })).start().await;
    let made = host.command(&["token", "create", "--role", "operator", "--name", "ci", "--expires", "1d"]).await;
    let text = String::from_utf8(made.stdout).expect("text");
    let ci = text.lines().next().expect("the token").to_owned();
    assert!(ci.starts_with("hwo_") && text.contains("It is not shown again."), "{text}");

    // With a token of its own, it is that token's name whatever it says.
    let pause = ["webhook", "pause", "w", "--token", &ci];
    assert!(host.command(&pause).await.status.success());
    let told = host.command(&["audit", "--token", &ci]).await;
    let complaint = String::from_utf8(told.stderr).expect("text");
    assert!(!told.status.success() && complaint.contains("GET /v1/audit needs the role admin"), "{complaint}");
    let resumed = host.admin_send(Method::POST, "/v1/webhooks/w/resume", r#"{"by":"ana"}"#).await;
    assert_eq!(resumed.status, 200);
    assert!(host.command(&["reload"]).await.status.success());

    host.terminate().await;
    host.restart().await;
    let by_ci = host.api("/v1/audit?action=webhook.pause").await;
    let change = &by_ci["changes"][0];
    assert_eq!((&change["who"], &change["subject"]), (&json!("ci"), &json!("w")), "{by_ci}");
    assert_eq!(change["from"], json!({ "runStates": [] }));
    assert_eq!(change["to"], json!({ "runStates": ["paused"] }));
    assert_eq!(host.api("/v1/audit?subject=w&limit=1").await["changes"][0]["who"], "ana");
    let all = host.api("/v1/audit").await;
    let actions: Vec<_> = all["changes"].as_array().expect("a list").iter().map(|change| &change["action"]).collect();
    assert_eq!(actions, ["reload", "webhook.resume", "webhook.pause", "token.create"]);
    assert!(!all.to_string().contains(&ci));
    let used = host.api("/v1/tokens").await["tokens"][0]["lastUsed"].clone();
    assert!(used.is_string(), "its last use is kept over a restart");

    let elsewhere = ["webhook", "list", "--host", &format!("http://{}", host.admin_address()), "--token", &ci];
    let listed = host.command(&elsewhere).await;
    assert!(listed.status.success(), "{listed:?}");
}
