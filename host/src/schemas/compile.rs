//! One compiled schema: JSON Schema 2020-12 unless `$schema` says another draft, formats not asserted, patterns
//! matched in linear time.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ReferencingError, ValidationError, Validator};
use serde_json::Value;

use super::effort;
use super::folder::{BASE, Folder};
use super::shorten::{limited, message, shortened};
use super::{MAX_VIOLATIONS, Violation};

/// A body with more values than this gets its first violation only: the validator collects all of them before
/// it hands out one, and they would outgrow the body many times.
const MAX_VALUES_FOR_ALL: usize = 10_000;

/// A longer pointer is cut: property names are the sender's to choose.
const POINTER_CHARS: usize = 300;

/// One compiled schema.
pub struct Compiled {
    source: Value,
    validator: Validator,
}

impl Compiled {
    /// A schema that refers to nothing outside of itself. Of an author we need not trust: what would take for ever to
    /// judge by is refused.
    ///
    /// # Errors
    /// In words, when this is not a usable JSON Schema.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        effort::check(schema)?;
        Self::compile_file("", schema, Folder::default())
    }

    /// A schema of the folder.
    pub(super) fn compile_file(file: &str, schema: &Value, folder: Folder) -> Result<Self, String> {
        if !schema.is_object() && !schema.is_boolean() {
            return Err("expected an object, or true or false".to_owned());
        }
        let validator = jsonschema::options()
            .with_base_uri(format!("{BASE}{file}"))
            .with_retriever(folder)
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(false)
            .build(schema)
            .map_err(|error| fault(&error))?;
        Ok(Self { source: schema.clone(), validator })
    }

    /// As it is written.
    pub(super) fn source(&self) -> &Value {
        &self.source
    }

    /// Whether it asserts nothing and only holds definitions for others.
    pub(super) fn only_defines(&self) -> bool {
        const ANNOTATIONS: [&str; 6] = ["$schema", "$id", "$comment", "$defs", "title", "description"];
        self.source.as_object().is_some_and(|schema| {
            schema.contains_key("$defs") && schema.keys().all(|key| ANNOTATIONS.contains(&key.as_str()))
        })
    }

    /// Where the body breaks the schema, at most [`MAX_VIOLATIONS`]; empty: it fits.
    pub fn violations(&self, body: &Value) -> Vec<Violation> {
        self.violations_with(body, |error| message(error.masked_with(shortened(error.instance()))))
    }

    /// The same of a body that may hold secrets: the messages repeat no value of it.
    pub fn masked_violations(&self, body: &Value) -> Vec<Violation> {
        self.violations_with(body, |error| message(error.masked()))
    }

    fn violations_with(&self, body: &Value, message: impl Fn(&ValidationError<'_>) -> String) -> Vec<Violation> {
        let violation = |error: &ValidationError<'_>| Violation {
            pointer: limited(error.instance_path(), POINTER_CHARS),
            keyword: error.kind().keyword().to_owned(),
            message: message(error),
        };
        if self.validator.is_valid(body) {
            Vec::new()
        } else if fewer_values_than(MAX_VALUES_FOR_ALL, body) {
            self.validator.iter_errors(body).take(MAX_VIOLATIONS).map(|error| violation(&error)).collect()
        } else {
            self.validator.validate(body).err().iter().map(violation).collect()
        }
    }
}

impl PartialEq for Compiled {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Compiled({})", shortened(&self.source))
    }
}

/// Why a schema does not compile. Repeats no value of it: those may come from an environment variable.
fn fault(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Referencing(ReferencingError::Unretrievable { uri, source }) => message(format_args!(
            "$ref to {}: {source}",
            uri.strip_prefix(BASE).unwrap_or(uri.trim_start_matches("hookwright://"))
        )),
        ValidationErrorKind::Referencing(error) => message(format_args!("$ref: {error}")),
        _ => {
            let at = error.instance_path().as_str();
            let at = if at.is_empty() { error.schema_path().as_str() } else { at };
            let place = if at.is_empty() { "the schema" } else { at };
            message(format_args!("{}: {}", limited(place, POINTER_CHARS), error.masked()))
        }
    }
}

fn fewer_values_than(most: usize, value: &Value) -> bool {
    fn count(value: &Value, left: &mut usize) -> bool {
        let Some(rest) = left.checked_sub(1) else { return false };
        *left = rest;
        match value {
            Value::Array(items) => items.iter().all(|item| count(item, left)),
            Value::Object(members) => members.values().all(|member| count(member, left)),
            _ => true,
        }
    }
    count(value, &mut { most })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_the_place_and_the_keyword() {
        let schema = Compiled::compile(&json!({
            "properties": {"a/b": {"items": {"type": "integer"}}, "name": {"maxLength": 3}},
            "required": ["name"],
        }))
        .expect("usable");
        assert_eq!(schema.violations(&json!({"name": "abc"})), []);
        let found = schema.violations(&json!({"a/b": [1, "x"], "name": "y".repeat(1_000_000)}));
        let places: Vec<_> = found.iter().map(|v| (v.pointer.as_str(), v.keyword.as_str())).collect();
        assert_eq!(places, [("/a~1b/1", "type"), ("/name", "maxLength")]);
        assert_eq!(found[0].message, r#""x" is not of type "integer""#);
        assert!(found[1].message.len() < 400 && found[1].message.ends_with("… is longer than 3 characters"));
    }

    #[test]
    fn masked_messages_repeat_no_value() {
        let secret = "hunter2";
        for (rule, config) in [
            (json!({"type": "array"}), json!(secret)),
            (json!({"type": "string"}), json!([secret])),
            (json!({"type": ["array", "null"]}), json!(secret)),
            (json!({"maxLength": 3}), json!(secret)),
            (json!({"pattern": "^/"}), json!(secret)),
            (json!({"enum": ["a"]}), json!(secret)),
            (json!({"const": "a"}), json!(secret)),
            (json!({"not": {"type": "string"}}), json!(secret)),
            (json!({"anyOf": [{"type": "array"}, {"maxLength": 1}]}), json!(secret)),
            (json!({"oneOf": [{"type": "string"}, {"minLength": 1}]}), json!(secret)),
            (json!({"prefixItems": [true], "items": false}), json!([1, secret])),
            (json!({"prefixItems": [true], "unevaluatedItems": false}), json!([1, secret])),
            (json!({"contains": {"type": "number"}}), json!([secret])),
            (json!({"uniqueItems": true}), json!([secret, secret])),
            (json!({"additionalProperties": false}), json!({"a": secret})),
            (json!({"required": ["b"]}), json!({"a": secret})),
        ] {
            let schema = Compiled::compile(&json!({"properties": {"remove": rule}})).expect("usable");
            let found = schema.masked_violations(&json!({"remove": config}));
            assert!(!found.is_empty(), "{rule}");
            assert!(!format!("{found:?}").contains(secret), "{rule}: {found:?}");
        }
    }

    #[test]
    fn reports_a_bounded_number() {
        let schema = Compiled::compile(&json!({"items": {"type": "string"}})).expect("usable");
        assert_eq!(schema.violations(&json!(vec![1; 100])).len(), MAX_VIOLATIONS);
        assert_eq!(schema.violations(&json!(vec![1; 1_000_000])).len(), 1);
    }

    #[test]
    fn refuses_what_it_cannot_judge_and_says_why() {
        let cases = [
            (json!({"type": "strnig"}), "/type"),
            (json!({"properties": {"a": {"required": "b"}}}), "/properties/a/required"),
            (json!({"pattern": "(a"}), "/pattern"),
            (json!({"pattern": "^(?=a)"}), "/pattern"),
            (json!({"$ref": "#/$defs/absent"}), "$ref"),
            (json!({"$ref": "https://example.com/s.json"}), "$ref to https://example.com/s.json: only files of"),
            (json!({"$ref": "other.json"}), "$ref to other.json: there is no other.json"),
            (json!(7), "expected an object, or true or false"),
        ];
        for (schema, place) in cases {
            let fault = Compiled::compile(&schema).expect_err("unusable");
            assert!(fault.starts_with(place), "{schema}: {fault}");
        }
    }

    #[test]
    fn matches_hostile_patterns_in_linear_time() {
        let schema = Compiled::compile(&json!({"pattern": "^(a+)+$"})).expect("usable");
        assert_eq!(schema.violations(&json!(format!("{}!", "a".repeat(100_000)))).len(), 1);
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let body = json!({"a": {"a": 1}});
        for looping in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"anyOf": [{"not": {"$ref": "#"}}]}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
        ] {
            if let Ok(schema) = Compiled::compile(&looping) {
                assert!(schema.violations(&body).len() <= 1, "{looping}");
            }
        }
        let tree = Compiled::compile(&json!({"type": "object", "properties": {"a": {"$ref": "#"}}})).expect("usable");
        assert_eq!(tree.violations(&body)[0].pointer, "/a/a");
    }
}
