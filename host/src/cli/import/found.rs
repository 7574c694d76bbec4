//! A webhook as its old home described it, and lenient looks into what was exported.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Nothing of it is checked yet.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    pub(super) name: String,
    /// What the file is to be called; none: as the name says.
    pub(super) stem: Option<String>,
    pub(super) url: String,
    pub(super) enabled: bool,
    pub(super) events: Vec<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) signing_secret: Option<String>,
    pub(super) per_second: Option<u64>,
    pub(super) labels: BTreeMap<String, String>,
    /// What there was beyond this and has no counterpart.
    pub(super) notes: Vec<String>,
}

/// The text at the first of these keys that has one.
pub(super) fn text(object: &Map<String, Value>, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| object.get(*key)?.as_str()).map(str::to_owned)
}

/// What stands at the first of these keys; JSON that was written as text is read, as some databases have it.
pub(super) fn value(object: &Map<String, Value>, keys: &[&str]) -> Option<Value> {
    let value = keys.iter().find_map(|key| object.get(*key)).filter(|value| !value.is_null())?;
    let text = value.as_str().filter(|text| text.trim_start().starts_with(['{', '[']));
    Some(text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| value.clone()))
}

/// A truth, as JSON and databases write it.
pub(super) fn truth(object: &Map<String, Value>, keys: &[&str]) -> Option<bool> {
    match keys.iter().find_map(|key| object.get(*key))? {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => Some(number.as_f64() != Some(0.0)),
        Value::String(text) => Some(matches!(&*text.to_lowercase(), "1" | "t" | "true" | "yes" | "y")),
        _ => None,
    }
}

/// The texts of a list, and how many entries are none.
pub(super) fn texts(list: Option<&Value>) -> (Vec<String>, usize) {
    let list = list.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let texts: Vec<_> = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let others = list.len() - texts.len();
    (texts, others)
}

/// Names with texts, numbers and truths as texts; what holds more than that is left out and named.
pub(super) fn pairs(object: Option<&Value>) -> (Vec<(String, String)>, Vec<String>) {
    let (mut pairs, mut others) = (Vec::new(), Vec::new());
    for (name, value) in object.and_then(Value::as_object).into_iter().flatten() {
        match value {
            Value::String(text) => pairs.push((name.clone(), text.clone())),
            Value::Number(_) | Value::Bool(_) => pairs.push((name.clone(), value.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => others.push(name.clone()),
        }
    }
    (pairs, others)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_databases_make_of_json() {
        let object = json!({"a": "{\"b\":1}", "c": "plain", "d": null, "t": 1, "f": "false", "e": ""});
        let object = object.as_object().expect("an object");
        assert_eq!(value(object, &["x", "a"]), Some(json!({"b": 1})));
        assert_eq!((value(object, &["c"]), value(object, &["d"])), (Some(json!("plain")), None));
        assert_eq!(
            (truth(object, &["t"]), truth(object, &["f"]), truth(object, &["d"])),
            (Some(true), Some(false), None)
        );
        let (found, others) = pairs(Some(&json!({"a": "x", "b": 2, "c": {}})));
        assert_eq!((found.len(), others), (2, vec!["c".to_owned()]));
        assert_eq!(texts(Some(&json!(["a", 1]))), (vec!["a".to_owned()], 1));
    }
}
