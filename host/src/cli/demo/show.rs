//! The demo's screens.

use std::fmt::Write as _;
use std::net::SocketAddr;

use owo_colors::Style;
use serde_json::Value;

use super::gather::{Delivery, Outcomes, Posted};
use super::program;
use super::stage::{PLUGINS, Stage};
use crate::cli::receiver::{Received, Signature};
use crate::cli::{diff, discovery, json, screen, tail};

/// Before anything runs.
pub(super) fn opening(stage: &Stage) -> String {
    format!(
        "{}\n\nA host in {},\nwith three webhooks, the plugins {},\nand a receiver that verifies \
         every signature. Posting the five events of Strapi's documentation …\n",
        screen::heading("Hookwright: a CMS event in, a transformed, signed, durable delivery out."),
        screen::inert(&stage.home().display().to_string()),
        PLUGINS.join(", ")
    )
}

/// One event and what became of it at each webhook.
pub(super) fn event(posted: &Posted) -> String {
    let mut text = format!(
        "{}  {}  {}\n",
        screen::styled(posted.event_type, Style::new().bold().underline()),
        screen::faint(&format!("{} bytes posted → 202", posted.body.len())),
        screen::faint(&posted.id)
    );
    for one in &posted.deliveries {
        text.push_str(&delivery(posted, one));
        text.push('\n');
    }
    text
}

fn delivery(posted: &Posted, delivery: &Delivery) -> String {
    let state = delivery.state();
    let style = screen::state_style(&state);
    let mut lines = vec![format!(
        "  {} {}  {}{}",
        screen::styled(&screen::state_mark(&state).to_string(), style),
        screen::heading(&format!("{:<13}", delivery.webhook)),
        screen::styled(&state, style),
        answer(delivery)
    )];
    // A plugin that drops says why in its own line.
    let reason = json::text(&delivery.view, "/reason");
    if !reason.is_empty() && (state != "dropped" || json::list(&delivery.view, "/chain/runs").is_empty()) {
        lines.push(format!("      {}", screen::styled(&format!("because {reason}"), style)));
    }
    let mut runs = screen::Table::bare();
    for run in json::list(&delivery.view, "/chain/runs") {
        let cost = format!("{}, fuel {}", tail::took(json::number(run, "/micros")), json::number(run, "/fuel"));
        let summary = screen::plain(json::text(run, "/summary"));
        runs.row([screen::dim(json::text(run, "/plugin")), summary, screen::dim(cost)]);
    }
    lines.push(runs.render(6));
    if let Some(received) = &delivery.received {
        lines.push(payload(posted, received));
    }
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

/// What the receiver made of it.
fn answer(delivery: &Delivery) -> String {
    let Some(received) = &delivery.received else { return String::new() };
    let style = match received.signature {
        Signature::Good => Style::new().green(),
        _ => Style::new().red().bold(),
    };
    let last = json::list(&delivery.view, "/attemptList").last();
    let took = last.and_then(|attempt| attempt.pointer("/micros")?.as_u64());
    let took = took.map(|micros| format!(" in {}", tail::took(micros))).unwrap_or_default();
    format!(
        "  receiver answered {}{took}, {}",
        received.status.as_u16(),
        screen::styled(&received.signature.to_string(), style)
    )
}

/// The headers that plugins set, and the body as it arrived, with what is new in it.
fn payload(posted: &Posted, received: &Received) -> String {
    let mut lines: Vec<String> = received
        .headers
        .iter()
        .filter(|(name, _)| is_of_a_plugin(name.as_str()))
        .map(|(name, value)| {
            let header = format!("+ {name}: {}", String::from_utf8_lossy(value.as_bytes()));
            format!("      {}", screen::styled(&header, Style::new().green()))
        })
        .collect();
    if received.body == posted.body {
        lines.push(format!("      {}", screen::faint("the payload arrived byte for byte")));
    } else {
        let read = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or(Value::Null);
        lines.push(diff::rendered(&read(posted.body), &read(&received.body), 6));
    }
    lines.join("\n")
}

/// Of the headers that arrive here, those that neither the host nor HTTP adds.
fn is_of_a_plugin(name: &str) -> bool {
    name.starts_with("x-") && !name.starts_with("x-hookwright-") && name != "x-strapi-event"
}

/// How it went as a whole.
pub(super) fn closing(outcomes: &Outcomes, surprises: &[String]) -> String {
    let deliveries = || outcomes.posted.iter().flat_map(|posted| &posted.deliveries);
    let count = |state: &str| deliveries().filter(|delivery| delivery.state() == state).count();
    let verified = deliveries().filter_map(|delivery| delivery.received.as_ref());
    let verified = verified.filter(|received| received.signature == Signature::Good).count();
    let micros = u64::try_from(outcomes.took.as_micros()).unwrap_or(u64::MAX);
    let mut text = format!(
        "{}, {} deliveries in {}: {} delivered ({verified} with a verified signature), {} dropped by a plugin.",
        screen::counted(outcomes.posted.len(), "event"),
        deliveries().count(),
        tail::took(micros),
        count("delivered"),
        count("dropped"),
    );
    let (verdict, style) = if surprises.is_empty() {
        ("✓ Everything went as expected.", Style::new().green().bold())
    } else {
        ("✗ Not everything went as expected:", Style::new().red().bold())
    };
    let _ = write!(text, "\n{}", screen::styled(verdict, style));
    for surprise in surprises {
        let _ = write!(text, "\n  {}", screen::inert(surprise));
    }
    text
}

/// How to play with it.
pub(super) fn invitation(stage: &Stage, listen: SocketAddr, pages: &str) -> String {
    let curl = format!(
        "curl http://{listen}/v1/events \\\n    -H 'Authorization: Bearer {}' -H 'Content-Type: application/json' \\\n    \
         -d '{{\"event\":\"entry.update\",\"created_at\":\"2026-01-10T08:58:26.563Z\",\"model\":\"address\",\
         \"entry\":{{\"id\":2,\"full_name\":\"Ana\",\"postal_code\":\"8001\"}}}}'",
        stage.token()
    );
    format!(
        "\n{}\n  {curl}\n\n{}\n  {}\n\n{}\n  {}\n\nCtrl-C ends the demo.",
        screen::heading("It keeps running. Post an event of your own:"),
        screen::heading("And ask what became of it:"),
        screen::command(&program::typed(&discovery::command("why last", stage.home()))),
        screen::heading("Or look at it in a browser (this link signs you in, once):"),
        screen::command(pages)
    )
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Method, StatusCode};
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;

    pub(in super::super) fn received(webhook: &str, body: &'static [u8], signature: Signature) -> Delivery {
        let mut headers = HeaderMap::new();
        headers.insert("x-hookwright-event", HeaderValue::from_static("entry.create"));
        headers.insert("x-model", HeaderValue::from_static("address"));
        let received = Received {
            at: Timestamp::from_ms(0),
            method: Method::POST,
            path: "/".into(),
            headers,
            body: Bytes::from_static(body),
            signature,
            status: StatusCode::NO_CONTENT,
        };
        let run =
            json!({"plugin": "redact", "summary": "rewrote payload (80 → 60 bytes)", "fuel": 46_597, "micros": 90});
        let view = json!({"state": "delivered", "chain": {"runs": [run]}, "attemptList": [{"micros": 3_100}]});
        Delivery { id: "dlv_1".into(), webhook: webhook.into(), view, received: Some(received) }
    }

    pub(in super::super) fn dropped(webhook: &str, reason: &str) -> Delivery {
        let view = json!({"state": "dropped", "reason": reason});
        Delivery { id: "dlv_2".into(), webhook: webhook.into(), view, received: None }
    }

    #[test]
    fn an_event_shows_verdict_answer_and_what_changed() {
        let posted = Posted {
            event_type: "entry.create",
            body: br#"{"entry":{"full_name":"Paris","postal_code":null},"event":"entry.create"}"#,
            id: "evt_1".into(),
            deliveries: vec![
                received("site-build", br#"{"entry":{"full_name":"***"},"event":"entry.create"}"#, Signature::Good),
                dropped("search-index", "not an entry"),
            ],
        };
        insta::assert_snapshot!(screen::uncoloured(&event(&posted)), @r#"
        entry.create  73 bytes posted → 202  evt_1
          ✓ site-build     delivered  receiver answered 204 in 3.1 ms, signature ok
              redact  rewrote payload (80 → 60 bytes)  90 µs, fuel 46597
              + x-model: address
                {
                  "entry": {
              -     "full_name": "Paris"
              +     "full_name": "***"
              -     "postal_code": null
                  }
                  "event": "entry.create"
                }
          ⊘ search-index   dropped
              because not an entry
        "#);
        let outcomes = Outcomes { posted: vec![posted], took: Duration::from_millis(120) };
        insta::assert_snapshot!(screen::uncoloured(&closing(&outcomes, &[])), @r"
        1 event, 2 deliveries in 120.0 ms: 1 delivered (1 with a verified signature), 1 dropped by a plugin.
        ✓ Everything went as expected.
        ");
        insta::assert_snapshot!(screen::uncoloured(&closing(&outcomes, &["a → b: did not arrive".into()])), @r"
        1 event, 2 deliveries in 120.0 ms: 1 delivered (1 with a verified signature), 1 dropped by a plugin.
        ✗ Not everything went as expected:
          a → b: did not arrive
        ");
    }
}
