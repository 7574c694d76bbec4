//! Where a value comes from.

use std::borrow::Cow;

use hookwright_sdk::pointer::Pointer;
use hookwright_sdk::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use hookwright_sdk::serde::Deserialize;
use hookwright_sdk::serde_json::Map;
use hookwright_sdk::{Delivery, Value};

use crate::Template;

/// What a config may write in place of a value. Read by hand: what serde derives for so many shapes is 100 KB of code.
const SHAPES: &str =
    r#"expected a JSON Pointer, a list of them, {"pointer": "/…", "default": …}, {"template": "…"} or {"value": …}"#;

/// Where a value comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(crate = "hookwright_sdk::serde", try_from = "Value")]
pub enum Rule {
    /// The first place that finds something counts.
    Look {
        places: Vec<Pointer>,
        default: Option<Value>,
        each: Option<Box<Each>>,
    },
    Tell(Template),
    Give(Value),
}

/// What becomes of the elements of an array.
#[derive(Clone, Debug)]
pub enum Each {
    Rule(Rule),
    Fields(Vec<(String, Rule)>),
}

impl TryFrom<Value> for Rule {
    type Error = String;

    fn try_from(written: Value) -> Result<Self, String> {
        let mut members = match written {
            Value::Object(members) => members,
            place => return Ok(Self::Look { places: places(place)?, default: None, each: None }),
        };
        let rule = if let Some(pointer) = members.shift_remove("pointer") {
            let default = members.shift_remove("default");
            let each = members.shift_remove("each").map(Each::try_from).transpose()?.map(Box::new);
            Self::Look { places: places(pointer)?, default, each }
        } else if let Some(Value::String(template)) = members.shift_remove("template") {
            Self::Tell(template.try_into()?)
        } else if let Some(value) = members.shift_remove("value") {
            Self::Give(value)
        } else {
            return Err(unexpected(&Value::Object(members)));
        };
        finished(&members).map(|()| rule)
    }
}

impl TryFrom<Value> for Each {
    type Error = String;

    fn try_from(written: Value) -> Result<Self, String> {
        match written {
            Value::Object(mut members) if members.contains_key("fields") => {
                let Some(Value::Object(fields)) = members.shift_remove("fields") else {
                    return Err("fields: expected an object of rules".into());
                };
                finished(&members)?;
                let rules = fields.into_iter().map(|(name, rule)| Ok((name, rule.try_into()?)));
                rules.collect::<Result<_, String>>().map(Self::Fields)
            }
            rule => rule.try_into().map(Self::Rule),
        }
    }
}

fn places(written: Value) -> Result<Vec<Pointer>, String> {
    let place = |written| match written {
        Value::String(pointer) => pointer.parse().map_err(|error| format!("{error}; {SHAPES}")),
        other => Err(unexpected(&other)),
    };
    match written {
        Value::Array(several) => several.into_iter().map(place).collect(),
        one => Ok(vec![place(one)?]),
    }
}

fn unexpected(found: &Value) -> String {
    format!("{SHAPES}, found {found}")
}

/// Whether nothing else was written: it is mostly a misspelling.
fn finished(rest: &Map<String, Value>) -> Result<(), String> {
    rest.keys().next().map_or(Ok(()), |name| Err(format!("{name} is not known here: {SHAPES}")))
}

impl JsonSchema for Rule {
    fn schema_name() -> Cow<'static, str> {
        "Rule".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
          "description": "Where a value comes from: a JSON Pointer, a list of them of which the first that finds something counts, or an object",
          "anyOf": [
            { "$ref": "#/$defs/Rule/$defs/places" },
            {
              "type": "object",
              "properties": {
                "pointer": {
                  "description": "Where to look: a JSON Pointer, or a list of them of which the first that finds something counts",
                  "$ref": "#/$defs/Rule/$defs/places"
                },
                "default": { "description": "What counts where nothing stands, or null" },
                "each": {
                  "description": "What to make of each element, if it is an array: a rule whose pointers start at the element, or fields of a new object",
                  "anyOf": [
                    { "$ref": "#/$defs/Rule" },
                    {
                      "type": "object",
                      "properties": {
                        "fields": { "type": "object", "additionalProperties": { "$ref": "#/$defs/Rule" } }
                      },
                      "required": ["fields"],
                      "additionalProperties": false
                    }
                  ]
                }
              },
              "required": ["pointer"],
              "additionalProperties": false
            },
            {
              "type": "object",
              "properties": {
                "template": {
                  "description": "A text with placeholders: {/entry/title} stands for what is at that JSON Pointer, {/a|/b|text} for the first of several that is there, {type}, {id}, {source} and {webhook} for the event's; {{ and }} for braces",
                  "type": "string"
                }
              },
              "required": ["template"],
              "additionalProperties": false
            },
            {
              "type": "object",
              "properties": { "value": { "description": "The value itself" } },
              "required": ["value"],
              "additionalProperties": false
            }
          ],
          "$defs": {
            "place": { "type": "string", "pattern": "^(/([^/~]|~[01])*)*$" },
            "places": {
              "anyOf": [
                { "$ref": "#/$defs/Rule/$defs/place" },
                { "type": "array", "items": { "$ref": "#/$defs/Rule/$defs/place" } }
              ]
            }
          }
        })
    }
}

impl Rule {
    /// The value, if there is one: nothing where nothing stands, null where null does. A list and a default pass null by.
    pub fn value(&self, delivery: &Delivery, document: &Value) -> Option<Value> {
        match self {
            Self::Look { places, default, each } => {
                let found = first(places, document).filter(|value| default.is_none() || !value.is_null());
                match (found, each) {
                    (Some(Value::Array(items)), Some(each)) => {
                        Some(items.iter().filter_map(|item| each.value(delivery, item)).collect())
                    }
                    (found, _) => found.or(default.as_ref()).cloned(),
                }
            }
            Self::Tell(template) => {
                let text = template.fill(delivery, document, usize::MAX, str::to_owned).text;
                (!text.is_empty()).then(|| text.into())
            }
            Self::Give(value) => Some(value.clone()),
        }
    }

    /// The rule in words, for a message about what it did not find.
    pub fn told(&self) -> String {
        match self {
            Self::Look { places, .. } => places.iter().map(Pointer::as_str).collect::<Vec<_>>().join(" or "),
            Self::Tell(template) => format!("the template {template}"),
            Self::Give(_) => "the value".into(),
        }
    }
}

impl Each {
    fn value(&self, delivery: &Delivery, element: &Value) -> Option<Value> {
        let fields = match self {
            Self::Rule(rule) => return rule.value(delivery, element),
            Self::Fields(fields) => fields,
        };
        let found = fields.iter().filter_map(|(name, rule)| Some((name.clone(), rule.value(delivery, element)?)));
        Some(Value::Object(found.collect()))
    }
}

/// The first that is not null; else null, if that stands anywhere.
fn first<'v>(places: &[Pointer], document: &'v Value) -> Option<&'v Value> {
    let found = || places.iter().filter_map(|place| place.get(document));
    found().find(|value| !value.is_null()).or_else(|| found().next())
}

#[cfg(test)]
mod tests {
    use hookwright_sdk::{json, serde_json};

    use super::*;

    fn value(rule: Value) -> Option<Value> {
        let document = json!({"model": "article", "entry": {"id": 7, "title": "Paris", "slug": null,
            "tags": [{"id": 1, "name": "new"}, {"id": 2}, "bare"]}});
        let rule: Rule = serde_json::from_value(rule).unwrap();
        rule.value(&Delivery::example("entry.create", json!({})), &document)
    }

    #[test]
    fn every_kind_of_rule_finds_its_value() {
        for (rule, expected) in [
            (json!("/entry/id"), Some(json!(7))),
            (json!("/entry/slug"), Some(json!(null))),
            (json!("/entry/none"), None),
            (json!(["/entry/slug", "/entry/none", "/entry/title"]), Some(json!("Paris"))),
            (json!(["/entry/none", "/entry/slug"]), Some(json!(null))),
            (json!([]), None),
            (json!({"pointer": "/entry/slug", "default": "x"}), Some(json!("x"))),
            (json!({"pointer": ["/entry/none", "/model"], "default": "x"}), Some(json!("article"))),
            (json!({"template": "{type}: {/entry/title}"}), Some(json!("entry.create: Paris"))),
            (json!({"template": "{/entry/none}"}), None),
            (json!({"value": [null]}), Some(json!([null]))),
            (json!({"pointer": "/entry/tags", "each": "/name"}), Some(json!(["new"]))),
            (
                json!({"pointer": "/entry/tags", "each": {"fields": {"n": "/name", "k": {"value": 1}}}}),
                Some(json!([{"n": "new", "k": 1}, {"k": 1}, {"k": 1}])),
            ),
            (json!({"pointer": "/entry/title", "each": "/name"}), Some(json!("Paris"))),
        ] {
            assert_eq!(value(rule.clone()), expected, "{rule}");
        }
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for (rule, reason) in [
            (json!("model"), "expected a JSON Pointer such as /entry/title, found model"),
            (json!({"pointer": "/a", "value": 1}), "value is not known here"),
            (json!({"pointr": "/a"}), "found {\"pointr\":\"/a\"}"),
            (json!(3), "{\"value\": …}, found 3"),
            (json!({"template": "{x"}), "a { without }"),
            (json!({"pointer": "/a", "each": {"fields": {"b": 1}}}), "found 1"),
            (json!({"pointer": "/a", "each": {"fields": 1}}), "fields: expected an object of rules"),
        ] {
            let error = serde_json::from_value::<Rule>(rule.clone()).unwrap_err();
            assert!(error.to_string().contains(reason), "{rule}: {error}");
        }
    }
}
