use std::fs;
use std::path::Path;

use serde_json::json;

use super::*;

fn folder(files: &[(&str, &str)]) -> (SchemaSet, Vec<SchemaFault>) {
    SchemaSet::build(&files.iter().map(|(file, text)| ((*file).to_owned(), Arc::from(*text))).collect())
}

fn check(set: &SchemaSet, event_type: &str, body: &Value) -> Check {
    set.check(&event_type.parse().expect(event_type), body)
}

/// Pointer and keyword of each violation; empty: valid.
fn objections(set: &SchemaSet, event_type: &str, body: &Value) -> Vec<(String, String)> {
    match check(set, event_type, body) {
        Check::Valid => Vec::new(),
        Check::Unknown => panic!("no schema for {event_type}"),
        Check::Violations(found) => found.into_iter().map(|v| (v.pointer, v.keyword)).collect(),
    }
}

/// The captured bodies by file name: v3 as documented, v5 with the headers it came with.
fn captured() -> Vec<(String, Value)> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases");
    let read = |version: &str| {
        let files = fs::read_dir(cases.join(version)).expect("the captured bodies");
        files.map(|file| file.expect("readable").path()).collect::<Vec<_>>()
    };
    let bodies = [read("strapi-v3"), read("strapi-v5")].concat();
    assert_eq!(bodies.len(), 15);
    let parse = |path: &Path| -> Value {
        let mut case: Value = serde_json::from_str(&fs::read_to_string(path).expect("readable")).expect("JSON");
        if case.get("headers").is_some() { case["body"].take() } else { case }
    };
    bodies.iter().map(|path| (path.display().to_string(), parse(path))).collect()
}

fn event_of(body: &Value) -> &str {
    body["event"].as_str().expect("an event type")
}

/// A body broken in one place, by pointer: another value there, or (`None`) nothing.
fn broken(body: &Value, pointer: &str, value: Option<Value>) -> Value {
    let mut body = body.clone();
    let (parent, key) = pointer.rsplit_once('/').expect("not the root");
    let parent = body.pointer_mut(parent).and_then(Value::as_object_mut).expect(pointer);
    match value {
        Some(value) => parent.insert(key.to_owned(), value),
        None => parent.remove(key),
    };
    body
}

#[test]
fn every_captured_body_is_valid() {
    let (set, faults) = SchemaSet::build(&BTreeMap::new());
    assert_eq!(faults, []);
    for (file, body) in captured() {
        assert_eq!(check(&set, event_of(&body), &body), Check::Valid, "{file}");
    }
}

#[test]
fn every_built_in_schema_accepts_its_own_example() {
    let (set, _) = SchemaSet::build(&BTreeMap::new());
    for (file, text) in BUILT_IN {
        let schema: Value = serde_json::from_str(text).expect(file);
        assert!(schema["title"].is_string() && schema["description"].is_string(), "{file}");
        let example = &schema["examples"][0];
        assert_eq!(format!("{}.json", event_of(example)), *file);
        assert_eq!(check(&set, event_of(example), example), Check::Valid, "{file}");
    }
}

#[test]
fn every_way_to_break_a_captured_body_is_refused_at_its_place() {
    let (set, _) = SchemaSet::build(&BTreeMap::new());
    for (file, body) in captured() {
        let time = if body.get("created_at").is_some() { "/created_at" } else { "/createdAt" };
        let mut ways = vec![
            ("/event", None, "", "required"),
            ("/event", Some(json!("entry.created")), "/event", "const"),
            ("/event", Some(json!(7)), "/event", "const"),
            (time, None, "", "required"),
            (time, Some(json!(1_764_000_000)), time, "type"),
            (time, Some(json!("yesterday")), time, "pattern"),
        ];
        if body.get("model").is_some() {
            ways.push(("/model", None, "", "required"));
            ways.push(("/model", Some(json!("")), "/model", "minLength"));
            ways.push(("/model", Some(json!(["article"])), "/model", "type"));
        }
        let subjects = [("/entry", "/entry/id"), ("/media", "/media/id")];
        for (subject, id) in subjects.into_iter().filter(|(subject, _)| body.pointer(subject).is_some()) {
            ways.push((subject, None, "", "required"));
            ways.push((subject, Some(json!(null)), subject, "type"));
            ways.push((subject, Some(json!([{"id": 1}])), subject, "type"));
            ways.push((subject, Some(json!({})), subject, "required"));
            ways.push((id, Some(json!(null)), id, "type"));
            ways.push((id, Some(json!("")), id, "minLength"));
        }
        assert!(ways.len() >= 10 || event_of(&body) == "trigger-test");
        for (place, value, pointer, keyword) in ways {
            let found = objections(&set, event_of(&body), &broken(&body, place, value.clone()));
            assert_eq!(found, [(pointer.to_owned(), keyword.to_owned())], "{file}: {place} = {value:?}");
        }
    }
}

#[test]
fn a_failed_release_needs_an_error_and_no_release() {
    let (set, _) = SchemaSet::build(&BTreeMap::new());
    let release = |rest: Value| {
        let mut body = json!({"event": "releases.publish", "createdAt": "2026-11-23T20:41:15Z"});
        body.as_object_mut().expect("an object").extend(rest.as_object().cloned().expect("an object"));
        objections(&set, "releases.publish", &body)
    };
    assert_eq!(release(json!({"isPublished": false, "error": {}})), []);
    assert_eq!(release(json!({"isPublished": true, "release": {"id": 1}})), []);
    assert_eq!(release(json!({"isPublished": true})), [(String::new(), "required".to_owned())]);
}

#[test]
fn a_file_wins_over_the_built_in_schema_and_may_refer_to_others() {
    let (set, faults) = folder(&[
        ("entry.create.json", r#"{"properties": {"entry": {"$ref": "./models/article.json"}}}"#),
        ("models/article.json", r#"{"properties": {"title": {"$ref": "../common.json#/$defs/title"}}}"#),
        ("common.json", r#"{"$defs": {"title": {"type": "string", "minLength": 1}}}"#),
    ]);
    assert_eq!(faults, []);
    assert_eq!(objections(&set, "entry.create", &json!({"entry": {"title": "x"}})), []);
    let title = ("/entry/title".to_owned(), "minLength".to_owned());
    assert_eq!(objections(&set, "entry.create", &json!({"entry": {"title": ""}})), [title]);
    assert_eq!(check(&set, "common", &json!({})), Check::Unknown);
}

#[test]
fn the_model_is_judged_at_its_place_and_only_by_its_plain_name() {
    let (set, faults) = folder(&[
        ("models/article.json", r#"{"required": ["title"]}"#),
        ("secret.json", r#"{"not": {}}"#),
        ("thing.happened.json", "{}"),
    ]);
    assert_eq!(faults, []);
    let body = |model: &str| json!({"model": model, "entry": {}});
    let missing = [("/entry".to_owned(), "required".to_owned())];
    assert_eq!(objections(&set, "thing.happened", &body("article")), missing);
    for other in ["page", "../secret", "./article", "article.json", ""] {
        assert_eq!(objections(&set, "thing.happened", &body(other)), [], "{other}");
    }
    assert_eq!(check(&set, "models/article", &json!({})), Check::Unknown);
    assert_eq!(check(&set, "made.up", &body("page")), Check::Unknown);
    assert!(matches!(check(&set, "made.up", &body("article")), Check::Violations(_)));
}

#[test]
fn a_bad_file_takes_down_those_that_refer_to_it_and_the_built_in_schema_is_back() {
    let (set, faults) = folder(&[
        ("common.json", "{\n  \"type\": \n}"),
        ("entry.create.json", r#"{"$ref": "common.json"}"#),
        ("good.json", "{}"),
        ("models/article.json", r#"{"$ref": "../entry.create.json"}"#),
        ("away.json", r#"{"$ref": "../config/server.json"}"#),
        ("no plain name.json", "{}"),
    ]);
    let shown: Vec<_> = faults.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    away.json: $ref to /config/server.json: only files of the schemas folder can be referred to, as common.json or models/article.json
    common.json: expected JSON: expected value at line 3 column 1
    entry.create.json: $ref to common.json: common.json cannot be used itself
    models/article.json: $ref to common.json: common.json cannot be used itself
    no plain name.json: expected a file named as an event type, such as entry.create.json, or models/article.json, in letters, digits, '.', '_', ':' and '-'
    ");
    assert_eq!(check(&set, "good", &json!({})), Check::Valid);
    assert_eq!(check(&set, "away", &json!({})), Check::Unknown);
    assert!(matches!(check(&set, "entry.create", &json!({})), Check::Violations(_)));
}
