use super::*;
use crate::access::Refused;
use crate::clock::Timestamp;
use crate::ids::EventId;
use crate::intake::Malformed;

#[test]
fn a_schema_violation_names_each_place() {
    let violation = |pointer: &str, keyword: &str, message: &str| Violation {
        pointer: pointer.into(),
        keyword: keyword.into(),
        message: message.into(),
    };
    let refusal = Refusal::SchemaViolation {
        event_type: "entry.create".parse().expect("valid"),
        violations: vec![
            violation("/entry", "type", "must be an object, is a number"),
            violation("", "required", "\"model\" is absent"),
        ],
    };
    insta::assert_json_snapshot!(Problem::from(&refusal), @r#"
    {
      "type": "/problems/schema-violation",
      "title": "The event does not fit its schema",
      "status": 422,
      "detail": "The event entry.create does not fit its schema. /entry: must be an object, is a number (and 1 more).",
      "errors": [
        {
          "pointer": "/entry",
          "keyword": "type",
          "message": "must be an object, is a number"
        },
        {
          "pointer": "",
          "keyword": "required",
          "message": "\"model\" is absent"
        }
      ]
    }
    "#);
}

#[test]
fn an_unknown_event_says_what_to_add() {
    let refusal = Refusal::UnknownEvent { event_type: "order.paid".parse().expect("valid"), place: "/event".into() };
    insta::assert_json_snapshot!(Problem::from(&refusal), @r#"
    {
      "type": "/problems/unknown-event",
      "title": "There is no schema for this event type",
      "status": 422,
      "detail": "The event type order.paid has no schema. Add schemas/order.paid.json, or set `schemas.unknownEvents` to \"accept\".",
      "errors": [
        {
          "pointer": "/event",
          "keyword": "unknownEvents",
          "message": "there is no schema for order.paid"
        }
      ]
    }
    "#);
}

#[test]
fn malformed_json_is_placed() {
    let found = Malformed { line: 3, column: 7, reason: "expected value".into() };
    insta::assert_json_snapshot!(Problem::from(&Refusal::Malformed(found)), @r#"
    {
      "type": "/problems/malformed-json",
      "title": "The body is not JSON",
      "status": 400,
      "detail": "The body is not JSON: expected value at line 3 column 7.",
      "line": 3,
      "column": 7
    }
    "#);
}

#[test]
fn sentences_say_what_to_do() {
    let sentences: Vec<String> = [
        Refusal::NoToken,
        Refusal::WrongToken,
        Refusal::EndedToken(Refused::Expired { name: "shop".parse().expect("valid"), at: Timestamp::from_ms(0) }),
        Refusal::TooManyAttempts { wait: Duration::from_millis(2_001) },
        Refusal::NoSource { role: Role::Viewer },
        Refusal::TypeNotAllowed {
            event_type: "media.create".parse().expect("valid"),
            allowed: ["entry.*", "trigger-test"].map(|text| text.parse().expect("valid")).to_vec(),
        },
        Refusal::MediaType { found: Some("text/xml".into()) },
        Refusal::MediaType { found: None },
        Refusal::DataType { place: "/3/datacontenttype".into(), found: "\"text/xml\"".into() },
        Refusal::BadIdempotencyKey { header: http::HeaderName::from_static("idempotency-key") },
        Refusal::KeyOfBatch,
        Refusal::TooLarge { max_bytes: 1_048_576 },
        Refusal::TooSlow { timeout: Duration::from_millis(1_500) },
        Refusal::BrokenOff,
        Refusal::Conflict { event: EventId::from_bytes([1; 16]), place: String::new() },
        Refusal::Conflict { event: EventId::from_bytes([1; 16]), place: "/3".into() },
        Refusal::Overloaded,
    ]
    .iter()
    .map(|refusal| {
        let problem = Problem::from(refusal);
        format!("{:?}: {}", problem.kind(), problem.detail())
    })
    .collect();
    insta::assert_snapshot!(sentences.join("\n"), @r#"
    Unauthorized: No token was sent. Send a source's token in the header `Authorization: Bearer <token>`, or in the one that `tokenHeader` of the source names.
    Unauthorized: The token sent is not the token of any source. Compare it with `sources` in config/server.json, or make one: `hookwright token create --role source --name NAME`.
    Unauthorized: The token shop expired 1970-01-01T00:00:00.000Z. An admin makes another: `hookwright token create --role source --name NAME`.
    TooManyAttempts: Too many wrong tokens came from this address. The next is looked at in 3 s; after a minute without any, all is forgiven.
    Forbidden: Events are posted with a source's token; the token sent has the role viewer. An admin makes one: `hookwright token create --role source --name NAME`.
    TypeNotAllowed: The token sent is for entry.*, trigger-test only, and this event is media.create.
    UnsupportedMediaType: The content type text/xml is not taken. Send application/json or an application/…+json, in UTF-8.
    UnsupportedMediaType: No usable content type was sent. Send application/json or an application/…+json, in UTF-8.
    UnsupportedMediaType: The data of the CloudEvent is not JSON. /3/datacontenttype: is "text/xml"; only JSON in UTF-8 is taken.
    BadRequest: The header idempotency-key must be 1 to 255 visible ASCII characters.
    BadRequest: One idempotency key cannot stand for the events of a batch, which are known by source and id. Leave it out.
    BodyTooLarge: The body is larger than the 1048576 bytes that `server.maxBodyBytes` allows.
    BodyTooSlow: The body did not arrive within 1.5 s (`server.bodyTimeout`).
    BadRequest: The body broke off before its end.
    IdempotencyConflict: An event with this idempotency key was accepted within 24 hours with other bytes, as evt_01040G2081040G2081040G2081.
    IdempotencyConflict: The batch is refused whole: an event with the source and id of /3 was accepted within 24 hours with other bytes, as evt_01040G2081040G2081040G2081.
    Overloaded: Too many bytes are being received at once. Try again in a second.
    "#);
}

#[test]
fn what_the_database_said_stays_in_the_log() {
    let refusal = Refusal::Store(StoreError::Failed("disk full: /var/lib/hookwright.db".into()));
    let text = Problem::from(&refusal).to_json();
    assert!(text.contains("503") && !text.contains("/var/lib") && !text.contains("disk"), "{text}");
}
