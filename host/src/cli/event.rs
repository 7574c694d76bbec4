//! `event`: what was accepted, what was refused and kept, and letting that in.

use std::path::Path;
use std::str::FromStr;

use clap::{Args, Subcommand};
use http::StatusCode;
use owo_colors::Style;
use serde_json::Value;

use super::client::{Client, Problem};
use super::{Exit, Format, discovery, json, pages, screen};
use crate::ids::{EventId, NameError, QuarantineId, SourceName};
use crate::pattern::EventPattern;
use crate::when::When;

#[derive(Debug, Subcommand)]
pub(super) enum EventCommand {
    /// Accepted events, newest first
    List(ListArgs),
    /// One event, or one refused body in quarantine, as it came
    Show(ShowArgs),
    /// Refused bodies that are kept, newest first
    Quarantine(Format),
    /// Let a quarantined body in, if it fits the schemas now
    Admit(AdmitArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only events of this type, such as entry.*
    #[arg(long = "type", value_name = "PATTERN")]
    event_type: Option<EventPattern>,
    /// Only events from this source
    #[arg(long, value_name = "NAME")]
    source: Option<SourceName>,
    /// Only those received since: 2h (ago), 03:00 or 2026-11-23 (UTC), or a time
    #[arg(long, value_name = "AGE|TIME")]
    since: Option<When>,
    /// Only those received before
    #[arg(long, value_name = "AGE|TIME")]
    until: Option<When>,
    /// Only events older than this one
    #[arg(long, value_name = "ID")]
    before: Option<EventId>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u32,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The event's id, evt_…, or that of a refused body in quarantine, qrt_…
    id: Shown,
    #[command(flatten)]
    format: Format,
}

/// What can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Event(EventId),
    Quarantined(QuarantineId),
}

impl FromStr for Shown {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.starts_with("qrt_") { text.parse().map(Self::Quarantined) } else { text.parse().map(Self::Event) }
    }
}

#[derive(Debug, Args)]
pub(super) struct AdmitArgs {
    /// The id in quarantine, qrt_…
    id: QuarantineId,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn run(home: &Path, command: EventCommand) -> anyhow::Result<Exit> {
    let client = discovery::admin(home)?;
    let (answer, json, render): (Value, bool, fn(&Value) -> String) = match command {
        EventCommand::List(args) => {
            (pages::all(&client, &list_path(&args), "events", args.limit).await?, args.format.json, list)
        }
        EventCommand::Show(ShowArgs { id: Shown::Quarantined(id), format }) => {
            return show_quarantined(&client, id, home, format).await;
        }
        EventCommand::Show(ShowArgs { id: Shown::Event(id), format }) => {
            (client.get(&format!("/v1/events/{id}")).await?, format.json, show)
        }
        EventCommand::Quarantine(format) => (client.get("/v1/quarantine").await?, format.json, quarantine),
        EventCommand::Admit(args) => {
            (client.act(&format!("/v1/quarantine/{}/admit", args.id)).await?, args.format.json, admitted)
        }
    };
    screen::line(&if json { answer.to_string() } else { render(&answer) })?;
    Ok(Exit::Ok)
}

fn list_path(args: &ListArgs) -> String {
    // Ids, names, patterns and times hold nothing that would need escaping in a query.
    let parts = [
        args.event_type.as_ref().map(|pattern| format!("type={pattern}")),
        args.source.as_ref().map(|source| format!("source={source}")),
        args.since.map(|since| format!("since={}", since.0)),
        args.until.map(|until| format!("until={}", until.0)),
        args.before.map(|before| format!("before={before}")),
    ];
    let query: Vec<_> = parts.into_iter().flatten().collect();
    format!("/v1/events?{}", query.join("&"))
}

/// One refused body: why it was refused, how to let it in, what it is.
pub(super) async fn show_quarantined(
    client: &Client,
    id: QuarantineId,
    home: &Path,
    format: Format,
) -> anyhow::Result<Exit> {
    let answer = client.get(&format!("/v1/quarantine/{id}")).await?;
    screen::line(&if format.json { answer.to_string() } else { quarantined(&answer, home) })?;
    Ok(Exit::Ok)
}

/// What lets a refused body in, in words that follow others.
pub(super) fn how_to_admit(id: &str, home: &Path) -> String {
    let command = discovery::command(&format!("event admit {id}"), home);
    format!("after mending the schema: {}", screen::command(&command))
}

fn list(answer: &Value) -> String {
    let events = json::list(answer, "/events");
    if events.is_empty() {
        return "No events.".into();
    }
    let mut table = screen::Table::new(["ID", "RECEIVED", "TYPE", "SOURCE", "BYTES"]);
    for event in events {
        table.row([
            screen::plain(json::text(event, "/id")),
            screen::dim(received(event)),
            screen::plain(json::text(event, "/type")),
            screen::plain(json::text(event, "/source")),
            screen::dim(format!("{:>6}", json::text(event, "/bytes"))),
        ]);
    }
    table.render(0)
}

fn received(one: &Value) -> String {
    json::either(one, ["/received", "/receivedAt"])
}

fn show(event: &Value) -> String {
    let mut table = screen::Table::bare();
    for (name, pointer) in [
        ("id", "/id"),
        ("type", "/type"),
        ("source", "/source"),
        ("received", "/received"),
        ("content type", "/contentType"),
        ("bytes", "/bytes"),
    ] {
        let text = json::text(event, pointer);
        if !text.is_empty() {
            table.row([screen::dim(name), screen::plain(text)]);
        }
    }
    let mut text = table.render(0);
    let deliveries = json::list(event, "/deliveries");
    if !deliveries.is_empty() {
        text = format!("{text}\n\n{}", super::delivery::table(deliveries).render(0));
    }
    text + &body(event)
}

fn quarantined(entry: &Value, home: &Path) -> String {
    let mut table = screen::Table::bare();
    for (name, pointer) in
        [("id", "/id"), ("source", "/source"), ("received", "/received"), ("content type", "/contentType")]
    {
        table.row([screen::dim(name), screen::plain(json::text(entry, pointer))]);
    }
    let status = entry.pointer("/problem/status").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let status = status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
    let problem = entry.pointer("/problem").unwrap_or(&Value::Null).to_string();
    let problem = Problem::read(status, problem.as_bytes()).to_string();
    format!(
        "{}\n\n{} refused, and kept in quarantine: {}\n  {}{}",
        table.render(0),
        screen::styled("✗", Style::new().red()),
        screen::inert_lines(&problem),
        how_to_admit(&json::text(entry, "/id"), home),
        body(entry),
    )
}

/// The bytes as they came, after an empty line; nothing, if they are not there.
fn body(one: &Value) -> String {
    let body = match one.pointer("/data").or_else(|| one.pointer("/dataBase64")) {
        None => return String::new(),
        Some(Value::String(body)) => json_or_text(body),
        Some(body) => json::reindented(&body.to_string()),
    };
    format!("\n\n{}", screen::inert_lines(&body))
}

fn json_or_text(body: &str) -> String {
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(body).is_ok();
    if is_json { json::reindented(body) } else { body.to_owned() }
}

fn quarantine(answer: &Value) -> String {
    let kept = json::list(answer, "/quarantined");
    if kept.is_empty() {
        return "Quarantine is empty.".into();
    }
    let mut table = screen::Table::new(["ID", "RECEIVED", "SOURCE", "PROBLEM"]);
    for one in kept {
        table.row([
            screen::plain(json::text(one, "/id")),
            screen::dim(received(one)),
            screen::plain(json::text(one, "/source")),
            screen::plain(problem(one)),
        ]);
    }
    format!("{}\n\nAfter mending the schema: {}", table.render(0), screen::command("hookwright event admit ID"))
}

/// The problem in a sentence, whether it comes as an object or as its text.
fn problem(one: &Value) -> String {
    let parsed =
        one.pointer("/problem").and_then(Value::as_str).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let problem = parsed.as_ref().or_else(|| one.pointer("/problem")).unwrap_or(&Value::Null);
    let first = (json::text(problem, "/errors/0/pointer"), json::text(problem, "/errors/0/message"));
    let sentence = match first {
        (pointer, message) if !message.is_empty() => format!("{pointer} {message}"),
        _ => json::text(problem, "/detail"),
    };
    if sentence.is_empty() { json::text(problem, "") } else { sentence }
}

fn admitted(answer: &Value) -> String {
    let line = |event: &Value| {
        let count = json::list(event, "/deliveries").len();
        let deliveries = if count == 1 { "1 delivery".to_owned() } else { format!("{count} deliveries") };
        format!("Admitted as {}, {}.", screen::heading(&json::text(event, "/id")), deliveries)
    };
    accepted(answer).iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The events that an answer is about: one, or those of a batch.
pub(super) fn accepted(answer: &Value) -> &[Value] {
    answer.get("events").and_then(Value::as_array).map_or(std::slice::from_ref(answer), Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_line_up() {
        let answer = json!({"events": [
            {"id": "evt_2", "type": "entry.create", "source": "strapi", "received": "2026-11-23T20:41:15.196Z", "bytes": 342},
            {"id": "evt_1", "type": "media.update", "source": "strapi", "received": "2026-11-23T20:41:14.196Z", "bytes": 12045}
        ]});
        insta::assert_snapshot!(screen::uncoloured(&list(&answer)), @r"
        ID     RECEIVED                  TYPE          SOURCE  BYTES
        evt_2  2026-11-23T20:41:15.196Z  entry.create  strapi     342
        evt_1  2026-11-23T20:41:14.196Z  media.update  strapi   12045
        ");
    }

    #[test]
    fn quarantine_names_the_first_place() {
        let problem =
            r#"{"title":"Schema violated","detail":"d","errors":[{"pointer":"/entry","message":"is not an object"}]}"#;
        let answer = json!({"quarantined": [
            {"id": "qrt_1", "source": "strapi", "received": "2026-11-23T20:41:15.196Z", "problem": problem},
            {"id": "qrt_2", "source": "strapi", "problem": {"detail": "only a detail"}}
        ]});
        insta::assert_snapshot!(screen::uncoloured(&quarantine(&answer)), @r"
        ID     RECEIVED                  SOURCE  PROBLEM
        qrt_1  2026-11-23T20:41:15.196Z  strapi  /entry is not an object
        qrt_2                            strapi  only a detail

        After mending the schema: hookwright event admit ID
        ");
    }

    #[test]
    fn shows_a_body_as_it_was() {
        let answer = json!({"id": "evt_1", "type": "entry.create", "data": "{\"b\":1.0,\"a\":\"\u{202e}\"}"});
        insta::assert_snapshot!(screen::uncoloured(&show(&answer)), @r#"
        id    evt_1
        type  entry.create

        {
          "b": 1.0,
          "a": "\u{202e}"
        }
        "#);
    }

    #[test]
    fn shows_a_refused_body_with_its_problem_and_the_way_in() {
        let entry = json!({
            "id": "qrt_1", "source": "strapi", "received": "2026-11-23T20:41:15.196Z", "contentType": "application/json",
            "problem": {"title": "The event does not fit its schema", "status": 422, "detail": "d",
                "errors": [{"pointer": "/entry", "message": "is not an object"}], "quarantine": "qrt_1"},
            "data": "{\"entry\":1}"
        });
        insta::assert_snapshot!(screen::uncoloured(&quarantined(&entry, Path::new("."))), @r#"
        id            qrt_1
        source        strapi
        received      2026-11-23T20:41:15.196Z
        content type  application/json

        ✗ refused, and kept in quarantine: 422 The event does not fit its schema
          /entry: is not an object
          after mending the schema: hookwright event admit qrt_1

        {
          "entry": 1
        }
        "#);
    }

    #[test]
    fn takes_any_answer() {
        for answer in [json!(null), json!({"event": 1, "events": [1], "quarantined": [2], "data": [3], "problem": 4})] {
            quarantined(&answer, Path::new("."));
            for render in [list, show, quarantine, admitted] {
                render(&answer);
            }
        }
    }
}
