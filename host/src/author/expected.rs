//! What a fixture expects of a run, and what the run came to, in the same shape: JSON, for people to read and to
//! write.

use serde_json::{Map, Value, json};

use crate::delivery::{ChainRecord, ChainVerdict, Changes, PluginRun, RunVerdict};

/// What a run came to, as a fixture would expect it.
pub(crate) fn outcome(record: &ChainRecord) -> Value {
    let run = record.runs.last();
    let summary = run.map(|run| run.summary.as_str()).unwrap_or_default();
    match (&record.verdict, run.map(|run| run.verdict)) {
        (ChainVerdict::Deliver { changes }, _) => json!({ "deliver": delivered(changes) }),
        (_, Some(RunVerdict::Failed)) => json!({ "fail": failed(record, run) }),
        (ChainVerdict::Drop { reason, .. }, _) => json!({ "drop": dropped(reason, run) }),
        _ => json!({ "break": summary }),
    }
}

/// The reason alone, or with its code.
fn dropped(reason: &str, run: Option<&PluginRun>) -> Value {
    match run.and_then(|run| run.code.as_deref()) {
        None => reason.into(),
        Some(code) => json!({"reason": without_code(reason, code), "code": code}),
    }
}

fn without_code<'t>(text: &'t str, code: &str) -> &'t str {
    text.strip_suffix(&format!(" [{code}]")).unwrap_or(text)
}

/// Everything that is not said is as it came in.
fn delivered(changes: &Changes) -> Value {
    let mut members = Map::new();
    if let Some(data) = &changes.data {
        match serde_json::from_slice(data) {
            Ok(json) => members.insert("data".to_owned(), json),
            Err(_) => members.insert("text".to_owned(), String::from_utf8_lossy(data).into()),
        };
    }
    if let Some(content_type) = &changes.content_type {
        members.insert("contentType".to_owned(), content_type.as_str().into());
    }
    let pairs = [("setHeaders", &changes.set_headers), ("annotations", &changes.annotations)];
    for (name, pairs) in pairs.into_iter().filter(|(_, pairs)| !pairs.is_empty()) {
        let pairs: Map<_, _> = pairs.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        members.insert(name.to_owned(), pairs.into());
    }
    if !changes.remove_headers.is_empty() {
        members.insert("removeHeaders".to_owned(), changes.remove_headers.clone().into());
    }
    members.into()
}

fn failed(record: &ChainRecord, run: Option<&PluginRun>) -> Value {
    let code = run.and_then(|run| run.code.as_deref());
    let message = run.map(|run| run.summary.as_str()).unwrap_or_default();
    let message = message.strip_prefix("failed: ").unwrap_or(message);
    let message = code.map_or(message, |code| without_code(message, code));
    let mut members = Map::from_iter([("message".to_owned(), message.into())]);
    if let Some(code) = code {
        members.insert("code".to_owned(), code.into());
    }
    if let ChainVerdict::Again { after_ms, .. } = record.verdict {
        members.insert("retryable".to_owned(), true.into());
        members.insert("retryAfterMs".to_owned(), after_ms.into());
    }
    members.into()
}

/// The lines a run logged: `info: kept 3`.
pub(crate) fn logs(record: &ChainRecord) -> Vec<String> {
    let lines = record.runs.iter().flat_map(|run| &run.logs);
    lines.map(|line| format!("{}: {}", line.level, line.message)).collect()
}

/// What `expected` says of `outcome`, with all that it leaves open filled in from there: equal exactly when it is met.
pub(crate) fn completed(expected: &Value, outcome: &Value) -> Value {
    let mut completed = expected.clone();
    if let (Some(Value::Object(expected)), Some(Value::Object(got))) = (completed.get_mut("fail"), outcome.get("fail"))
    {
        for (name, value) in got {
            expected.entry(name.clone()).or_insert_with(|| value.clone());
        }
        if expected.get("retryable") == Some(&Value::Bool(false)) && !got.contains_key("retryable") {
            expected.shift_remove("retryable");
        }
    }
    if let (Some(Value::String(reason)), Some(Value::Object(got))) = (expected.get("drop"), outcome.get("drop"))
        && got.get("reason") == Some(&Value::String(reason.clone()))
    {
        completed["drop"] = got.clone().into();
    }
    if let (Some(Value::Object(written)), Some(Value::String(_))) = (expected.get("drop"), outcome.get("drop"))
        && written.get("code").is_none_or(Value::is_null)
    {
        completed["drop"] = written.get("reason").cloned().unwrap_or_default();
    }
    if let (Some(Value::String(part)), Some(Value::String(got))) = (completed.get_mut("break"), outcome.get("break"))
        && got.contains(part.as_str())
    {
        part.clone_from(got);
    }
    if let Some(Value::Object(deliver)) = completed.get_mut("deliver") {
        lower_names(deliver);
    }
    completed
}

/// Header names mean the same in any case; the engine writes them in lower case.
fn lower_names(deliver: &mut Map<String, Value>) {
    if let Some(Value::Object(set)) = deliver.get_mut("setHeaders") {
        *set = std::mem::take(set).into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    }
    for name in deliver.get_mut("removeHeaders").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::String(name) = name {
            name.make_ascii_lowercase();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(expected: &Value, got: &Value) -> bool {
        completed(expected, got) == *got
    }

    #[test]
    fn what_is_left_open_of_a_failure_is_not_compared() {
        let got =
            json!({"fail": {"message": "no slug", "code": "missing-field", "retryable": true, "retryAfterMs": 10_000}});
        assert!(met(&json!({"fail": {"message": "no slug"}}), &got));
        assert!(met(&json!({"fail": {"code": "missing-field", "retryable": true}}), &got));
        assert!(!met(&json!({"fail": {"code": "other"}}), &got));
        assert!(!met(&json!({"fail": {"retryable": false}}), &got));
        assert!(!met(&json!({"drop": "no slug"}), &got));
        let permanent = json!({"fail": {"message": "no slug"}});
        assert!(met(&json!({"fail": {"retryable": false}}), &permanent));
        assert!(!met(&json!({"fail": {"retryable": true}}), &permanent));
    }

    #[test]
    fn of_a_break_a_part_of_the_reason_is_enough() {
        let got = json!({"break": "panicked: at src/lib.rs:7: no slug"});
        assert!(met(&json!({"break": "no slug"}), &got));
        assert!(!met(&json!({"break": "fuel"}), &got));
    }

    #[test]
    fn a_delivery_is_compared_in_full_but_for_the_case_of_header_names() {
        let got = json!({"deliver": {"data": {"a": 1, "b": 2}, "setHeaders": {"x-a": "1"}, "removeHeaders": ["x-b"]}});
        let expected =
            json!({"deliver": {"data": {"b": 2, "a": 1}, "setHeaders": {"X-A": "1"}, "removeHeaders": ["X-B"]}});
        assert!(met(&expected, &got));
        assert!(!met(&json!({"deliver": {"data": {"a": 1, "b": 2}}}), &got));
        assert!(!met(&json!({"deliver": {}}), &got));
        assert!(met(&json!({"deliver": {}}), &json!({"deliver": {}})));
    }
}
