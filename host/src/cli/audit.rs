//! `audit`: who changed what on the running host.

use std::path::Path;

use clap::Args;
use serde_json::Value;

use super::{Exit, Format, discovery, json, screen};

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// Only changes of this: the id of a webhook, a delivery, a token …
    #[arg(long, value_name = "ID", value_parser = plain)]
    subject: Option<String>,
    /// Only these, such as webhook.pause or token.create
    #[arg(long, value_parser = plain)]
    action: Option<String>,
    /// Only changes older than the one with this number
    #[arg(long, value_name = "NUMBER")]
    before: Option<i64>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u32,
    #[command(flatten)]
    format: Format,
}

/// What can stand in a query as it is.
fn plain(text: &str) -> Result<String, &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
    if !text.is_empty() && text.bytes().all(is_plain) { Ok(text.to_owned()) } else { Err("expected an id or a word") }
}

pub(super) async fn run(home: &Path, args: AuditArgs) -> anyhow::Result<Exit> {
    let AuditArgs { subject, action, before, limit, format } = args;
    let mut path = format!("/v1/audit?limit={limit}");
    path.extend(subject.map(|subject| format!("&subject={subject}")));
    path.extend(action.map(|action| format!("&action={action}")));
    path.extend(before.map(|before| format!("&before={before}")));
    let answer = discovery::admin(home)?.get(&path).await?;
    screen::line(&if format.json { answer.to_string() } else { list(json::list(&answer, "/changes")) })?;
    Ok(Exit::Ok)
}

/// A longer change is cut; `--json` has all of it.
const MOST_CHARS: usize = 100;

fn list(changes: &[Value]) -> String {
    if changes.is_empty() {
        return "Nothing was changed.".to_owned();
    }
    let mut table = screen::Table::new(["NUMBER", "AT", "WHO", "ACTION", "SUBJECT", "CHANGE"]);
    for change in changes {
        let text = |pointer| json::text(change, pointer);
        table.row([
            screen::dim(text("/number")),
            screen::plain(text("/at")),
            screen::plain(text("/who")),
            screen::plain(text("/action")),
            screen::plain(text("/subject")),
            screen::dim(screen::shortened(&from_to(&text("/from"), &text("/to")), MOST_CHARS)),
        ]);
    }
    table.render(0)
}

fn from_to(from: &str, to: &str) -> String {
    match (from, to) {
        ("", to) => to.to_owned(),
        (from, "") => format!("{from} → nothing"),
        (from, to) => format!("{from} → {to}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_as_people_see_them() {
        let change = |number, action, subject, from, to| {
            json!({ "number": number, "at": "2026-11-25T10:00:00.000Z", "who": "ana", "action": action,
                "subject": subject, "from": from, "to": to })
        };
        let changes = [
            change(3, "token.revoke", "tok_1", json!({ "name": "ci" }), Value::Null),
            change(2, "webhook.pause", "site", json!({ "runStates": [] }), json!({ "runStates": ["paused"] })),
            change(1, "delivery.retry", "dlv_1", Value::Null, Value::Null),
        ];
        insta::assert_snapshot!(screen::uncoloured(&list(&changes)), @r#"
        NUMBER  AT                        WHO  ACTION          SUBJECT  CHANGE
        3       2026-11-25T10:00:00.000Z  ana  token.revoke    tok_1    {"name":"ci"} → nothing
        2       2026-11-25T10:00:00.000Z  ana  webhook.pause   site     {"runStates":[]} → {"runStates":["paused"]}
        1       2026-11-25T10:00:00.000Z  ana  delivery.retry  dlv_1
        "#);
    }
}
