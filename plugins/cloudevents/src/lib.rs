//! Events as CloudEvents 1.0 over HTTP, structured (one JSON document) or binary (the payload as it is, and `ce-` headers).
//!
//! ```json
//! {"source": "https://cms.example", "typePrefix": "io.strapi.", "extensions": {"model": "{/model}"}}
//! ```
//! | attribute | value |
//! |---|---|
//! | `id` | the event's id, the same on every retry |
//! | `source` | `source` of the config; by default `/` and the name of the source |
//! | `type` | `typePrefix` and the event's type: `io.strapi.entry.publish`. Hookwright's own events have no prefix |
//! | `subject` | `subject` of the config; by default model and document id, `article/o18yp…`, if there are any |
//! | `time` | when the CMS says it happened, else when it was received |
//! | `traceparent`, `tracestate` | as received, if they were |
//!
//! `data` is the payload as it is at this place of the chain, byte for byte: put `pick` before this plugin to send less. A
//! payload whose content type says JSON and which is not fails with `not-json`; what is neither JSON nor text with
//! `not-text`. An attribute without a value is left out; `source` without one fails with `bad-source`.

mod context;

use hookwright_sdk::serde_json::{self, value::RawValue};
use hookwright_sdk::{Delivery, Failure, Result, Verdict, config, plugin};
use hookwright_words::{Ordered, Template};

use crate::context::{Attributes, header_value};

const STRUCTURED: &str = "application/cloudevents+json; charset=utf-8";

#[config]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config {
    /// How the event is written: one JSON document, or the payload with ce- headers
    #[serde(default)]
    mode: Mode,
    /// Where events come from, as a URI or a path; by default / and the name of the source
    #[serde(default)]
    source: Option<Template>,
    /// What goes before the event's type: a domain, backwards
    #[serde(default = "strapi")]
    type_prefix: String,
    /// What the event is about; by default model and document id
    #[serde(default)]
    subject: Option<Template>,
    /// Attributes more, to route by: names of lower-case letters and digits, and their values
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": "^[a-z0-9]{1,20}$"}))]
    extensions: Ordered<Template>,
}

#[config]
#[derive(Default)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Structured,
    Binary,
}

fn strapi() -> String {
    "io.strapi.".into()
}

#[plugin]
fn cloudevents(delivery: Delivery, config: Config) -> Result<Verdict> {
    let attributes = context::of(&delivery, &config)?;
    match config.mode {
        Mode::Binary => Ok(attributes.iter().fold(Verdict::deliver(), |verdict, (name, value)| {
            verdict.header(format!("ce-{name}"), header_value(value))
        })),
        Mode::Structured => Ok(Verdict::deliver().data(structured(&delivery, &attributes)?).content_type(STRUCTURED)),
    }
}

/// Head and payload; the payload stays as it was written.
fn structured(delivery: &Delivery, attributes: &Attributes) -> Result<String> {
    let mut head: serde_json::Map<_, _> =
        attributes.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    if !delivery.content_type.is_empty() {
        head.insert("datacontenttype".into(), delivery.content_type.as_str().into());
    }
    if delivery.data().is_empty() {
        return Ok(serde_json::to_string(&head)?);
    }
    let text = str::from_utf8(delivery.data()).map_err(|_| {
        Failure::permanent(format!("payload: {} that is not UTF-8", delivery.content_type)).with_code("not-text")
    })?;
    let data = if says_json(&delivery.content_type) {
        let json: &RawValue = serde_json::from_str(text)
            .map_err(|error| Failure::permanent(format!("payload: {error}")).with_code("not-json"))?;
        json.get().to_owned()
    } else {
        serde_json::to_string(text)?
    };
    let head = serde_json::to_string(&head)?;
    let head = head.strip_suffix('}').unwrap_or(&head);
    Ok(format!("{head},\"data\":{data}}}"))
}

/// As the JSON format of CloudEvents sees it: `*/json`, `*/*+json`, or nothing said.
fn says_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.is_empty() || essence.ends_with("/json") || essence.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use hookwright_bundled::{answer, on_any_json, on_its_fixtures, on_real_bodies};
    use hookwright_sdk::{Changes, Value, json};

    use super::*;

    #[test]
    fn real_bodies() {
        insta::assert_snapshot!(on_real_bodies(cloudevents, &json!({"extensions": {"model": "{/model}"}})));
    }

    #[test]
    fn fixtures() {
        on_its_fixtures(cloudevents, env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn any_json() {
        let binary = json!({"mode": "binary", "source": "https://a/{/entry/title}", "subject": "{/entry/title}", "extensions": {"a": "{/entry}"}});
        on_any_json(cloudevents, &[json!({}), binary]);
    }

    fn changes(delivery: Delivery, config: &Value) -> Changes {
        match answer(cloudevents, delivery, config) {
            Ok(Verdict::Deliver(changes)) => changes,
            other => panic!("not delivered: {other:?}"),
        }
    }

    #[test]
    fn the_payload_stays_as_it_was_written() {
        let body = r#" {"createdAt":"2026-11-23T20:41:15.196Z","model":"a b","entry":{"id":9007199254740993,"n":123456789012345678901234567890,"a":1.10,"a":2}} "#;
        let delivery =
            Delivery::example("entry.create", Value::Null).with_data(body).with_attribute("traceparent", "00-1-2-01");
        let text = String::from_utf8(changes(delivery, &json!({})).data.unwrap()).unwrap();
        let head = concat!(
            r#"{"specversion":"1.0","id":"evt_00000000000000000000000001","source":"/example","type":"io.strapi.entry.create","#,
            r#""subject":"a b/9007199254740993","time":"2026-11-23T20:41:15.196Z","traceparent":"00-1-2-01","#,
            r#""datacontenttype":"application/json","data":"#
        );
        assert_eq!(text, format!("{head}{}}}", body.trim()));
    }

    #[test]
    fn binary_changes_headers_alone() {
        let delivery =
            Delivery::example("entry.create", json!({"model": "größe \"x\" 100%", "entry": {"documentId": "a"}}));
        let changes = changes(delivery, &json!({"mode": "binary", "typePrefix": "", "source": "urn:cms"}));
        let headers: Vec<String> = changes.set_headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            headers,
            [
                "ce-specversion: 1.0",
                "ce-id: evt_00000000000000000000000001",
                "ce-source: urn:cms",
                "ce-type: entry.create",
                "ce-subject: gr%C3%B6%C3%9Fe%20%22x%22%20100%25/a",
                "ce-time: 2026-01-01T00:00:00.000Z",
            ]
        );
        assert_eq!((changes.data, changes.content_type), (None, None));
    }

    #[test]
    fn text_is_told_from_json_by_its_type() {
        let typed = |content_type: &str, data: &[u8]| {
            let mut delivery = Delivery::example("entry.create", Value::Null).with_data(data);
            delivery.content_type = content_type.into();
            answer(cloudevents, delivery, &json!({}))
        };
        let data = |verdict: Result<Verdict>| match verdict.unwrap() {
            Verdict::Deliver(changes) => {
                serde_json::from_slice::<Value>(&changes.data.unwrap()).unwrap()["data"].clone()
            }
            Verdict::Drop(dropped) => panic!("{dropped:?}"),
        };
        assert_eq!(data(typed("text/xml", b"<a/>")), json!("<a/>"));
        assert_eq!(data(typed("application/vnd.x+json; a=b", b"[1]")), json!([1]));
        assert_eq!(typed("application/json", b"nope").unwrap_err().code.as_deref(), Some("not-json"));
        assert_eq!(typed("image/png", b"\xff\xfe").unwrap_err().code.as_deref(), Some("not-text"));
    }

    #[test]
    fn attributes_that_are_none_are_refused() {
        for (config, code) in [
            (json!({"source": "{/none}"}), "bad-source"),
            (json!({"extensions": {"Model": "x"}}), "bad-config"),
            (json!({"extensions": {"data": "x"}}), "bad-config"),
            (json!({"extensions": {"aaaaaaaaaaaaaaaaaaaaa": "x"}}), "bad-config"),
        ] {
            let failure = answer(cloudevents, Delivery::example("entry.create", json!({})), &config).unwrap_err();
            assert_eq!(failure.code.as_deref(), Some(code), "{failure}");
        }
        let delivery = Delivery::example("hookwright.delivery.failed", json!({}));
        let text = String::from_utf8(changes(delivery, &json!({})).data.unwrap()).unwrap();
        assert!(text.contains(r#""type":"hookwright.delivery.failed""#), "{text}");
    }
}
