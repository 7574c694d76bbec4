//! `webhook create`, `show`, `update`, `delete`, `rotate-secret`, `export`: webhooks that are managed over the API.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};

use crate::cli::confirm::confirmed;
use crate::cli::{Exit, Format, discovery, json, screen};
use crate::ids::WebhookId;
use crate::pointer;

/// A larger file is no definition.
const MAX_FILE_BYTES: u64 = 256 << 10;

#[derive(Debug, Args)]
pub(in crate::cli) struct CreateArgs {
    /// Its id [default: made of its name, or of the URL's host]
    #[arg(long, value_name = "ID")]
    id: Option<WebhookId>,
    #[command(flatten)]
    definition: DefinitionArgs,
    /// Send it unsigned: no signing secret is made
    #[arg(long)]
    unsigned: bool,
    /// Send it what an earlier webhook of this id left behind
    #[arg(long)]
    adopt_held: bool,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct UpdateArgs {
    /// The webhook's id
    id: WebhookId,
    #[command(flatten)]
    definition: DefinitionArgs,
    /// Take this header away
    #[arg(long, value_name = "NAME")]
    remove_header: Vec<String>,
    #[command(flatten)]
    format: Format,
}

/// What is not named stays as it is.
#[derive(Debug, Args)]
pub(in crate::cli) struct DefinitionArgs {
    /// Where to send
    #[arg(long)]
    url: Option<String>,
    /// Which events, such as entry.publish,entry.unpublish or entry.* or *
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    events: Vec<String>,
    /// What people call it
    #[arg(long)]
    name: Option<String>,
    /// A header, 'X-Site: main'; one with credentials is kept as a secret
    #[arg(long, value_name = "'NAME: VALUE'", value_parser = header)]
    header: Vec<(String, String)>,
    /// A header whose value nobody is shown
    #[arg(long, value_name = "'NAME: VALUE'", value_parser = header)]
    secret_header: Vec<(String, String)>,
    /// A plugin of its chain, in order, in place of the chain it has: `redact`, or `redact={"remove": ["/entry/email"]}`
    #[arg(long, value_name = "NAME[=CONFIG]", value_parser = plugin)]
    plugin: Vec<PluginArg>,
    /// A whole definition, in the form of a file of config/webhooks/; - reads it from the terminal
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Clone, Debug)]
struct PluginArg(Value);

#[derive(Debug, Args)]
pub(in crate::cli) struct DeleteArgs {
    /// The webhook's id
    id: WebhookId,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RotateArgs {
    /// The webhook's id
    id: WebhookId,
    /// For how long deliveries are signed with the old secret too
    #[arg(long, default_value = "24h", value_name = "DURATION")]
    keep_old: String,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    /// The webhook's id
    id: WebhookId,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn create(home: &Path, args: CreateArgs) -> anyhow::Result<Exit> {
    let mut definition = args.definition.draft()?;
    if !definition.contains_key("url") || !definition.contains_key("events") {
        anyhow::bail!(
            "say at least where to send what: --url https://build.example/hook --events entry.publish, or --file FILE"
        );
    }
    if args.unsigned {
        definition.insert("signing".to_owned(), Value::Null);
    }
    if args.adopt_held {
        definition.insert("adoptHeld".to_owned(), true.into());
    }
    if let Some(id) = &args.id {
        definition.insert("id".to_owned(), id.as_str().into());
    }
    let answer = discovery::admin(home)?.send_json(Method::POST, "/v1/webhooks", &definition.into()).await?;
    let id = json::text(&answer, "/id");
    let text = format!(
        "{} is made: {}.{}\n  try it out: {}",
        screen::heading(&id),
        json::text(&answer, "/url"),
        secret_text(&answer),
        screen::command(&discovery::command(&format!("webhook test {id}"), home)),
    );
    screen::line(&if args.format.json { answer.to_string() } else { text })?;
    Ok(Exit::Ok)
}

pub(super) async fn show(home: &Path, args: ShowArgs) -> anyhow::Result<Exit> {
    let answer = discovery::admin(home)?.get(&format!("/v1/webhooks/{}", args.id)).await?;
    let managed = match json::text(&answer, "/managedBy").as_str() {
        "file" => format!("declared in config/webhooks/{}.json", args.id),
        _ => format!(
            "managed here, version {}, changed {}",
            json::number(&answer, "/managed/version"),
            json::text(&answer, "/managed/changed")
        ),
    };
    let definition = answer.pointer("/definition").unwrap_or(&Value::Null);
    let text = format!(
        "{}  {}\n{}",
        screen::heading(args.id.as_str()),
        screen::faint(&managed),
        screen::inert_lines(&format!("{definition:#}"))
    );
    screen::line(&if args.format.json { answer.to_string() } else { text })?;
    Ok(Exit::Ok)
}

pub(super) async fn update(home: &Path, args: UpdateArgs) -> anyhow::Result<Exit> {
    let mut patch = args.definition.draft()?;
    for name in &args.remove_header {
        let headers = patch.entry("headers").or_insert_with(|| json!({}));
        if let Some(headers) = headers.as_object_mut() {
            headers.insert(name.clone(), Value::Null);
        }
    }
    if patch.is_empty() {
        anyhow::bail!("say what to change: --url, --events, --name, --header, --plugin, or a whole --file");
    }
    let (client, address) = (discovery::admin(home)?, format!("/v1/webhooks/{}", args.id));
    let answer = if args.definition.file.is_some() {
        client.replace_json(&address, &patch.into()).await?
    } else {
        client.send_json(Method::PATCH, &address, &patch.into()).await?
    };
    let version = json::number(&answer, "/managed/version");
    let text = format!("{} is changed: version {version}.", args.id);
    screen::line(&if args.format.json { answer.to_string() } else { text })?;
    Ok(Exit::Ok)
}

pub(super) async fn delete(home: &Path, args: DeleteArgs) -> anyhow::Result<Exit> {
    let client = discovery::admin(home)?;
    let question = format!("Delete webhook {}? What it has not delivered is held.", args.id);
    if !confirmed(question, args.yes).await? {
        return Ok(Exit::Failure);
    }
    client.send_json(Method::DELETE, &format!("/v1/webhooks/{}", args.id), &Value::Null).await?;
    screen::line(&format!("{} is deleted. What it had not delivered is held.", args.id))?;
    Ok(Exit::Ok)
}

pub(super) async fn rotate(home: &Path, args: RotateArgs) -> anyhow::Result<Exit> {
    let RotateArgs { id, keep_old, format } = args;
    let body = json!({ "keepOld": keep_old });
    let path = format!("/v1/webhooks/{id}/rotate-secret");
    let answer = discovery::admin(home)?.send_json(Method::POST, &path, &body).await?;
    let text =
        format!("{id} signs with a new secret, and for {keep_old} with the old one too.{}", secret_text(&answer));
    screen::line(&if format.json { answer.to_string() } else { text })?;
    Ok(Exit::Ok)
}

pub(super) async fn export(home: &Path, args: ShowArgs) -> anyhow::Result<Exit> {
    let answer = discovery::admin(home)?.get(&format!("/v1/webhooks/{}/export", args.id)).await?;
    if args.format.json {
        screen::line(&answer.to_string())?;
        return Ok(Exit::Ok);
    }
    let variables = json::list(&answer, "/variables").iter().map(|name| json::text(name, "")).collect::<Vec<_>>();
    screen::remark(&format!("save it as {}", json::text(&answer, "/path")));
    if !variables.is_empty() {
        screen::remark(&format!("and set in .env, because nobody is shown their values: {}", variables.join(", ")));
    }
    let file = answer.pointer("/file").unwrap_or(&Value::Null);
    screen::line(&screen::inert_lines(&format!("{file:#}")))?;
    Ok(Exit::Ok)
}

/// What is shown once.
fn secret_text(answer: &Value) -> String {
    let secret = json::text(answer, "/secret");
    if secret.is_empty() {
        let is_signed = !json::list(answer, "/definition/signing/secrets").is_empty();
        let told = "\n  it is signed with a secret that your token may not see; an admin makes one to be seen: `webhook rotate-secret`";
        return if is_signed { told.to_owned() } else { String::new() };
    }
    format!("\n  {secret}  for the receiver; it is not shown again")
}

impl DefinitionArgs {
    fn draft(&self) -> anyhow::Result<Map<String, Value>> {
        let mut draft = match &self.file {
            Some(file) => read(file)?,
            None => Map::new(),
        };
        if let Some(url) = &self.url {
            draft.insert("url".to_owned(), url.as_str().into());
        }
        if let Some(name) = &self.name {
            draft.insert("name".to_owned(), name.as_str().into());
        }
        if !self.events.is_empty() {
            draft.insert("events".to_owned(), self.events.clone().into());
        }
        if !self.plugin.is_empty() {
            draft.insert("plugins".to_owned(), self.plugin.iter().map(|PluginArg(plugin)| plugin.clone()).collect());
        }
        let plain = self.header.iter().map(|(name, value)| (name, Value::from(value.as_str())));
        let secret = self.secret_header.iter().map(|(name, value)| (name, json!({ "$secret": value })));
        for (name, value) in plain.chain(secret) {
            let headers = draft.entry("headers").or_insert_with(|| json!({}));
            let headers = headers.as_object_mut().context("headers in the file are not an object")?;
            headers.insert(name.clone(), value);
        }
        Ok(draft)
    }
}

fn read(file: &Path) -> anyhow::Result<Map<String, Value>> {
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().take(MAX_FILE_BYTES).read_to_end(&mut bytes).context("cannot read what was typed")?;
        bytes
    } else {
        crate::files::read_capped(file, MAX_FILE_BYTES).with_context(|| format!("cannot read {}", file.display()))?
    };
    let value = serde_json::from_slice(&bytes).with_context(|| format!("{} is not JSON", file.display()))?;
    if let Some(place) = reference_in(&value, "") {
        anyhow::bail!(
            "{} at {place}: ${{…}} is filled in in config/webhooks/ only; write the value here, or {{\"$secret\": \"the value\"}}",
            file.display()
        );
    }
    match value {
        Value::Object(members) => Ok(members),
        _ => anyhow::bail!("{} is not a definition: expected an object, {{ … }}", file.display()),
    }
}

/// Where a text refers to a variable, as those of files do.
fn reference_in(value: &Value, place: &str) -> Option<String> {
    match value {
        Value::String(text) => text.contains("${").then(|| place.to_owned()),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(at, item)| reference_in(item, &format!("{place}/{at}")))
        }
        Value::Object(members) => {
            members.iter().find_map(|(key, member)| reference_in(member, &pointer::child(place, key)))
        }
        _ => None,
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected 'Name: value'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn plugin(text: &str) -> Result<PluginArg, String> {
    let Some((name, config)) = text.split_once('=') else { return Ok(PluginArg(json!({ "plugin": text }))) };
    let config: Value = serde_json::from_str(config).map_err(|error| format!("its config is not JSON: {error}"))?;
    Ok(PluginArg(json!({ "plugin": name, "config": config })))
}
