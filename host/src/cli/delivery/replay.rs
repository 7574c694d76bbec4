//! `delivery replay`: one delivery once more, or many.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::Which;
use crate::cli::client::Client;
use crate::cli::{Exit, Format, discovery, json, screen};
use crate::delivery::State;
use crate::ids::WebhookId;
use crate::pattern::EventPattern;
use crate::when::When;

/// One delivery: `delivery replay dlv_…`. Many: `delivery replay --webhook site-build --since 2h`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own on the command line")]
pub(in crate::cli) struct ReplayArgs {
    /// The delivery's id, dlv_…, or `last` for the newest
    #[arg(value_name = "ID|last", required_unless_present = "webhook", conflicts_with = "webhook")]
    id: Option<Which>,
    /// Send the event through today's plugins, under a new id; without it: the recorded bytes, under the old one
    #[arg(long)]
    today: bool,
    /// Send this file as the event, through today's schemas and plugins, under a new id
    #[arg(long, value_name = "FILE", conflicts_with = "today", requires = "id")]
    edit: Option<PathBuf>,
    /// The content type of the file [default: that of the event]
    #[arg(long, value_name = "TYPE", requires = "edit")]
    content_type: Option<String>,
    /// Replay many: those of this webhook
    #[arg(long, value_name = "ID")]
    pub(super) webhook: Option<WebhookId>,
    /// Of many, those in this state [default: failed]
    #[arg(long, value_name = "STATE", value_parser = super::state, requires = "webhook")]
    pub(super) state: Option<State>,
    /// Of many, those made since: 2h (ago), 03:00 or 2026-11-23 (UTC), or a time
    #[arg(long, value_name = "AGE|TIME", requires = "webhook")]
    pub(super) since: Option<When>,
    /// Of many, those made before
    #[arg(long, value_name = "AGE|TIME", requires = "webhook")]
    pub(super) until: Option<When>,
    /// Of many, those of events of this type, such as entry.*
    #[arg(long = "type", value_name = "PATTERN", requires = "webhook")]
    pub(super) event_type: Option<EventPattern>,
    /// Of many, also those that were replayed already, and those that somebody gave up
    #[arg(long, requires = "webhook")]
    pub(super) again: bool,
    /// Only count them
    #[arg(long, requires = "webhook")]
    pub(super) dry_run: bool,
    /// Do not ask
    #[arg(long, requires = "webhook")]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) format: Format,
}

impl ReplayArgs {
    pub(super) const fn mode(&self) -> &'static str {
        if self.today { "today" } else { "recorded" }
    }
}

pub(super) async fn run(client: &Client, home: &Path, args: ReplayArgs) -> anyhow::Result<Exit> {
    match (args.id, &args.webhook) {
        (Some(id), _) => one(client, home, id, &args).await,
        (None, Some(webhook)) => super::many::run(client, webhook, &args).await,
        (None, None) => anyhow::bail!("name a delivery, or a webhook with --webhook"),
    }
}

async fn one(client: &Client, home: &Path, id: Which, args: &ReplayArgs) -> anyhow::Result<Exit> {
    let id = id.find(client).await?;
    let body = match &args.edit {
        None => json!({ "mode": args.mode() }),
        Some(file) => edited(file, args.content_type.as_deref())?,
    };
    let answer = client.send_json(Method::POST, &format!("/v1/deliveries/{id}/replay"), &body).await?;
    screen::line(&if args.format.json { answer.to_string() } else { as_text(&answer, home) })?;
    Ok(Exit::Ok)
}

fn edited(file: &Path, content_type: Option<&str>) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut body = json!({ "mode": "edited", "data": text });
    if let (Some(content_type), Some(body)) = (content_type, body.as_object_mut()) {
        body.insert("contentType".to_owned(), content_type.into());
    }
    Ok(body)
}

fn as_text(answer: &Value, home: &Path) -> String {
    let text = |pointer| json::text(answer, pointer);
    let watch = discovery::command(&format!("delivery show {}", text("/id")), home);
    format!(
        "{}  {}\n  watch it: {}",
        screen::heading(&text("/id")),
        screen::faint(&format!("replay of {} to {}, {}", text("/replayOf"), text("/webhook"), text("/event"))),
        screen::command(&watch)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_made_and_how_to_watch_it() {
        let answer = json!({ "id": "dlv_2", "replayOf": "dlv_1", "webhook": "site-build", "event": "evt_1" });
        insta::assert_snapshot!(screen::uncoloured(&as_text(&answer, Path::new("."))), @r"
        dlv_2  replay of dlv_1 to site-build, evt_1
          watch it: hookwright delivery show dlv_2
        ");
    }
}
