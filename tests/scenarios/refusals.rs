//! What the intake refuses, how it says so, and that nothing of it is stored.

use bytes::Bytes;
use hookwright_tests::cases::{self, Case};
use hookwright_tests::{Hookwright, Receiver};
use http::Method;
use serde_json::{Value, json};

/// One way to break a body: the answer it must get, and the place it must name.
struct Break {
    name: &'static str,
    apply: fn(&Case) -> Option<Vec<u8>>,
    status: u16,
    /// A pointer among `errors`, or a member of the problem that says where.
    place: fn(&Value) -> bool,
}

fn edited(case: &Case, edit: fn(&mut serde_json::Map<String, Value>) -> Option<()>) -> Option<Vec<u8>> {
    let mut body: Value = serde_json::from_slice(&case.body).unwrap();
    edit(body.as_object_mut().unwrap())?;
    Some(body.to_string().into_bytes())
}

fn names_pointer(problem: &Value, pointer: &str) -> bool {
    problem["errors"].as_array().is_some_and(|errors| errors.iter().any(|error| error["pointer"] == pointer))
}

fn has_line_and_column(problem: &Value) -> bool {
    problem["line"].is_u64() && problem["column"].is_u64()
}

const BREAKS: [Break; 12] = [
    Break {
        name: "cut in the middle",
        apply: |case| Some(case.body[..case.body.len() / 2].to_vec()),
        status: 400,
        place: has_line_and_column,
    },
    Break {
        name: "a comma too many",
        apply: |case| Some([&case.body[..case.body.len() - 1], b",}"].concat()),
        status: 400,
        place: has_line_and_column,
    },
    Break {
        name: "invalid UTF-8",
        apply: |case| Some([b"{\"event\":\"\xff\",", &case.body[1..]].concat()),
        status: 400,
        place: has_line_and_column,
    },
    Break { name: "nothing", apply: |_| Some(Vec::new()), status: 400, place: has_line_and_column },
    Break {
        name: "a list",
        apply: |case| Some([b"[", &case.body[..], b"]"].concat()),
        status: 422,
        place: |problem| names_pointer(problem, ""),
    },
    Break {
        name: "no event",
        apply: |case| edited(case, |body| body.remove("event").map(|_| ())),
        status: 422,
        place: |problem| names_pointer(problem, "") || names_pointer(problem, "/event"),
    },
    Break {
        name: "event is a number",
        apply: |case| edited(case, |body| body.insert("event".into(), json!(7)).map(|_| ())),
        status: 422,
        place: |problem| names_pointer(problem, "/event"),
    },
    Break {
        name: "an unknown event",
        apply: |case| edited(case, |body| body.insert("event".into(), json!("entry.explode")).map(|_| ())),
        status: 422,
        place: |problem| names_pointer(problem, "/event"),
    },
    Break {
        name: "no time",
        apply: |case| edited(case, |body| body.remove("createdAt").or_else(|| body.remove("created_at")).map(|_| ())),
        status: 422,
        place: |problem| names_pointer(problem, "") || names_pointer(problem, "/createdAt"),
    },
    Break {
        name: "entry is a text",
        apply: |case| edited(case, |body| body.insert_known("entry", json!("x"))),
        status: 422,
        place: |problem| names_pointer(problem, "/entry"),
    },
    Break {
        name: "media is null",
        apply: |case| edited(case, |body| body.insert_known("media", Value::Null)),
        status: 422,
        place: |problem| names_pointer(problem, "/media"),
    },
    Break {
        name: "model is empty",
        apply: |case| edited(case, |body| body.insert_known("model", json!(""))),
        status: 422,
        place: |problem| names_pointer(problem, "/model"),
    },
];

trait InsertKnown {
    /// Replaces a key that is there; none where it is not.
    fn insert_known(&mut self, key: &str, value: Value) -> Option<()>;
}

impl InsertKnown for serde_json::Map<String, Value> {
    fn insert_known(&mut self, key: &str, value: Value) -> Option<()> {
        self.get_mut(key).map(|slot| *slot = value)
    }
}

#[tokio::test]
async fn a_broken_body_is_answered_with_the_place_and_leaves_nothing() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder()
        .webhook("all", json!({ "url": receiver.url(), "events": ["*", "trigger-test"] }))
        .start()
        .await;
    let mut refused = 0;
    for case in cases::all() {
        for way in &BREAKS {
            let Some(body) = (way.apply)(&case) else { continue };
            let posted = host.post(body).await;
            assert_eq!(posted.status, way.status, "{} with {}: {posted:?}", case.name, way.name);
            assert_eq!(posted.content_type, "application/problem+json");
            assert!((way.place)(&posted.body), "{} with {}: {posted:?}", case.name, way.name);
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
    let counts = host.api("/v1/status").await["counts"].clone();
    assert_eq!(counts["events"], 0, "{counts}");
    assert_eq!(counts["pending"], 0, "{counts}");
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn strangers_and_wrong_envelopes_are_refused() {
    let host = Hookwright::builder().start().await;
    let body = cases::body("strapi-v5/entry.create");
    let json = |request: reqwest::RequestBuilder| request.header("content-type", "application/json");
    let no_token = host.send(json(host.anonymous(Method::POST)).body(body.clone())).await.unwrap();
    let wrong_token =
        host.send(json(host.anonymous(Method::POST)).bearer_auth("wrong").body(body.clone())).await.unwrap();
    let wrong_type = host.send(host.request().header("content-type", "text/plain").body(body.clone())).await.unwrap();
    let too_large = host.send(json(host.request()).body(Bytes::from(vec![b' '; (1 << 20) + 1]))).await.unwrap();
    let wrong_method = host.send(host.anonymous(Method::GET).bearer_auth("wrong")).await.unwrap();
    let statuses =
        [&no_token, &wrong_token, &wrong_type, &too_large, &wrong_method].map(|posted| posted.status.as_u16());
    assert_eq!(statuses, [401, 401, 415, 413, 405]);
    for posted in [no_token, wrong_token, wrong_type, too_large, wrong_method] {
        assert_eq!(posted.content_type, "application/problem+json", "{posted:?}");
        assert!(posted.body["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{posted:?}");
    }
    assert_eq!(host.api("/v1/status").await["counts"]["events"], 0);
}

#[tokio::test]
async fn a_refused_body_waits_in_quarantine_and_is_admitted_after_the_schema_is_mended() {
    let receiver = Receiver::start().await;
    let host = Hookwright::builder()
        .webhook("w", json!({ "url": receiver.url(), "events": ["*"] }))
        .file("schemas/models/address.json", r#"{ "properties": { "city": { "const": "Bern" } } }"#)
        .start()
        .await;
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    assert_eq!(posted.status, 422);
    assert_eq!(posted.body["errors"][0]["pointer"], "/entry/city");
    let id = posted.body["quarantine"].as_str().expect("kept in quarantine").to_owned();
    let admit = async || host.admin_request(Method::POST, &format!("/v1/quarantine/{id}/admit")).await;
    assert_eq!(admit().await.status, 422, "still broken, still kept");
    for command in [&["event", "show", &id][..], &["why", &id]] {
        let shown = host.command(command).await;
        let said = String::from_utf8_lossy(&shown.stdout).into_owned();
        for part in ["/entry/city", &format!("hookwright event admit {id}"), "Zürich"] {
            assert!(said.contains(part), "{command:?}: {part} is missing in: {said}");
        }
    }

    let before = host.revision().await;
    host.write("schemas/models/address.json", r#"{ "properties": { "city": { "type": "string" } } }"#);
    host.reloaded(before, |_| true).await;
    assert!(admit().await.status.is_success());
    assert_eq!(receiver.wait_for(1).await[0].body, cases::body("strapi-v5/entry.create"));
    assert_eq!(admit().await.status, 404, "only once");
}
