//! A thousand deliveries with secrets of ten webhooks, judged by other people's verifiers: the crate, the npm package and
//! the `PyPI` package standardwebhooks, and Node's own Ed25519.

use std::fs;
use std::path::Path;

use hookwright_tests::host::{binary, output, workspace};
use hookwright_tests::{Hookwright, Received, Receiver, Verifiers, cases};
use serde_json::{Value, json};
use tokio::process::Command;

const WEBHOOKS: usize = 10;
const EVENTS: usize = 100;
const CORRUPTED: usize = 100;

/// What a webhook signs with, and its receiver verifies with.
struct Keys {
    secret: String,
    private: String,
    public: String,
    hub: String,
}

impl Keys {
    async fn new(number: usize) -> Self {
        let made = async |more: &[&str]| -> Value {
            let said = output(Command::new(binary()).args(["secret", "new", "--json"]).args(more)).await;
            serde_json::from_slice(&said.stdout).unwrap_or_else(|_| panic!("{said:?}"))
        };
        let (symmetric, asymmetric) = (made(&[]).await, made(&["--ed25519"]).await);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            secret: text(&symmetric["secret"]),
            private: text(&asymmetric["secret"]),
            public: text(&asymmetric["receiver"]),
            hub: format!("hub secret {number}"),
        }
    }

    fn webhook(&self, number: usize, receiver: &Receiver) -> Value {
        json!({
            "url": receiver.url(), "events": ["*"], "headers": { "X-Number": number.to_string() },
            "signing": {
                "secrets": [self.secret, self.private],
                "extra": [{ "header": "X-Hub-Signature-256", "secret": self.hub }],
            },
        })
    }

    /// A delivery as the verifiers read it.
    fn line(&self, request: &Received) -> Value {
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature", "x-hub-signature-256"];
        let headers: Value = names.iter().map(|name| ((*name).to_owned(), json!(request.header(name)))).collect();
        let body = std::str::from_utf8(&request.body).unwrap();
        json!({ "secret": self.secret, "publicKey": self.public, "hubSecret": self.hub, "headers": headers, "body": body })
    }
}

/// One thing changed, another one each time.
fn corrupted(number: usize, mut line: Value) -> Value {
    let place =
        ["/body", "/headers/webhook-id", "/headers/webhook-timestamp", "/headers/webhook-signature"][number % 4];
    let text = line.pointer(place).and_then(Value::as_str).unwrap();
    let changed = match place {
        "/headers/webhook-timestamp" => (text.parse::<i64>().unwrap() + 1).to_string(),
        // Both signatures begin otherwise.
        "/headers/webhook-signature" => text.replace("v1,", "v1,AAAA").replace("v1a,", "v1a,AAAA"),
        _ => format!("{text} "),
    };
    *line.pointer_mut(place).unwrap() = changed.into();
    line
}

fn write(file: &Path, lines: &[Value]) {
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    fs::write(file, lines.join("\n")).unwrap();
}

fn fits_the_crate(line: &Value) -> bool {
    let headers = line["headers"].as_object().unwrap();
    let headers: http::HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.as_str().unwrap().parse().unwrap()))
        .collect();
    let webhook = standardwebhooks::Webhook::new(line["secret"].as_str().unwrap()).unwrap();
    webhook.verify(line["body"].as_str().unwrap().as_bytes(), &headers).is_ok()
}

#[tokio::test]
async fn a_thousand_signatures_fit_for_everybody_and_a_hundred_corrupted_ones_for_nobody() {
    let receiver = Receiver::start().await;
    let mut keys = Vec::new();
    for number in 0..WEBHOOKS {
        keys.push(Keys::new(number).await);
    }
    let start = |host: hookwright_tests::host::Builder, (number, keys): (usize, &Keys)| {
        host.webhook(&format!("w{number}"), keys.webhook(number, &receiver))
    };
    let host = keys.iter().enumerate().fold(Hookwright::builder(), start).start().await;
    for number in 0..EVENTS {
        let mut body = cases::json("strapi-v5/entry.publish");
        body["entry"]["title"] = format!("№ {number} \u{1f980} {}", "é\"\\".repeat(number)).into();
        assert_eq!(host.post(body.to_string()).await.status, 202);
    }
    let requests = receiver.wait_for(WEBHOOKS * EVENTS).await;
    let line = |request: &Received| keys[request.header("x-number").unwrap().parse::<usize>().unwrap()].line(request);
    let good: Vec<Value> = requests.iter().map(line).collect();
    let bad: Vec<Value> =
        good.iter().take(CORRUPTED).cloned().enumerate().map(|(n, line)| corrupted(n, line)).collect();

    assert!(good.iter().all(fits_the_crate));
    assert!(!bad.iter().any(fits_the_crate));

    let Some(verifiers) = Verifiers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (good_file, bad_file) = (folder.path().join("good.jsonl"), folder.path().join("bad.jsonl"));
    write(&good_file, &good);
    write(&bad_file, &bad);
    let sources = workspace().join("tests/verifiers");
    let all = good.len();
    assert_eq!(verifiers.javascript(&sources, &good_file).await, json!({ "v1": all, "v1a": all, "hub": all }));
    let of_bad = verifiers.javascript(&sources, &bad_file).await;
    assert_eq!((&of_bad["v1"], &of_bad["v1a"]), (&json!(0), &json!(0)), "{of_bad}");
    assert_eq!(verifiers.python(&sources, &good_file).await, json!({ "v1": all }));
    assert_eq!(verifiers.python(&sources, &bad_file).await, json!({ "v1": 0 }));
}
