//! `import`: the webhooks of another home, as files of this one. Works without a host; overwrites nothing unasked.
//!
//! Reads what was exported ([`strapi`], [`svix`]), plans files and variables ([`plan`]), and writes them ([`write`]). What
//! does not map is said, webhook by webhook.

mod env_file;
mod found;
mod plan;
mod strapi;
mod svix;
mod write;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::found::Found;
use self::plan::{Outcome, Plan};
use super::{Exit, Format, discovery, screen};

#[derive(Debug, Subcommand)]
pub(super) enum ImportCommand {
    /// From Strapi 3, 4 or 5: its SQLite database, the answer of its admin API, or an export
    Strapi(ImportArgs),
    /// From Svix: the endpoints as its API lists them
    Svix(ImportArgs),
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The file to read; nothing is written to it
    file: PathBuf,
    /// Print what would be written
    #[arg(long)]
    dry_run: bool,
    /// Write over webhooks of the same name; without it they get another name
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    format: Format,
}

/// Where the webhooks come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Strapi,
    Svix,
}

/// What a file held.
#[derive(Debug, Default)]
struct Read {
    found: Vec<Found>,
    /// Of the file as a whole.
    notes: Vec<String>,
}

/// More webhooks of one file are not taken.
const MOST_WEBHOOKS: usize = 1_000;
/// A larger file is refused: an export of a thousand webhooks has a megabyte or so.
const MOST_FILE_BYTES: u64 = 64 << 20;

pub(super) fn run(home: &Path, command: &ImportCommand) -> anyhow::Result<Exit> {
    let (origin, args) = match command {
        ImportCommand::Strapi(args) => (Origin::Strapi, args),
        ImportCommand::Svix(args) => (Origin::Svix, args),
    };
    let mut read = match origin {
        Origin::Strapi => strapi::read(&args.file)?,
        Origin::Svix => svix::read(&args.file)?,
    };
    if read.found.len() > MOST_WEBHOOKS {
        read.found.truncate(MOST_WEBHOOKS);
        read.notes.push(format!("only the first {MOST_WEBHOOKS} are taken"));
    }
    let plan = plan::plan(home, read, args.replace)?;
    if !args.dry_run {
        write::write(home, &plan)?;
    }
    screen::line(&if args.format.json { as_json(&plan).to_string() } else { as_text(&plan, origin, args, home) })?;
    Ok(if plan.webhooks.is_empty() { Exit::Failure } else { Exit::Ok })
}

fn as_json(plan: &Plan) -> Value {
    let webhook = |webhook: &plan::Planned| json!({ "file": webhook.file, "outcome": webhook.outcome.word(), "name": webhook.name, "notes": webhook.notes });
    let variables: Vec<_> = plan.variables.iter().map(|variable| &variable.name).collect();
    json!({
        "webhooks": plan.webhooks.iter().map(webhook).collect::<Vec<_>>(),
        "variables": variables,
        "notes": plan.notes,
    })
}

fn as_text(plan: &Plan, origin: Origin, args: &ImportArgs, home: &Path) -> String {
    let mut parts = Vec::new();
    if args.dry_run {
        let texts = plan.webhooks.iter().map(|webhook| {
            format!("{}\n{}", screen::heading(&webhook.file), screen::inert_lines(webhook.text.trim_end()))
        });
        parts.extend(texts);
    }
    parts.push(files_text(plan, args));
    let mut notes: Vec<_> = plan.notes.iter().map(|note| format!("  {}", screen::inert(note))).collect();
    for webhook in &plan.webhooks {
        notes.extend(
            webhook.notes.iter().map(|note| screen::inert(&format!("  {}: {note}", webhook.name)).into_owned()),
        );
    }
    if !notes.is_empty() {
        parts.push(format!("{}\n{}", screen::heading("Not as it was"), notes.join("\n")));
    }
    if !plan.webhooks.is_empty() {
        parts.push(next_text(origin, args, home));
    }
    parts.join("\n\n")
}

fn files_text(plan: &Plan, args: &ImportArgs) -> String {
    let count = screen::counted(plan.webhooks.len(), "webhook");
    let title = screen::heading(&format!("{count} of {}", args.file.display()));
    let mut table = screen::Table::bare();
    for webhook in &plan.webhooks {
        let what = match (webhook.outcome, args.dry_run) {
            (Outcome::Same, _) => "kept",
            (Outcome::New, true) => "to write",
            (Outcome::New, false) => "written",
            (Outcome::Replaced, true) => "to replace",
            (Outcome::Replaced, false) => "replaced",
        };
        let same = if webhook.outcome == Outcome::Same { "it is the same already" } else { "" };
        table.row([screen::plain(what), screen::plain(webhook.file.as_str()), screen::dim(same)]);
    }
    for variable in &plan.variables {
        let what = if args.dry_run { "to add" } else { "added" };
        table.row([screen::plain(what), screen::plain(format!(".env: {}", variable.name)), screen::dim("")]);
    }
    if plan.webhooks.is_empty() { title } else { format!("{title}\n{}", table.render(2)) }
}

fn next_text(origin: Origin, args: &ImportArgs, home: &Path) -> String {
    let next = if args.dry_run {
        "the same without --dry-run".to_owned()
    } else {
        screen::command(&discovery::command("check", home))
    };
    let there = match origin {
        Origin::Strapi => {
            "Headers that Strapi's config/server.js sends with every webhook (`defaultHeaders`) are not in its database: write \
             them into `webhooks.defaultHeaders` of config/server.json.\nThen let Strapi send to this host alone, and switch \
             off there what was imported, or receivers are told twice: docs/strapi.md."
        }
        Origin::Svix => "Then disable there what was imported, or receivers are told twice.",
    };
    let there: Vec<_> = there.lines().map(screen::faint).collect();
    format!("Next: {next}\n{}", there.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::import::plan::{Planned, Variable};

    #[test]
    fn says_what_was_written_and_what_did_not_map() {
        let planned = |stem: &str, outcome, notes: &[&str]| Planned {
            name: stem.to_owned(),
            file: format!("config/webhooks/{stem}.json"),
            text: "{}\n".to_owned(),
            outcome,
            notes: notes.iter().map(ToString::to_string).collect(),
        };
        let plan = Plan {
            webhooks: vec![planned("site", Outcome::New, &["no \u{1b}[2J"]), planned("search", Outcome::Same, &[])],
            variables: vec![Variable { name: "SITE_AUTHORIZATION".into(), value: "s3cr3t".into() }],
            notes: vec!["Old: its URL is none".into()],
        };
        let args =
            ImportArgs { file: "data.db".into(), dry_run: false, replace: false, format: Format { json: false } };
        insta::assert_snapshot!(screen::uncoloured(&as_text(&plan, Origin::Svix, &args, Path::new("."))), @r"
        2 webhooks of data.db
          written  config/webhooks/site.json
          kept     config/webhooks/search.json  it is the same already
          added    .env: SITE_AUTHORIZATION

        Not as it was
          Old: its URL is none
          site: no \u{1b}[2J

        Next: hookwright check
        Then disable there what was imported, or receivers are told twice.
        ");
        let dry = ImportArgs { dry_run: true, ..args };
        for text in [as_text(&plan, Origin::Strapi, &dry, Path::new(".")), as_json(&plan).to_string()] {
            assert!(!text.contains("s3cr3t"), "{text}");
        }
    }
}
