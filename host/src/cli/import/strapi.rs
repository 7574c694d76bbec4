//! Strapi's webhooks. Versions 3 to 5 keep them in the table `strapi_webhooks`, list them at `GET /admin/webhooks`, and
//! (4 and 5) put them into the configuration part of `strapi export`.

mod archive;
mod database;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::found::{Found, pairs, text, texts, truth, value};
use super::{MOST_FILE_BYTES, Read};

/// How files begin that hold no text.
const SQLITE: &[u8] = b"SQLite format 3\0";
const GZIP: &[u8] = &[0x1f, 0x8b];
/// Where a tar archive says that it is one.
const TAR_MAGIC: (usize, &[u8]) = (257, b"ustar");

/// # Errors
/// When there is nothing of Strapi's in it.
pub(super) fn read(path: &Path) -> anyhow::Result<Read> {
    let named = || format!("cannot read {}", path.display());
    let mut head = Vec::new();
    File::open(path).and_then(|file| file.take(512).read_to_end(&mut head)).with_context(named)?;
    let is_tar = head.get(TAR_MAGIC.0..).is_some_and(|rest| rest.starts_with(TAR_MAGIC.1));
    let rows = if head.starts_with(SQLITE) {
        database::read(path).with_context(named)?
    } else if is_tar {
        let mut rows = Vec::new();
        for text in archive::configuration(path).with_context(named)? {
            rows.extend(of_lines(&text));
        }
        rows
    } else if head.starts_with(GZIP) || path.extension().is_some_and(|ending| ending == "enc") {
        anyhow::bail!(
            "{} is packed or encrypted; export anew with `strapi export --no-encrypt --no-compress --only config`",
            path.display()
        );
    } else {
        of_text(&crate::files::read_capped(path, MOST_FILE_BYTES).with_context(named)?).with_context(named)?
    };
    anyhow::ensure!(!rows.is_empty(), "{} holds no webhook of Strapi's", path.display());
    Ok(Read { found: rows.iter().map(found).collect(), notes: Vec::new() })
}

type Row = Map<String, Value>;

/// A list, the answer of the admin API, or the lines of an export.
fn of_text(text: &[u8]) -> anyhow::Result<Vec<Row>> {
    let document = match serde_json::from_slice::<Value>(text) {
        Ok(document) => document,
        Err(error) => {
            let rows = of_lines(text);
            if rows.is_empty() {
                return Err(error).context("expected a SQLite database, JSON, or an export of Strapi's");
            }
            return Ok(rows);
        }
    };
    let list = match document {
        Value::Array(list) => list,
        Value::Object(mut object) => match object.remove("data").or_else(|| object.remove("webhooks")) {
            Some(Value::Array(list)) => list,
            Some(one @ Value::Object(_)) => vec![one],
            _ => of_line(&object).map(Value::Object).into_iter().collect(),
        },
        _ => Vec::new(),
    };
    // `select json_agg(…)` of PostgreSQL, or what else lists rows.
    Ok(list.into_iter().filter_map(|entry| if let Value::Object(row) = entry { Some(row) } else { None }).collect())
}

/// A file of one line is one document.
fn of_line(object: &Row) -> Option<Row> {
    let is_webhook = object.get("type").is_some_and(|kind| kind == "webhook");
    object.get("value").filter(|_| is_webhook)?.as_object().cloned()
}

/// The webhooks among the lines of an export's configuration.
fn of_lines(text: &[u8]) -> Vec<Row> {
    #[derive(Deserialize)]
    struct Line<'l> {
        #[serde(rename = "type")]
        kind: String,
        #[serde(borrow)]
        value: &'l RawValue,
    }
    let row = |line: &[u8]| {
        let line: Line<'_> = serde_json::from_slice(line).ok()?;
        (line.kind == "webhook").then(|| serde_json::from_str(line.value.get()).ok())?
    };
    text.split(|byte| *byte == b'\n').filter_map(row).collect()
}

fn found(row: &Row) -> Found {
    let mut notes = Vec::new();
    let (mut events, others) = texts(value(row, &["events"]).as_ref());
    if others > 0 {
        notes.push(format!("{others} of its events are no texts"));
    }
    let (headers, others) = pairs(value(row, &["headers"]).as_ref());
    notes.extend(others.iter().map(|name| format!("its header {name} has no text")));
    if events.is_empty() {
        notes.push("it asked for no event: only a `trigger-test` that is sent to this host reaches it".to_owned());
        events.push("trigger-test".to_owned());
    }
    notes.extend(of_content_types(row));
    Found {
        name: text(row, &["name"]).unwrap_or_default(),
        url: text(row, &["url"]).unwrap_or_default(),
        // Strapi sends to what is enabled, and to nothing else.
        enabled: truth(row, &["isEnabled", "enabled"]).unwrap_or(false),
        events,
        headers,
        notes,
        ..Found::default()
    }
}

/// Events of single content types: a webhook here has one filter for all of its events.
fn of_content_types(row: &Row) -> Vec<String> {
    let by_type = value(row, &["contentTypeEvents", "content_type_events"]);
    let entries = by_type.as_ref().and_then(Value::as_object).into_iter().flatten();
    let note = |(uid, events): (&String, &Value)| {
        let (events, _) = texts(Some(events));
        (!events.is_empty()).then(|| {
            format!(
                "it also asked for {} of {uid} alone: a second webhook with \"filter\": {{ \"/uid\": [\"{uid}\"] }} does that",
                events.join(", ")
            )
        })
    };
    entries.filter_map(note).take(MOST_TYPES_NAMED).collect()
}

/// More content types are not named.
const MOST_TYPES_NAMED: usize = 50;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        let rows = of_text(text.as_bytes()).expect("readable");
        rows.iter().map(|row| found(row).name).collect()
    }

    #[test]
    fn reads_each_form_that_strapi_and_databases_write() {
        let one = r#"{"name":"a","url":"https://a.example/","isEnabled":true,"events":["entry.create"],"headers":{}}"#;
        let line = format!(r#"{{"type":"webhook","value":{one}}}"#);
        for text in [
            format!("[{one}]"),
            format!("{{\"data\":[{one}]}}"),
            format!("{{\"data\":{one}}}"),
            line.clone(),
            format!("{{\"type\":\"core-store\",\"value\":{{}}}}\n{line}\n"),
        ] {
            assert_eq!(names(&text), ["a"], "{text}");
        }
        assert!(of_text(b"not JSON").is_err() && names("3").is_empty() && names("[1,[],null]").is_empty());
    }

    #[test]
    fn takes_any_row_and_says_what_has_no_counterpart() {
        for row in [json!({}), json!({"events": 1, "headers": [], "name": {}, "enabled": {}, "url": null})] {
            let found = found(row.as_object().expect("an object"));
            assert_eq!((found.enabled, found.events), (false, vec!["trigger-test".to_owned()]));
        }
        let row = json!({"name": "a", "events": "[\"entry.create\",1]", "headers": "{\"X-A\":\"b\",\"X-B\":{}}", "enabled": 1,
            "content_type_events": "{\"api::page.page\":[\"entry.update\"]}"});
        let found = found(row.as_object().expect("an object"));
        assert_eq!((found.enabled, found.headers), (true, vec![("X-A".into(), "b".into())]));
        insta::assert_snapshot!(found.notes.join("\n"), @r#"
        1 of its events are no texts
        its header X-B has no text
        it also asked for entry.update of api::page.page alone: a second webhook with "filter": { "/uid": ["api::page.page"] } does that
        "#);
    }
}
