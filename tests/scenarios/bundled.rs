//! The bundled plugins on bodies that nobody sends but somebody could.

use hookwright_tests::{Hookwright, Receiver};
use serde_json::{Value, json};

/// Each plugin with a config that makes it read and write as much of the payload as it can.
fn chains() -> [(&'static str, Value); 10] {
    let all = json!({ "text": "{/entry}", "fields": { "All": "{/entry}" } });
    [
        ("published-only", json!({ "deletes": "published" })),
        ("redact", json!({ "remove": ["/**/createdAt"], "mask": ["/**/a/**/b"] })),
        ("add-headers", json!({ "headers": { "X-Model": "/model", "X-Title": { "template": "{type}" } } })),
        ("pick", json!({ "fields": { "": "/entry", "all": "/entry", "text": { "template": "{/entry/title}" } } })),
        ("slack", all.clone()),
        ("discord", all),
        ("deploy-hook", json!({ "service": "github" })),
        ("strapi-v3", json!({ "id": "documentId" })),
        ("cloudevents", json!({})),
        ("cloudevents", json!({ "mode": "binary", "subject": "{/entry/title}" })),
    ]
}

#[tokio::test]
async fn the_deepest_and_the_largest_bodies_are_delivered() {
    let receiver = Receiver::start().await;
    let mut host = Hookwright::builder();
    for (number, (plugin, config)) in chains().into_iter().enumerate() {
        let webhook =
            json!({ "url": receiver.url(), "events": ["*"], "plugins": [{ "plugin": plugin, "config": config }] });
        host = host.plugin(plugin).webhook(&format!("w{number}-{plugin}"), webhook);
    }
    let host = host.start().await;
    let nested = (0..120).fold("1".to_owned(), |inner, number| match number % 3 {
        0 => format!("[{inner}]"),
        1 => format!(r#"{{"id":1,"documentId":"x","createdAt":"c","a":{inner}}}"#),
        _ => format!(r#"{{"hash":"h","ext":".x","formats":{inner}}}"#),
    });
    let long = r"é<&*@日".repeat(70_000);
    for (what, title, more) in [("deep", "t", nested.as_str()), ("large", long.as_str(), "1")] {
        let body = format!(
            r#"{{"event":"entry.create","createdAt":"2026-01-01T00:00:00.000Z","model":"page","uid":"api::page.page",
                "entry":{{"id":1,"documentId":"d","title":"{title}","more":{more},"publishedAt":"2026-01-01T00:00:00.000Z"}}}}"#
        );
        let posted = host.post(body).await;
        let settled = |delivery: &Value| delivery["state"] != "pending" && delivery["state"] != "retrying";
        for delivery in host.deliveries(posted.event(), settled).await {
            assert_eq!(delivery["state"], "delivered", "{what}: {delivery:#}");
        }
    }
}
