//! A `Difference`, as JSON, for people: what was before behind `-`, what is after behind `+`.

use owo_colors::Style;
use serde_json::Value;

use super::{json, screen};

/// Lines, each `indent` spaces in; text from the difference is inert.
pub(super) fn rendered(difference: &Value, indent: usize) -> String {
    let mut lines = Lines { text: Vec::new(), indent };
    if let Some(verdict) = difference.pointer("/verdict") {
        lines.sides("", verdict);
    }
    if let Some(payload) = difference.pointer("/payload") {
        lines.payload(payload);
    }
    lines.pair("content type", difference.pointer("/contentType"));
    for header in json::list(difference, "/headers") {
        lines.pair(&format!("header {}", json::text(header, "/name")), Some(header));
    }
    lines.text.join("\n")
}

struct Lines {
    text: Vec<String>,
    indent: usize,
}

impl Lines {
    fn payload(&mut self, payload: &Value) {
        let bytes = |pointer| json::number(payload, pointer);
        let changes = json::list(payload, "/changes");
        let note = if changes.is_empty() { ", the same JSON in other bytes" } else { "" };
        self.title(&format!("payload ({} → {} bytes{note})", bytes("/beforeBytes"), bytes("/afterBytes")));
        for change in changes {
            let pointer = match change.pointer("/pointer") {
                Some(Value::String(pointer)) if pointer.is_empty() => "(all of it)",
                Some(Value::String(pointer)) => pointer,
                _ => "(not JSON)",
            };
            self.sides(&format!("{pointer}: "), change);
        }
        let more = json::number(payload, "/more");
        if more > 0 {
            self.push(&screen::faint(&format!("  and {more} more")));
        }
    }

    fn pair(&mut self, title: &str, pair: Option<&Value>) {
        if let Some(pair) = pair {
            self.title(title);
            self.sides("", pair);
        }
    }

    fn title(&mut self, title: &str) {
        self.push(&screen::faint(title));
    }

    fn sides(&mut self, label: &str, pair: &Value) {
        let sides = [("-", "/before", Style::new().red()), ("+", "/after", Style::new().green())];
        for (sign, pointer, style) in sides {
            if pair.pointer(pointer).is_some() {
                self.push(&screen::styled(&format!("{sign} {label}{}", json::text(pair, pointer)), style));
            }
        }
    }

    fn push(&mut self, line: &str) {
        self.text.push(format!("{}{line}", " ".repeat(self.indent)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shows_each_part_before_and_after() {
        let difference = json!({
            "verdict": {"before": "deliver", "after": "drop by redact: \u{1b}[2J"},
            "payload": {"beforeBytes": 79, "afterBytes": 71, "more": 3, "changes": [
                {"pointer": "/entry/email", "before": "\"ana@example.org\"", "after": "\"***\""},
                {"pointer": "/entry/n", "before": "1"},
                {"pointer": "", "before": "1", "after": "2"}]},
            "contentType": {"before": "application/json", "after": "text/plain"},
            "headers": [{"name": "x-model", "before": "untouched", "after": "set to article"}]
        });
        insta::assert_snapshot!(screen::uncoloured(&rendered(&difference, 2)), @r#"
          - deliver
          + drop by redact: \u{1b}[2J
          payload (79 → 71 bytes)
          - /entry/email: "ana@example.org"
          + /entry/email: "***"
          - /entry/n: 1
          - (all of it): 1
          + (all of it): 2
            and 3 more
          content type
          - application/json
          + text/plain
          header x-model
          - untouched
          + set to article
        "#);
        let other_bytes = json!({"payload": {"beforeBytes": 13, "afterBytes": 16, "changes": []}});
        insta::assert_snapshot!(screen::uncoloured(&rendered(&other_bytes, 0)), @"payload (13 → 16 bytes, the same JSON in other bytes)");
    }

    #[test]
    fn takes_any_answer() {
        for answer in
            [json!(null), json!({"payload": 1, "headers": [1]}), json!({"payload": {"changes": [0]}, "verdict": []})]
        {
            rendered(&answer, 0);
        }
    }
}
