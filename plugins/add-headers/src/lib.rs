//! Headers made from values of the payload.
//!
//! Config: where the value of each header comes from: a JSON Pointer, a list of them of which the first that finds something
//! counts, a pointer with a default, a template, or a value.
//! ```json
//! {"headers": {"X-Model": "/model", "X-Entry": {"pointer": "/entry/id", "default": "none"}, "X-Kind": {"value": "cms"},
//!    "X-Title": ["/entry/title", "/media/name"], "X-Key": {"template": "{source}/{/entry/documentId}"}},
//!  "encode": true}
//! ```
//! Strings, numbers and booleans become headers. Where nothing stands, or null, the default does; without one the
//! header is not set. Text that no header can carry fails, or is percent-encoded if `encode` says so, and `%` with it:
//! `Z%C3%BCrich`. Anything else is a failure that names the header. Codes: `no-header-value`, `not-json`.

use hookwright_sdk::{Delivery, Failure, Result, Value, Verdict, config, plugin};
use hookwright_words::{Ordered, Rule, body};

#[config]
#[derive(Default)]
#[serde(default)]
struct Config {
    /// Header names and where their values come from
    #[schemars(extend("propertyNames" = {"pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"}))]
    headers: Ordered<Rule>,
    /// Percent-encode what no header can carry, and the percent sign; otherwise it fails
    encode: bool,
}

#[plugin]
fn add_headers(delivery: Delivery, config: Config) -> Result<Verdict> {
    if config.headers.is_empty() {
        return Ok(Verdict::deliver());
    }
    let event = body(&delivery)?;
    config.headers.iter().try_fold(Verdict::deliver(), |verdict, (name, rule)| {
        let Some(value) = rule.value(&delivery, event).filter(|value| !value.is_null()) else {
            return Ok(verdict);
        };
        let text = header_text(&value, config.encode)
            .map_err(|reason| Failure::permanent(format!("header {name}: {reason}")).with_code("no-header-value"))?;
        Ok(verdict.header(name, text))
    })
}

/// The value as a header carries it: visible ASCII, space and tab.
fn header_text(value: &Value, encode: bool) -> Result<String, &'static str> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null => return Err("null is no string, number or boolean"),
        Value::Array(_) => return Err("an array is no string, number or boolean"),
        Value::Object(_) => return Err("an object is no string, number or boolean"),
    };
    let carried = |byte: u8| byte == b'\t' || byte == b' ' || byte.is_ascii_graphic();
    if encode {
        let encoded =
            |byte| if carried(byte) && byte != b'%' { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        return Ok(text.bytes().map(encoded).collect());
    }
    if text.bytes().all(carried) {
        Ok(text)
    } else {
        Err("the value has line breaks or other than visible ASCII; \"encode\": true percent-encodes it")
    }
}

#[cfg(test)]
mod tests {
    use hookwright_bundled::{on_any_json, on_its_fixtures, on_real_bodies};
    use hookwright_sdk::json;

    use super::*;

    #[test]
    fn real_bodies() {
        let headers = json!({"X-Model": {"pointer": "/model", "default": "none"}, "X-Name": ["/entry/full_name", "/media/name"], "X-Key": {"template": "{type}/{/entry/documentId|/media/id|-}"}});
        insta::assert_snapshot!(on_real_bodies(add_headers, &json!({"headers": headers, "encode": true})));
    }

    #[test]
    fn fixtures() {
        on_its_fixtures(add_headers, env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn any_json() {
        let headers = json!({"X-A": "/entry", "X-B": ["/entry/title", "/media"], "X-C": {"template": "{/entry}"}});
        on_any_json(
            add_headers,
            &[json!({"headers": headers}), json!({"headers": headers, "encode": true}), json!({})],
        );
    }

    fn answer(headers: &Value, encode: bool) -> Result<Verdict> {
        // As Strapi 5 sends it.
        let body = r#"{"event":"entry.create","model":"address","entry":{"id":1,"documentId":"o18ypsnuhwus6acf5temqhfh",
            "city":"Zürich","note":"a\r\nX-Evil: 1","open":true,"images":[],"publishedAt":null}}"#;
        let delivery = Delivery::example("entry.create", Value::Null).with_data(body);
        hookwright_bundled::answer(add_headers, delivery, &json!({ "headers": headers, "encode": encode }))
    }

    #[test]
    fn values_become_headers() {
        let headers = json!({
            "X-A": "/model", "X-B": {"pointer": "/entry/none", "default": "none"}, "X-C": {"value": 7}, "X-D": "/entry/open",
            "X-E": "/entry/publishedAt", "X-F": {"pointer": "/entry/publishedAt", "default": "none"},
        });
        let expected = Verdict::deliver().header("X-A", "address").header("X-B", "none").header("X-C", "7");
        assert_eq!(answer(&headers, false), Ok(expected.header("X-D", "true").header("X-F", "none")));
        assert_eq!(answer(&json!({}), false), Ok(Verdict::deliver()));
    }

    #[test]
    fn what_no_header_can_carry_fails_and_names_the_header() {
        let letters =
            "header X-A: the value has line breaks or other than visible ASCII; \"encode\": true percent-encodes it";
        for (pointer, reason) in [
            ("/entry/note", letters),
            ("/entry/city", letters),
            ("/entry/images", "header X-A: an array is no string, number or boolean"),
            ("/entry", "header X-A: an object is no string, number or boolean"),
        ] {
            let failure = Failure::permanent(reason).with_code("no-header-value");
            assert_eq!(answer(&json!({ "X-A": pointer }), false), Err(failure), "{pointer}");
        }
    }

    #[test]
    fn encoded_it_can_be_carried() {
        let headers = json!({"X-A": "/entry/city", "X-B": "/entry/note", "X-C": {"value": "100 %"}});
        let expected =
            Verdict::deliver().header("X-A", "Z%C3%BCrich").header("X-B", "a%0D%0AX-Evil: 1").header("X-C", "100 %25");
        assert_eq!(answer(&headers, true), Ok(expected));
    }

    #[test]
    fn a_rule_of_no_known_shape_is_refused() {
        for rule in [json!("model"), json!({"pointer": "/a", "value": 1}), json!({"pointr": "/a"}), json!(3)] {
            let failure = answer(&json!({ "X-A": rule }), false).unwrap_err();
            assert!(failure.message.contains("expected a JSON Pointer, a list of them, {"), "{rule}: {failure}");
        }
    }
}
