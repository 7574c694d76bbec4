//! `delivery retry`, `discard` and `purge`: hurrying, giving up, forgetting.

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::confirm::confirmed;
use crate::cli::when::When;
use crate::cli::{Exit, Format, json, screen, who};
use crate::delivery::State;
use crate::ids::{DeliveryId, WebhookId};

#[derive(Debug, Args)]
pub(in crate::cli) struct RetryArgs {
    /// The delivery's id, dlv_…
    id: DeliveryId,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DiscardArgs {
    /// The deliveries' ids, dlv_…
    #[arg(value_name = "ID", required_unless_present = "webhook", conflicts_with = "webhook")]
    ids: Vec<DeliveryId>,
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
    /// Those in this state: failed, delivered, dropped or superseded
    #[arg(long, value_name = "STATE", value_parser = super::state)]
    state: State,
    /// Only those of this webhook
    #[arg(long, value_name = "ID")]
    webhook: Option<WebhookId>,
    /// Only those made before: 7d (ago), or a time
    #[arg(long, value_name = "AGE|TIME")]
    before: Option<When>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn retry(client: &Client, args: RetryArgs) -> anyhow::Result<Exit> {
    let answer = client.act(&format!("/v1/deliveries/{}/retry", args.id)).await?;
    let text = format!("{} is due now.", args.id);
    screen::line(&if args.format.json { answer.to_string() } else { text })?;
    Ok(Exit::Ok)
}

pub(super) async fn discard(client: &Client, args: DiscardArgs) -> anyhow::Result<Exit> {
    let by = who::name();
    if let Some(webhook) = &args.webhook {
        return discard_held(client, webhook, &by, &args).await;
    }
    let body = json!({ "by": by });
    for id in &args.ids {
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
    let PurgeArgs { state, webhook, before, yes, format } = args;
    let whose = webhook.as_ref().map(|webhook| format!(" of webhook {webhook}")).unwrap_or_default();
    let made = before.map(|before| format!(" made before {}", before.0)).unwrap_or_default();
    if !confirmed(format!("Forget all {state} deliveries{whose}{made}?"), yes).await? {
        screen::remark("nothing was forgotten");
        return Ok(Exit::Failure);
    }
    // Names and times hold nothing that would need escaping in a query.
    let mut path = format!("/v1/deliveries?state={state}");
    path.extend(webhook.map(|webhook| format!("&webhook={webhook}")));
    path.extend(before.map(|before| format!("&before={}", before.0)));
    let step = async || client.send_json(Method::DELETE, &path, &Value::Null).await.map_err(Into::into);
    told(all_steps(step).await?, "forgotten", format)
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
    let noun = if count == 1 { "delivery" } else { "deliveries" };
    screen::line(&if format.json { json!({ "count": count }).to_string() } else { format!("{count} {noun} {what}.") })?;
    Ok(Exit::Ok)
}
