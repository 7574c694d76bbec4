//! `delivery replay --webhook`: many, counted first, then watched. Ctrl-C cancels.

use std::fmt::Write as _;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::replay::ReplayArgs;
use crate::cli::client::Client;
use crate::cli::confirm::confirmed;
use crate::cli::progress::Progress;
use crate::cli::{Exit, json, screen, serve};
use crate::delivery::State;
use crate::ids::WebhookId;

/// Between two looks at a run.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) async fn run(client: &Client, webhook: &WebhookId, args: &ReplayArgs) -> anyhow::Result<Exit> {
    let mut body = body(webhook, args);
    put(&mut body, "dryRun", true);
    let counted = client.send_json(Method::POST, "/v1/replays", &body).await?;
    let (count, state) = (json::number(&counted, "/count"), args.state.unwrap_or(State::Failed));
    let left_out = left_out(&counted);
    if args.dry_run || count == 0 {
        let text = format!("{} would be replayed.{left_out}", deliveries(count, state, webhook));
        screen::line(&if args.format.json { counted.to_string() } else { text })?;
        return Ok(Exit::Ok);
    }
    if !left_out.is_empty() {
        screen::remark(left_out.trim_start());
    }
    let question = format!("Replay {}?", deliveries(count, state, webhook));
    if !confirmed(question, args.yes).await? {
        screen::remark("nothing was replayed");
        return Ok(Exit::Failure);
    }
    // Exactly those that were counted.
    put(&mut body, "until", json::text(&counted, "/until"));
    put(&mut body, "dryRun", false);
    let begun = client.send_json(Method::POST, "/v1/replays", &body).await?;
    let ended = watch(client, &json::text(&begun, "/id")).await?;
    screen::line(&if args.format.json { ended.to_string() } else { as_text(&ended) })?;
    Ok(if json::text(&ended, "/state") == "done" { Exit::Ok } else { Exit::Failure })
}

fn body(webhook: &WebhookId, args: &ReplayArgs) -> Value {
    let mut body = json!({ "webhook": webhook, "mode": args.mode(), "again": args.again });
    if let Some(state) = args.state {
        put(&mut body, "state", state.as_str());
    }
    for (name, when) in [("since", args.since), ("until", args.until)] {
        if let Some(when) = when {
            put(&mut body, name, when.0.to_string());
        }
    }
    if let Some(pattern) = &args.event_type {
        put(&mut body, "eventType", pattern.to_string());
    }
    body
}

/// ` Left out: 3 that were replayed already and 1 that somebody gave up; --again takes them too.`
fn left_out(counted: &Value) -> String {
    let counts = [("/leftOut/replayed", "replayed already"), ("/leftOut/discarded", "given up by somebody")];
    let counts = counts.map(|(pointer, what)| (json::number(counted, pointer), what)).into_iter();
    let parts: Vec<_> = counts.filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if parts.is_empty() { String::new() } else { format!(" Left out: {}; --again takes these too.", parts.join(", ")) }
}

fn put(body: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(body) = body.as_object_mut() {
        body.insert(name.to_owned(), value.into());
    }
}

fn deliveries(count: u64, state: State, webhook: &WebhookId) -> String {
    let noun = if count == 1 { "delivery" } else { "deliveries" };
    format!("{count} {state} {noun} of {webhook}")
}

/// The run once it ended.
async fn watch(client: &Client, id: &str) -> anyhow::Result<Value> {
    let path = format!("/v1/replays/{id}");
    let mut stop = std::pin::pin!(serve::stop_signal()?);
    let (mut progress, mut is_cancelled) = (Progress::new(), false);
    loop {
        let run = client.get(&path).await?;
        if json::text(&run, "/state") != "running" {
            progress.end();
            return Ok(run);
        }
        progress.show(|| counts(&run));
        tokio::select! {
            () = &mut stop, if !is_cancelled => {
                is_cancelled = true;
                client.act(&format!("{path}/cancel")).await?;
            }
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

fn counts(run: &Value) -> String {
    let mut text = format!("{} of {} replayed", json::number(run, "/done"), json::text(run, "/counted"));
    let refused = json::number(run, "/refused");
    if refused > 0 {
        let _ = write!(text, ", {refused} refused");
    }
    text
}

fn as_text(run: &Value) -> String {
    let mut text = format!("{}: {}", json::text(run, "/state"), counts(run));
    let error = json::text(run, "/error");
    if !error.is_empty() {
        let _ = write!(text, "\n  {}", screen::inert(&error));
    }
    for (reason, count) in run.pointer("/reasons").and_then(Value::as_object).into_iter().flatten() {
        let _ = write!(text, "\n  {count}: {}", screen::inert(reason));
    }
    let reached = json::text(run, "/reached");
    if json::text(run, "/state") != "done" && !reached.is_empty() {
        let _ = write!(text, "\n  go on with --since {}", screen::inert(&reached));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_it_ended_and_how_to_go_on() {
        let run = json!({ "state": "cancelled", "counted": 12, "done": 5, "refused": 1,
            "reasons": { "not kept any more": 1 }, "reached": "2026-11-23T20:41:15.196Z" });
        insta::assert_snapshot!(as_text(&run), @r"
        cancelled: 5 of 12 replayed, 1 refused
          1: not kept any more
          go on with --since 2026-11-23T20:41:15.196Z
        ");
        as_text(&json!(null));
    }

    #[test]
    fn says_what_is_left_out() {
        assert_eq!(left_out(&json!({ "leftOut": { "replayed": 0, "discarded": 0 } })), "");
        assert_eq!(left_out(&json!(null)), "");
        let told = left_out(&json!({ "leftOut": { "replayed": 3, "discarded": 1 } }));
        assert_eq!(told, " Left out: 3 replayed already, 1 given up by somebody; --again takes these too.");
    }
}
