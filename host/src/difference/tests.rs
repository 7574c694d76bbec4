use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::plugin::Catalog;
use crate::plugin::tests::job;

fn event(data: &'static str) -> Event {
    Event { data: Bytes::from_static(data.as_bytes()), ..(*job("site", vec![], Catalog::default()).event).clone() }
}

fn delivered(changes: Changes) -> ChainRecord {
    ChainRecord { verdict: ChainVerdict::Deliver { changes }, runs: vec![], conditions: None }
}

fn between(event: &Event, before: &ChainRecord, after: &ChainRecord) -> Option<Difference> {
    Difference::between(&Outcome::of_chain(before, event), &Outcome::of_chain(after, event))
}

fn payload(data: impl Into<Bytes>) -> ChainRecord {
    delivered(Changes { data: Some(data.into()), ..Changes::default() })
}

#[test]
fn what_is_sent_is_compared_and_nothing_else() {
    let event = event(r#"{"a":1}"#);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let annotated = Changes { annotations: vec![header("note", "x")], ..Changes::default() };
    assert_eq!(between(&event, &ChainRecord::untouched(), &delivered(annotated)), None, "annotations are not sent");
    assert_eq!(between(&event, &ChainRecord::untouched(), &payload(event.data.clone())), None, "the same bytes");
    let in_order = |headers: Vec<(String, String)>| delivered(Changes { set_headers: headers, ..Changes::default() });
    let (one, other) = (header("x-a", "1"), header("x-b", "2"));
    assert_eq!(between(&event, &in_order(vec![one.clone(), other.clone()]), &in_order(vec![other, one])), None);
}

#[test]
fn each_part_is_named_where_it_differs() {
    let event = event(r#"{"entry":{"email":"ana@example.org","tags":["a"],"n":1},"event":"entry.create"}"#);
    let changes = Changes {
        data: Some(r#"{"event":"entry.create","entry":{"email":"***","tags":["a","b/c"],"x/y~":null}}"#.into()),
        content_type: Some("text/plain".into()),
        set_headers: vec![("x-model".into(), "article".into()), ("x-api-key".into(), "hunter2".into())],
        remove_headers: vec!["x-strapi-event".into()],
        annotations: vec![],
    };
    let found = between(&event, &ChainRecord::untouched(), &delivered(changes)).expect("different");
    assert_eq!(found.kinds().collect::<Vec<_>>(), [Kind::Payload, Kind::Headers]);
    insta::assert_json_snapshot!(found, @r#"
    {
      "payload": {
        "beforeBytes": 79,
        "afterBytes": 79,
        "changes": [
          {
            "pointer": "/entry/email",
            "before": "\"ana@example.org\"",
            "after": "\"***\""
          },
          {
            "pointer": "/entry/tags/1",
            "after": "\"b/c\""
          },
          {
            "pointer": "/entry/n",
            "before": "1"
          },
          {
            "pointer": "/entry/x~1y~0",
            "after": "null"
          }
        ]
      },
      "contentType": {
        "before": "application/json",
        "after": "text/plain"
      },
      "headers": [
        {
          "name": "x-api-key",
          "before": "untouched",
          "after": "set to …"
        },
        {
          "name": "x-model",
          "before": "untouched",
          "after": "set to article"
        },
        {
          "name": "x-strapi-event",
          "before": "untouched",
          "after": "removed"
        }
      ]
    }
    "#);
}

#[test]
fn another_verdict_is_all_that_counts() {
    let event = event("{}");
    let drop = ChainVerdict::Drop { plugin: "redact".parse().expect("a name"), reason: "a draft".into() };
    let dropped = ChainRecord { verdict: drop, ..ChainRecord::untouched() };
    let found = between(&event, &payload("[]"), &dropped).expect("different");
    assert_eq!(
        json!(found),
        json!({"verdict": {"before": "deliver", "after": "drop by redact: a draft"}}),
        "what would have been sent is not compared with nothing"
    );
}

#[test]
fn the_same_json_in_other_bytes_is_a_difference_without_a_place() {
    let found = between(&event(r#"{"a":1,"b":2}"#), &ChainRecord::untouched(), &payload(r#"{"b": 2, "a": 1}"#));
    assert_eq!(json!(found), json!({"payload": {"beforeBytes": 13, "afterBytes": 16, "changes": []}}));
}

#[test]
fn what_is_long_is_cut_to_where_it_parts() {
    let long = |end: &str| format!(r#"{{"text":"{}{end}"}}"#, "é".repeat(5_000));
    let found = between(&event("{}"), &payload(long("one")), &payload(long("two"))).expect("different");
    let text = json!(found).to_string();
    assert!(text.contains("one") && text.contains("two") && text.len() < 1_000, "{text}");
    let many = |value: u32| payload(json!((0..1_000).map(|n| n * value).collect::<Vec<_>>()).to_string());
    let found = json!(between(&event("{}"), &many(1), &many(2)));
    assert_eq!(
        (found["payload"]["changes"].as_array().map(Vec::len), &found["payload"]["more"]),
        (Some(12), &json!(987))
    );
    let text = |end: &str| payload(format!("{}{end}", "x".repeat(5_000)));
    let found = json!(between(&event("{}"), &text("one"), &text("two")));
    let [change] = &found["payload"]["changes"].as_array().expect("a list")[..] else { panic!("{found}") };
    assert!(change["before"].as_str().is_some_and(|text| text.ends_with("xone")), "{change}");
}

proptest! {
    #[test]
    fn any_bytes_are_compared_and_the_answer_is_bounded(one in prop::collection::vec(any::<u8>(), 0..200), other in any::<String>()) {
        let found = between(&event("{}"), &payload(one.clone()), &payload(other.clone()));
        prop_assert_eq!(found.is_none(), one == other.as_bytes());
        prop_assert!(json!(found).to_string().len() < 4_000);
    }
}
