//! `why`: each gate an event met on its way to each webhook, in order, and the next command to type.

use std::fmt::Write as _;
use std::path::Path;
use std::str::FromStr;

use clap::Args;
use owo_colors::Style;
use serde_json::Value;

use super::client::Client;
use super::{Exit, Format, discovery, event, json, screen, webhook};
use crate::ids::{DeliveryId, EventId, QuarantineId, WebhookId};

#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    /// An event's id, a delivery's, that of a refused body in quarantine, or `last` for the newest event
    #[arg(value_name = "EVENT|DELIVERY|QUARANTINED|last")]
    what: Target,
    /// Only what is about this webhook
    #[arg(long, value_name = "ID")]
    webhook: Option<WebhookId>,
    #[command(flatten)]
    format: Format,
}

/// What is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Event(EventId),
    Delivery(DeliveryId),
    Quarantined(QuarantineId),
    Last,
}

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "last" {
            return Ok(Self::Last);
        }
        text.parse()
            .map(Self::Event)
            .or_else(|_| text.parse().map(Self::Delivery))
            .or_else(|_| text.parse().map(Self::Quarantined))
            .map_err(|_| "expected an event id (evt_…), a delivery id (dlv_…), a quarantine id (qrt_…) or last")
    }
}

pub(super) async fn run(home: &Path, args: WhyArgs) -> anyhow::Result<Exit> {
    let client = discovery::admin(home)?;
    let (event, webhook) = match args.what {
        Target::Quarantined(id) => return event::show_quarantined(&client, id, home, args.format).await,
        Target::Event(event) => (event, args.webhook.as_ref().map(ToString::to_string)),
        Target::Delivery(delivery) => {
            let answer = client.get(&format!("/v1/deliveries/{delivery}")).await?;
            (json::text(&answer, "/event").parse()?, Some(json::text(&answer, "/webhook")))
        }
        Target::Last => (newest(&client).await?, args.webhook.as_ref().map(ToString::to_string)),
    };
    let mut answer = client.get(&format!("/v1/events/{event}/why")).await?;
    if let Some(webhook) = webhook {
        of_interest(&mut answer, &webhook);
        if json::list(&answer, "/webhooks").is_empty() && json::list(&answer, "/leftOut").is_empty() {
            let list = discovery::command("webhook list", home);
            anyhow::bail!("there is no webhook {webhook}, and {event} has no delivery for one; `{list}` shows all");
        }
    }
    screen::line(&if args.format.json { answer.to_string() } else { as_text(&answer, home) })?;
    Ok(Exit::Ok)
}

/// Leaves only what is about this webhook.
fn of_interest(answer: &mut Value, webhook: &str) {
    if let Some(webhooks) = answer.pointer_mut("/webhooks").and_then(Value::as_array_mut) {
        webhooks.retain(|one| json::text(one, "/webhook") == webhook);
    }
    if let Some(left_out) = answer.pointer_mut("/leftOut").and_then(Value::as_array_mut) {
        let file = format!("/{webhook}.json");
        left_out.retain(|fault| json::text(fault, "/file").ends_with(&file));
    }
}

async fn newest(client: &Client) -> anyhow::Result<EventId> {
    let answer = client.get("/v1/events?limit=1").await?;
    let newest = json::text(&answer, "/events/0/id");
    if newest.is_empty() {
        anyhow::bail!("there is no event yet; post one with `hookwright send FILE`");
    }
    Ok(newest.parse()?)
}

fn as_text(answer: &Value, home: &Path) -> String {
    let mut text = format!(
        "{}  {}  {}",
        screen::heading(&json::text(answer, "/event/type")),
        screen::inert(&json::text(answer, "/event/id")),
        screen::faint(&format!(
            "from {}, {}",
            json::text(answer, "/event/source"),
            json::either(answer, ["/event/received", "/event/receivedAt"])
        )),
    );
    let webhooks = json::list(answer, "/webhooks");
    let left_out = webhook::left_out_text(answer, home);
    if webhooks.is_empty() && left_out.is_none() {
        let _ = write!(text, "\n\n{}", webhook::NONE);
    }
    let (uninterested, told): (Vec<_>, Vec<_>) = webhooks.iter().partition(|webhook| is_uninterested(webhook));
    // One alone is told of in full: it may be what was asked about.
    let (uninterested, told) =
        if uninterested.len() < 2 { (Vec::new(), webhooks.iter().collect()) } else { (uninterested, told) };
    for webhook in told {
        text.push_str("\n\n");
        text.push_str(&one_webhook(webhook, home));
    }
    if !uninterested.is_empty() {
        let _ = write!(text, "\n\n{}", uninterested_text(answer, &uninterested, home));
    }
    if let Some(left_out) = left_out {
        let _ = write!(text, "\n\n{left_out}");
    }
    text
}

/// Whether all there is to say of a webhook is that it asks for other types of events.
fn is_uninterested(webhook: &Value) -> bool {
    let stops = |name: &str| {
        let gates = json::list(webhook, "/gates").iter();
        gates.filter(|gate| json::text(gate, "/verdict") == "stop").any(|gate| json::text(gate, "/name") == name)
    };
    json::text(webhook, "/delivery").is_empty()
        && stops("pattern")
        && !stops("enabled")
        && json::text(webhook, "/nextCommand").is_empty()
}

/// More webhooks are not named.
const WEBHOOKS_NAMED: usize = 10;

fn uninterested_text(answer: &Value, webhooks: &[&Value], home: &Path) -> String {
    let mut names: Vec<_> = webhooks.iter().take(WEBHOOKS_NAMED).map(|one| json::text(one, "/webhook")).collect();
    if webhooks.len() > WEBHOOKS_NAMED {
        names.push(format!("{} more", webhooks.len() - WEBHOOKS_NAMED));
    }
    let (count, event_type) = (webhooks.len(), json::text(answer, "/event/type"));
    let text = format!("{count} webhooks do not ask for {event_type}: {}.", names.join(", "));
    let more = discovery::command(&format!("why {} --webhook ID", json::text(answer, "/event/id")), home);
    format!("{} {}", screen::faint(&text), screen::command(&more))
}

fn one_webhook(webhook: &Value, home: &Path) -> String {
    let id = json::text(webhook, "/webhook");
    let name = json::text(webhook, "/name");
    let mut text = screen::heading(&id);
    if !name.is_empty() && name != id {
        text.push_str(&screen::faint(&format!("  {name}")));
    }
    let state = json::text(webhook, "/state");
    if !state.is_empty() {
        let line = format!("  {} {state}", screen::state_mark(&state));
        text.push_str(&screen::styled(&line, screen::state_style(&state)));
        text.push_str(&screen::faint(&format!("  {}", json::text(webhook, "/delivery"))));
    }
    let replay_of = json::text(webhook, "/replayOf");
    if !replay_of.is_empty() {
        text.push_str(&screen::faint(&format!("  replay of {replay_of}")));
    }
    text.push('\n');
    text.push_str(&gates(webhook, home).render(2));
    let conclusion = json::text(webhook, "/conclusion");
    if !conclusion.is_empty() {
        let _ = write!(text, "\n  {}", screen::inert(&discovery::typed_in(&conclusion, home)));
    }
    let next = json::text(webhook, "/nextCommand");
    if !next.is_empty() {
        let _ = write!(text, "\n  next: {}", screen::command(&typed_for(home, &next)));
    }
    text
}

/// The host's command, as it must be typed here to mean this home: the host knows it by another path.
fn typed_for(home: &Path, command: &str) -> String {
    match command.strip_prefix("hookwright ") {
        Some(arguments) => discovery::command(arguments, home),
        None => command.to_owned(),
    }
}

fn gates(webhook: &Value, home: &Path) -> screen::Table {
    let mut table = screen::Table::bare();
    for gate in json::list(webhook, "/gates") {
        let (mark, style) = match json::text(gate, "/verdict").as_str() {
            "pass" => ("✓", Style::new().green()),
            "stop" => ("✗", Style::new().red().bold()),
            "drop" => ("⊘", Style::new().cyan()),
            "wait" => ("…", Style::new().yellow()),
            _ => ("?", Style::new().dimmed()),
        };
        table.row([
            (mark.into(), style),
            screen::plain(json::text(gate, "/name")),
            screen::dim(discovery::typed_in(&json::text(gate, "/detail"), home)),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_may_be_asked_about() {
        let event = "evt_01JD5Z8Q0V4N1S3T9X7K2M6B8C";
        assert_eq!(event.parse(), Ok(Target::Event(event.parse().expect("an id"))));
        assert!(matches!(event.replace("evt", "dlv").parse(), Ok(Target::Delivery(_))));
        assert!(matches!(event.replace("evt", "qrt").parse(), Ok(Target::Quarantined(_))));
        assert_eq!("last".parse(), Ok(Target::Last));
        assert!("first".parse::<Target>().is_err());
    }

    #[test]
    fn shows_each_gate_and_the_next_command() {
        let answer = json!({
            "event": {"id": "evt_1", "type": "entry.update", "source": "strapi", "received": "2026-11-23T20:41:15.196Z"},
            "webhooks": [
                {"webhook": "site-build", "name": "Site build", "gates": [
                    {"name": "admitted", "verdict": "pass", "detail": "schema entry.update"},
                    {"name": "filter", "verdict": "stop", "detail": "/model is \"address\" (wanted \"article\")"}
                ], "delivery": null, "conclusion": "Its filter does not fit, so no delivery was made.",
                 "nextCommand": null},
                {"webhook": "search", "gates": [
                    {"name": "attempt 2", "verdict": "wait", "detail": "503 \u{1b}[2J"}, {"name": "new", "verdict": "odd"}
                ], "delivery": "dlv_1", "state": "retrying",
                 "nextCommand": "hookwright tail"},
                {"webhook": "drops", "gates": [{"name": "plugin a", "verdict": "drop", "detail": "dropped: no"}]}
            ]
        });
        insta::assert_snapshot!(screen::uncoloured(&as_text(&answer, Path::new("my home"))), @r#"
        entry.update  evt_1  from strapi, 2026-11-23T20:41:15.196Z

        site-build  Site build
          ✓  admitted  schema entry.update
          ✗  filter    /model is "address" (wanted "article")
          Its filter does not fit, so no delivery was made.

        search  ↻ retrying  dlv_1
          …  attempt 2  503 \u{1b}[2J
          ?  new
          next: hookwright tail --home 'my home'

        drops
          ⊘  plugin a  dropped: no
        "#);
    }

    #[test]
    fn webhooks_that_ask_for_other_types_are_one_line() {
        let stop = |name: &str| json!({"name": name, "verdict": "stop", "detail": "d"});
        let webhook =
            |id: &str, gates: &[Value]| json!({"webhook": id, "gates": gates, "delivery": null, "nextCommand": null});
        let pattern = [stop("pattern")];
        let webhooks = [
            webhook("a", &pattern),
            webhook("b", &[stop("filter")]),
            webhook("c", &pattern),
            webhook("d", &[stop("enabled"), stop("pattern")]),
        ];
        let answer =
            json!({"event": {"id": "evt_1", "type": "entry.update", "source": "strapi"}, "webhooks": webhooks});
        insta::assert_snapshot!(screen::uncoloured(&as_text(&answer, Path::new("."))), @r"
        entry.update  evt_1  from strapi, 

        b
          ✗  filter  d

        d
          ✗  enabled  d
          ✗  pattern  d

        2 webhooks do not ask for entry.update: a, c. hookwright why evt_1 --webhook ID
        ");
        let alone = json!({"event": {"id": "evt_1", "type": "entry.update"}, "webhooks": [webhook("a", &pattern)]});
        assert!(as_text(&alone, Path::new(".")).contains("pattern"));
    }

    #[test]
    fn a_webhook_that_is_left_out_is_told_of_instead_of_no_webhook() {
        let mut answer = json!({
            "event": {"id": "evt_1", "type": "entry.update", "source": "strapi", "received": "2026-11-23T20:41:15.196Z"},
            "webhooks": [], "leftOut": [{"file": "config/webhooks/site.json", "pointer": "/url", "message": "m"}]
        });
        insta::assert_snapshot!(screen::uncoloured(&as_text(&answer, Path::new("."))), @r"
        entry.update  evt_1  from strapi, 2026-11-23T20:41:15.196Z

        1 webhook is left out, because its file is at fault: config/webhooks/site.json. What is wrong: hookwright check
        ");
        answer["leftOut"] = json!([]);
        insta::assert_snapshot!(screen::uncoloured(&as_text(&answer, Path::new("."))), @r"
        entry.update  evt_1  from strapi, 2026-11-23T20:41:15.196Z

        There is no webhook. Declare one in config/webhooks/NAME.json.
        ");
    }

    #[test]
    fn takes_any_answer() {
        for answer in [json!(null), json!([1]), json!({"webhooks": [null, 1, {"gates": 3}]})] {
            as_text(&answer, Path::new("."));
        }
    }
}
