//! Svix's endpoints, as `GET /api/v1/app/{app}/endpoint` lists them, with what else of them was put into the file: their
//! headers (`…/headers`) and secrets (`…/secret`).

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Map, Value};

use super::found::{Found, pairs, text, texts, truth, value};
use super::{MOST_FILE_BYTES, Read};

/// # Errors
/// When it is no list of endpoints.
pub(super) fn read(path: &Path) -> anyhow::Result<Read> {
    let named = || format!("cannot read {}", path.display());
    let bytes = crate::files::read_capped(path, MOST_FILE_BYTES).with_context(named)?;
    let document = serde_json::from_slice(&bytes).context("expected JSON").with_context(named)?;
    let read = of_document(document);
    anyhow::ensure!(!read.found.is_empty(), "{} holds no endpoint of Svix's", path.display());
    Ok(read)
}

fn of_document(document: Value) -> Read {
    let mut notes = Vec::new();
    let list = match document {
        Value::Array(list) => list,
        Value::Object(mut object) => {
            if object.get("done") == Some(&Value::Bool(false)) {
                notes.push(
                    "the file is one page of several: list the rest with its `iterator`, and import that too".into(),
                );
            }
            match object.remove("data") {
                Some(Value::Array(list)) => list,
                Some(one) => vec![one],
                None => vec![Value::Object(object)],
            }
        }
        _ => Vec::new(),
    };
    let endpoints = list.iter().filter_map(Value::as_object).filter(|endpoint| endpoint.contains_key("url"));
    Read { found: endpoints.map(found).collect(), notes }
}

fn found(endpoint: &Map<String, Value>) -> Found {
    let mut notes = Vec::new();
    let (mut events, _) = texts(value(endpoint, &["filterTypes"]).as_ref());
    if events.is_empty() {
        events.push("*".to_owned());
    }
    let (channels, _) = texts(value(endpoint, &["channels"]).as_ref());
    if !channels.is_empty() {
        notes.push(format!(
            "it listened to the channels {}; a `filter` on the body is what is like them",
            channels.join(", ")
        ));
    }
    let (labels, _) = pairs(value(endpoint, &["metadata"]).as_ref());
    let stem = text(endpoint, &["uid"]);
    let described = text(endpoint, &["description"]).filter(|text| !text.trim().is_empty());
    let name = described.or_else(|| stem.clone()).or_else(|| text(endpoint, &["id"])).unwrap_or_default();
    let secret = value(endpoint, &["secret", "key"]);
    let signing_secret = secret.as_ref().and_then(|secret| secret.as_str().or_else(|| secret.get("key")?.as_str()));
    if signing_secret.is_none() {
        notes.push(
            "its secret is not in the file: add it to `signing.secrets` (Svix: GET …/endpoint/{id}/secret)".into(),
        );
    }
    let headers = headers(endpoint, &mut notes);
    Found {
        name,
        stem,
        url: text(endpoint, &["url"]).unwrap_or_default(),
        enabled: !truth(endpoint, &["disabled"]).unwrap_or(false),
        events,
        headers,
        signing_secret: signing_secret.map(str::to_owned),
        per_second: ["throttleRate", "rateLimit"].iter().find_map(|key| endpoint.get(*key)?.as_u64()),
        labels: labels.into_iter().collect(),
        notes,
    }
}

/// `{"X-A": "b"}`, or what the API answers: `{"headers": {…}, "sensitive": […]}`.
fn headers(endpoint: &Map<String, Value>, notes: &mut Vec<String>) -> Vec<(String, String)> {
    let headers = value(endpoint, &["headers"]);
    let inner = headers.as_ref().and_then(|headers| headers.get("headers")).filter(|inner| inner.is_object());
    let (found, others) = pairs(inner.or(headers.as_ref()));
    let (sensitive, _) = texts(headers.as_ref().and_then(|headers| headers.get("sensitive")));
    let is_known = |name: &String| found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    let hidden = sensitive.iter().filter(|name| !is_known(name));
    notes.extend(hidden.map(|name| format!("Svix keeps the value of its header {name} to itself: add it")));
    let others = others.iter().filter(|name| inner.is_some() || *name != "sensitive");
    notes.extend(others.map(|name| format!("its header {name} has no text")));
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_an_endpoint_with_all_it_may_have() {
        let document = json!({"done": false, "iterator": "i", "data": [{
            "id": "ep_1", "uid": "site", "description": "Site build", "url": "https://a.example/", "disabled": true,
            "filterTypes": ["entry.create"], "channels": ["eu"], "rateLimit": 10, "throttleRate": 20, "metadata": {"team": "web"},
            "headers": {"headers": {"X-A": "b"}, "sensitive": ["Authorization", "x-a"]}, "secret": {"key": "whsec_abc"}
        }, {"id": "ep_2", "url": "https://b.example/", "description": " "}, 3]});
        let Read { found, notes } = of_document(document);
        let [first, second] = &found[..] else { panic!("{found:?}") };
        assert_eq!((notes.len(), second.name.as_str(), &*second.events), (1, "ep_2", &["*".to_owned()][..]));
        assert!(second.enabled && second.notes[0].contains("its secret is not in the file"));
        let Found { name, stem, enabled, headers, signing_secret, per_second, labels, notes, .. } = first;
        assert_eq!(
            (name.as_str(), stem.as_deref(), *enabled, *per_second),
            ("Site build", Some("site"), false, Some(20))
        );
        assert_eq!((headers.len(), signing_secret.as_deref(), labels.len()), (1, Some("whsec_abc"), 1));
        insta::assert_snapshot!(notes.join("\n"), @r"
        it listened to the channels eu; a `filter` on the body is what is like them
        Svix keeps the value of its header Authorization to itself: add it
        ");
    }

    #[test]
    fn takes_any_document() {
        for document in [json!(null), json!([1, {}, {"url": 3, "headers": [], "metadata": 1}]), json!({"data": 3})] {
            of_document(document);
        }
    }
}
