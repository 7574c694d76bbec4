//! `tail`: deliveries as they happen, one line each.

use std::path::Path;

use owo_colors::OwoColorize as _;
use serde_json::Value;

use super::{Exit, Format, discovery, json, screen, serve};

pub(super) async fn run(home: &Path, format: Format) -> anyhow::Result<Exit> {
    let stop = serve::stop_signal()?;
    let mut lines = discovery::admin(home)?.lines("/v1/tail").await?;
    let follow = async {
        while let Some(line) = lines.next().await? {
            screen::line(&if format.json { line } else { as_text(&line) })?;
        }
        anyhow::bail!("the host ended the stream: it is stopping, or was restarted")
    };
    tokio::select! {
        () = stop => Ok(Exit::Ok),
        ended = follow => ended,
    }
}

/// One notice as a line.
pub(super) fn as_text(line: &str) -> String {
    let Ok(notice) = serde_json::from_str::<Value>(line) else { return screen::inert(line).into_owned() };
    if let Some(missed) = notice.pointer("/missed").and_then(Value::as_u64) {
        return format!("{}", format_args!("… {missed} notices missed: this terminal is too slow").yellow());
    }
    let at = json::text(&notice, "/at");
    let state = json::text(&notice, "/state");
    let style = screen::state_style(&state);
    let mut text = format!(
        "{}  {}  {}  {}",
        screen::faint(at.get(11..).unwrap_or(&at)),
        screen::styled(&format!("{} {state:<9}", screen::state_mark(&state)), style),
        screen::heading(&json::text(&notice, "/eventType")),
        screen::inert(&format!("→ {}", json::text(&notice, "/webhook"))),
    );
    for part in parts(&notice) {
        text.push_str("  ");
        text.push_str(&screen::inert(&part));
    }
    text.push_str("  ");
    text.push_str(&screen::faint(&json::text(&notice, "/delivery")));
    text
}

fn parts(notice: &Value) -> Vec<String> {
    let mut parts = Vec::new();
    let status = json::text(notice, "/status");
    if !status.is_empty() {
        parts.push(status);
    }
    if let Some(micros) = notice.pointer("/micros").and_then(Value::as_u64) {
        parts.push(took(micros));
    }
    if json::number(notice, "/attempts") > 1 {
        parts.push(format!("attempt {}", json::number(notice, "/attempts")));
    }
    let reason = json::text(notice, "/reason");
    if !reason.is_empty() {
        parts.push(reason);
    }
    let due = json::text(notice, "/due");
    if !due.is_empty() {
        parts.push(format!("next at {}", due.get(11..).unwrap_or(&due)));
    }
    parts.extend(json::list(notice, "/plugins").iter().map(|plugin| format!("[{}]", json::text(plugin, ""))));
    parts
}

/// A time taken, to three digits or so.
pub(super) fn took(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> String {
        screen::uncoloured(&as_text(line))
    }

    #[test]
    fn a_notice_is_one_line() {
        let delivered = r#"{"at":"2026-11-23T20:41:15.196Z","event":"evt_1","eventType":"entry.create","delivery":"dlv_1",
            "webhook":"site-build","state":"delivered","attempts":1,"status":204,"micros":12345,"reason":null,"due":null,
            "plugins":["redact: rewrote payload (312 → 298 bytes)"]}"#;
        insta::assert_snapshot!(told(delivered), @"20:41:15.196Z  ✓ delivered  entry.create  → site-build  204  12.3 ms  [redact: rewrote payload (312 → 298 bytes)]  dlv_1");
        let retrying = r#"{"at":"2026-11-23T20:41:15.196Z","eventType":"entry.create","delivery":"dlv_2","webhook":"search",
            "state":"retrying","attempts":2,"status":503,"micros":900,"reason":"answered \u001b[2J503","due":"2026-11-23T20:46:15.196Z"}"#;
        insta::assert_snapshot!(told(retrying), @r"20:41:15.196Z  ↻ retrying   entry.create  → search  503  900 µs  attempt 2  answered \u{1b}[2J503  next at 20:46:15.196Z  dlv_2");
    }

    #[test]
    fn says_what_it_missed_and_takes_any_line() {
        assert_eq!(told(r#"{"missed":7}"#), "… 7 notices missed: this terminal is too slow");
        assert_eq!(told("not\tJSON"), r"not\tJSON");
        told("{}");
        told("[1]");
    }
}
