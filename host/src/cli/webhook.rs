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
    let left_out = json::list(&status, "/leftOut");
    if format.json {
        screen::line(&json!({"webhooks": webhooks, "leftOut": left_out}).to_string())?;
    } else {
        let table = (!webhooks.is_empty()).then(|| table(webhooks).render(0));
        let parts: Vec<_> = table.into_iter().chain(left_out_text(left_out, home)).collect();
        screen::line(&if parts.is_empty() { NONE.to_owned() } else { parts.join("\n\n") })?;
    }
    Ok(Exit::Ok)
}

/// What is said where no webhook is declared.
pub(super) const NONE: &str = "There is no webhook. Declare one in config/webhooks/NAME.json.";

/// More files are not named.
const FILES_NAMED: usize = 3;

/// Webhooks that take no events because their files were never good, as the host tells of them; none: there is none.
pub(super) fn left_out_text(faults: &[Value], home: &Path) -> Option<String> {
    let mut files: Vec<_> = faults.iter().take(FILES_NAMED).map(|fault| json::text(fault, "/file")).collect();
    if faults.len() > FILES_NAMED {
        files.push(format!("{} more", faults.len() - FILES_NAMED));
    }
    let (are, theirs) = match faults.len() {
        0 => return None,
        1 => ("is", "its file is"),
        _ => ("are", "their files are"),
    };
    let webhooks = screen::counted(faults.len(), "webhook");
    let text = format!("{webhooks} {are} left out, because {theirs} at fault: {}. What is wrong:", files.join(", "));
    let check = screen::command(&discovery::command("check", home));
    Some(format!("{} {check}", screen::styled(&text, Style::new().yellow())))
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
    fn names_the_files_of_webhooks_that_are_left_out() {
        let faults: Vec<_> =
            ["a", "b", "c", "d"].map(|id| json!({"file": format!("config/webhooks/{id}.json")})).into();
        let told = |count: usize| left_out_text(&faults[..count], Path::new(".")).map(|text| screen::uncoloured(&text));
        assert_eq!(told(0), None);
        insta::assert_snapshot!([1, 2, 4].map(|count| told(count).expect("some")).join("\n"), @r"
        1 webhook is left out, because its file is at fault: config/webhooks/a.json. What is wrong: hookwright check
        2 webhooks are left out, because their files are at fault: config/webhooks/a.json, config/webhooks/b.json. What is wrong: hookwright check
        4 webhooks are left out, because their files are at fault: config/webhooks/a.json, config/webhooks/b.json, config/webhooks/c.json, 1 more. What is wrong: hookwright check
        ");
    }

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
