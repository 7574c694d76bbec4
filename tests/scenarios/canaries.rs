//! Fifty secrets are planted wherever the host is given some; everything is run; none is found anywhere but where it
//! belongs.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use hookwright_tests::{Builder, Hookwright, Receiver, cases};
use http::Method;
use serde_json::{Value, json};

/// Makes secrets that are like no other text.
#[derive(Default)]
struct Canaries {
    planted: Vec<String>,
}

impl Canaries {
    fn plant(&mut self) -> String {
        let canary = format!("canary{:02}{:016x}", self.planted.len(), rand::random::<u64>());
        self.planted.push(canary.clone());
        canary
    }

    /// A signing secret; what is searched for is its base64.
    fn plant_signing(&mut self) -> String {
        let text = format!("canary{:02}{:024x}", self.planted.len(), rand::random::<u64>());
        self.planted.push(text.clone());
        // Base64 by itself: 32 characters are 24 bytes.
        format!("whsec_{text}")
    }

    /// The places whose text holds one.
    fn found_in<'a>(&self, places: impl IntoIterator<Item = (&'a String, &'a Vec<u8>)>) -> String {
        let mut hits = String::new();
        for (place, bytes) in places {
            for canary in self.planted.iter().filter(|canary| holds(bytes, canary.as_bytes())) {
                let _ = writeln!(hits, "{place} holds {canary}");
            }
        }
        hits
    }
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|part| part == text)
}

/// Everything that was said, by who said it.
#[derive(Default)]
struct Said(Vec<(String, Vec<u8>)>);

impl Said {
    async fn get(&mut self, host: &Hookwright, path: &str) -> Value {
        let answer = host.admin_request(Method::GET, path).await;
        self.0.push((format!("GET {path}"), answer.body.to_string().into_bytes()));
        answer.body
    }

    async fn send(&mut self, host: &Hookwright, method: Method, path: &str, body: Value) -> Value {
        let answer = host.admin_send(method.clone(), path, body.to_string()).await;
        self.0.push((format!("{method} {path}"), answer.body.to_string().into_bytes()));
        answer.body
    }

    async fn run(&mut self, host: &Hookwright, arguments: &[&str]) {
        let Output { stdout, stderr, .. } = host.command(arguments).await;
        self.0.push((arguments.join(" "), [stdout, stderr].concat()));
    }
}

/// The files below a folder, but for those that are meant to hold secrets: configuration, its last good copies, tokens, keys.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    const MEANT: [&str; 6] = [".env", "config", "last-good", "admin.token", "source-local.token", "master.key"];
    let paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("reads").path()).collect();
    for path in paths {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if MEANT.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else if let Ok(bytes) = fs::read(&path) {
            found.push((path.display().to_string(), bytes));
        }
    }
}

/// A home with secrets in its files, literal and by variables.
fn planted_in_files(canaries: &mut Canaries, url: &str) -> Builder {
    let mut variables = String::new();
    let mut variable = |canaries: &mut Canaries, name: &str| {
        let canary = canaries.plant();
        writeln!(variables, "{name}={canary}").expect("writes");
        format!("${{ process.env.{name} }}")
    };
    let mut server = json!({ "webhooks": { "defaultHeaders": {
        "Authorization": format!("Bearer {}", canaries.plant()),
        "X-Api-Key": variable(canaries, "DEFAULT_KEY"),
        "X-Plain-Name": variable(canaries, "DEFAULT_PLAIN"),
    } } });
    server["sources"] = json!([
        { "name": "strapi", "token": hookwright_tests::host::TOKEN },
        { "name": "literal", "token": format!("{}-token", canaries.plant()) },
        { "name": "variable", "token": variable(canaries, "SOURCE_TOKEN") },
    ]);
    let signing = canaries.plant_signing();
    let in_file = json!({
        "url": format!("{url}?token={}", canaries.plant()), "events": ["*"], "retry": { "schedule": ["1s"] },
        "headers": { "Cookie": format!("session={}", canaries.plant()), "X-Secret": variable(canaries, "HEADER_SECRET"),
                     "X-Filled": variable(canaries, "HEADER_FILLED") },
        "signing": { "secrets": [signing], "extra": [{ "header": "X-Sig", "secret": canaries.plant() },
                                                      { "header": "X-Sig-Two", "secret": variable(canaries, "EXTRA") }] },
    });
    let filled_url = json!({ "url": format!("{url}/${{ process.env.PATH_SECRET }}"), "events": ["entry.*"] });
    writeln!(variables, "PATH_SECRET={}", canaries.plant()).expect("writes");
    let broken = json!({ "url": 1, "events": ["*"], "headers": { "Authorization": format!("Bearer {}", canaries.plant()) },
                         "signing": { "secrets": [format!("whsec_{}!", canaries.plant())] } });
    Hookwright::builder()
        .server(server)
        .plugin("redact")
        .webhook("in-file", in_file)
        .webhook("filled-url", filled_url)
        .file("config/webhooks/broken.json", broken.to_string())
        .file(".env", variables)
        .logged("trace")
}

/// Shown once to whoever makes them, and to nobody after.
async fn planted_over_the_api(canaries: &mut Canaries, said: &mut Said, host: &Hookwright, url: &str) {
    let made = |canaries: &mut Canaries, id: &str| {
        json!({
            "id": id, "events": ["*"], "retry": { "schedule": ["1s"] },
            "url": { "$secret": format!("{url}/{}", canaries.plant()) },
            "headers": { "Authorization": format!("Bearer {}", canaries.plant()), "X-Hidden": { "$secret": canaries.plant() },
                         "X-Password": canaries.plant() },
            "signing": { "secrets": [canaries.plant_signing()], "extra": [{ "header": "X-Sig", "secret": canaries.plant() }] },
            "plugins": [{ "plugin": "redact", "config": { "remove": [{ "$secret": format!("/entry/{}", canaries.plant()) }] } }],
        })
    };
    for id in ["one", "two", "three"] {
        let created = said.send(host, Method::POST, "/v1/webhooks", made(canaries, id)).await;
        assert_eq!(created["id"], id, "{created}");
    }
    said.send(host, Method::PATCH, "/v1/webhooks/one", json!({ "headers": { "Authorization": canaries.plant() } }))
        .await;
    said.send(host, Method::PATCH, "/v1/webhooks/two", json!({ "signing": { "secrets": [canaries.plant_signing()] } }))
        .await;
    // Refused, and not repeated.
    for refused in [
        json!({ "url": { "$secret": format!("ftp://{}", canaries.plant()) } }),
        json!({ "url": format!("http://user:{}@x/", canaries.plant()) }),
        json!({ "headers": { "Authorization": format!("{}\n", canaries.plant()) } }),
        json!({ "signing": { "secrets": [canaries.plant()] } }),
        json!({ "signing": { "extra": [{ "header": "webhook-id", "secret": canaries.plant() }] } }),
        json!({ "nothing": { "$secret": canaries.plant() } }),
        json!({ "plugins": [{ "plugin": "redact", "config": { "remove": { "$secret": canaries.plant() } } }] }),
    ] {
        let answer = said.send(host, Method::PATCH, "/v1/webhooks/three", refused).await;
        assert_eq!(answer["status"], 422, "{answer}");
    }
    while canaries.planted.len() < 50 {
        let wrong = canaries.plant();
        let tried = host.send(host.anonymous(Method::POST).bearer_auth(&wrong).body("{}")).await.expect("answers");
        said.0.push(("a wrong token".to_owned(), tried.body.to_string().into_bytes()));
    }
}

async fn everything_run(said: &mut Said, host: &Hookwright) {
    let mut events = Vec::new();
    for case in ["strapi-v5/entry.create", "strapi-v5/entry.publish", "strapi-v5/media.create"] {
        events.push(host.post(cases::body(case)).await.event().to_owned());
    }
    for event in &events {
        host.deliveries(event, |one| one["state"] != "pending").await;
        said.get(host, &format!("/v1/events/{event}")).await;
        said.get(host, &format!("/v1/events/{event}/why")).await;
        said.run(host, &["why", event]).await;
        said.run(host, &["event", "show", event]).await;
    }
    let deliveries = said.get(host, "/v1/deliveries").await;
    for delivery in deliveries["deliveries"].as_array().expect("a list") {
        let id = delivery["id"].as_str().expect("an id");
        said.get(host, &format!("/v1/deliveries/{id}")).await;
        said.send(host, Method::POST, &format!("/v1/deliveries/{id}/replay"), json!({})).await;
        said.send(host, Method::POST, &format!("/v1/deliveries/{id}/rerun"), json!({})).await;
        said.run(host, &["delivery", "show", id]).await;
    }
    for id in ["in-file", "filled-url", "one", "two", "three"] {
        said.get(host, &format!("/v1/webhooks/{id}")).await;
        said.get(host, &format!("/v1/webhooks/{id}/export")).await;
        said.send(host, Method::POST, &format!("/v1/webhooks/{id}/test"), json!({})).await;
        said.send(host, Method::POST, &format!("/v1/webhooks/{id}/pause"), json!({})).await;
        said.send(host, Method::POST, &format!("/v1/webhooks/{id}/resume"), json!({})).await;
        for verb in ["show", "export", "test"] {
            said.run(host, &["webhook", verb, id]).await;
        }
    }
    said.send(host, Method::POST, "/v1/secrets/rotate-key", json!({})).await;
    for list in [
        "status",
        "webhooks",
        "events",
        "quarantine",
        "replays",
        "schemas",
        "shadows",
        "plugins",
        "reloads",
        "sources",
        "tokens",
        "audit?limit=200",
    ] {
        said.get(host, &format!("/v1/{list}")).await;
    }
    for command in [
        &["status"][..],
        &["check"],
        &["webhook", "list"],
        &["event", "list"],
        &["delivery", "list"],
        &["plugin", "list"],
        &["status", "--json"],
        &["webhook", "list", "--json"],
        &["reload"],
    ] {
        said.run(host, command).await;
    }
}

#[tokio::test]
async fn fifty_canaries_are_found_nowhere() {
    let mut canaries = Canaries::default();
    let receiver = Receiver::answering(|index, _| if index % 3 == 2 { 500 } else { 200 }).await;
    let (url, mut said) = (receiver.url(), Said::default());
    let mut host = planted_in_files(&mut canaries, &url).start().await;
    planted_over_the_api(&mut canaries, &mut said, &host, &url).await;
    // Their texts are in the answers that make them, which are not kept here.
    for role in ["viewer", "operator", "admin", "source"] {
        let wanted = json!({ "name": role, "role": role, "source": (role == "source").then_some("shop") });
        let made = host.admin_send(Method::POST, "/v1/tokens", wanted.to_string()).await;
        canaries.planted.push(made.body["token"].as_str().expect("is shown once").to_owned());
    }
    everything_run(&mut said, &host).await;
    host.kill().await;
    host.restart().await;
    said.get(&host, "/v1/status").await;
    host.terminate().await;

    assert!(canaries.planted.len() >= 50, "{}", canaries.planted.len());
    files(host.home(), &mut said.0);
    let hits = canaries.found_in(said.0.iter().map(|(place, bytes)| (place, bytes)));
    assert!(hits.is_empty(), "{hits}");
    // The search finds what is there: a receiver is sent what is meant for it.
    let received = format!("{:?}", receiver.received().iter().map(|one| &one.headers).collect::<Vec<_>>());
    assert!(holds(received.as_bytes(), canaries.planted[0].as_bytes()), "the search finds nothing at all");
}
