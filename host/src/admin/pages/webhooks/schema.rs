//! The form of a plugin's config, made from its JSON Schema: which fields there are, what each says, and what is typed into them
//! as JSON. What a form cannot show well is JSON in a field of its own. Pure.

use serde_json::{Map, Value};

use crate::managed::definition::SECRET;
use crate::pointer;
use crate::schemas::Violation;

use super::draft::{as_one_line_breaks, is_same_text};

/// More fields, or deeper ones, are JSON.
const MOST_FIELDS: usize = 100;
const MAX_DEPTH: usize = 4;
/// `$ref` and its like are followed so far.
const MOST_STEPS: usize = 16;

/// One field of a config.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    /// Into the config.
    pub(super) pointer: String,
    pub(super) name: String,
    pub(super) hint: String,
    pub(super) default: Option<Value>,
    pub(super) required: bool,
    pub(super) kind: Kind,
}

/// How a field is typed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    Choice(Vec<Value>),
    /// A list of texts, one a line.
    Lines,
    Group(Vec<Field>),
    Json,
}

/// The fields of a schema; none: it is not of an object, so the config as a whole is JSON.
pub(super) fn fields(schema: &Value) -> Option<Vec<Field>> {
    let mut left = MOST_FIELDS;
    members(schema, schema, "", 0, &mut left)
}

fn members(root: &Value, schema: &Value, place: &str, depth: usize, left: &mut usize) -> Option<Vec<Field>> {
    let properties = schema.get("properties")?.as_object().filter(|properties| !properties.is_empty())?;
    if depth > MAX_DEPTH || properties.len() > *left {
        return None;
    }
    *left -= properties.len();
    let required = |name: &str| {
        schema.get("required").and_then(Value::as_array).is_some_and(|names| names.iter().any(|known| known == name))
    };
    let field = |(name, written): (&String, &Value)| {
        let meant = meaning(root, written);
        let said = |key| written.get(key).or_else(|| meant.get(key));
        let place = pointer::child(place, name);
        Field {
            name: said("title").and_then(Value::as_str).unwrap_or(name).to_owned(),
            hint: said("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
            default: said("default").cloned(),
            required: required(name),
            kind: kind(root, meant, &place, depth, left),
            pointer: place,
        }
    };
    Some(properties.iter().map(field).collect())
}

fn kind(root: &Value, schema: &Value, place: &str, depth: usize, left: &mut usize) -> Kind {
    if let Some(choices) = choices(schema) {
        return Kind::Choice(choices);
    }
    match type_of(schema) {
        Some("string") => Kind::Text,
        Some("number" | "integer") => Kind::Number,
        Some("boolean") => Kind::Flag,
        Some("array") => {
            let items = schema.get("items").map(|items| meaning(root, items));
            let is_text = items.is_some_and(|items| type_of(items) == Some("string"));
            if is_text { Kind::Lines } else { Kind::Json }
        }
        Some("object") => members(root, schema, place, depth + 1, left).map_or(Kind::Json, Kind::Group),
        _ => Kind::Json,
    }
}

/// The one type beside `null`.
fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => {
            let mut others = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            others.next().filter(|_| others.next().is_none())
        }
        _ => None,
    }
}

/// Of `enum`, or of alternatives that are each one value.
fn choices(schema: &Value) -> Option<Vec<Value>> {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return Some(values.iter().filter(|value| !value.is_null()).cloned().collect());
    }
    let alternatives = schema.get("oneOf").or_else(|| schema.get("anyOf"))?.as_array()?;
    let mut values = Vec::new();
    for alternative in alternatives {
        match (alternative.get("const"), alternative.get("enum").and_then(Value::as_array)) {
            (Some(value), _) => values.push(value.clone()),
            (None, Some(some)) => values.extend(some.iter().cloned()),
            (None, None) => return None,
        }
    }
    Some(values)
}

/// Behind `$ref`, and behind alternatives of which all but one are `null`.
fn meaning<'v>(root: &'v Value, mut schema: &'v Value) -> &'v Value {
    for _ in 0..MOST_STEPS {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'))
            && let Some(found) = root.pointer(target)
        {
            schema = found;
            continue;
        }
        let alternatives = ["anyOf", "oneOf", "allOf"].iter().find_map(|key| schema.get(key)?.as_array());
        let is_null = |alternative: &&Value| alternative.get("type").is_some_and(|name| name == "null");
        let mut meant = alternatives.into_iter().flatten().filter(|alternative| !is_null(alternative));
        match (meant.next(), meant.next()) {
            (Some(only), None) => schema = only,
            _ => break,
        }
    }
    schema
}

impl Field {
    /// As it is shown: a value that does not fit is JSON.
    pub(super) fn shown_as(&self, value: Option<&Value>) -> &Kind {
        let fits = match (&self.kind, value) {
            (_, None) | (Kind::Json, _) => true,
            (Kind::Text, Some(value)) => value.is_string() || super::one::is_secret(value),
            (Kind::Number, Some(value)) => value.is_number(),
            (Kind::Flag, Some(value)) => value.is_boolean(),
            (Kind::Choice(choices), Some(value)) => choices.contains(value),
            (Kind::Lines, Some(value)) => value.as_array().is_some_and(|items| items.iter().all(is_line)),
            (Kind::Group(_), Some(value)) => value.is_object() && !super::one::is_secret(value),
        };
        if fits { &self.kind } else { &Kind::Json }
    }

    /// What stands in the field for this value.
    pub(super) fn text(&self, value: Option<&Value>) -> String {
        let Some(value) = value else {
            let is_on = self.kind == Kind::Flag && self.default == Some(Value::Bool(true));
            return if self.kind == Kind::Flag { is_on.to_string() } else { String::new() };
        };
        match self.shown_as(Some(value)) {
            Kind::Text if super::one::is_secret(value) => String::new(),
            Kind::Text | Kind::Choice(_) => plain(value),
            Kind::Lines => value.as_array().into_iter().flatten().map(plain).collect::<Vec<_>>().join("\n"),
            Kind::Number | Kind::Flag => value.to_string(),
            Kind::Json | Kind::Group(_) => format!("{value:#}"),
        }
    }
}

impl Kind {
    /// What was typed, as JSON; none: nothing was.
    fn value(&self, text: &str) -> Result<Option<Value>, String> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        Ok(Some(match self {
            Self::Text => text.into(),
            // What is none is told by the schema.
            Self::Number => text.trim().parse::<serde_json::Number>().map_or_else(|_| text.into(), Value::Number),
            Self::Flag => Value::Bool(text == "true"),
            Self::Choice(choices) => {
                choices.iter().find(|choice| plain(choice) == text).cloned().unwrap_or_else(|| text.into())
            }
            Self::Lines => {
                as_one_line_breaks(text).lines().filter(|line| !line.trim().is_empty()).map(Value::from).collect()
            }
            Self::Json | Self::Group(_) => {
                serde_json::from_str(text).map_err(|error| format!("expected JSON: {error}"))?
            }
        }))
    }
}

fn is_line(item: &Value) -> bool {
    item.as_str().is_some_and(|text| !text.trim().is_empty() && !text.contains(['\n', '\r']))
}

/// A text as it is, anything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Every field of the form, those of groups too, with what stands in it.
pub(super) fn texts(fields: &[Field], config: &Value) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for field in fields {
        let value = config.pointer(&field.pointer);
        match field.shown_as(value) {
            Kind::Group(inner) => texts.extend(self::texts(inner, config)),
            _ => texts.push((field.pointer.clone(), field.text(value))),
        }
    }
    texts
}

/// The box that takes out the secret at a place.
pub(super) fn gone(place: &str) -> String {
    format!("!{place}")
}

/// What was typed put into `config`, which was shown. What nobody touched stays as it is.
pub(super) fn apply(
    fields: &[Field],
    config: &mut Value,
    typed: &dyn Fn(&str) -> Option<String>,
    faults: &mut Vec<Violation>,
) {
    for field in fields {
        let known = config.pointer(&field.pointer).cloned();
        let kind = field.shown_as(known.as_ref());
        if let Kind::Group(inner) = kind {
            apply(inner, config, typed, faults);
            continue;
        }
        let is_secret = known.as_ref().is_some_and(super::one::is_secret);
        if is_secret && typed(&gone(&field.pointer)).is_some() {
            put(config, &field.pointer, None);
            continue;
        }
        let Some(text) = typed(&field.pointer) else { continue };
        if is_same_text(&text, &field.text(known.as_ref())) {
            continue;
        }
        match kind.value(&text) {
            // A flag that is as it would be anyway.
            Ok(value) if known.is_none() && value == field.default && *kind == Kind::Flag => {}
            Ok(Some(value)) if is_secret && *kind == Kind::Text => {
                put(config, &field.pointer, Some(serde_json::json!({ SECRET: value })));
            }
            Ok(Some(value)) => put(config, &field.pointer, Some(value)),
            Ok(None) => put(config, &field.pointer, None),
            Err(message) => {
                faults.push(Violation { pointer: field.pointer.clone(), keyword: "json".to_owned(), message });
            }
        }
    }
}

/// Sets or takes out what stands at a place, and makes the objects on the way.
pub(super) fn put(document: &mut Value, place: &str, value: Option<Value>) {
    let Some((parent, name)) = place.rsplit_once('/') else { return };
    let name = name.replace("~1", "/").replace("~0", "~");
    if document.pointer(parent).is_none_or(|parent| !parent.is_object()) {
        if value.is_none() {
            return;
        }
        put(document, parent, Some(Value::Object(Map::new())));
    }
    let Some(members) = document.pointer_mut(parent).and_then(Value::as_object_mut) else { return };
    match value {
        Some(value) => drop(members.insert(name, value)),
        None => drop(members.shift_remove(&name)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object", "required": ["service"],
            "properties": {
                "service": {"$ref": "#/$defs/Service", "description": "Whom", "default": "generic"},
                "text": {"anyOf": [{"$ref": "#/$defs/T"}, {"type": "null"}]},
                "silent": {"type": "boolean", "default": true},
                "most": {"type": ["integer", "null"]},
                "keep": {"type": "array", "items": {"type": "string"}},
                "inner": {"type": "object", "properties": {"a/b": {"type": "string"}}},
                "rules": {"type": "object", "additionalProperties": true},
                "mode": {"oneOf": [{"const": "a", "description": "A"}, {"const": "b"}]},
            },
            "$defs": {"Service": {"type": "string", "enum": ["generic", "github"]}, "T": {"type": "string"}},
        })
    }

    #[test]
    fn each_kind_has_its_field() {
        let fields = fields(&schema()).expect("an object");
        let kinds: Vec<_> = fields.iter().map(|field| &field.kind).collect();
        let choice = |values: [&str; 2]| Kind::Choice(values.map(Value::from).to_vec());
        assert_eq!(kinds[..5], [&choice(["generic", "github"]), &Kind::Text, &Kind::Flag, &Kind::Number, &Kind::Lines]);
        assert!(matches!(kinds[5], Kind::Group(inner) if inner[0].pointer == "/inner/a~1b"));
        assert_eq!(kinds[6..], [&Kind::Json, &choice(["a", "b"])]);
        assert_eq!((fields[0].hint.as_str(), fields[0].required), ("Whom", true));
        assert_eq!(self::fields(&json!({"type": "string"})), None);
    }

    #[test]
    fn what_is_typed_becomes_json_and_the_rest_stays() {
        let fields = fields(&schema()).expect("an object");
        let mut config = json!({"text": "t", "other": 1});
        let typed = |place: &str| {
            let text = match place {
                "/service" => "github",
                "/silent" => "true",
                "/most" => "7",
                "/keep" => "/a\r\n\r\n/b",
                "/inner/a~1b" => "x",
                "/rules" => "{\"r\": [1]}",
                "/text" => "",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let mut faults = Vec::new();
        apply(&fields, &mut config, &typed, &mut faults);
        let expected = json!({"other": 1, "service": "github", "most": 7, "keep": ["/a", "/b"], "inner": {"a/b": "x"},
            "rules": {"r": [1]}});
        assert_eq!((config, faults), (expected, vec![]), "the flag is as it would be anyway");
        let mut faults = Vec::new();
        apply(&fields, &mut json!({}), &|place| (place == "/rules").then(|| "{".to_owned()), &mut faults);
        assert_eq!(faults[0].pointer, "/rules");
    }
}
