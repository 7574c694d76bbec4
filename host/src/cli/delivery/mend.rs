//! `delivery retry`, `discard` and `purge`: hurrying, giving up, forgetting.

use std::path::Path;

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::Which;
use crate::cli::client::Client;
use crate::cli::confirm::confirmed;
use crate::cli::{Exit, Format, discovery, json, screen, who};
use crate::delivery::State;
use crate::ids::{DeliveryId, WebhookId};
use crate::when::When;

#[derive(Debug, Args)]
pub(in crate::cli) struct RetryArgs {
    /// The delivery's id, dlv_…, or `last` for the newest
    #[arg(value_name = "ID|last")]
    id: Which,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DiscardArgs {
    /// The deliveries' ids, dlv_…, or `last` for the newest
    #[arg(value_name = "ID|last", required_unless_present = "webhook", conflicts_with = "webhook")]
    ids: Vec<Which>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", conflicts_with = "webhook")]
    reason: Option<String>,
    /// Everything that this webhook holds
    #[arg(long, value_name = "ID", requires = "held")]
    webhook: Option<WebhookId>,
    /// With --webhook: what is held, and nothing else
    #[arg(long, requires = "webhook")]
    held: bool,
    /// Do not ask
    #[arg(long, requires = "webhook")]
    yes: bool,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PurgeArgs {
    /// Those in this state: failed, delivered or dropped
    #[arg(long, value_name = "STATE", value_parser = super::state)]
    state: State,
    /// Only those of this webhook
    #[arg(long, value_name = "ID")]
    webhook: Option<WebhookId>,
    /// Only those made before: 7d (ago), 03:00 or 2026-11-23 (UTC), or a time
    #[arg(long, value_name = "AGE|TIME")]
    before: Option<When>,
    /// Only count them
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn retry(client: &Client, home: &Path, args: RetryArgs) -> anyhow::Result<Exit> {
    let id = args.id.find(client).await?;
    let answer = client.act(&format!("/v1/deliveries/{id}/retry")).await?;
    screen::line(&if args.format.json { answer.to_string() } else { hurried(id, &answer, home) })?;
    Ok(Exit::Ok)
}

fn hurried(id: DeliveryId, answer: &Value, home: &Path) -> String {
    let waits: Vec<_> = json::list(answer, "/waits").iter().map(|wait| json::text(wait, "")).collect();
    if waits.is_empty() {
        return format!("{id} is due now.");
    }
    let waits = waits.iter().map(|wait| format!("\n  {}", screen::inert(&discovery::typed_in(wait, home))));
    format!("{id} is due, and waits all the same:{}", waits.collect::<String>())
}

pub(super) async fn discard(client: &Client, args: DiscardArgs) -> anyhow::Result<Exit> {
    let by = who::name();
    if let Some(webhook) = &args.webhook {
        return discard_held(client, webhook, &by, &args).await;
    }
    let mut body = json!({ "by": by });
    if let Some(reason) = &args.reason {
        body["reason"] = json!(reason);
    }
    for id in &args.ids {
        let id = id.find(client).await?;
        let answer = client.send_json(Method::POST, &format!("/v1/deliveries/{id}/discard"), &body).await?;
        let text = format!("{id} is failed: {}.", json::text(&answer, "/reason"));
        screen::line(&if args.format.json { answer.to_string() } else { screen::inert(&text).into_owned() })?;
    }
    Ok(Exit::Ok)
}

async fn discard_held(client: &Client, webhook: &WebhookId, by: &str, args: &DiscardArgs) -> anyhow::Result<Exit> {
    if !confirmed(format!("Give up everything that webhook {webhook} holds?"), args.yes).await? {
        screen::remark("nothing was given up");
        return Ok(Exit::Failure);
    }
    let body = json!({ "webhook": webhook, "state": "held", "by": by });
    let step = async || client.send_json(Method::POST, "/v1/deliveries/discard", &body).await.map_err(Into::into);
    told(all_steps(step).await?, "given up", args.format)
}

pub(super) async fn purge(client: &Client, args: PurgeArgs) -> anyhow::Result<Exit> {
    let PurgeArgs { state, webhook, before, dry_run, yes, format } = args;
    let whose = webhook.as_ref().map(|webhook| format!(" of webhook {webhook}")).unwrap_or_default();
    let made = before.map(|before| format!(" made before {}", before.0)).unwrap_or_default();
    // Names and times hold nothing that would need escaping in a query.
    let mut path = format!("/v1/deliveries?state={state}");
    path.extend(webhook.map(|webhook| format!("&webhook={webhook}")));
    path.extend(before.map(|before| format!("&before={}", before.0)));
    if dry_run || !yes {
        let count = counted(client, &path).await?;
        let what = format!("{count} {state} {}{whose}{made}", deliveries(count));
        if dry_run || count == 0 {
            let text = format!("{what} would be forgotten.");
            screen::line(&if format.json { json!({ "count": count }).to_string() } else { text })?;
            return Ok(Exit::Ok);
        }
        if !confirmed(format!("Forget {what}?"), yes).await? {
            screen::remark("nothing was forgotten");
            return Ok(Exit::Failure);
        }
    }
    let step = async || client.send_json(Method::DELETE, &path, &Value::Null).await.map_err(Into::into);
    told(all_steps(step).await?, "forgotten", format)
}

/// How many deliveries a purge at `path` would forget.
async fn counted(client: &Client, path: &str) -> anyhow::Result<u64> {
    let (mut count, mut after) = (0, String::new());
    loop {
        let path = format!("{path}&dryRun=true{after}");
        let answer = client.send_json(Method::DELETE, &path, &Value::Null).await?;
        count += json::number(&answer, "/count");
        match json::text(&answer, "/next") {
            next if next.is_empty() => return Ok(count),
            next => after = format!("&after={next}"),
        }
    }
}

const fn deliveries(count: u64) -> &'static str {
    if count == 1 { "delivery" } else { "deliveries" }
}

/// The host answers after some seconds, whether all is done or not.
async fn all_steps(step: impl AsyncFn() -> anyhow::Result<Value>) -> anyhow::Result<u64> {
    let mut count = 0;
    loop {
        let answer = step().await?;
        count += json::number(&answer, "/count");
        if answer.pointer("/more") != Some(&Value::Bool(true)) {
            return Ok(count);
        }
    }
}

fn told(count: u64, what: &str, format: Format) -> anyhow::Result<Exit> {
    let noun = deliveries(count);
    screen::line(&if format.json { json!({ "count": count }).to_string() } else { format!("{count} {noun} {what}.") })?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_a_hurried_one_waits_for() {
        let id = DeliveryId::from_bytes([1; 16]);
        assert!(hurried(id, &json!({}), Path::new(".")).ends_with(" is due now."));
        let waits = json!({ "waits": ["paused by ana; `hookwright webhook resume site` lets it go"] });
        insta::assert_snapshot!(hurried(id, &waits, Path::new("my home")), @r"
        dlv_01040G2081040G2081040G2081 is due, and waits all the same:
          paused by ana; `hookwright webhook resume site --home 'my home'` lets it go
        ");
    }
}
