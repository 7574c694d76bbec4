//! `webhook`: the webhooks of the running host.

mod define;
mod trial;

use std::fmt::Write as _;
use std::path::Path;

use clap::{Args, Subcommand};
use http::Method;
use owo_colors::Style;
use serde_json::{Value, json};

use super::{Exit, Format, discovery, json, screen, who};
use crate::ids::WebhookId;
use crate::store::COUNTED_AT_MOST;

#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// All webhooks, and whether they take new events
    List(Format),
    /// One webhook with its definition
    Show(define::ShowArgs),
    /// Make a webhook that is managed here, not by a file
    Create(define::CreateArgs),
    /// Send one event to it now, and show what came of it
    Test(trial::TestArgs),
    /// Change a webhook that is managed here
    Update(define::UpdateArgs),
    /// Delete a webhook that is managed here
    Delete(define::DeleteArgs),
    /// Sign with a new secret
    RotateSecret(define::RotateArgs),
    /// Print a webhook that is managed here as a file for config/webhooks/
    Export(define::ShowArgs),
    /// Let deliveries gather; none is sent until `resume`
    Pause(Named),
    /// Send what gathered, and go on
    Resume(Named),
    /// Take no new events and hold what waits, whatever the file says
    Disable(Named),
    /// Take back what switched it off: `disable`, a receiver's 410, or days of failure
    Enable(Named),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The webhook's id: the stem of its file
    id: WebhookId,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn run(home: &Path, command: WebhookCommand) -> anyhow::Result<Exit> {
    match command {
        WebhookCommand::List(format) => list(home, format).await,
        WebhookCommand::Show(args) => define::show(home, args).await,
        WebhookCommand::Create(args) => define::create(home, args).await,
        WebhookCommand::Test(args) => trial::test(home, args).await,
        WebhookCommand::Update(args) => define::update(home, args).await,
        WebhookCommand::Delete(args) => define::delete(home, args).await,
        WebhookCommand::RotateSecret(args) => define::rotate(home, args).await,
        WebhookCommand::Export(args) => define::export(home, args).await,
        WebhookCommand::Pause(args) => switch(home, args, Switch::Pause).await,
        WebhookCommand::Resume(args) => switch(home, args, Switch::Resume).await,
        WebhookCommand::Disable(args) => switch(home, args, Switch::Disable).await,
        WebhookCommand::Enable(args) => switch(home, args, Switch::Enable).await,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Switch {
    Pause,
    Resume,
    Disable,
    Enable,
}

impl Switch {
    const fn verb(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Disable => "disable",
            Self::Enable => "enable",
        }
    }

    /// What is said when it changed something, and when it did not.
    const fn words(self) -> [&'static str; 2] {
        match self {
            Self::Pause => ["is paused: what comes gathers", "was paused already"],
            Self::Resume => ["sends again", "was not paused"],
            Self::Disable => ["is off: it takes no events, and what waits is held", "was off already"],
            Self::Enable => ["is on: what was held for that is sent", "was not switched off"],
        }
    }

    /// The other states of a webhook that this one does not end, and the verb that does.
    const fn not_ended(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Enable => &[("paused", "resume")],
            Self::Resume => &[("gone", "enable"), ("disabled", "enable")],
            Self::Pause | Self::Disable => &[],
        }
    }
}

async fn switch(home: &Path, args: Named, switch: Switch) -> anyhow::Result<Exit> {
    let Named { id, format } = args;
    let path = format!("/v1/webhooks/{id}/{}", switch.verb());
    let answer = discovery::admin(home)?.send_json(Method::POST, &path, &json!({ "by": who::name() })).await?;
    screen::line(&if format.json { answer.to_string() } else { switched(&id, switch, &answer, home) })?;
    Ok(Exit::Ok)
}

fn switched(id: &WebhookId, switch: Switch, answer: &Value, home: &Path) -> String {
    let is = |pointer| answer.pointer(pointer) == Some(&Value::Bool(true));
    let [done, was_so] = switch.words();
    let mut text = format!("{id} {}.", if is("/changed") { done } else { was_so });
    if is("/wasIll") {
        text.push_str(" Its receiver was left alone or was failing; that is forgotten, and it is tried again at once.");
    }
    for (kind, verb) in switch.not_ended() {
        let states = json::list(answer, "/runStates").iter();
        for state in states.filter(|state| json::text(state, "/kind") == *kind) {
            let by = format!("{} since {}", json::text(state, "/by"), json::text(state, "/since"));
            let what = if *kind == "paused" { "paused" } else { "switched off" };
            let command = screen::command(&discovery::command(&format!("webhook {verb} {id}"), home));
            let _ = write!(text, " It is {what} by {}; what ends that: {command}", screen::inert(&by));
        }
    }
    text
}

async fn list(home: &Path, format: Format) -> anyhow::Result<Exit> {
    let status = discovery::admin(home)?.get("/v1/status").await?;
    let webhooks = json::list(&status, "/webhooks");
    if format.json {
        screen::line(&json!({"webhooks": webhooks, "leftOut": json::list(&status, "/leftOut")}).to_string())?;
    } else {
        let table = (!webhooks.is_empty()).then(|| table(webhooks).render(0));
        let parts: Vec<_> = table.into_iter().chain(at_fault_text(&status, home)).collect();
        screen::line(&if parts.is_empty() { NONE.to_owned() } else { parts.join("\n\n") })?;
    }
    Ok(Exit::Ok)
}

/// What is said where no webhook is declared.
pub(super) const NONE: &str = "There is no webhook. Declare one in config/webhooks/NAME.json.";

/// More files are not named.
const FILES_NAMED: usize = 3;

/// Which webhooks are not as their files say, by a status of the host; none: all are.
pub(super) fn at_fault_text(status: &Value, home: &Path) -> Option<String> {
    let outdated: Vec<_> =
        json::list(status, "/webhooks").iter().filter_map(|webhook| webhook.pointer("/fault")).collect();
    let outdated = files_text(&outdated, ["is as it was before", "are as they were before"], home);
    let texts: Vec<_> = left_out_text(status, home).into_iter().chain(outdated).collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

/// Which webhooks take no events because their files were never good, by an answer of the host; none: there is none.
pub(super) fn left_out_text(answer: &Value, home: &Path) -> Option<String> {
    let left_out: Vec<_> = json::list(answer, "/leftOut").iter().collect();
    files_text(&left_out, ["is left out", "are left out"], home)
}

fn files_text(faults: &[&Value], [one_is, many_are]: [&str; 2], home: &Path) -> Option<String> {
    let mut files: Vec<_> = faults.iter().take(FILES_NAMED).map(|fault| json::text(fault, "/file")).collect();
    if faults.len() > FILES_NAMED {
        files.push(format!("{} more", faults.len() - FILES_NAMED));
    }
    let (are, theirs) = match faults.len() {
        0 => return None,
        1 => (one_is, "its file is"),
        _ => (many_are, "their files are"),
    };
    let webhooks = screen::counted(faults.len(), "webhook");
    let text = format!("{webhooks} {are}, because {theirs} at fault: {}. What is wrong:", files.join(", "));
    let check = screen::command(&discovery::command("check", home));
    Some(format!("{} {check}", screen::styled(&text, Style::new().yellow())))
}

/// Webhooks as `/v1/status` tells of them.
pub(super) fn table(webhooks: &[Value]) -> screen::Table {
    let mut table = screen::Table::new(["ID", "STATE", "WAITING", "HELD", "EVENTS", "PLUGINS", "URL"]);
    for webhook in webhooks {
        table.row([
            screen::plain(json::text(webhook, "/id")),
            run_state(webhook),
            count(webhook, "/waiting"),
            count(webhook, "/held"),
            screen::plain(json::joined(webhook, "/events")),
            screen::plain(plugins(webhook)),
            screen::dim(json::text(webhook, "/url")),
        ]);
    }
    table
}

/// How many deliveries, as far as the host counts.
fn count(webhook: &Value, pointer: &str) -> (String, Style) {
    match json::number(webhook, pointer) {
        0 => screen::dim("0"),
        many if many >= COUNTED_AT_MOST => (format!("{COUNTED_AT_MOST}+"), Style::new().yellow()),
        some => (some.to_string(), Style::new().yellow()),
    }
}

fn run_state(webhook: &Value) -> (String, Style) {
    let kinds: Vec<_> = json::list(webhook, "/runStates").iter().map(|state| json::text(state, "/kind")).collect();
    let is_only_failing = kinds.iter().all(|kind| kind == "failing");
    if webhook.pointer("/enabled") == Some(&Value::Bool(false)) {
        ("disabled".into(), Style::new().dimmed())
    } else if let (true, Some(until)) = (is_only_failing, webhook.pointer("/receiver/openUntil")) {
        let how = if kinds.is_empty() { "ill" } else { "failing" };
        (format!("{how}, probed {}", json::text(until, "")), Style::new().yellow())
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
    fn names_the_files_of_webhooks_that_are_not_as_they_say() {
        let told = |left_out: &[&str], outdated: &[&str]| {
            let fault = |id: &&str| json!({"file": format!("config/webhooks/{id}.json")});
            let left_out: Vec<_> = left_out.iter().map(fault).collect();
            let webhooks: Vec<_> = outdated.iter().map(|id| json!({"id": id, "fault": fault(id)})).collect();
            let status = json!({"leftOut": left_out, "webhooks": webhooks});
            at_fault_text(&status, Path::new(".")).map(|text| screen::uncoloured(&text))
        };
        assert_eq!(told(&[], &[]), None);
        let texts = [told(&["a"], &[]), told(&["a", "b", "c", "d"], &["e"]), told(&[], &["e", "f"])];
        insta::assert_snapshot!(texts.map(|text| text.expect("some")).join("\n\n"), @r"
        1 webhook is left out, because its file is at fault: config/webhooks/a.json. What is wrong: hookwright check

        4 webhooks are left out, because their files are at fault: config/webhooks/a.json, config/webhooks/b.json, config/webhooks/c.json, 1 more. What is wrong: hookwright check
        1 webhook is as it was before, because its file is at fault: config/webhooks/e.json. What is wrong: hookwright check

        2 webhooks are as they were before, because their files are at fault: config/webhooks/e.json, config/webhooks/f.json. What is wrong: hookwright check
        ");
    }

    #[test]
    fn says_what_a_switch_did_and_which_one_was_meant() {
        let id = "site".parse().expect("an id");
        let told = |switch, answer: &Value| screen::uncoloured(&switched(&id, switch, answer, Path::new(".")));
        let paused = json!({"changed": false, "runStates": [{"kind": "paused", "by": "ana", "since": "03:00Z"}]});
        let gone =
            json!({"changed": false, "runStates": [{"kind": "gone", "by": "receiver (410 Gone)", "since": "03:00Z"}]});
        let texts = [
            told(Switch::Enable, &json!({"changed": true, "wasIll": false})),
            told(Switch::Enable, &json!({"changed": false, "wasIll": true})),
            told(Switch::Enable, &paused),
            told(Switch::Resume, &gone),
            told(Switch::Pause, &paused),
        ];
        insta::assert_snapshot!(texts.join("\n"), @r"
        site is on: what was held for that is sent.
        site was not switched off. Its receiver was left alone or was failing; that is forgotten, and it is tried again at once.
        site was not switched off. It is paused by ana since 03:00Z; what ends that: hookwright webhook resume site
        site was not paused. It is switched off by receiver (410 Gone) since 03:00Z; what ends that: hookwright webhook enable site
        site was paused already.
        ");
    }

    #[test]
    fn says_what_keeps_a_webhook_from_taking_events() {
        let webhooks = [
            json!({"id": "a", "enabled": true, "runStates": [{"kind": "gone"}], "events": ["entry.*", "media.*"], "url": "http://a/",
                   "plugins": [{"plugin": "redact"}, {"plugin": "add-headers"}]}),
            json!({"id": "b", "enabled": false, "events": ["*"], "plugins": [], "url": "http://b/"}),
            json!({"id": "c", "enabled": true, "events": ["*"], "plugins": ["redact"], "url": "http://c/", "waiting": 12, "held": 1000}),
            json!({"id": "d", "enabled": true, "runStates": [{"kind": "failing"}], "receiver": {"openUntil": "03:00Z"}, "url": "http://d/"}),
        ];
        insta::assert_snapshot!(screen::uncoloured(&table(&webhooks).render(0)), @r"
        ID  STATE                   WAITING  HELD   EVENTS            PLUGINS               URL
        a   gone                    0        0      entry.*, media.*  redact → add-headers  http://a/
        b   disabled                0        0      *                 –                     http://b/
        c   on                      12       1000+  *                 redact                http://c/
        d   failing, probed 03:00Z  0        0                        –                     http://d/
        ");
    }
}
