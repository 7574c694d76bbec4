//! `webhook`: the webhooks of the running host.

use std::path::Path;

use clap::Subcommand;
use owo_colors::Style;
use serde_json::{Value, json};

use super::{Exit, Format, discovery, json, screen};

#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// All webhooks, and whether they take new events
    List(Format),
}

pub(super) async fn run(home: &Path, command: WebhookCommand) -> anyhow::Result<Exit> {
    let WebhookCommand::List(format) = command;
    let status = discovery::admin(home)?.get("/v1/status").await?;
    let webhooks = json::list(&status, "/webhooks");
    if format.json {
        screen::line(&json!({"webhooks": webhooks}).to_string())?;
    } else if webhooks.is_empty() {
        screen::line("There is no webhook. Declare one in config/webhooks/NAME.json.")?;
    } else {
        screen::line(&table(webhooks).render(0))?;
    }
    Ok(Exit::Ok)
}

/// Webhooks as `/v1/status` tells of them.
pub(super) fn table(webhooks: &[Value]) -> screen::Table {
    let mut table = screen::Table::new(["ID", "STATE", "EVENTS", "PLUGINS", "URL"]);
    for webhook in webhooks {
        table.row([
            screen::plain(json::text(webhook, "/id")),
            run_state(webhook),
            screen::plain(json::joined(webhook, "/events")),
            screen::plain(plugins(webhook)),
            screen::dim(json::text(webhook, "/url")),
        ]);
    }
    table
}

fn run_state(webhook: &Value) -> (String, Style) {
    let kinds: Vec<_> = json::list(webhook, "/runStates").iter().map(|state| json::text(state, "/kind")).collect();
    if webhook.pointer("/enabled") == Some(&Value::Bool(false)) {
        ("disabled".into(), Style::new().dimmed())
    } else if kinds.is_empty() {
        ("on".into(), Style::new().green())
    } else {
        (kinds.join(", "), Style::new().yellow())
    }
}

fn plugins(webhook: &Value) -> String {
    let name = |one: &Value| {
        let name = json::text(one, "/plugin");
        if name.is_empty() { json::text(one, "") } else { name }
    };
    let names: Vec<_> = json::list(webhook, "/plugins").iter().map(name).collect();
    if names.is_empty() { "–".into() } else { names.join(" → ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_keeps_a_webhook_from_taking_events() {
        let webhooks = [
            json!({"id": "a", "enabled": true, "runStates": [{"kind": "gone"}], "events": ["entry.*", "media.*"], "url": "http://a/",
                   "plugins": [{"plugin": "redact"}, {"plugin": "add-headers"}]}),
            json!({"id": "b", "enabled": false, "events": ["*"], "plugins": [], "url": "http://b/"}),
            json!({"id": "c", "enabled": true, "events": ["*"], "plugins": ["redact"], "url": "http://c/"}),
        ];
        insta::assert_snapshot!(screen::uncoloured(&table(&webhooks).render(0)), @r"
        ID  STATE     EVENTS            PLUGINS               URL
        a   gone      entry.*, media.*  redact → add-headers  http://a/
        b   disabled  *                 –                     http://b/
        c   on        *                 redact                http://c/
        ");
    }
}
