//! `listen`: receives webhooks at a desk and prints what came.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use http::StatusCode;
use owo_colors::{OwoColorize as _, Style};
use serde_json::{Value, json};

use super::receiver::{Behaviour, Received, Receiver, Signature};
use super::{Exit, Format, discovery, json, screen, serve};
use crate::signing::VerifyingKey;

/// Where the webhook `local` of `init` sends.
const DEFAULT_PORT: u16 = 4402;

#[derive(Debug, Args)]
pub(super) struct ListenArgs {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = DEFAULT_PORT, value_name = "PORT")]
    port: u16,
    /// The status to answer: try 500 to see retries (410: the webhook is off until `webhook enable`, or until its url changes)
    #[arg(long, default_value = "204", value_name = "STATUS", value_parser = status)]
    status: StatusCode,
    /// Verify with this secret (whsec_…) or public key (whpk_…), more than once if need be; else with every one in the
    /// home's .env
    #[arg(long, env = "HOOKWRIGHT_LISTEN_SECRET", hide_env_values = true, value_name = "SECRET")]
    secret: Vec<VerifyingKey>,
    /// End after this many requests
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    format: Format,
}

fn status(text: &str) -> Result<StatusCode, String> {
    let status: Option<StatusCode> =
        text.parse().ok().filter(|status: &StatusCode| (200..600).contains(&status.as_u16()));
    status.ok_or_else(|| "expected an HTTP status from 200 to 599".to_owned())
}

pub(super) async fn run(home: &Path, args: ListenArgs) -> anyhow::Result<Exit> {
    let stop = serve::stop_signal()?;
    let secrets = if args.secret.is_empty() { discovery::signing_secrets(home) } else { args.secret };
    let known = secrets.len();
    let receiver =
        Receiver::bind(args.port, Behaviour { status: args.status, keys: secrets }).await.map_err(|error| {
            anyhow::anyhow!("cannot listen on 127.0.0.1:{}: {error}; choose another with --port", args.port)
        })?;
    screen::line(&greeting(&receiver, args.status, known, args.format))?;
    let mut receiver = receiver;
    tokio::select! {
        () = stop => {}
        result = print_all(&mut receiver, args.count, args.format) => result?,
    }
    receiver.finish().await;
    Ok(Exit::Ok)
}

async fn print_all(receiver: &mut Receiver, count: Option<u64>, format: Format) -> Result<(), screen::Closed> {
    let mut seen = 0;
    while count.is_none_or(|count| seen < count) {
        let Some(request) = receiver.next().await else { break };
        seen += 1;
        screen::line(&if format.json { as_json(&request) } else { as_text(&request) })?;
    }
    Ok(())
}

fn greeting(receiver: &Receiver, status: StatusCode, secrets: usize, format: Format) -> String {
    let url = format!("http://{}/", receiver.address());
    if format.json {
        return json!({"listening": url}).to_string();
    }
    let verifying = match secrets {
        0 => "verifying nothing: no secret in .env, none given with --secret".to_owned(),
        known => format!("verifying with {}", screen::counted(known, "secret")),
    };
    format!("Listening on {}, answering {}, {verifying}. Ctrl-C ends.", url.bold(), status.as_u16())
}

fn as_json(received: &Received) -> String {
    let text = String::from_utf8_lossy(&received.body);
    let body = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text.as_ref()));
    let headers: serde_json::Map<_, _> = received
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    json!({
        "at": received.at,
        "method": received.method.as_str(),
        "path": received.path,
        "event": received.header("x-hookwright-event"),
        "id": received.header("webhook-id"),
        "attempt": received.header("x-hookwright-attempt"),
        "verified": received.signature == Signature::Good,
        "signature": received.signature.to_string(),
        "answered": received.status.as_u16(),
        "headers": headers,
        "body": body,
    })
    .to_string()
}

/// Headers that say nothing about the event, or that the first line shows already.
const DULL_HEADERS: [&str; 13] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "x-hookwright-attempt",
    "x-hookwright-event",
];

/// Longer header values are cut.
const HEADER_CHARS: usize = 160;

/// A request for people.
pub(super) fn as_text(received: &Received) -> String {
    let style = signature_style(received.signature);
    let time = received.at.to_string();
    let event = ["x-hookwright-event", "x-strapi-event"].map(|name| received.header(name)).into_iter();
    let event = event.into_iter().find(|event| !event.is_empty()).unwrap_or_else(|| "(no event type)".into());
    let mut text = format!(
        "\n{}  {}  {}  {}  {}",
        screen::faint(time.get(11..).unwrap_or(&time)),
        screen::heading(&event),
        screen::styled(&received.signature.to_string(), style),
        screen::faint(&format!("attempt {}", or_dash(&received.header("x-hookwright-attempt")))),
        screen::faint(&or_dash(&received.header("webhook-id"))),
    );
    let first = format!("{} {}", received.method, received.path);
    let _ = write!(text, "\n  {} → {}", screen::inert(&first), received.status.as_u16());
    let interesting = received.headers.iter().filter(|(name, _)| !DULL_HEADERS.contains(&name.as_str()));
    for (name, value) in interesting {
        let value = String::from_utf8_lossy(value.as_bytes());
        let _ = write!(
            text,
            "\n  {} {}",
            screen::faint(&format!("{name}:")),
            screen::inert(&screen::shortened(&value, HEADER_CHARS))
        );
    }
    text + &body_text(&received.body)
}

fn body_text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    if text.is_empty() {
        return format!("\n  {}", screen::faint("(empty body)"));
    }
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
    let text = if is_json { json::reindented(&text) } else { text.into_owned() };
    format!("\n  {}", screen::inert_lines(&text).trim_end().replace('\n', "\n  "))
}

fn signature_style(signature: Signature) -> Style {
    match signature {
        Signature::Good => Style::new().green(),
        Signature::Wrong(_) | Signature::Incomplete => Style::new().red().bold(),
        Signature::Unsigned | Signature::NoSecret => Style::new().yellow(),
    }
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "–".into() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;
    use crate::clock::Timestamp;

    fn received() -> Received {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "127.0.0.1:4402"),
            ("x-hookwright-event", "entry.create"),
            ("x-hookwright-attempt", "2"),
            ("webhook-id", "evt_01JD5Z8Q0V4N1S3T9X7K2M6B8C"),
            ("x-model", "address"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Received {
            at: Timestamp::from_ms(1_614_265_330_007),
            method: Method::POST,
            path: "/".into(),
            headers,
            body: Bytes::from_static("{\"event\":\"entry.create\",\"evil\":\"\u{9b}2J\"}".as_bytes()),
            signature: Signature::Good,
            status: StatusCode::NO_CONTENT,
        }
    }

    #[test]
    fn prints_what_came() {
        insta::assert_snapshot!(screen::uncoloured(&as_text(&received())), @r#"
        15:02:10.007Z  entry.create  signature ok  attempt 2  evt_01JD5Z8Q0V4N1S3T9X7K2M6B8C
          POST / → 204
          x-model: address
          {
            "event": "entry.create",
            "evil": "\u{9b}2J"
          }
        "#);
    }

    #[test]
    fn prints_whatever_came() {
        let body = Bytes::from_static(b"<b>\x1b[31m\xff</b>\nsecond line");
        let received = Received { headers: HeaderMap::new(), body, signature: Signature::Unsigned, ..received() };
        insta::assert_snapshot!(screen::uncoloured(&as_text(&received)), @r"
        15:02:10.007Z  (no event type)  unsigned  attempt –  –
          POST / → 204
          <b>\u{1b}[31m�</b>
          second line
        ");
    }

    #[test]
    fn json_is_one_line_and_says_whether_it_verified() {
        let line = as_json(&received());
        assert!(!line.contains('\n'));
        let value: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&value["verified"], &value["attempt"]), (&json!(true), &json!("2")));
        assert_eq!(value["body"]["event"], "entry.create");
    }

    #[test]
    fn statuses_are_checked() {
        assert!(status("503").is_ok());
        assert!(["99", "100", "600", "abc"].iter().all(|bad| status(bad).is_err()));
    }
}
