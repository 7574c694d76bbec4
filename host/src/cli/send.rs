//! `send`: posts files to the running host, as a CMS would, and says what became of each.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use http::{HeaderMap, HeaderValue, header};
use owo_colors::Style;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::client::{Answer, Client, Problem};
use super::{Exit, Format, discovery, event, json, screen, webhook};
use crate::ids::EventId;

#[derive(Debug, Args)]
pub(super) struct SendArgs {
    /// Files whose bytes are posted as they are; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Post each file this many times
    #[arg(long, default_value_t = 1, value_name = "N")]
    repeat: u32,
    /// The content type to send
    #[arg(long, default_value = "application/json", value_name = "TYPE")]
    content_type: HeaderValue,
    /// Send the stem of the file's name as X-Strapi-Event: entry.create for entry.create.json
    #[arg(long)]
    type_from_file: bool,
    /// Each file is a capture {"headers": …, "body": …}: post its body, and its X-Strapi-Event
    #[arg(long, conflicts_with = "type_from_file")]
    capture: bool,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn run(home: &Path, args: SendArgs) -> anyhow::Result<Exit> {
    let client = discovery::public(home)?;
    // Asked once, and only if it matters.
    let at_fault = OnceCell::new();
    let mut exit = Exit::Ok;
    for file in &args.files {
        let (headers, body) = prepare(file, &args)?;
        // All copies of a file go to the same webhooks.
        let off = OnceCell::new();
        for _ in 0..args.repeat {
            let answer = post(&client, &headers, &body).await?;
            let name = file.display().to_string();
            if args.format.json {
                screen::line(&as_json(&name, &answer))?;
            } else {
                let (at_fault, off) = if went_nowhere(&answer) {
                    let off = off.get_or_init(|| ask_for_those_off(&answer, home)).await;
                    (at_fault.get_or_init(|| ask(home)).await, &**off)
                } else {
                    (&None, &[][..])
                };
                screen::line(&as_text(&name, &answer, home, at_fault.as_deref(), off))?;
            }
            if !answer.status.is_success() {
                exit = Exit::Failure;
            }
        }
    }
    Ok(exit)
}

fn went_nowhere(answer: &Answer) -> bool {
    answer.status.is_success()
        && serde_json::from_slice(&answer.body).is_ok_and(|body: Value| {
            event::accepted(&body).iter().any(|event| json::list(event, "/deliveries").is_empty())
        })
}

/// The webhooks that are not as their files say, if the host may be asked.
async fn ask(home: &Path) -> Option<String> {
    let status = discovery::admin(home).ok()?.get("/v1/status").await.ok()?;
    webhook::at_fault_text(&status, home)
}

/// What is said of the webhooks that would have taken the event, were they not switched off; if the host may be asked.
async fn ask_for_those_off(answer: &Answer, home: &Path) -> Vec<String> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Ok(event) = json::text(&body, "/id").parse::<EventId>() else { return Vec::new() };
    let Ok(client) = discovery::admin(home) else { return Vec::new() };
    client.get(&format!("/v1/events/{event}/why")).await.map(|why| those_off(&why, home)).unwrap_or_default()
}

fn those_off(why: &Value, home: &Path) -> Vec<String> {
    let of = |webhook: &Value| {
        let is_stop = |gate: &&Value| json::text(gate, "/verdict") == "stop";
        let rules = ["enabled", "pattern", "filter"];
        let gates = json::list(webhook, "/gates").iter().filter(is_stop);
        let stops: Vec<_> = gates.filter(|gate| rules.contains(&&*json::text(gate, "/name"))).collect();
        let [only] = stops[..] else { return None };
        (json::text(only, "/name") == "enabled").then(|| {
            let detail = discovery::typed_in(&json::text(only, "/detail"), home);
            format!("{} would take it, but is off: {detail}", json::text(webhook, "/webhook"))
        })
    };
    json::list(why, "/webhooks").iter().filter_map(of).take(WEBHOOKS_NAMED).collect()
}

/// More webhooks that are off are not named.
const WEBHOOKS_NAMED: usize = 5;

async fn post(client: &Client, headers: &HeaderMap, body: &Bytes) -> anyhow::Result<Answer> {
    Ok(client.post("/v1/events", headers.clone(), body.clone()).await?)
}

fn prepare(file: &Path, args: &SendArgs) -> anyhow::Result<(HeaderMap, Bytes)> {
    let bytes = read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, args.content_type.clone());
    if args.type_from_file {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let value = HeaderValue::from_str(stem)
            .with_context(|| format!("{} is not named like an event type", file.display()))?;
        headers.insert("x-strapi-event", value);
    }
    if !args.capture {
        return Ok((headers, bytes));
    }
    let capture = Capture::read(&bytes)
        .with_context(|| format!(r#"{} is not a capture {{"headers": …, "body": …}}"#, file.display()))?;
    headers.extend(capture.event.map(|event| (header::HeaderName::from_static("x-strapi-event"), event)));
    Ok((headers, capture.body))
}

fn read(file: &Path) -> std::io::Result<Bytes> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes.into());
    }
    std::fs::read(file).map(Bytes::from)
}

/// A request as somebody recorded it.
struct Capture {
    event: Option<HeaderValue>,
    /// The bytes as they stand in the file.
    body: Bytes,
}

impl Capture {
    fn read(bytes: &[u8]) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct File<'f> {
            #[serde(default)]
            headers: serde_json::Map<String, Value>,
            #[serde(borrow)]
            body: &'f RawValue,
        }
        let file: File<'_> = serde_json::from_slice(bytes)?;
        let event = file.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-strapi-event"));
        Ok(Self {
            event: event.and_then(|(_, value)| HeaderValue::from_str(value.as_str()?).ok()),
            body: Bytes::copy_from_slice(file.body.get().as_bytes()),
        })
    }
}

fn as_json(file: &str, answer: &Answer) -> String {
    let body = serde_json::from_slice(&answer.body)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&answer.body).into_owned()));
    json!({"file": file, "status": answer.status.as_u16(), "answer": body}).to_string()
}

fn as_text(file: &str, answer: &Answer, home: &Path, at_fault: Option<&str>, off: &[String]) -> String {
    use owo_colors::OwoColorize as _;
    let file = screen::inert(file);
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if !answer.status.is_success() {
        let problem = Problem::read(answer.status, &answer.body).to_string();
        let text = format!("{} {file}  {}", "✗".red(), screen::inert_lines(&problem));
        return match json::text(&body, "/quarantine") {
            id if id.is_empty() => text,
            id => format!("{text}\n  kept as {}; {}", screen::inert(&id), event::how_to_admit(&id, home)),
        };
    }
    let one = |event: &Value| {
        let head = format!("{} {file}  {}", "✓".green(), answer.status.as_u16());
        accepted_text(&head, event, off)
    };
    let mut text = event::accepted(&body).iter().map(one).collect::<Vec<_>>().join("\n");
    for line in off {
        text = format!("{text}\n    {}", screen::styled(line, Style::new().yellow()));
    }
    for line in at_fault.into_iter().flat_map(str::lines) {
        text = format!("{text}\n    {line}");
    }
    text
}

fn accepted_text(head: &str, event: &Value, off: &[String]) -> String {
    let id = screen::styled(&json::text(event, "/id"), owo_colors::Style::new().bold());
    let mut text = format!("{head}  {id}");
    let deliveries = json::list(event, "/deliveries");
    if deliveries.is_empty() {
        let why = if off.is_empty() { "  (no webhook wants it)" } else { "  (no webhook that is on wants it)" };
        text.push_str(&screen::faint(why));
    }
    let mut table = screen::Table::bare();
    for delivery in deliveries {
        table.row([
            screen::plain(format!("→ {}", json::text(delivery, "/webhook"))),
            screen::dim(json::text(delivery, "/id")),
        ]);
    }
    if !deliveries.is_empty() {
        text = format!("{text}\n{}", table.render(4));
    }
    text
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn told(status: StatusCode, body: &'static str) -> String {
        told_with(status, body, None)
    }

    fn told_with(status: StatusCode, body: &'static str, at_fault: Option<&str>) -> String {
        let answer = Answer { status, body: Bytes::from_static(body.as_bytes()) };
        screen::uncoloured(&as_text("a.json", &answer, Path::new("."), at_fault, &[]))
    }

    #[test]
    fn says_which_webhooks_could_not_want_it() {
        let nowhere = r#"{"id":"evt_1","deliveries":[]}"#;
        let answer =
            |body: &'static str| Answer { status: StatusCode::ACCEPTED, body: Bytes::from_static(body.as_bytes()) };
        assert!(went_nowhere(&answer(nowhere)) && !went_nowhere(&answer(r#"{"deliveries":[{"id":"dlv_1"}]}"#)));
        let status = json!({"leftOut": [{"file": "config/webhooks/site.json"}],
            "webhooks": [{"fault": {"file": "config/webhooks/search.json"}}]});
        let at_fault = webhook::at_fault_text(&status, Path::new("."));
        insta::assert_snapshot!(told_with(StatusCode::ACCEPTED, nowhere, at_fault.as_deref()), @r"
        ✓ a.json  202  evt_1  (no webhook wants it)
            1 webhook is left out, because its file is at fault: config/webhooks/site.json. What is wrong: hookwright check
            1 webhook is as it was before, because its file is at fault: config/webhooks/search.json. What is wrong: hookwright check
        ");
    }

    #[test]
    fn names_the_webhooks_that_wanted_it_and_are_off() {
        let gate = |name: &str, verdict: &str| json!({"name": name, "verdict": verdict, "detail": "switched off by ana; `hookwright webhook enable a` takes that back"});
        let why = json!({"webhooks": [
            {"webhook": "a", "gates": [gate("enabled", "stop"), gate("pattern", "pass"), gate("plugin x", "stop")]},
            {"webhook": "b", "gates": [gate("enabled", "stop"), gate("pattern", "stop")]},
            {"webhook": "c", "gates": [gate("enabled", "pass"), gate("pattern", "stop")]}
        ]});
        let off = those_off(&why, Path::new("."));
        let body = br#"{"id":"evt_1","deliveries":[]}"#;
        let answer = Answer { status: StatusCode::ACCEPTED, body: Bytes::from_static(body) };
        insta::assert_snapshot!(screen::uncoloured(&as_text("a.json", &answer, Path::new("."), None, &off)), @r"
        ✓ a.json  202  evt_1  (no webhook that is on wants it)
            a would take it, but is off: switched off by ana; `hookwright webhook enable a` takes that back
        ");
        assert!(those_off(&json!(null), Path::new(".")).is_empty());
    }

    #[test]
    fn says_under_which_id_a_refused_body_is_kept() {
        let body = r#"{"title":"Schema violated","detail":"d","errors":[{"pointer":"/entry","message":"m"}],"quarantine":"qrt_1"}"#;
        insta::assert_snapshot!(told(StatusCode::UNPROCESSABLE_ENTITY, body), @r"
        ✗ a.json  422 Schema violated
          /entry: m
          kept as qrt_1; after mending the schema: hookwright event admit qrt_1
        ");
    }

    #[test]
    fn says_where_an_event_went() {
        let body = r#"{"id":"evt_1","deliveries":[{"id":"dlv_1","webhook":"site"},{"id":"dlv_2","webhook":"search"}]}"#;
        insta::assert_snapshot!(told(StatusCode::ACCEPTED, body), @r"
        ✓ a.json  202  evt_1
            → site    dlv_1
            → search  dlv_2
        ");
        insta::assert_snapshot!(told(StatusCode::ACCEPTED, r#"{"id":"evt_1","deliveries":[]}"#), @"✓ a.json  202  evt_1  (no webhook wants it)");
        let batch = r#"{"events":[{"id":"evt_1","deliveries":[{"id":"dlv_1","webhook":"site"}]},{"id":"evt_2","deliveries":[]}]}"#;
        insta::assert_snapshot!(told(StatusCode::ACCEPTED, batch), @r"
        ✓ a.json  202  evt_1
            → site  dlv_1
        ✓ a.json  202  evt_2  (no webhook wants it)
        ");
    }

    #[test]
    fn says_why_it_was_refused_without_letting_the_answer_speak_to_the_terminal() {
        let body = r#"{"title":"Schema violated","detail":"d","errors":[{"pointer":"/entry","message":"\u001b[2J"}]}"#;
        insta::assert_snapshot!(told(StatusCode::UNPROCESSABLE_ENTITY, body), @r"
        ✗ a.json  422 Schema violated
          /entry: \u{1b}[2J
        ");
    }

    #[test]
    fn a_captured_body_keeps_its_bytes() {
        let file = br#"{"headers":{"X-Strapi-Event":"entry.create"},"body": {"b": 1.0, "a":9007199254740993} }"#;
        let capture = Capture::read(file).expect("a capture");
        assert_eq!(capture.body, &br#"{"b": 1.0, "a":9007199254740993}"#[..]);
        assert_eq!(capture.event.expect("named"), "entry.create");
    }
}
