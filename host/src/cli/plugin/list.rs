//! `plugin list`: what is in force, since when, and how it does.

use std::path::Path;

use owo_colors::Style;
use serde_json::{Value, json};

use super::super::{Exit, Format, discovery, json, screen, status};
use crate::ids::PluginName;
use crate::kept;

pub(super) async fn run(home: &Path, format: Format) -> anyhow::Result<Exit> {
    let status = discovery::admin(home)?.get("/v1/status").await?;
    let mut plugins = json::list(&status, "/plugins").to_vec();
    for plugin in &mut plugins {
        add_since(home, plugin);
    }
    let faults: Vec<Value> =
        json::list(&status, "/revision/faults").iter().filter(|fault| is_ours(fault)).cloned().collect();
    let answer = json!({"plugins": plugins, "shadows": json::list(&status, "/shadows"), "faults": faults});
    screen::line(&if format.json { answer.to_string() } else { as_text(&answer) })?;
    Ok(Exit::Ok)
}

/// When its version came into force, as the history beside the kept versions says.
fn add_since(home: &Path, plugin: &mut Value) {
    let Ok(name) = json::text(plugin, "/name").parse::<PluginName>() else { return };
    let digest = json::text(plugin, "/digest");
    let newest = kept::history(home, &name).pop().filter(|newest| newest.digest.to_string() == digest);
    if let (Some(newest), Value::Object(plugin)) = (newest, plugin) {
        plugin.insert("since".to_owned(), newest.since.to_string().into());
    }
}

fn is_ours(fault: &Value) -> bool {
    json::text(fault, "/file").starts_with("plugins/")
}

fn as_text(answer: &Value) -> String {
    let (plugins, faults) = (json::list(answer, "/plugins"), json::list(answer, "/faults"));
    let mut parts = Vec::new();
    if plugins.is_empty() {
        parts.push(
            "There is no plugin. `hookwright plugin add NAME` puts one there that comes with hookwright; \
             `hookwright plugin new NAME` makes a new one."
                .to_owned(),
        );
    } else {
        parts.push(table(plugins, faults).render(0));
    }
    parts.extend(status::stopped_text(plugins));
    parts.extend(status::shadows_text(answer));
    if !faults.is_empty() {
        parts.push(status::faults_text(faults));
    }
    parts.join("\n\n")
}

fn table(plugins: &[Value], faults: &[Value]) -> screen::Table {
    let mut table = screen::Table::new(["NAME", "VERSION", "DIGEST", "SINCE", "STATE", "RUNS", "BREAKS"]);
    for plugin in plugins {
        let digest = json::text(plugin, "/digest");
        table.row([
            screen::plain(json::text(plugin, "/name")),
            screen::plain(json::text(plugin, "/version")),
            screen::dim(digest.get(..12).unwrap_or(&digest)),
            screen::dim(json::text(plugin, "/since")),
            state(plugin, faults),
            screen::plain(json::text(plugin, "/runs")),
            screen::plain(json::text(plugin, "/breaks")),
        ]);
    }
    table
}

fn state(plugin: &Value, faults: &[Value]) -> (String, Style) {
    let file = format!("plugins/{}.wasm", json::text(plugin, "/name"));
    if !json::list(plugin, "/stopped").is_empty() {
        ("stopped".into(), Style::new().red())
    } else if faults.iter().any(|fault| json::text(fault, "/file") == file) {
        ("earlier version".into(), Style::new().yellow())
    } else {
        ("in force".into(), Style::new().green())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_runs_what_does_not_and_why() {
        let plugin = |name: &str, more: Value| {
            let mut plugin = json!({"name": name, "digest": "ba7816bf8f01cfea414140de", "version": "0.1.0", "runs": 120, "breaks": 0});
            plugin.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            plugin
        };
        let stopped = json!({"breaks": 12, "since": "2026-11-23T20:41:15.196Z",
            "stopped": [{"webhook": "site-build", "breaks": 10, "since": "2026-11-23T20:50:00.000Z", "reason": "panicked: no \u{1b}[2J"}]});
        let fault =
            json!({"file": "plugins/mask.wasm", "pointer": "", "message": "is cut off", "lastGoodInForce": true});
        let answer = json!({"plugins": [plugin("mask", json!({})), plugin("redact", stopped), plugin("tag", json!({}))], "faults": [fault]});
        insta::assert_snapshot!(screen::uncoloured(&as_text(&answer)), @r"
        NAME    VERSION  DIGEST        SINCE                     STATE            RUNS  BREAKS
        mask    0.1.0    ba7816bf8f01                            earlier version  120   0
        redact  0.1.0    ba7816bf8f01  2026-11-23T20:41:15.196Z  stopped          120   12
        tag     0.1.0    ba7816bf8f01                            in force         120   0

        Not run any more
          ✗ redact for webhook site-build
            broke 10 times in a row, the last time at 2026-11-23T20:50:00.000Z: panicked: no \u{1b}[2J
            copy a mended file to plugins/redact.wasm, or, if it has an earlier version, go back with `hookwright plugin rollback redact`

        At fault
          ✗ plugins/mask.wasm
            is cut off
            its last good version stays in force
        ");
    }

    #[test]
    fn takes_any_answer() {
        for answer in [json!(null), json!({"plugins": [1, {"stopped": [2]}], "faults": [0]})] {
            as_text(&answer);
        }
    }
}
