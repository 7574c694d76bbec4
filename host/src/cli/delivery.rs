//! `delivery`: what became of each event at each webhook, and what to do about it.

mod many;
mod mend;
mod replay;

use std::fmt::Write as _;
use std::path::Path;
use std::str::FromStr;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::Client;
use super::{Exit, Format, discovery, json, pages, screen, tail};
use crate::delivery::State;
use crate::ids::{DeliveryId, WebhookId};
use crate::pattern::EventPattern;
use crate::when::When;

#[derive(Debug, Subcommand)]
pub(super) enum DeliveryCommand {
    /// Deliveries, newest first
    List(ListArgs),
    /// One delivery with what its plugins did and each attempt
    Show(ShowArgs),
    /// Send a finished delivery once more, or many of a webhook
    Replay(replay::ReplayArgs),
    /// Do not wait: make a retrying delivery due now, or release a held one
    Retry(mend::RetryArgs),
    /// Give up unfinished deliveries: they are failed, with who gave them up
    Discard(mend::DiscardArgs),
    /// Forget finished deliveries
    Purge(mend::PurgeArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only those of this webhook
    #[arg(long, value_name = "ID")]
    webhook: Option<WebhookId>,
    /// Only those in this state: pending, retrying, held, delivered, dropped or failed
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<State>,
    /// Only those of events of this type, such as entry.*
    #[arg(long = "type", value_name = "PATTERN")]
    event_type: Option<EventPattern>,
    /// Only those made since: 2h (ago), 03:00 or 2026-11-23 (UTC), or a time
    #[arg(long, value_name = "AGE|TIME")]
    since: Option<When>,
    /// Only those made before
    #[arg(long, value_name = "AGE|TIME")]
    until: Option<When>,
    /// Only deliveries older than this one
    #[arg(long, value_name = "ID")]
    before: Option<DeliveryId>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u32,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The delivery's id, dlv_…, or `last` for the newest
    #[arg(value_name = "ID|last")]
    id: Which,
    #[command(flatten)]
    format: Format,
}

/// A delivery as people name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Last,
    Id(DeliveryId),
}

impl FromStr for Which {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "last" => Ok(Self::Last),
            id => id.parse().map(Self::Id).map_err(|_| "expected a delivery id (dlv_…) or last"),
        }
    }
}

impl Which {
    /// # Errors
    /// When there is none yet, or the host does not answer.
    pub(super) async fn find(self, client: &Client) -> anyhow::Result<DeliveryId> {
        match self {
            Self::Id(id) => Ok(id),
            Self::Last => {
                let newest = client.get("/v1/deliveries?limit=1").await?;
                json::text(&newest, "/deliveries/0/id").parse().context("there is no delivery yet")
            }
        }
    }
}

fn state(text: &str) -> Result<State, &'static str> {
    match State::from_name(text) {
        // Of an event.
        Some(State::Superseded) => {
            Err("no delivery is superseded: the events of a debounce window share the one that carries the \
             newest of them (`why EVENT` says which, `delivery show` how many)")
        }
        Some(state) => Ok(state),
        None => Err("expected pending, retrying, held, delivered, dropped or failed"),
    }
}

pub(super) async fn run(home: &Path, command: DeliveryCommand) -> anyhow::Result<Exit> {
    let client = discovery::admin(home)?;
    let text = match command {
        DeliveryCommand::List(args) => {
            let answer = pages::all(&client, &list_path(&args), "deliveries", args.limit).await?;
            if args.format.json { answer.to_string() } else { list(&answer) }
        }
        DeliveryCommand::Show(args) => {
            let id = args.id.find(&client).await?;
            let answer = client.get(&format!("/v1/deliveries/{id}")).await?;
            if args.format.json { answer.to_string() } else { show(&answer, home) }
        }
        DeliveryCommand::Replay(args) => return replay::run(&client, home, args).await,
        DeliveryCommand::Retry(args) => return mend::retry(&client, home, args).await,
        DeliveryCommand::Discard(args) => return mend::discard(&client, args).await,
        DeliveryCommand::Purge(args) => return mend::purge(&client, args).await,
    };
    screen::line(&text)?;
    Ok(Exit::Ok)
}

/// Without `limit` and `before` of the first page.
fn list_path(args: &ListArgs) -> String {
    // Ids, names, patterns, times and states hold nothing that would need escaping in a query.
    let parts = [
        args.webhook.as_ref().map(|webhook| format!("webhook={webhook}")),
        args.state.map(|state| format!("state={state}")),
        args.event_type.as_ref().map(|pattern| format!("eventType={pattern}")),
        args.since.map(|since| format!("since={}", since.0)),
        args.until.map(|until| format!("until={}", until.0)),
        args.before.map(|before| format!("before={before}")),
    ];
    let query: Vec<_> = parts.into_iter().flatten().collect();
    format!("/v1/deliveries?{}", query.join("&"))
}

fn list(answer: &Value) -> String {
    let deliveries = json::list(answer, "/deliveries");
    if deliveries.is_empty() { "No deliveries.".into() } else { table(deliveries).render(0) }
}

/// Deliveries as the API lists them.
pub(super) fn table(deliveries: &[Value]) -> screen::Table {
    let mut table = screen::Table::new(["ID", "STATE", "WEBHOOK", "ATTEMPTS", "CHANGED", "REASON"]);
    for delivery in deliveries {
        let due = json::text(delivery, "/due");
        let reason = json::text(delivery, "/reason");
        let reason = if due.is_empty() { reason } else { format!("{reason} (next at {due})") };
        table.row([
            screen::plain(json::text(delivery, "/id")),
            screen::state(json::text(delivery, "/state")),
            screen::plain(json::text(delivery, "/webhook")),
            screen::plain(json::text(delivery, "/attempts")),
            screen::dim(json::text(delivery, "/changed")),
            screen::plain(reason.trim()),
        ]);
    }
    table
}

fn show(delivery: &Value, home: &Path) -> String {
    let mut head = screen::Table::bare();
    for name in ["id", "event", "webhook", "state", "created", "changed", "due", "reason", "heldFor", "replayOf"] {
        let text = json::text(delivery, &format!("/{name}"));
        if !text.is_empty() {
            head.row([screen::dim(name), if name == "state" { screen::state(text) } else { screen::plain(text) }]);
        }
    }
    if let Some(window) = delivery.pointer("/window") {
        head.row([screen::dim("window"), screen::plain(gathered(window))]);
    }
    let mut parts = vec![head.render(0)];
    parts.extend(members(delivery));
    let runs: Vec<String> = json::list(delivery, "/chain/runs").iter().map(plugin_run).collect();
    if !runs.is_empty() {
        parts.push(format!("{}\n{}", screen::heading("Plugins"), runs.join("\n")));
    }
    let notes: Vec<String> = json::list(delivery, "/chain/changes/annotations").iter().map(annotation).collect();
    if !notes.is_empty() {
        parts.push(screen::inert_lines(&notes.join("\n")).into_owned());
    }
    let attempts = json::list(delivery, "/attemptList");
    if !attempts.is_empty() {
        let attempts: Vec<String> = attempts.iter().map(attempt).collect();
        parts.push(format!("{}\n{}", screen::heading("Attempts"), attempts.join("\n")));
    }
    parts.extend(next(delivery, home));
    parts.join("\n\n")
}

/// What can be done with a delivery that did not arrive.
fn next(delivery: &Value, home: &Path) -> Option<String> {
    let id = json::text(delivery, "/id");
    let has_an_outcome = json::text(delivery, "/chain/verdict") == "deliver";
    let (command, comes_to) = match json::text(delivery, "/state").as_str() {
        "held" => match json::text(delivery, "/heldFor").as_str() {
            "webhook-disabled" | "webhook-gone" => {
                (format!("webhook enable {}", json::text(delivery, "/webhook")), "unless its file switches it off")
            }
            "webhook-removed" => return None,
            _ => (format!("delivery retry {id}"), "once its cause is mended, if it does not go by itself"),
        },
        "retrying" => (format!("delivery retry {id}"), "does not wait for its next time"),
        "failed" if has_an_outcome => (format!("delivery replay {id}"), "sends the same once more"),
        "failed" | "dropped" => (format!("delivery replay {id} --today"), "asks today's plugins"),
        _ => return None,
    };
    let command = screen::command(&discovery::command(&command, home));
    Some(format!("next: {command}  {}", screen::faint(comes_to)))
}

/// `3 events; gathers more until …`
fn gathered(window: &Value) -> String {
    let count = json::number(window, "/count");
    let events = if count == 1 { "1 event".to_owned() } else { format!("{count} events, of which the newest is sent") };
    match json::text(window, "/closes") {
        closes if closes.is_empty() => events,
        closes => format!("{events}; gathers more until {closes}"),
    }
}

/// The events of a window that are not the one that is sent.
fn members(delivery: &Value) -> Option<String> {
    let carried = json::text(delivery, "/event");
    let ids = json::list(delivery, "/windowMembers").iter().map(|id| json::text(id, ""));
    let others: Vec<_> = ids.filter(|id| *id != carried).map(|id| format!("  {}", screen::inert(&id))).collect();
    (!others.is_empty()).then(|| format!("{}\n{}", screen::heading("Superseded in its window"), others.join("\n")))
}

pub(super) fn plugin_run(run: &Value) -> String {
    let digest = json::text(run, "/digest");
    let mut text = format!(
        "  {} {}  {}",
        screen::heading(&json::text(run, "/plugin")),
        screen::inert(&json::text(run, "/summary")),
        screen::faint(&format!(
            "{}, fuel {}, memory {}, {}",
            tail::took(json::number(run, "/micros")),
            json::number(run, "/fuel"),
            screen::kilobytes(usize::try_from(json::number(run, "/memoryBytes")).unwrap_or(usize::MAX)),
            version(run, &digest),
        )),
    );
    for frame in json::list(run, "/backtrace") {
        let _ = write!(text, "\n    {}", screen::faint(&format!("at {}", json::text(frame, ""))));
    }
    for note in json::list(run, "/annotations") {
        let _ = write!(text, "\n    {}", screen::faint(&annotation(note)));
    }
    for line in json::list(run, "/logs") {
        let line = format!("{}: {}", json::text(line, "/level"), json::text(line, "/message"));
        let _ = write!(text, "\n    {}", screen::faint(&line));
    }
    if run.pointer("/logsCut") == Some(&Value::Bool(true)) {
        let _ = write!(text, "\n    {}", screen::faint("… and more, which is over the limit of a run and not kept"));
    }
    text
}

/// `note removed: 2`
fn annotation(pair: &Value) -> String {
    format!("note {}: {}", json::text(pair, "/0"), json::text(pair, "/1"))
}

/// `0.1.0 ba7816bf8f01`
fn version(run: &Value, digest: &str) -> String {
    match digest.get(..12) {
        Some(digest) => format!("{} {digest}", json::text(run, "/version")).trim_start().to_owned(),
        None => "no file".to_owned(),
    }
}

/// So much of a receiver's answer is shown.
const RESPONSE_CHARS: usize = 2_000;

fn attempt(attempt: &Value) -> String {
    let status = json::text(attempt, "/result/status");
    let error = json::text(attempt, "/result/message");
    let outcome = if status.is_empty() { format!("{}: {error}", json::text(attempt, "/result/kind")) } else { status };
    let mut text = format!(
        "  {}  {}  {}  {}",
        json::number(attempt, "/number"),
        screen::heading(&outcome),
        screen::inert(&json::text(attempt, "/url")),
        screen::faint(&format!(
            "{}, {}",
            json::text(attempt, "/started"),
            tail::took(json::number(attempt, "/micros"))
        )),
    );
    let body = json::text(attempt, "/result/body");
    if !body.is_empty() {
        for line in screen::inert_lines(&screen::shortened(&body, RESPONSE_CHARS)).lines() {
            let _ = write!(text, "\n     {}", screen::faint(line));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shows_plugins_and_attempts() {
        let answer = json!({
            "id": "dlv_1", "event": "evt_1", "webhook": "site-build", "state": "retrying", "due": "2026-11-23T20:46:15.196Z",
            "reason": "answered 503",
            "chain": {"verdict": "deliver", "runs": [{"plugin": "redact", "digest": "ba7816bf8f01cfea", "version": "0.1.0",
                "summary": "panicked: no \u{1b}[2J", "backtrace": ["redact::path::find", "transform"],
                "logs": [{"level": "info", "message": "masked 1"}], "logsCut": true, "fuel": 46597, "memoryBytes": 1_114_112,
                "micros": 90}]},
            "attempts": 2,
            "attemptList": [
                {"number": 1, "started": "2026-11-23T20:41:15.196Z", "micros": 12345, "url": "https://build.example/hook",
                 "result": {"outcome": "answered", "status": 503, "body": "<h1>\u{1b}[2Jbusy</h1>\nlater"}},
                {"number": 2, "started": "2026-11-23T20:41:20.196Z", "micros": 1_500_000, "url": "https://build.example/hook",
                 "result": {"outcome": "error", "kind": "connect", "message": "connection refused"}}
            ]
        });
        insta::assert_snapshot!(screen::uncoloured(&show(&answer, Path::new("."))), @r"
        id       dlv_1
        event    evt_1
        webhook  site-build
        state    retrying
        due      2026-11-23T20:46:15.196Z
        reason   answered 503

        Plugins
          redact panicked: no \u{1b}[2J  90 µs, fuel 46597, memory 1115 KB, 0.1.0 ba7816bf8f01
            at redact::path::find
            at transform
            info: masked 1
            … and more, which is over the limit of a run and not kept

        Attempts
          1  503  https://build.example/hook  2026-11-23T20:41:15.196Z, 12.3 ms
             <h1>\u{1b}[2Jbusy</h1>
             later
          2  connect: connection refused  https://build.example/hook  2026-11-23T20:41:20.196Z, 1.5 s

        next: hookwright delivery retry dlv_1  does not wait for its next time
        ");
    }

    #[test]
    fn takes_any_answer() {
        for answer in [json!(null), json!({"chain": {"runs": [1]}, "attemptList": ["x"], "deliveries": [0]})] {
            show(&answer, Path::new("."));
            list(&answer);
        }
    }

    #[test]
    fn a_list_asks_for_what_was_wanted() {
        let args = ListArgs {
            webhook: Some("site-build".parse().expect("a name")),
            state: Some(State::Held),
            event_type: Some("entry.*".parse().expect("a pattern")),
            since: Some("2026-11-23".parse().expect("a day")),
            until: None,
            before: None,
            limit: 5,
            format: Format { json: false },
        };
        let query = "webhook=site-build&state=held&eventType=entry.*&since=2026-11-23T00:00:00.000Z";
        assert_eq!(list_path(&args), format!("/v1/deliveries?{query}"));
    }

    #[test]
    fn no_state_is_offered_that_no_delivery_has() {
        assert_eq!(state("failed"), Ok(State::Failed));
        assert!(state("superseded").expect_err("an event's").starts_with("no delivery is superseded"));
    }

    #[test]
    fn shows_what_a_window_gathered() {
        let answer = json!({"id": "dlv_1", "event": "evt_3", "state": "pending", "window": {"count": 3, "closes": "2026-11-23T20:46:15.196Z"},
            "windowMembers": ["evt_3", "evt_2", "evt_1"]});
        insta::assert_snapshot!(screen::uncoloured(&show(&answer, Path::new("."))), @r"
        id      dlv_1
        event   evt_3
        state   pending
        window  3 events, of which the newest is sent; gathers more until 2026-11-23T20:46:15.196Z

        Superseded in its window
          evt_2
          evt_1
        ");
    }
}
