//! Plugins that are not in Rust: a real delivery filtered and rewritten by each, and its run repeated.

use hookwright_tests::{Example, Hookwright, Receiver, cases};
use serde_json::{Value, json};

/// One webhook for everything, with `plugin` alone in its chain.
async fn start(example: &Example, plugin: &str, config: Value, receiver: &Receiver) -> Hookwright {
    let webhook =
        json!({ "url": receiver.url(), "events": ["*"], "plugins": [{ "plugin": plugin, "config": config }] });
    example.start(Hookwright::builder().webhook("w", webhook)).await
}

/// Posts a body, and waits until its delivery is in this state.
async fn post(host: &Hookwright, body: &Value, state: &str) -> Value {
    let posted = host.post(body.to_string()).await;
    host.deliveries(posted.event(), |delivery| delivery["state"] == state).await.remove(0)
}

fn the_run(delivery: &Value) -> &Value {
    &delivery["chain"]["runs"][0]
}

/// Whether the recorded run of the delivery comes out the same.
async fn repeats(host: &Hookwright, delivery: &Value) -> bool {
    let id = delivery["id"].as_str().expect("an id");
    let output = host.command(&["plugin", "run", "--delivery", id]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success() && text.contains("same: verdict, payload, headers, logs, fuel and memory")
}

#[tokio::test]
async fn a_plugin_in_javascript_filters_rewrites_and_repeats_itself() {
    let Some(example) = Example::find("search-record") else { return };
    let receiver = Receiver::start().await;
    let rule = json!({ "title": "full_name", "text": ["city", "postal_code"] });
    let config = json!({ "models": { "address": rule }, "maxTextLength": 10 });
    let mut host = start(&example, "search-record", config, &receiver).await;

    let media = post(&host, &cases::json("strapi-v5/media.create"), "dropped").await;
    assert_eq!(media["reason"], "search-record: the event is of no model");

    let rewritten = post(&host, &cases::json("strapi-v5/entry.publish"), "delivered").await;
    let received = receiver.received().remove(0);
    let record = json!({
        "objectID": "address:o18ypsnuhwus6acf5temqhfh",
        "title": "Ana \"Q\" Müller 日本",
        "text": "Genève\n080",
        "updatedAt": "2026-11-23T20:41:15.888Z",
    });
    assert_eq!(received.body, record.to_string());
    assert_eq!(received.header("x-search-action"), Some("save"));
    assert!(received.verified());
    let logs = json!([
        { "level": "warn", "message": "text of 12 characters cut to 10" },
        { "level": "info", "message": "record address:o18ypsnuhwus6acf5temqhfh, 10 characters to search in" },
    ]);
    assert_eq!(the_run(&rewritten)["logs"], logs);

    let mut body = cases::json("strapi-v5/entry.publish");
    body["entry"]["full_name"] = Value::Null;
    let failed = post(&host, &body, "held").await;
    let reason = "search-record: plugin search-record failed: the entry has no full_name [missing-field]";
    assert_eq!((&failed["reason"], &the_run(&failed)["code"]), (&json!(reason), &json!("missing-field")));

    assert!(repeats(&host, &rewritten).await && repeats(&host, &media).await);
    host.terminate().await;
    host.restart().await;
    assert!(repeats(&host, &rewritten).await && repeats(&host, &failed).await, "in another process too");
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_plugin_in_python_filters_rewrites_and_repeats_itself() {
    let Some(example) = Example::find("csv-row") else { return };
    let receiver = Receiver::start().await;
    let columns = json!({ "name": "/entry/full_name", "city": "/entry/city", "cover": "/entry/cover/url" });
    let config = json!({
        "columns": columns, "required": ["name"], "only": { "/event": ["entry.publish", "entry.update"] }, "heading": true,
    });
    let host = start(&example, "csv-row", config, &receiver).await;

    let other = post(&host, &cases::json("strapi-v5/entry.create"), "dropped").await;
    assert_eq!(other["reason"], "csv-row: /event is \"entry.create\"");

    let rewritten = post(&host, &cases::json("strapi-v5/entry.publish"), "delivered").await;
    let received = receiver.received().remove(0);
    assert_eq!(received.body, "name,city,cover\r\n\"Ana \"\"Q\"\" Müller 日本\",Genève,\r\n");
    assert_eq!(received.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(received.header("x-csv-columns"), Some("3"));
    assert!(received.verified());
    assert_eq!(the_run(&rewritten)["logs"], json!([{ "level": "info", "message": "empty columns: cover" }]));

    let mut body = cases::json("strapi-v5/entry.publish");
    body["entry"]["full_name"] = Value::Null;
    let failed = post(&host, &body, "held").await;
    let reason = "csv-row: plugin csv-row failed: column name is empty: nothing at /entry/full_name [missing-value]";
    assert_eq!((&failed["reason"], &the_run(&failed)["code"]), (&json!(reason), &json!("missing-value")));

    for delivery in [&other, &rewritten, &failed] {
        assert!(repeats(&host, delivery).await, "{delivery}");
    }
    assert_eq!(receiver.received().len(), 1);
}
