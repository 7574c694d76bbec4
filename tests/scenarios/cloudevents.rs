//! `CloudEvents` in all three modes: what is stored, delivered, refused and kept; and from somebody else's client.

use std::fs;

use hookwright_tests::host::TOKEN;
use hookwright_tests::verifiers::cloudevents;
use hookwright_tests::{Hookwright, Posted, Received, Receiver};
use http::Method;
use serde_json::{Value, json};

const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

async fn host(receiver: &Receiver, more: Value) -> Hookwright {
    let mut webhook = json!({ "url": receiver.url(), "events": ["*"] });
    webhook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Hookwright::builder()
        .server(json!({ "schemas": { "unknownEvents": "accept" } }))
        .file("schemas/com.example.judged.json", r#"{ "properties": { "n": { "type": "integer" } } }"#)
        .webhook("w", webhook)
        .start()
        .await
}

async fn post(host: &Hookwright, content_type: &str, body: impl ToString) -> Posted {
    host.send(host.request().header("content-type", content_type).body(body.to_string())).await.unwrap()
}

fn event(id: &str, event_type: &str, data: &Value) -> Value {
    json!({ "specversion": "1.0", "id": id, "source": "/cms", "type": event_type, "data": data })
}

fn context(received: &Received) -> Vec<(String, String)> {
    let named = received.headers.iter().filter(|(name, _)| name.as_str().starts_with("ce-"));
    let mut context: Vec<_> =
        named.map(|(name, value)| (name.as_str()[3..].to_owned(), value.to_str().unwrap().to_owned())).collect();
    context.sort();
    context
}

#[tokio::test]
async fn whichever_way_it_came_it_goes_out_in_binary_mode() {
    let receiver = Receiver::start().await;
    let host =
        host(&receiver, json!({ "headers": { "ce-tenant": "of the webhook" }, "filter": { "/ok": [true] } })).await;
    let data = r#"{ "ok" : true, "n": 1.10, "big": 12345678901234567890123 }"#;
    let attributes = r#""specversion": "1.0", "id": "7", "source": "/cms", "type": "com.example.a", "subject": "Zürich %", "tenant": "t""#;
    let sent = post(&host, STRUCTURED, format!("{{{attributes}, \"data\": {data}}}")).await;
    assert_eq!(sent.status, 202, "{sent:?}");
    let binary = |id: &'static str| {
        let headers = [("ce-specversion", "1.0"), ("ce-id", id), ("ce-source", "/cms"), ("ce-type", "com.example.a")];
        let request = headers.into_iter().fold(host.request(), |request, (name, value)| request.header(name, value));
        request
            .header("ce-subject", "Z%C3%BCrich%20%25")
            .header("ce-tenant", "t")
            .header("content-type", "application/json")
    };
    let again = host.send(binary("7").body(data)).await.unwrap();
    assert_eq!(again.event(), sent.event(), "the same source and id");
    assert_eq!(host.send(binary("8").body(data)).await.unwrap().status, 202);
    assert_eq!(host.send(binary("9").header("idempotency-key", "k").body(data)).await.unwrap().status, 202);
    let unfiltered = host.send(binary("10").body(r#"{"ok": false}"#)).await.unwrap();
    assert_eq!(unfiltered.body["deliveries"], json!([]), "filters see the data");

    let received = receiver.wait_for(3).await;
    for one in &received {
        assert_eq!(one.body, data, "byte for byte");
        assert_eq!(one.header("content-type"), Some("application/json"));
        assert!(one.verified());
        let context = context(one);
        let names: Vec<_> = context.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["id", "source", "specversion", "subject", "tenant", "type"]);
        assert_eq!((context[3].1.as_str(), context[4].1.as_str()), ("Z%C3%BCrich%20%25", "of the webhook"));
    }
    let shown = host.api(&format!("/v1/events/{}", sent.event())).await;
    assert_eq!((&shown["data"], &shown["attributes"][4]), (&json!(data), &json!(["subject", "Zürich %"])));
}

#[tokio::test]
async fn an_event_without_data_has_no_bytes_and_no_content_type() {
    let receiver = Receiver::start().await;
    let host = host(&receiver, json!({})).await;
    let sent =
        post(&host, STRUCTURED, r#"{"specversion": "1.0", "id": "7", "source": "/cms", "type": "com.example.a"}"#)
            .await;
    assert_eq!(sent.status, 202, "{sent:?}");
    let received = receiver.wait_for(1).await.remove(0);
    assert_eq!((received.body.len(), received.header("content-type"), received.verified()), (0, None, true));
}

#[tokio::test]
async fn a_batch_is_taken_whole_or_not_at_all() {
    let receiver = Receiver::start().await;
    let host = host(&receiver, json!({})).await;
    let judged = |id: &str, n: Value| event(id, "com.example.judged", &json!({ "n": n }));
    let good = [judged("1", json!(1)), event("2", "com.example.other", &json!([2]))];
    let answer = post(&host, BATCH, json!(good)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let ids: Vec<_> = answer.body["events"].as_array().unwrap().iter().map(|event| event["id"].clone()).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(answer.body["events"][1]["deliveries"].as_array().unwrap().len(), 1);
    receiver.wait_for(2).await;
    let again = post(&host, BATCH, json!(good)).await;
    assert_eq!((&again.body["events"][0]["id"], &again.body["events"][1]["id"]), (&ids[0], &ids[1]));

    let new = || judged("3", json!(3));
    for (batch, status, place) in [
        (vec![new(), judged("4", json!("four"))], 422, "/1/data/n"),
        (vec![new(), event("5", "a b", &json!(1))], 422, "/1/type"),
        (vec![new(), judged("3", json!(33))], 422, "/1/id"),
        (vec![], 422, ""),
    ] {
        let answer = post(&host, BATCH, json!(batch)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["errors"][0]["pointer"]),
            (status, &json!(place)),
            "{answer:?}"
        );
    }
    let conflict = post(&host, BATCH, json!([new(), judged("1", json!(11))])).await;
    assert_eq!((conflict.status.as_u16(), &conflict.body["pointer"]), (409, &json!("/1")), "{conflict:?}");
    assert_eq!(conflict.body["event"], ids[0]);
    let keyed =
        host.request().header("content-type", BATCH).header("idempotency-key", "k").body(json!([new()]).to_string());
    assert_eq!(host.send(keyed).await.unwrap().status, 400);
    assert_eq!(host.api("/v1/status").await["counts"]["events"], 2, "nothing of all that was stored");
    assert_eq!(post(&host, BATCH, json!([new()])).await.status, 202, "nor remembered");
}

#[tokio::test]
async fn what_was_refused_is_admitted_with_its_context_a_batch_whole() {
    let receiver = Receiver::start().await;
    let host = host(&receiver, json!({})).await;
    let one = event("1", "com.example.judged", &json!({ "n": "one" }));
    let batch =
        json!([event("2", "com.example.judged", &json!({ "n": "two" })), event("3", "com.example.other", &json!(3))]);
    let binary = [("ce-specversion", "1.0"), ("ce-id", "4"), ("ce-source", "/cms"), ("ce-type", "com.example.judged")];
    let binary = binary.into_iter().fold(host.request(), |request, (name, value)| request.header(name, value));
    let binary = binary.header("content-type", "application/json").header("traceparent", "00-1-2-01");
    let refused = [
        post(&host, STRUCTURED, &one).await,
        post(&host, BATCH, &batch).await,
        host.send(binary.body(r#"{"n": "four"}"#)).await.unwrap(),
    ];
    let places: Vec<_> = refused.iter().map(|answer| answer.body["errors"][0]["pointer"].clone()).collect();
    assert_eq!(places, ["/data/n", "/0/data/n", "/n"]);
    let before = host.revision().await;
    host.write("schemas/com.example.judged.json", "{}");
    host.reloaded(before, |_| true).await;
    for (count, refused) in [(1, &refused[0]), (3, &refused[1]), (4, &refused[2])] {
        let id = refused.body["quarantine"].as_str().unwrap();
        let admitted = host.admin_request(Method::POST, &format!("/v1/quarantine/{id}/admit")).await;
        assert_eq!(admitted.status, 202, "{admitted:?}");
        receiver.wait_for(count).await;
    }
    let mut received = receiver.received();
    received.sort_by_key(|one| one.header("ce-id").unwrap().to_owned());
    let seen: Vec<_> =
        received.iter().map(|one| (one.header("ce-id").unwrap(), String::from_utf8_lossy(&one.body))).collect();
    let expected = [("1", r#"{"n":"one"}"#), ("2", r#"{"n":"two"}"#), ("3", "3"), ("4", r#"{"n": "four"}"#)];
    assert_eq!(seen, expected.map(|(id, body)| (id, body.into())));
    assert_eq!(received[3].header("traceparent"), Some("00-1-2-01"));
    assert_eq!(post(&host, STRUCTURED, &one).await.status, 202, "a repeat of what was admitted");
    assert_eq!(host.api("/v1/status").await["counts"]["events"], 4);
}

#[tokio::test]
async fn what_is_not_json_or_ours_to_say_is_refused() {
    let host = Hookwright::builder().start().await;
    let with = |member: &str, value: &str| {
        let mut event = event("1", "com.example.a", &json!("<a/>"));
        event[member] = json!(value);
        event
    };
    let xml = post(&host, STRUCTURED, with("datacontenttype", "text/xml")).await;
    assert_eq!((xml.status.as_u16(), &xml.body["errors"][0]["pointer"]), (415, &json!("/datacontenttype")));
    let split = post(&host, STRUCTURED, with("datacontenttype", "application/json; a=\r\nx: y")).await;
    assert_eq!(split.status, 415, "it would become a header: {split:?}");
    let avro = post(&host, "application/cloudevents+avro", "x").await;
    assert_eq!(avro.status, 415);
    let binary = host.request().header("ce-type", "a").header("content-type", "text/plain").body("x");
    assert_eq!(host.send(binary).await.unwrap().status, 415);
    let own = post(&host, STRUCTURED, with("type", "hookwright.delivery.failed")).await;
    assert_eq!((own.status.as_u16(), &own.body["errors"][0]["keyword"]), (422, &json!("not")));
    let unknown = post(&host, STRUCTURED, with("type", "com.example.unknown")).await;
    assert_eq!((unknown.status.as_u16(), &unknown.body["errors"][0]["pointer"]), (422, &json!("/type")));
    let cut = post(&host, BATCH, "[{\"specversion\": \n oops").await;
    assert_eq!((cut.status.as_u16(), &cut.body["line"], &cut.body["column"]), (400, &json!(2), &json!(2)));
}

#[tokio::test]
async fn somebody_elses_client_sends_all_three_modes_and_reads_what_arrives() {
    let receiver = Receiver::start().await;
    let host = host(&receiver, json!({})).await;
    let url = format!("http://{}/v1/events", host.listen());
    let Some(answers) = cloudevents(&["send", &url, TOKEN]).await else { return };
    let batch = answers[2]["events"].as_array().unwrap();
    for answer in answers[..2].iter().chain(batch) {
        assert_eq!(answer["deliveries"].as_array().unwrap().len(), 1, "{answers:?}");
    }
    let deliveries: Vec<_> = receiver.wait_for(4).await.iter().map(as_line).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deliveries.jsonl");
    fs::write(&file, deliveries.join("\n")).unwrap();
    let mut understood = cloudevents(&["read", file.to_str().unwrap()]).await.unwrap();
    understood.sort_by_key(|event| event["attributes"]["id"].to_string());
    let attributes = |id: &str| {
        json!({ "id": id, "source": "https://cms.example/articles", "type": "com.example.article.published",
            "specversion": "1.0", "subject": "Zürich & 50 %", "time": "2026-11-20 09:14:03+00:00",
            "datacontenttype": "application/json", "tenant": "north" })
    };
    let expected = ["binary", "first", "second", "structured"]
        .map(|id| json!({ "attributes": attributes(id), "data": { "number": id, "title": "Brot – bread" } }));
    assert_eq!(understood, expected);
}

fn as_line(received: &Received) -> String {
    let headers: Value = received
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), json!(value.to_str().unwrap())))
        .collect();
    json!({ "headers": headers, "body": String::from_utf8_lossy(&received.body) }).to_string()
}
