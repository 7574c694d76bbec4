//! `token`: who else may use the running host, and what for.

use std::path::Path;

use clap::{Args, Subcommand};
use http::Method;
use owo_colors::Style;
use serde_json::{Value, json};

use super::{Exit, Format, discovery, json, screen};
use crate::access::Role;
use crate::ids::{SourceName, TokenId, TokenName};
use crate::pattern::EventPattern;

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token. It is shown once
    Create(CreateArgs),
    /// All tokens, newest first; not their texts, which nobody has
    List(Format),
    /// Revoke a token: it opens nothing from then on
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// What it is good for: viewer, operator, admin or source
    #[arg(long)]
    role: Role,
    /// What the record of changes calls whoever holds it
    #[arg(long)]
    name: TokenName,
    /// How long it is good, such as 90d, or until when; else until it is revoked
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// The source it posts as, for the role source [default: its name]
    #[arg(long)]
    source: Option<SourceName>,
    /// Only events of these types, for the role source: `entry.*,media.create`
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', value_parser = pattern)]
    events: Vec<String>,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The token's id, as `token list` shows it
    id: TokenId,
    #[command(flatten)]
    format: Format,
}

/// Checked here, sent as it was written.
fn pattern(text: &str) -> Result<String, crate::pattern::PatternError> {
    text.parse::<EventPattern>().map(|pattern| pattern.to_string())
}

pub(super) async fn run(home: &Path, command: TokenCommand) -> anyhow::Result<Exit> {
    let client = discovery::admin(home)?;
    let (text, answer, format) = match command {
        TokenCommand::Create(args) => {
            let answer = client.send_json(Method::POST, "/v1/tokens", &wanted(&args)).await?;
            (created(&answer), answer, args.format)
        }
        TokenCommand::List(format) => {
            let answer = client.get("/v1/tokens").await?;
            (list(json::list(&answer, "/tokens"), home), answer, format)
        }
        TokenCommand::Revoke(RevokeArgs { id, format }) => {
            let answer = client.act(&format!("/v1/tokens/{id}/revoke")).await?;
            let text = format!("{} is revoked: it opens nothing any more.", json::text(&answer, "/name"));
            (screen::inert(&text).into_owned(), answer, format)
        }
    };
    screen::line(&if format.json { answer.to_string() } else { text })?;
    Ok(Exit::Ok)
}

fn wanted(args: &CreateArgs) -> Value {
    let CreateArgs { role, name, expires, source, events, format: _ } = args;
    let mut wanted = json!({ "role": role, "name": name });
    if let Some(expires) = expires {
        wanted["expires"] = json!(expires);
    }
    if *role == Role::Source {
        wanted["source"] = source.as_ref().map_or(json!(name), |source| json!(source));
    } else if let Some(source) = source {
        // The host says what is wrong with that.
        wanted["source"] = json!(source);
    }
    if !events.is_empty() {
        wanted["events"] = json!(events);
    }
    wanted
}

fn created(token: &Value) -> String {
    let text = |pointer| json::text(token, pointer);
    let until = match text("/expires") {
        never if never.is_empty() => "until it is revoked".to_owned(),
        expires => format!("until {expires}"),
    };
    let is = format!("{} is {}, good {until}. It is not shown again.", text("/id"), described(token));
    format!("{}\n{}", screen::inert(&text("/token")), screen::faint(&is))
}

/// `source shop (entry.*)`
fn described(token: &Value) -> String {
    let text = |pointer| json::text(token, pointer);
    let events = json::joined(token, "/events");
    let limited = if events.is_empty() { String::new() } else { format!(" ({events})") };
    format!("{} {}{limited}", text("/role"), text("/source")).trim_end().to_owned()
}

fn list(tokens: &[Value], home: &Path) -> String {
    if tokens.is_empty() {
        let command = discovery::command("token create --role viewer --name NAME", home);
        return format!("There is no token but the host's own. Make one: {}", screen::command(&command));
    }
    let mut table = screen::Table::new(["ID", "NAME", "ROLE", "STATE", "EXPIRES", "LAST USED"]);
    for token in tokens {
        let text = |pointer| json::text(token, pointer);
        let state = text("/state");
        let style = if state == "valid" { Style::new().green() } else { Style::new().dimmed() };
        let or =
            |pointer, otherwise: &str| Some(text(pointer)).filter(|text| !text.is_empty()).unwrap_or(otherwise.into());
        table.row([
            screen::dim(text("/id")),
            screen::plain(text("/name")),
            screen::plain(described(token)),
            (state, style),
            screen::plain(or("/expires", "never")),
            screen::plain(or("/lastUsed", "never")),
        ]);
    }
    table.render(0)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: TokenCommand,
    }

    fn asked(line: &str) -> String {
        match Line::try_parse_from(line.split(' ')).expect(line).command {
            TokenCommand::Create(args) => wanted(&args).to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_typed_is_what_is_asked_for() {
        insta::assert_snapshot!([
            asked("token create --role viewer --name grafana --expires 90d"),
            asked("token create --role source --name shop --events entry.*,media.create"),
            asked("token create --role source --name shop-2 --source shop"),
        ].join("\n"), @r#"
        {"role":"viewer","name":"grafana","expires":"90d"}
        {"role":"source","name":"shop","source":"shop","events":["entry.*","media.create"]}
        {"role":"source","name":"shop-2","source":"shop"}
        "#);
        for wrong in ["token create --role root --name a", "token create --role source --name a --events *.x"] {
            assert!(Line::try_parse_from(wrong.split(' ')).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tokens_as_people_see_them() {
        let token = json!({ "id": "tok_1", "name": "shop", "role": "source", "source": "shop", "events": ["entry.*"],
            "state": "valid", "expires": null, "lastUsed": "2026-11-25T10:00:00.000Z", "token": "hws_x" });
        let other = json!({ "id": "tok_0", "name": "grafana", "role": "viewer", "state": "expired",
            "expires": "2026-11-24T10:00:00.000Z", "lastUsed": null });
        let texts = [created(&token), list(&[token, other], Path::new(".")), list(&[], Path::new("."))];
        insta::assert_snapshot!(texts.map(|text| screen::uncoloured(&text)).join("\n\n"), @r"
        hws_x
        tok_1 is source shop (entry.*), good until it is revoked. It is not shown again.

        ID     NAME     ROLE                   STATE    EXPIRES                   LAST USED
        tok_1  shop     source shop (entry.*)  valid    never                     2026-11-25T10:00:00.000Z
        tok_0  grafana  viewer                 expired  2026-11-24T10:00:00.000Z  never

        There is no token but the host's own. Make one: hookwright token create --role viewer --name NAME
        ");
    }
}
