//! `plugin shadow`: candidates beside live plugins: a table, then what they do differently.

use std::path::Path;

use clap::Args;
use owo_colors::Style;
use serde_json::Value;

use super::super::{Exit, Format, differences, discovery, json, screen};
use crate::ids::WebhookId;

#[derive(Debug, Args)]
pub(in crate::cli) struct ShadowArgs {
    /// Only those of this webhook
    webhook: Option<WebhookId>,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn run(home: &Path, args: ShadowArgs) -> anyhow::Result<Exit> {
    let filter = args.webhook.map(|webhook| format!("?webhook={webhook}")).unwrap_or_default();
    let answer = discovery::admin(home)?.get(&format!("/v1/shadows{filter}")).await?;
    screen::line(&if args.format.json { answer.to_string() } else { as_text(&answer) })?;
    Ok(Exit::Ok)
}

fn as_text(answer: &Value) -> String {
    let shadows = json::list(answer, "/shadows");
    let Some(table) = table(shadows) else {
        return "No plugin has a shadow. Give one to a webhook's plugin: \"shadow\": \"NAME\".".to_owned();
    };
    let parts = shadows.iter().map(details).filter(|details| !details.is_empty());
    std::iter::once(table.render(0)).chain(parts).collect::<Vec<_>>().join("\n\n")
}

/// One line for each shadow; none: there is none.
pub(in crate::cli) fn table(shadows: &[Value]) -> Option<screen::Table> {
    let mut table =
        screen::Table::new(["WEBHOOK", "PLUGIN", "SHADOW", "RUNS", "SAME", "DIFFERENT", "FAILED", "SKIPPED", "FUEL"]);
    for shadow in shadows {
        let ratio = json::text(shadow, "/fuelRatio");
        table.row([
            screen::plain(json::text(shadow, "/webhook")),
            screen::plain(side(shadow, "/plugin")),
            screen::plain(side(shadow, "/shadow")),
            screen::plain(json::text(shadow, "/runs")),
            screen::plain(json::text(shadow, "/same")),
            counted(shadow, "/different", Style::new().yellow()),
            counted(shadow, "/failed", Style::new().red()),
            counted(shadow, "/skipped", Style::new().dimmed()),
            screen::dim(if ratio.is_empty() { ratio } else { format!("× {ratio}") }),
        ]);
    }
    (!shadows.is_empty()).then_some(table)
}

/// `redact-next 0.2.0 ba7816bf8f01`: two versions may give the same of themselves.
fn side(shadow: &Value, of: &str) -> String {
    let text = |name| json::text(shadow, &format!("{of}/{name}"));
    let digest = text("digest");
    let words = [text("name"), text("version"), digest.get(..12).unwrap_or(&digest).to_owned()];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn counted(shadow: &Value, pointer: &str, style: Style) -> (String, Style) {
    let count = json::number(shadow, pointer);
    (count.to_string(), if count == 0 { Style::new() } else { style })
}

/// Why it does not run, how it failed, and its differences, newest first; empty: nothing is to be said.
fn details(shadow: &Value) -> String {
    let found = json::list(shadow, "/differences");
    let mut lines: Vec<String> = Vec::new();
    for (words, pointer) in [("does not run: ", "/trouble"), ("failed, the last time: ", "/lastFailure")] {
        let text = json::text(shadow, pointer);
        if !text.is_empty() {
            let mark = screen::styled("✗", Style::new().red());
            lines.push(format!("  {mark} {words}{}", screen::inert(&text)));
        }
    }
    if !found.is_empty() {
        lines.push(format!("  {}", screen::faint(&kinds(shadow, found.len()))));
    }
    for difference in found {
        let text = |pointer| json::text(difference, pointer);
        let place = format!("{}  {}  {}", text("/eventType"), text("/event"), text("/delivery"));
        lines.push(format!("\n  {}  {}", screen::heading(&place), screen::faint(&text("/at"))));
        lines.push(differences::rendered(difference, 4));
    }
    if lines.is_empty() {
        return String::new();
    }
    let title = [json::text(shadow, "/webhook"), side(shadow, "/plugin"), side(shadow, "/shadow")];
    format!("{}\n{}", screen::heading(&format!("{}: {} → {}", title[0], title[1], title[2])), lines.join("\n"))
}

/// `3 different: 1 verdict, 2 payload, 0 headers; the newest 3:`
fn kinds(shadow: &Value, shown: usize) -> String {
    let count = |pointer| json::number(shadow, pointer);
    format!(
        "{} different (verdict {}, payload {}, headers {}); the newest {shown}:",
        count("/different"),
        count("/verdict"),
        count("/payload"),
        count("/headers")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_then_what_differs() {
        let side = |name: &str| json!({"name": name, "digest": "ba7816bf8f01cfea414140de", "version": "0.1.0"});
        let shadow = |webhook: &str, more: Value| {
            let mut shadow = json!({"webhook": webhook, "step": 0, "plugin": side("redact"), "shadow": side("redact-next"),
                "runs": 0, "same": 0, "different": 0, "failed": 0, "skipped": 0, "differences": []});
            shadow.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            shadow
        };
        let different = json!({"runs": 120, "same": 118, "different": 1, "verdict": 1, "payload": 0, "headers": 0, "failed": 1,
            "skipped": 4, "fuelRatio": 1.27, "lastFailure": "panicked: no \u{1b}[2J",
            "differences": [{"at": "2026-11-23T20:41:15.196Z", "event": "evt_1", "eventType": "entry.create", "delivery": "dlv_1",
                "verdict": {"before": "deliver", "after": "dropped: a draft"}}]});
        let trouble =
            json!({"shadow": {"name": "next", "digest": null, "version": null}, "trouble": "no plugin next is loaded"});
        let answer = json!({"shadows": [shadow("a", different), shadow("b", json!({})), shadow("c", trouble)]});
        insta::assert_snapshot!(screen::uncoloured(&as_text(&answer)), @r"
        WEBHOOK  PLUGIN                     SHADOW                          RUNS  SAME  DIFFERENT  FAILED  SKIPPED  FUEL
        a        redact 0.1.0 ba7816bf8f01  redact-next 0.1.0 ba7816bf8f01  120   118   1          1       4        × 1.27
        b        redact 0.1.0 ba7816bf8f01  redact-next 0.1.0 ba7816bf8f01  0     0     0          0       0
        c        redact 0.1.0 ba7816bf8f01  next                            0     0     0          0       0

        a: redact 0.1.0 ba7816bf8f01 → redact-next 0.1.0 ba7816bf8f01
          ✗ failed, the last time: panicked: no \u{1b}[2J
          1 different (verdict 1, payload 0, headers 0); the newest 1:

          entry.create  evt_1  dlv_1  2026-11-23T20:41:15.196Z
            - deliver
            + dropped: a draft

        c: redact 0.1.0 ba7816bf8f01 → next
          ✗ does not run: no plugin next is loaded
        ");
        insta::assert_snapshot!(as_text(&json!({"shadows": []})), @r#"No plugin has a shadow. Give one to a webhook's plugin: "shadow": "NAME"."#);
    }

    #[test]
    fn takes_any_answer() {
        for answer in [json!(null), json!({"shadows": [1, {"differences": [2], "trouble": 5}]})] {
            as_text(&answer);
        }
    }
}
