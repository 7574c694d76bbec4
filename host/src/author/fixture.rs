//! A fixture: an event, a config, and what a plugin is expected to make of them. One JSON file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::trial::Trial;
use crate::clock::Timestamp;
use crate::event::{Event, PASSED_HEADERS};
use crate::files;

/// A fixture, or an event that one refers to, may be this large.
const MAX_BYTES: u64 = 8 << 20;
/// 2026-01-01, the clock of a fixture that names no other.
const NOW: Timestamp = Timestamp::from_ms(1_767_225_600_000);

/// What a fixture's file says.
pub(crate) struct Fixture {
    pub(crate) trial: Trial,
    /// None: not written yet.
    pub(crate) expect: Option<Value>,
    /// None: not of interest.
    pub(crate) logs: Option<Vec<String>>,
    /// The whole document, for writing it again.
    document: Document,
}

/// The members of an object as they are written: digits and white space too.
struct Document(Vec<(String, Box<RawValue>)>);

/// Why a file is no fixture.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub(crate) struct FixtureError {
    path: PathBuf,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    event: Box<RawValue>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    source: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    content_type: Option<String>,
    config: Option<Map<String, Value>>,
    run: Option<u32>,
    now: Option<Timestamp>,
    #[expect(dead_code, reason = "read for its shape alone")]
    expect: Option<Expect>,
    logs: Option<Vec<String>>,
}

/// Only to find what does not belong there; compared as JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for their shape alone")]
enum Expect {
    Deliver(Deliver),
    Drop(Drop),
    Fail(Fail),
    Break(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for their shape alone")]
struct Deliver {
    data: Option<Value>,
    text: Option<String>,
    content_type: Option<String>,
    set_headers: Option<BTreeMap<String, String>>,
    remove_headers: Option<Vec<String>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "read for their shape alone")]
enum Drop {
    Reason(String),
    WithCode(WithCode),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for their shape alone")]
struct WithCode {
    reason: String,
    code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for their shape alone")]
struct Fail {
    message: Option<String>,
    code: Option<String>,
    retryable: Option<bool>,
    retry_after_ms: Option<u64>,
}

/// A request as it was captured: a file of this shape stands for its body and its headers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Captured<'a> {
    headers: BTreeMap<String, String>,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// An event's body, and the headers it came with.
pub(crate) struct Body {
    pub(crate) data: Bytes,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Fixture {
    /// # Errors
    /// When the file, or one it refers to, cannot be read or says what a fixture does not say.
    pub(crate) fn read(path: &Path) -> Result<Self, FixtureError> {
        let text = files::read_capped(path, MAX_BYTES).map_err(|error| fault(path, error))?;
        let written: Written = serde_json::from_slice(&text).map_err(|error| fault(path, error))?;
        let document: Document = serde_json::from_slice(&text).map_err(|error| fault(path, error))?;
        let event = event(path, &written)?;
        let config = written.config.map_or_else(|| "{}".to_owned(), |config| Value::Object(config).to_string());
        let now = written.now.unwrap_or(NOW);
        let trial = Trial { event, labels: written.labels, config: config.into(), run: written.run.unwrap_or(1), now };
        let expect = document
            .get("expect")
            .and_then(|raw| serde_json::from_str(raw).ok())
            .filter(|expect| *expect != Value::Null);
        Ok(Self { trial, expect, logs: written.logs, document })
    }

    /// The file, with this expected; all else as it was.
    pub(crate) fn with(&self, expect: &Value, logs: &[String]) -> String {
        let logs = self.logs.is_some().then(|| serde_json::json!(logs));
        let mut members: Vec<(&str, String)> =
            self.document.0.iter().map(|(name, raw)| (name.as_str(), raw.get().to_owned())).collect();
        for (name, value) in [("expect", Some(expect)), ("logs", logs.as_ref())] {
            let Some(text) = value.map(|value| format!("{value:#}").replace('\n', "\n  ")) else { continue };
            match members.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = text,
                None => members.push((name, text)),
            }
        }
        let lines: Vec<_> = members.iter().map(|(name, text)| format!("  {}: {text}", Value::from(*name))).collect();
        format!("{{\n{}\n}}\n", lines.join(",\n"))
    }
}

impl Document {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, raw)| raw.get())
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = Document;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Document(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

fn event(path: &Path, written: &Written) -> Result<Event, FixtureError> {
    let Body { data, mut headers } = match serde_json::from_str::<String>(written.event.get()) {
        Ok(file) => body(&path.with_file_name(file))?,
        Err(_) => Body { data: written.event.get().to_owned().into(), headers: BTreeMap::new() },
    };
    let lower = |(name, value): (&String, &String)| (name.to_ascii_lowercase(), value.clone());
    // What plugins see as attributes comes from headers, or is the context of a CloudEvent.
    let (traces, attributes): (BTreeMap<_, _>, BTreeMap<_, _>) =
        written.attributes.iter().map(lower).partition(|(name, _)| PASSED_HEADERS.contains(&name.as_str()));
    headers.extend(written.headers.iter().map(lower).chain(traces));
    let event_type = match &written.event_type {
        Some(written) => written.clone(),
        None => type_of(&data).ok_or_else(|| fault(path, "/event of the body names no type; write \"type\""))?,
    };
    Ok(Event {
        id: Trial::EVENT,
        event_type: event_type.parse().map_err(|error| fault(path, format_args!("/type: {error}")))?,
        source: written
            .source
            .as_deref()
            .unwrap_or("strapi")
            .parse()
            .map_err(|error| fault(path, format_args!("/source: {error}")))?,
        received: written.now.unwrap_or(NOW),
        content_type: written.content_type.as_deref().unwrap_or("application/json").into(),
        headers: headers.into_iter().collect(),
        attributes: attributes.into_iter().collect(),
        data,
    })
}

/// What a Strapi body says it is.
pub(crate) fn type_of(data: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(data).ok()?;
    body.get("event")?.as_str().map(str::to_owned)
}

/// The body in a file, byte for byte; of a captured request, its headers too, without credentials.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn body(path: &Path) -> Result<Body, FixtureError> {
    let text = files::read_capped(path, MAX_BYTES).map_err(|error| fault(path, error))?;
    Ok(match serde_json::from_slice::<Captured<'_>>(&text) {
        Ok(captured) => {
            let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
            let headers =
                captured.headers.into_iter().map(lower).filter(|(name, _)| PASSED_HEADERS.contains(&name.as_str()));
            Body { data: captured.body.get().to_owned().into(), headers: headers.collect() }
        }
        Err(_) => Body { data: text.into(), headers: BTreeMap::new() },
    })
}

fn fault(path: &Path, reason: impl std::fmt::Display) -> FixtureError {
    FixtureError { path: path.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Fixture, FixtureError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let captured = json!({"headers": {"Authorization": "Bearer x", "X-Strapi-Event": "entry.create"},
            "body": {"event": "entry.create", "n": 1}});
        fs::write(folder.path().join("captured.json"), captured.to_string()).expect("written");
        let path = folder.path().join("one.json");
        fs::write(&path, text).expect("written");
        Fixture::read(&path)
    }

    #[test]
    fn says_little_and_is_completed() {
        let fixture = read(r#"{"event": {"event": "entry.create", "price": 1.10}}"#).expect("a fixture");
        let Trial { event, config, run, now, .. } = &fixture.trial;
        assert_eq!((event.event_type.as_str(), event.source.as_str()), ("entry.create", "strapi"));
        assert_eq!((&**config, *run, now.to_string().as_str()), ("{}", 1, "2026-01-01T00:00:00.000Z"));
        assert_eq!(&event.data[..], br#"{"event": "entry.create", "price": 1.10}"#, "digits are kept");
        assert_eq!(fixture.expect, None);
    }

    #[test]
    fn refers_to_a_captured_request_without_its_credentials() {
        let fixture = read(r#"{"event": "captured.json", "headers": {"X-Request-Id": "7"}}"#).expect("a fixture");
        assert_eq!(fixture.trial.event.event_type.as_str(), "entry.create");
        let names: Vec<_> = fixture.trial.event.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x-request-id", "x-strapi-event"], "the allow-list, and what the fixture adds");
    }

    #[test]
    fn what_does_not_belong_is_named() {
        for (text, reason) in [
            ("{", "EOF while parsing"),
            ("{}", "missing field `event`"),
            (r#"{"event": {}}"#, "names no type"),
            (r#"{"event": {"event": "a b"}}"#, "/type: expected"),
            (r#"{"event": {"event": "e"}, "confg": {}}"#, "unknown field `confg`"),
            (r#"{"event": {"event": "e"}, "config": []}"#, "expected a map"),
            (r#"{"event": {"event": "e"}, "expect": {"deliver": {"headers": {}}}}"#, "unknown field `headers`"),
            (r#"{"event": {"event": "e"}, "expect": {"hold": "x"}}"#, "unknown variant `hold`"),
            (r#"{"event": "nowhere.json"}"#, "nowhere.json"),
        ] {
            let error = read(text).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn is_written_again_with_all_else_as_it_was() {
        let text = r#"{"event": {"event": "e", "z": 1.10, "a": 12345678901234567890123}, "logs": [],
    "config": {"b": 1}}"#;
        let fixture = read(text).expect("a fixture");
        insta::assert_snapshot!(fixture.with(&json!({"drop": "no"}), &["info: x".into()]), @r#"
        {
          "event": {"event": "e", "z": 1.10, "a": 12345678901234567890123},
          "logs": [
            "info: x"
          ],
          "config": {"b": 1},
          "expect": {
            "drop": "no"
          }
        }
        "#);
    }
}
