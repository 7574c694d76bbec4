//! `check`: reads everything as `serve` would, touches nothing, and reports what is wrong.

use std::path::Path;

use clap::Args;
use owo_colors::Style;
use serde_json::{Value, json};

use super::{Exit, Format, hints, screen, status};
use crate::revision::{Fault, Revision};
use crate::tasks;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Fail on hints too, such as a header that looks misspelt
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn run(home: &Path, args: CheckArgs) -> anyhow::Result<Exit> {
    let home = home.to_owned();
    // Reads files and compiles plugins.
    let findings = tasks::blocking(move || dry_run(&home)).await;
    screen::line(&if args.format.json { as_json(&findings) } else { as_text(&findings) })?;
    let good = findings.faults.is_empty() && (findings.hints.is_empty() || !args.strict);
    Ok(if good { Exit::Ok } else { Exit::Configuration })
}

/// What there is to say about a home folder.
struct Findings {
    faults: Vec<Fault>,
    /// File and sentence.
    hints: Vec<(String, String)>,
    /// What was read, in numbers: webhooks, plugins.
    webhooks: usize,
    plugins: usize,
}

/// The revision that the folders alone would make, last good versions left aside.
fn load(_home: &Path) -> Result<Revision, Vec<Fault>> {
    todo!("reload offers the dry run")
}

fn dry_run(home: &Path) -> Findings {
    match load(home) {
        Err(faults) => Findings { faults, hints: Vec::new(), webhooks: 0, plugins: 0 },
        Ok(revision) => Findings {
            hints: all_hints(&revision),
            webhooks: revision.webhooks.len(),
            plugins: revision.plugins.iter().count(),
            faults: revision.faults,
        },
    }
}

fn all_hints(revision: &Revision) -> Vec<(String, String)> {
    let server =
        hints::of(&revision.server.default_headers).into_iter().map(|hint| ("config/server.json".into(), hint));
    let webhooks = revision.webhooks.values().flat_map(|webhook| {
        let file = format!("config/webhooks/{}.json", webhook.id);
        hints::of(&webhook.headers).into_iter().map(move |hint| (file.clone(), hint))
    });
    server.chain(webhooks).collect()
}

fn as_json(findings: &Findings) -> String {
    let hints: Vec<Value> = findings.hints.iter().map(|(file, hint)| json!({"file": file, "message": hint})).collect();
    json!({"faults": findings.faults, "hints": hints, "webhooks": findings.webhooks, "plugins": findings.plugins})
        .to_string()
}

fn as_text(findings: &Findings) -> String {
    let mut parts = Vec::new();
    if findings.faults.is_empty() {
        let read = [screen::counted(findings.webhooks, "webhook"), screen::counted(findings.plugins, "plugin")];
        let read = format!("Nothing is wrong with {}.", read.join(" and "));
        parts.push(format!("{} {read}", screen::styled("✓", Style::new().green())));
    } else {
        let faults: Vec<Value> = findings.faults.iter().map(|fault| json!(fault)).collect();
        parts.push(status::faults_text(&faults));
    }
    for (file, hint) in &findings.hints {
        parts.push(format!(
            "{} {}: {}",
            screen::styled("hint", Style::new().yellow()),
            screen::heading(file),
            screen::inert(hint)
        ));
    }
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_file_place_and_hint() {
        let fault = Fault {
            file: "config/server.json".into(),
            pointer: "/sources/0/token".into(),
            message: "${ process.env.STRAPI_TOKEN } is not set".into(),
            last_good_in_force: false,
        };
        let hint =
            ("config/server.json".into(), "the header authroization looks like a misspelling of authorization".into());
        let mut findings = Findings { faults: vec![fault], hints: vec![hint], webhooks: 2, plugins: 1 };
        insta::assert_snapshot!(screen::uncoloured(&as_text(&findings)), @r"
        At fault
          ✗ config/server.json at /sources/0/token
            ${ process.env.STRAPI_TOKEN } is not set
        hint config/server.json: the header authroization looks like a misspelling of authorization
        ");
        findings.faults.clear();
        findings.hints.clear();
        insta::assert_snapshot!(screen::uncoloured(&as_text(&findings)), @"✓ Nothing is wrong with 2 webhooks and 1 plugin.");
    }
}
