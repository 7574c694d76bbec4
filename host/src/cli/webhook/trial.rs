//! `webhook test`: one event through a webhook's plugins and to its receiver, now.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use http::Method;
use owo_colors::Style;
use serde_json::{Value, json};

use crate::cli::{Exit, Format, discovery, json, screen};
use crate::ids::{EventId, WebhookId};

/// A larger body is refused by every host.
const MAX_FILE_BYTES: u64 = 64 << 20;
const BODY_CHARS: usize = 2_000;

#[derive(Debug, Args)]
#[group(id = "what", multiple = false, args = ["sample", "event", "data"])]
pub(in crate::cli) struct TestArgs {
    /// The webhook's id
    id: WebhookId,
    /// With the example of this event type [default: trigger-test]
    #[arg(long, value_name = "TYPE")]
    sample: Option<String>,
    /// With an event that came in once
    #[arg(long, value_name = "ID")]
    event: Option<EventId>,
    /// With this file as the event
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Only show the request; send nothing
    #[arg(long)]
    no_send: bool,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn test(home: &Path, args: TestArgs) -> anyhow::Result<Exit> {
    let mut body = json!({ "send": !args.no_send });
    let what = match (&args.sample, &args.event, &args.data) {
        (Some(sample), _, _) => Some(("sample", Value::from(sample.as_str()))),
        (_, Some(event), _) => Some(("event", Value::from(event.to_string()))),
        (_, _, Some(file)) => Some(("data", read(file)?)),
        (None, None, None) => None,
    };
    if let (Some((key, value)), Some(body)) = (what, body.as_object_mut()) {
        body.insert(key.to_owned(), value);
    }
    let path = format!("/v1/webhooks/{}/test", args.id);
    let answer = discovery::admin(home)?.send_json(Method::POST, &path, &body).await?;
    screen::line(&if args.format.json { answer.to_string() } else { as_text(&answer) })?;
    Ok(if went_well(&answer) { Exit::Ok } else { Exit::Failure })
}

/// A plugin that drops did what it is for.
fn went_well(answer: &Value) -> bool {
    let verdict = json::text(answer, "/chain/verdict");
    let status = answer.pointer("/attempt/result/status").and_then(Value::as_u64);
    match answer.pointer("/attempt") {
        Some(_) => status.is_some_and(|status| (200..300).contains(&status)),
        None => matches!(verdict.as_str(), "deliver" | "drop"),
    }
}

fn read(file: &Path) -> anyhow::Result<Value> {
    let bytes =
        crate::files::read_capped(file, MAX_FILE_BYTES).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is not JSON", file.display()))
}

fn as_text(answer: &Value) -> String {
    let text = |pointer| json::text(answer, pointer);
    let mut screen_text = format!("{}  {}", screen::heading(&text("/webhook")), screen::faint(&text("/event/type")));
    let mut line = |mark: char, style: Style, what: &str| {
        let _ = write!(screen_text, "\n  {}", screen::styled(&format!("{mark} {what}"), style));
    };
    let (good, bad, dim) = (Style::new().green(), Style::new().red(), Style::new().dimmed());
    match text("/schema/result").as_str() {
        "valid" => line('✓', good, "schema    the event fits"),
        "unknown" => line('·', dim, "schema    there is none for this type"),
        _ => {
            let errors = json::list(answer, "/schema/errors");
            let errors: Vec<_> = errors
                .iter()
                .map(|e| format!("{}: {}", json::text(e, "/pointer"), json::text(e, "/message")))
                .collect();
            line('✗', bad, &format!("schema    {}", errors.join("; ")));
        }
    }
    if answer.pointer("/matches/pattern") == Some(&Value::Bool(false)) {
        line('·', dim, "events    none of its patterns names this type: only a test sends it");
    }
    if let Some(objection) = answer.pointer("/matches/filter") {
        line('·', dim, &format!("filter    {}: only a test sends it", json::text(objection, "")));
    }
    for run in json::list(answer, "/chain/runs") {
        line('·', dim, &format!("plugin    {}: {}", json::text(run, "/plugin"), json::text(run, "/summary")));
    }
    if text("/chain/verdict") != "deliver" {
        line(
            '✗',
            bad,
            &format!("verdict   {} by {}: {}", text("/chain/verdict"), text("/chain/plugin"), text("/chain/reason")),
        );
        return screen_text;
    }
    line('·', dim, &format!("request   {} {}", text("/request/method"), text("/request/url")));
    for header in json::list(answer, "/request/headers") {
        line(' ', dim, &format!("          {}: {}", json::text(header, "/0"), json::text(header, "/1")));
    }
    let body = text("/request/data");
    line(' ', Style::new(), &format!("          {}", screen::shortened(&body, BODY_CHARS)));
    match answer.pointer("/attempt/result") {
        None => line('·', dim, "answer    nothing was sent"),
        Some(result) if json::text(result, "/outcome") == "answered" => {
            let status = json::number(result, "/status");
            let (mark, style) = if (200..300).contains(&status) { ('✓', good) } else { ('✗', bad) };
            let micros = json::number(answer, "/attempt/micros");
            line(mark, style, &format!("answer    {status} after {}.{} ms", micros / 1000, micros % 1000 / 100));
            let body = json::text(result, "/body");
            if !body.is_empty() {
                line(' ', Style::new(), &format!("          {}", screen::shortened(&body, BODY_CHARS)));
            }
        }
        Some(result) => line('✗', bad, &format!("answer    {}", json::text(result, "/message"))),
    }
    screen_text
}
