//! `check`: reads everything as `serve` would, touches nothing, and reports what is wrong; with `--against`, also what
//! would become otherwise of events that are stored.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use owo_colors::Style;
use serde_json::{Value, json};

use super::{Exit, Format, screen, status};
use crate::clock;
use crate::config::{Hint, Home, Layer, Variables, header_hints};
use crate::reload::{Loader, StartError};
use crate::revision::{Fault, Revision};
use crate::tasks;

mod advice;
mod against;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Fail on hints too, such as a header that looks misspelt
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    against: against::AgainstArgs,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn run(home: &Path, args: CheckArgs) -> anyhow::Result<Exit> {
    let home = Home::new(home);
    let files = home.clone();
    // Reads files and compiles plugins.
    let findings = tasks::blocking(move || dry_run(&files)).await?;
    let good = findings.faults.is_empty() && (findings.hints.is_empty() || !args.strict);
    match (args.against.selection(), &findings.revision) {
        (Some(selection), Some(revision)) if good => {
            let report = against::report(&home, Arc::clone(revision), selection, &args.against).await?;
            let hints = findings.hints.iter().map(hint_text);
            let text = || hints.chain([against::as_text(&report)]).collect::<Vec<_>>().join("\n");
            screen::line(&if args.format.json { report.to_string() } else { text() })?;
            Ok(if against::differs(&report) { Exit::Failure } else { Exit::Ok })
        }
        _ => {
            screen::line(&if args.format.json { as_json(&findings) } else { as_text(&findings) })?;
            Ok(if good { Exit::Ok } else { Exit::Configuration })
        }
    }
}

/// What there is to say about a home folder.
#[derive(Default)]
struct Findings {
    faults: Vec<Fault>,
    hints: Vec<Hint>,
    /// How many were read.
    webhooks: usize,
    plugins: usize,
    /// None: the host would not start.
    revision: Option<Arc<Revision>>,
}

fn dry_run(home: &Home) -> Result<Findings, StartError> {
    match Loader::dry_run(home.clone(), clock::now()) {
        Err(StartError::Unusable(faults) | StartError::Strict(faults)) => {
            Ok(Findings { faults, ..Findings::default() })
        }
        Err(error) => Err(error),
        Ok(revision) => Ok(Findings {
            faults: revision.faults.clone(),
            hints: all_hints(home, &revision),
            webhooks: revision.webhooks.len(),
            plugins: revision.plugins.iter().count(),
            revision: Some(revision),
        }),
    }
}

/// Hints about the files of what was read. A file that cannot be read is among the faults.
fn all_hints(home: &Home, revision: &Revision) -> Vec<Hint> {
    let Ok(variables) = Variables::load(home) else { return Vec::new() };
    let Ok(environment) = variables.environment() else { return Vec::new() };
    let mut hints = advice::on_folders(home, &variables, &environment);
    let server = layers(home, &home.server_files(&environment));
    hints.extend(header_hints(&server));
    hints.extend(advice::on_limits(&revision.server.plugins, &server, &revision.plugins));
    for (id, webhook) in &revision.webhooks {
        let layers = layers(home, &home.webhook_files(&environment, id));
        hints.extend(header_hints(&layers));
        hints.extend(advice::on_webhook(webhook, &layers, revision));
    }
    hints
}

fn layers(home: &Home, files: &[PathBuf]) -> Vec<Layer> {
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).ok()?;
        Some(Layer { file: home.display(path), text: text.into() })
    };
    files.iter().filter_map(read).collect()
}

fn as_json(findings: &Findings) -> String {
    let hint = |hint: &Hint| json!({"file": hint.file, "pointer": hint.pointer, "message": hint.message});
    let hints: Vec<Value> = findings.hints.iter().map(hint).collect();
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
    parts.extend(findings.hints.iter().map(hint_text));
    parts.join("\n")
}

fn hint_text(hint: &Hint) -> String {
    format!("{} {}", screen::styled("hint", Style::new().yellow()), screen::inert(&hint.to_string()))
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
        let hint = Hint {
            file: "config/server.json".into(),
            pointer: "/webhooks/defaultHeaders/Authroization".into(),
            message: "did you mean Authorization? It is sent as written".into(),
        };
        let mut findings =
            Findings { faults: vec![fault], hints: vec![hint], webhooks: 2, plugins: 1, ..Findings::default() };
        insta::assert_snapshot!(screen::uncoloured(&as_text(&findings)), @r"
        At fault
          ✗ config/server.json at /sources/0/token
            ${ process.env.STRAPI_TOKEN } is not set
        hint config/server.json at /webhooks/defaultHeaders/Authroization: did you mean Authorization? It is sent as written
        ");
        findings.faults.clear();
        findings.hints.clear();
        insta::assert_snapshot!(screen::uncoloured(&as_text(&findings)), @"✓ Nothing is wrong with 2 webhooks and 1 plugin.");
    }
}
