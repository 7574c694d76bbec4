//! `status`: the running host on one screen.

use std::fmt::Write as _;
use std::path::Path;

use owo_colors::Style;
use serde_json::Value;

use super::{Exit, Format, discovery, json, plugin, screen, webhook};
use crate::dispatch;

pub(super) async fn run(home: &Path, format: Format) -> anyhow::Result<Exit> {
    let answer = discovery::admin(home)?.get("/v1/status").await?;
    screen::line(&if format.json { answer.to_string() } else { as_text(&answer, home) })?;
    Ok(Exit::Ok)
}

fn as_text(status: &Value, home: &Path) -> String {
    let mut parts = vec![head(status), counts(status)];
    let webhooks = json::list(status, "/webhooks");
    parts.push(section("Webhooks", if webhooks.is_empty() { None } else { Some(webhook::table(webhooks)) }));
    parts.extend(webhook::at_fault_text(status, home));
    parts.push(section("Plugins", plugins(status)));
    parts.extend(shadows_text(status));
    if let Some(stopped) = stopped_text(json::list(status, "/plugins")) {
        parts.push(stopped);
    }
    let faults = json::list(status, "/revision/faults");
    if !faults.is_empty() {
        parts.push(faults_text(faults));
    }
    parts.join("\n\n")
}

fn head(status: &Value) -> String {
    let text = |pointer| json::text(status, pointer);
    let mut table = screen::Table::bare();
    let mut row = |name: &str, value: String| {
        if !value.trim().is_empty() {
            table.row([screen::dim(name), screen::plain(value)]);
        }
    };
    row("events", format!("http://{}/v1/events", text("/listen")));
    row("admin", format!("http://{}/", text("/admin")));
    row("started", text("/startedAt"));
    row("revision", format!("{} loaded {}", text("/revision/number"), text("/revision/loadedAt")));
    row("store", text("/store/durability"));
    row("kept", kept(status));
    row("sources", sources(status));
    let title = format!("hookwright {}", text("/version"));
    format!("{}  {}\n{}", screen::heading(&title), screen::faint(&text("/environment")), table.render(2))
}

/// `30d, 1 MB of 10000 MB used, the oldest event came 2026-…; swept 12 events, 13 deliveries since the start`
fn kept(status: &Value) -> String {
    let text = |name: &str| json::text(status, &format!("/store/retention/{name}"));
    let number = |name: &str| json::number(status, &format!("/store/retention/{name}"));
    if text("age").is_empty() {
        return String::new();
    }
    let most = match number("bytes") {
        0 => String::new(),
        bytes => format!(" of {}", megabytes(bytes)),
    };
    let mut kept = format!("{}, {}{most} used", text("age"), megabytes(number("usedBytes")));
    if !text("oldestEvent").is_empty() {
        let _ = write!(kept, ", the oldest event came {}", text("oldestEvent"));
    }
    if number("sweptEvents") > 0 {
        let swept = (number("sweptEvents"), number("sweptDeliveries"));
        let _ = write!(kept, "; swept {} events, {} deliveries since the start", swept.0, swept.1);
    }
    kept
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

fn sources(status: &Value) -> String {
    let name = |source: &Value| {
        let name = json::text(source, "/name");
        if name.is_empty() { json::text(source, "") } else { name }
    };
    json::list(status, "/sources").iter().map(name).collect::<Vec<_>>().join(", ")
}

fn counts(status: &Value) -> String {
    let mut table = screen::Table::bare();
    let mut row = |name: &str, style: Style| {
        let count = json::number(status, &format!("/counts/{name}"));
        let style = if count == 0 { Style::new().dimmed() } else { style };
        table.row([(format!("{count:>8}"), style), (name.to_owned(), style)]);
    };
    row("events", Style::new().bold());
    for state in ["pending", "retrying", "held", "delivered", "dropped", "superseded", "failed"] {
        row(state, screen::state_style(state));
    }
    row("quarantined", Style::new().yellow());
    table.render(0)
}

fn plugins(status: &Value) -> Option<screen::Table> {
    let plugins = json::list(status, "/plugins");
    let mut table = screen::Table::new(["NAME", "VERSION", "DIGEST", "DESCRIPTION"]);
    for plugin in plugins {
        let digest = json::text(plugin, "/digest");
        table.row([
            screen::plain(json::text(plugin, "/name")),
            screen::plain(json::text(plugin, "/version")),
            screen::dim(digest.get(..12).unwrap_or(&digest)),
            screen::dim(json::text(plugin, "/description")),
        ]);
    }
    if plugins.is_empty() { None } else { Some(table) }
}

fn section(title: &str, table: Option<screen::Table>) -> String {
    let body = table.map_or_else(|| screen::faint("  none"), |table| table.render(2));
    format!("{}\n{body}", screen::heading(title))
}

/// Candidates beside live plugins; none: there is none.
pub(super) fn shadows_text(status: &Value) -> Option<String> {
    let table = plugin::shadows(json::list(status, "/shadows"))?;
    Some(section("Shadows", Some(table)))
}

/// The plugins that are not run any more for a webhook; none: there is none.
pub(super) fn stopped_text(plugins: &[Value]) -> Option<String> {
    let mut text = screen::styled("Not run any more", Style::new().red().bold());
    let title = text.len();
    for plugin in plugins {
        let name = json::text(plugin, "/name");
        for stopped in json::list(plugin, "/stopped") {
            let heading = format!("{name} for webhook {}", json::text(stopped, "/webhook"));
            let words = format!(
                "broke {} times in a row, the last time at {}: {}",
                json::number(stopped, "/breaks"),
                json::text(stopped, "/since"),
                json::text(stopped, "/reason"),
            );
            let remedy = dispatch::remedy(&name);
            let _ = write!(text, "\n  {} {}", screen::styled("✗", Style::new().red()), screen::heading(&heading));
            let _ = write!(text, "\n    {}\n    {}", screen::inert(&words), screen::inert(&remedy));
        }
    }
    (text.len() > title).then_some(text)
}

/// Files that could not be taken as they are.
pub(super) fn faults_text(faults: &[Value]) -> String {
    let mut text = screen::styled("At fault", Style::new().red().bold());
    for fault in faults {
        let pointer = json::text(fault, "/pointer");
        let place = if pointer.is_empty() {
            json::text(fault, "/file")
        } else {
            format!("{} at {pointer}", json::text(fault, "/file"))
        };
        let _ = write!(text, "\n  {} {}", screen::styled("✗", Style::new().red()), screen::heading(&place));
        let _ = write!(text, "\n    {}", screen::inert(&json::text(fault, "/message")));
        if fault.pointer("/lastGoodInForce") == Some(&Value::Bool(true)) {
            let _ = write!(text, "\n    {}", screen::faint("its last good version stays in force"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fits_on_one_screen() {
        let status = json!({
            "version": "0.1.0", "environment": "development", "startedAt": "2026-11-23T20:00:00.000Z",
            "listen": "127.0.0.1:4400", "admin": "127.0.0.1:4401",
            "revision": {"number": 3, "loadedAt": "2026-11-23T20:41:15.196Z", "faults": [
                {"file": "config/webhooks/search.json", "pointer": "/url", "message": "is not a URL", "lastGoodInForce": true},
                {"file": "config/webhooks/new.json", "pointer": "", "message": "expected JSON", "lastGoodInForce": false},
                {"file": "plugins/broken.wasm", "pointer": "", "message": "is cut short", "lastGoodInForce": false}
            ]},
            "leftOut": [{"file": "config/webhooks/new.json", "pointer": "", "message": "expected JSON"}],
            "sources": ["strapi"],
            "webhooks": [{"id": "site-build", "name": "Site build", "url": "https://build.example/hook", "enabled": true,
                "takesNew": true, "waiting": 3, "events": ["entry.*"], "plugins": ["redact"], "managedBy": "file"}],
            "plugins": [{"name": "redact", "digest": "ba7816bf8f01cfea", "version": "0.1.0", "description": "Remove or mask values", "stopped": [
                {"webhook": "site-build", "breaks": 10, "since": "2026-11-23T20:41:15.196Z", "reason": "panicked: no"}]}],
            "shadows": [{"webhook": "site-build", "plugin": {"name": "redact", "version": "0.1.0"}, "shadow": {"name": "next", "version": "0.2.0"},
                "runs": 120, "same": 118, "different": 2, "failed": 0, "skipped": 0, "fuelRatio": 1.1}],
            "store": {"durability": "wal, synchronous=FULL", "retention": {"age": "30d", "bytes": 10_000_000_000_u64, "usedBytes": 123_456,
                "oldestEvent": "2026-11-01T20:41:15.196Z", "sweptEvents": 12, "sweptDeliveries": 13}},
            "counts": {"events": 12, "delivered": 10, "held": 2}
        });
        insta::assert_snapshot!(screen::uncoloured(&as_text(&status, Path::new("."))), @r"
        hookwright 0.1.0  development
          events    http://127.0.0.1:4400/v1/events
          admin     http://127.0.0.1:4401/
          started   2026-11-23T20:00:00.000Z
          revision  3 loaded 2026-11-23T20:41:15.196Z
          store     wal, synchronous=FULL
          kept      30d, 1 MB of 10000 MB used, the oldest event came 2026-11-01T20:41:15.196Z; swept 12 events, 13 deliveries since the start
          sources   strapi

              12  events
               0  pending
               0  retrying
               2  held
              10  delivered
               0  dropped
               0  superseded
               0  failed
               0  quarantined

        Webhooks
          ID          STATE  WAITING  HELD  EVENTS   PLUGINS  URL
          site-build  on     3        0     entry.*  redact   https://build.example/hook

        1 webhook is left out, because its file is at fault: config/webhooks/new.json. What is wrong: hookwright check

        Plugins
          NAME    VERSION  DIGEST        DESCRIPTION
          redact  0.1.0    ba7816bf8f01  Remove or mask values

        Shadows
          WEBHOOK     PLUGIN        SHADOW      RUNS  SAME  DIFFERENT  FAILED  SKIPPED  FUEL
          site-build  redact 0.1.0  next 0.2.0  120   118   2          0       0        × 1.1

        Not run any more
          ✗ redact for webhook site-build
            broke 10 times in a row, the last time at 2026-11-23T20:41:15.196Z: panicked: no
            copy a mended file to plugins/redact.wasm, or, if it has an earlier version, go back with `hookwright plugin rollback redact`

        At fault
          ✗ config/webhooks/search.json at /url
            is not a URL
            its last good version stays in force
          ✗ config/webhooks/new.json
            expected JSON
          ✗ plugins/broken.wasm
            is cut short
        ");
    }

    #[test]
    fn takes_any_answer() {
        for answer in [json!(null), json!({"plugins": [1], "webhooks": [{"events": 1}], "revision": {"faults": [0]}})] {
            as_text(&answer, Path::new("."));
        }
    }
}
