//! Headers made from values of the payload.
//!
//! Config: each header is a JSON Pointer into the payload, a pointer with a default, or a value.
//! ```json
//! {"headers": {"X-Model": "/model", "X-Entry": {"pointer": "/entry/id", "default": "none"}, "X-Kind": {"value": "cms"}}}
//! ```
//! Strings, numbers and booleans become headers. Where nothing stands, or null, the default does; without one the
//! header is not set. Anything else, and text that no header can carry, is a failure that names the header.

use std::collections::BTreeMap;

use hookwright_sdk::pointer::Pointer;
use hookwright_sdk::{Delivery, Failure, Result, Value, Verdict, config, plugin};

#[config]
#[derive(Default)]
#[serde(default)]
struct Config {
    /// Header names and where their values come from
    #[schemars(extend("propertyNames" = { "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" }))]
    headers: BTreeMap<String, Rule>,
}

/// Where the value of a header comes from.
#[config]
#[serde(untagged, expecting = r#"expected a JSON Pointer, {"pointer": "/…", "default": …} or {"value": …}"#)]
enum Rule {
    Pointer(Pointer),
    PointerOr {
        pointer: Pointer,
        #[schemars(extend("type" = ["string", "number", "boolean"]))]
        default: Option<Value>,
    },
    Value {
        #[schemars(extend("type" = ["string", "number", "boolean"]))]
        value: Value,
    },
}

#[plugin]
fn add_headers(delivery: Delivery, config: Config) -> Result<Verdict> {
    config.headers.iter().try_fold(Verdict::deliver(), |verdict, (name, rule)| {
        let Some(value) = rule.value(&delivery)? else {
            return Ok(verdict);
        };
        let text = header_text(value).map_err(|reason| Failure::permanent(format!("header {name}: {reason}")))?;
        Ok(verdict.header(name, text))
    })
}

impl Rule {
    fn value<'v>(&'v self, delivery: &'v Delivery) -> Result<Option<&'v Value>> {
        let (pointer, default) = match self {
            Self::Value { value } => return Ok(Some(value)),
            Self::Pointer(pointer) => (pointer, None),
            Self::PointerOr { pointer, default } => (pointer, default.as_ref()),
        };
        Ok(delivery.pointer(pointer)?.filter(|value| !value.is_null()).or(default))
    }
}

/// The value as a header carries it: visible ASCII, space and tab.
fn header_text(value: &Value) -> Result<String, &'static str> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null => return Err("null is no string, number or boolean"),
        Value::Array(_) => return Err("an array is no string, number or boolean"),
        Value::Object(_) => return Err("an object is no string, number or boolean"),
    };
    let carried = |byte: u8| byte == b'\t' || byte == b' ' || byte.is_ascii_graphic();
    if text.bytes().all(carried) { Ok(text) } else { Err("the value has line breaks or other than visible ASCII") }
}

#[cfg(test)]
mod tests {
    use hookwright_sdk::json;
    use hookwright_sdk::testing::config_schema;

    use super::*;

    fn answer(headers: &Value) -> Result<Verdict> {
        // As Strapi 5 sends it.
        let body = r#"{"event":"entry.create","model":"address","entry":{"id":1,"documentId":"o18ypsnuhwus6acf5temqhfh",
            "city":"Zürich","note":"a\r\nX-Evil: 1","open":true,"images":[],"publishedAt":null}}"#;
        let delivery = Delivery::example("entry.create", Value::Null).with_data(body);
        let delivery = delivery.with_config(json!({ "headers": headers }));
        let config = delivery.config()?;
        add_headers(delivery, config)
    }

    #[test]
    fn values_become_headers() {
        let headers = json!({
            "X-A": "/model", "X-B": {"pointer": "/entry/none", "default": "none"}, "X-C": {"value": 7}, "X-D": "/entry/open",
            "X-E": "/entry/publishedAt", "X-F": {"pointer": "/entry/id", "default": "none"},
        });
        let expected = Verdict::deliver().header("X-A", "address").header("X-B", "none").header("X-C", "7");
        assert_eq!(answer(&headers), Ok(expected.header("X-D", "true").header("X-F", "1")));
        assert_eq!(answer(&json!({})), Ok(Verdict::deliver()));
    }

    #[test]
    fn what_no_header_can_carry_fails_and_names_the_header() {
        for (pointer, reason) in [
            ("/entry/note", "header X-A: the value has line breaks or other than visible ASCII"),
            ("/entry/city", "header X-A: the value has line breaks or other than visible ASCII"),
            ("/entry/images", "header X-A: an array is no string, number or boolean"),
            ("/entry", "header X-A: an object is no string, number or boolean"),
        ] {
            assert_eq!(answer(&json!({ "X-A": pointer })), Err(Failure::permanent(reason)), "{pointer}");
        }
    }

    #[test]
    fn the_schema_says_what_a_header_may_be() {
        let schema = config_schema::<Config>();
        let rules = &schema["$defs"]["Rule"]["anyOf"];
        let pointer = json!({"description": "A JSON Pointer into the payload", "type": "string", "pattern": "^(/([^/~]|~[01])*)*$"});
        assert_eq!(rules[0], pointer);
        let scalar = json!({"type": ["string", "number", "boolean"]});
        let with_default = json!({"type": "object", "additionalProperties": false, "required": ["pointer"],
            "properties": {"pointer": pointer, "default": scalar}});
        assert_eq!(rules[1], with_default);
        assert!(schema["properties"]["headers"]["propertyNames"]["pattern"].is_string());
    }

    #[test]
    fn a_rule_of_no_known_shape_is_refused() {
        for rule in [json!("model"), json!({"pointer": "/a", "value": 1}), json!({"pointr": "/a"}), json!(3)] {
            let failure = answer(&json!({ "X-A": rule })).unwrap_err();
            assert!(failure.message.contains("expected a JSON Pointer, {"), "{rule}: {failure}");
        }
    }
}
