use proptest::prelude::*;
use serde_json::json;

use super::super::message::{self, Envelope};
use super::*;

fn read(content_type: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Vec<Message>, Refusal> {
    let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let raw = Raw { content_type: &content_type.into(), headers: &headers, data: &Bytes::copy_from_slice(body) };
    message::read(raw, None)
}

const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

fn places(result: Result<Vec<Message>, Refusal>) -> Vec<String> {
    match result {
        Err(Refusal::NotAnEvent { shape: Shape::CloudEvent, violations }) => {
            violations.iter().map(|one| format!("{} {}", one.pointer, one.keyword)).collect()
        }
        Err(Refusal::DataType { place, found }) => vec![format!("{place} is {found}")],
        other => panic!("{other:?}"),
    }
}

fn pairs(message: &Message) -> Vec<(&str, &str)> {
    message.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn a_structured_event_keeps_the_bytes_of_its_data() {
    let body = br#"{"specversion": "1.0", "id": "7", "source": "/cms", "type": "com.example.entry.published",
        "data": {"n": 1.10, "big": 12345678901234567890123, "a": [ 1 ]}, "time": "2026-11-23T20:41:15Z",
        "datacontenttype": "application/vnd.cms+json", "retries": 3, "urgent": true, "subject": null}"#;
    let [message] = read(STRUCTURED, &[], body).expect("an event").try_into().expect("one");
    assert_eq!(message.event_type.as_str(), "com.example.entry.published");
    assert_eq!(&message.data[..], br#"{"n": 1.10, "big": 12345678901234567890123, "a": [ 1 ]}"#);
    assert_eq!((&*message.content_type, &message.body["a"]), ("application/vnd.cms+json", &json!([1])));
    assert_eq!(
        pairs(&message),
        [
            ("specversion", "1.0"),
            ("id", "7"),
            ("source", "/cms"),
            ("type", "com.example.entry.published"),
            ("time", "2026-11-23T20:41:15Z"),
            ("retries", "3"),
            ("urgent", "true")
        ]
    );
    assert_eq!((message.place.data.as_str(), &*message.place.event_type), ("/data", "/type"));
}

#[test]
fn the_same_event_has_the_same_key_in_all_modes() {
    let event = json!({"specversion": "1.0", "id": "7", "source": "/cms", "type": "a"});
    let structured = read(STRUCTURED, &[], event.to_string().as_bytes()).expect("an event");
    let batch = read(BATCH, &[], json!([event]).to_string().as_bytes()).expect("an event");
    let headers = [("ce-specversion", "1.0"), ("ce-id", "7"), ("ce-source", "/cms"), ("ce-type", "a")];
    let binary = read("application/json", &headers, b"").expect("an event");
    for messages in [&batch, &binary] {
        assert_eq!((&messages[0].key, &messages[0].attributes.len()), (&structured[0].key, &4));
        assert_eq!((messages[0].data.len(), &messages[0].body), (0, &Value::Null));
    }
    let other = [("ce-specversion", "1.0"), ("ce-id", "7"), ("ce-source", "/other"), ("ce-type", "a")];
    assert_ne!(read("application/json", &other, b"").expect("an event")[0].key, structured[0].key);
}

#[test]
fn binary_attributes_are_decoded_once() {
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "a%2520b"),
        ("ce-source", "\"/with space\""),
        ("ce-type", "a"),
        ("ce-city", "Z%C3%BCrich"),
        ("ce-datacontenttype", "ignored"),
        ("x-strapi-event", "not of the context"),
    ];
    let [message] = read("text/json", &headers, b"[1]").expect("an event").try_into().expect("one");
    let expected =
        [("specversion", "1.0"), ("id", "a%20b"), ("source", "/with space"), ("type", "a"), ("city", "Zürich")];
    assert_eq!(pairs(&message), expected);
    assert_eq!((&message.data[..], &*message.content_type), (&b"[1]"[..], "text/json"));
    let bad = [("ce-specversion", "1.0"), ("ce-id", "%ff"), ("ce-source", "/"), ("ce-type", "a"), ("ce-a-b", "1")];
    assert_eq!(places(read("application/json", &bad, b"{}")), ["/id type", "/a-b propertyNames", "/id required"]);
}

#[test]
fn data_in_base64_is_taken_if_it_is_json() {
    let with = |members: Value| {
        let mut event = json!({"specversion": "1.0", "id": "7", "source": "/cms", "type": "a"});
        event.as_object_mut().expect("an object").extend(members.as_object().expect("an object").clone());
        read(STRUCTURED, &[], event.to_string().as_bytes())
    };
    let message = &with(json!({"data_base64": "eyJhIjoxfQ=="})).expect("an event")[0];
    assert_eq!((&message.data[..], &message.body["a"]), (&br#"{"a":1}"#[..], &json!(1)));
    assert_eq!(places(with(json!({"data_base64": "?"}))), ["/data_base64 contentEncoding"]);
    assert_eq!(places(with(json!({"data_base64": "AAAA"}))), ["/data_base64 contentMediaType"]);
    assert_eq!(places(with(json!({"data_base64": 5}))), ["/data_base64 type"]);
    assert_eq!(places(with(json!({"data_base64": "AAAA", "data": 1}))), ["/data_base64 not"]);
    assert_eq!(
        places(with(json!({"datacontenttype": "text/xml", "data": "<a/>"}))),
        [r#"/datacontenttype is "text/xml""#]
    );
}

#[test]
fn what_is_no_event_is_placed() {
    let event = r#""specversion": "1.0", "id": "7", "source": "/cms", "type": "a""#;
    let long = "x".repeat(9_000);
    for (body, expected) in [
        ("5".to_owned(), &[" type"][..]),
        ("{}".into(), &["/specversion required", "/id required", "/source required", "/type required"]),
        (
            r#"{"specversion": "0.3", "id": "", "source": "a\n", "type": "a b", "time": "now"}"#.into(),
            &["/specversion const", "/id minLength", "/source pattern", "/time format", "/type pattern"],
        ),
        (r#"{"specversion": "1.0", "id": 7, "source": true, "type": {}}"#.into(), &["/type type", "/type required"]),
        (format!(r#"{{{event}, "Upper": "1"}}"#), &["/Upper propertyNames"]),
        (format!(r#"{{{event}, "a/b~": 1.5}}"#), &["/a~1b~0 type"]),
        (format!(r#"{{{event}, "data": 1, "data": 2}}"#), &["/data maxContains"]),
        (format!(r#"{{{event}, "long": "{long}"}}"#), &[" maxProperties"]),
        (
            r#"{"specversion": "1.0", "id": "7", "source": "/", "type": "hookwright.delivery.failed"}"#.into(),
            &["/type not"],
        ),
    ] {
        assert_eq!(places(read(STRUCTURED, &[], body.as_bytes())), expected, "{body}");
    }
}

#[test]
fn a_batch_is_bounded_and_its_faults_have_an_index() {
    let event = json!({"specversion": "1.0", "id": "7", "source": "/cms", "type": "a", "data": 1});
    let of = |events: Vec<Value>| read(BATCH, &[], Value::Array(events).to_string().as_bytes());
    assert_eq!(places(of(vec![])), [" minItems"]);
    assert_eq!(places(of(vec![event.clone(); MAX_BATCH + 1])), [" maxItems"]);
    let read = of(vec![event.clone(); MAX_BATCH]).expect("a batch");
    assert_eq!((read.len(), read[999].place.data.as_str(), &read[999].data[..]), (MAX_BATCH, "/999/data", &b"1"[..]));
    let mut wrong = event.clone();
    wrong["type"] = json!("a b");
    assert_eq!(places(of(vec![event.clone(), json!([]), wrong])), ["/1 type", "/2/type pattern"]);
    let mut xml = event.clone();
    xml["datacontenttype"] = json!("text/xml");
    assert_eq!(places(of(vec![event, xml])), [r#"/1/datacontenttype is "text/xml""#]);
}

/// JSON as senders might write it: events, and what is nearly one.
fn nearly_events() -> impl Strategy<Value = Value> {
    let name =
        prop_oneof!["specversion", "id", "source", "type", "data", "data_base64", "datacontenttype", "time", ".{0,4}"];
    let value = prop_oneof![
        Just(json!("1.0")),
        Just(json!(null)),
        Just(json!({"a": [1]})),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z.]{1,8}".prop_map(Value::from),
    ];
    let event =
        prop::collection::vec((name, value), 0..9).prop_map(|members| Value::Object(members.into_iter().collect()));
    prop_oneof![
        event.clone(),
        prop::collection::vec(event, 0..4).prop_map(Value::Array),
        any::<bool>().prop_map(Value::from)
    ]
}

/// Each fault stands at a place of the body, or at a member that is missing there.
fn is_inside(body: &Value, pointer: &str) -> bool {
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    body.pointer(pointer).is_some()
        || body.pointer(parent).is_some_and(|parent| parent.is_object() || pointer.is_empty())
}

proptest! {
    #[test]
    fn faults_are_placed_inside_of_what_came(body in nearly_events(), is_batch in any::<bool>()) {
        let content_type = if is_batch { BATCH } else { STRUCTURED };
        match read(content_type, &[], body.to_string().as_bytes()) {
            Ok(messages) => {
                let count = body.as_array().map_or(1, Vec::len);
                prop_assert_eq!(messages.len(), count);
                for message in messages {
                    let data = body.pointer(&message.place.data).filter(|data| !data.is_null());
                    if body.pointer(&format!("{}/data_base64", message.place.event)).is_none_or(Value::is_null) {
                        prop_assert_eq!(data.map(ToString::to_string).unwrap_or_default(), String::from_utf8_lossy(&message.data));
                    }
                    prop_assert_eq!(body.pointer(&message.place.event_type).and_then(Value::as_str), Some(message.event_type.as_str()));
                }
            }
            Err(Refusal::NotAnEvent { violations, .. }) => {
                prop_assert!(!violations.is_empty() && violations.len() <= MAX_VIOLATIONS);
                for fault in violations {
                    prop_assert!(is_inside(&body, &fault.pointer), "{} in {body}", fault.pointer);
                }
            }
            Err(Refusal::DataType { place, .. }) => prop_assert!(body.pointer(&place).is_some(), "{place}"),
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn any_bytes_under_any_headers_are_read_without_harm(
        body in prop::collection::vec(any::<u8>(), 0..100),
        headers in prop::collection::vec(("ce-[a-z-]{0,6}|ce-(id|type|source|specversion)", any::<String>()), 0..6),
        content_type in prop_oneof![Just(STRUCTURED), Just(BATCH), Just("application/json")],
    ) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let owned: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if let Err(Refusal::Malformed(found)) = read(content_type, &headers, &body) {
            prop_assert!((1..=body.split(|byte| *byte == b'\n').count()).contains(&found.line));
            prop_assert!(found.column >= 1 && found.column <= body.len() + 1);
        }
        prop_assert_eq!(Envelope::of(content_type, &owned) == Envelope::Binary, content_type == "application/json" && !headers.is_empty());
    }
}
