//! `plugin run --delivery`: has the host repeat a recorded run, and says whether it came out the same.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::super::delivery::{self, Which};
use super::super::{Exit, Format, discovery, json, screen};

pub(super) async fn run(home: &Path, delivery: Which, today: bool, format: Format) -> anyhow::Result<Exit> {
    let client = discovery::admin(home)?;
    let delivery = delivery.find(&client).await?;
    let answer = client.act(&format!("/v1/deliveries/{delivery}/rerun?today={today}")).await?;
    screen::line(&if format.json { answer.to_string() } else { as_text(&answer) })?;
    Ok(if answer.pointer("/same") == Some(&Value::Bool(true)) { Exit::Ok } else { Exit::Failure })
}

fn as_text(answer: &Value) -> String {
    let mut text = format!(
        "{}  run {} for {}, clock at {}",
        screen::heading(&json::text(answer, "/delivery")),
        json::number(answer, "/conditions/run"),
        screen::inert(&json::text(answer, "/webhook")),
        screen::inert(&json::text(answer, "/conditions/now")),
    );
    for run in json::list(answer, "/runs") {
        let _ = write!(text, "\n{}", delivery::plugin_run(run));
    }
    let differences = json::list(answer, "/differences");
    if differences.is_empty() {
        text.push_str("\n\nsame: verdict, payload, headers, logs, fuel and memory are as recorded");
        return text;
    }
    text.push_str("\n\ndifferent:");
    for difference in differences {
        let _ = write!(text, "\n  {}", screen::heading(&json::text(difference, "/what")));
        for (name, pointer) in [("recorded", "/recorded"), ("now", "/now")] {
            let words = json::text(difference, pointer);
            let _ = write!(text, "\n    {}  {}", screen::faint(&format!("{name:<8}")), screen::inert(&words));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn says_same_or_what_differs() {
        let run = json!({"plugin": "redact", "digest": "ba7816bf8f01cfea", "version": "0.1.0", "verdict": "delivered",
            "summary": "delivered unchanged", "fuel": 46597, "memoryBytes": 1_114_112, "micros": 90});
        let mut answer = json!({"delivery": "dlv_1", "webhook": "site-build", "same": true, "today": false, "runs": [run],
            "conditions": {"run": 1, "now": "2026-11-23T20:41:15.196Z", "webhook": "x"}, "differences": []});
        insta::assert_snapshot!(screen::uncoloured(&as_text(&answer)), @r"
        dlv_1  run 1 for site-build, clock at 2026-11-23T20:41:15.196Z
          redact delivered unchanged  90 µs, fuel 46597, memory 1115 KB, 0.1.0 ba7816bf8f01

        same: verdict, payload, headers, logs, fuel and memory are as recorded
        ");
        answer["differences"] =
            json!([{"what": "logs of plugin redact", "recorded": "info: one\ninfo: two", "now": "\u{1b}[2J"}]);
        insta::assert_snapshot!(screen::uncoloured(&as_text(&answer)), @r"
        dlv_1  run 1 for site-build, clock at 2026-11-23T20:41:15.196Z
          redact delivered unchanged  90 µs, fuel 46597, memory 1115 KB, 0.1.0 ba7816bf8f01

        different:
          logs of plugin redact
            recorded  info: one\ninfo: two
            now       \u{1b}[2J
        ");
    }

    #[test]
    fn takes_any_answer() {
        for answer in [json!(null), json!({"runs": [1], "differences": [0]})] {
            as_text(&answer);
        }
    }
}
