//! `plugin test`: a plugin's fixtures, in the real engine, under the real limits.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use hookwright_plugin_build::Profile;
use owo_colors::Style;
use serde_json::{Value, json};

use super::super::{Exit, Format, diff, screen};
use super::building::{self, Built};
use super::{file, junit};
use crate::author::krate::Krate;
use crate::author::suite::{Case, Judgement, Report, test_folder};
use crate::files;
use crate::plugin::Plugin;
use crate::tasks;

#[derive(Debug, Args)]
pub(in crate::cli) struct TestArgs {
    /// The plugin's crate, which is built first; or a wasm file
    #[arg(value_name = "FOLDER|FILE.wasm", default_value = ".")]
    what: PathBuf,
    /// The folder of the fixtures [default: fixtures/ of the crate, or beside the file]
    #[arg(long, value_name = "FOLDER")]
    fixtures: Option<PathBuf>,
    /// Only fixtures whose name contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Write what comes out into the fixtures that expect otherwise
    #[arg(long)]
    update: bool,
    /// Also write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn run(asked_for: Option<&Path>, args: TestArgs) -> anyhow::Result<Exit> {
    let asked_for = asked_for.map(Path::to_owned);
    let TestArgs { what, fixtures, filter, update, junit, format } = args;
    let (plugin, report) = tasks::blocking(move || {
        let (plugin, folder) = subject(&what, asked_for.as_deref())?;
        let folder = fixtures.unwrap_or(folder);
        let report = test_folder(&plugin, &folder, filter.as_deref(), update)?;
        if report.cases.is_empty() {
            bail!("no fixture in {} has a name that contains {:?}", folder.display(), filter.unwrap_or_default());
        }
        Ok((plugin, report))
    })
    .await?;
    if let Some(path) = junit {
        let text = junit::as_xml(plugin.name.as_str(), &report);
        files::replace_public(&path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    screen::line(&if format.json { as_json(&plugin, &report) } else { as_text(&plugin, &report) })?;
    Ok(if report.failures() == 0 { Exit::Ok } else { Exit::Failure })
}

/// The plugin, and where its fixtures are. Blocking.
fn subject(what: &Path, asked_for: Option<&Path>) -> anyhow::Result<(Arc<Plugin>, PathBuf)> {
    if what.is_file() {
        let plugin = file::load(what, asked_for)?;
        return Ok((plugin, what.with_file_name("fixtures")));
    }
    let krate = Krate::open(what)?;
    let home = building::from_here(&krate.home(asked_for));
    let built: Built = building::build(&krate, &building::find_toolchain(&krate)?, Profile::Plugin, true)?;
    let plugin = building::judge(&building::workbench(&home)?, &krate, &built)?;
    Ok((plugin, building::from_here(&krate.folder.join("fixtures"))))
}

fn as_json(plugin: &Plugin, report: &Report) -> String {
    let case = |case: &Case| {
        let mut members = json!({"name": case.name, "file": case.path.display().to_string(), "fuel": case.fuel, "memoryBytes": case.memory_bytes,
            "micros": case.micros, "logs": case.logs, "passed": case.judgement.is_good()});
        let more = match &case.judgement {
            Judgement::Passed => json!({}),
            Judgement::Updated => json!({"updated": true}),
            Judgement::Unwritten => json!({"error": UNWRITTEN}),
            Judgement::Different { expected, got } => json!({"expected": expected, "got": got}),
            Judgement::Unusable(reason) => json!({"error": reason}),
        };
        if let (Value::Object(members), Value::Object(more)) = (&mut members, more) {
            members.extend(more);
        }
        members
    };
    let cases: Vec<Value> = report.cases.iter().map(case).collect();
    json!({"plugin": plugin.name, "version": plugin.manifest.version, "digest": plugin.digest, "fixtures": cases,
        "failures": report.failures()})
    .to_string()
}

pub(super) const UNWRITTEN: &str = "says nothing of what is expected; `plugin test --update` writes what comes out";

/// The report as people read it.
pub(super) fn as_text(plugin: &Plugin, report: &Report) -> String {
    let mut text = String::new();
    for case in &report.cases {
        let _ = writeln!(text, "{}", case_text(case));
    }
    let (all, failures) = (report.cases.len(), report.failures());
    let most = |of: fn(&Case) -> u64| report.cases.iter().map(of).max().unwrap_or(0);
    let (fuel, memory) = plugin.limits();
    let summary = if failures == 0 {
        screen::styled(&format!("{} passed", screen::counted(all, "fixture")), Style::new().green())
    } else {
        screen::styled(&format!("{failures} of {} failed", screen::counted(all, "fixture")), Style::new().red())
    };
    let limits = format!(
        "most fuel {} of {fuel}, most memory {} of {memory} bytes",
        most(|case| case.fuel),
        most(|case| case.memory_bytes)
    );
    let _ = write!(text, "\n{summary}  {}", screen::faint(&limits));
    text
}

fn case_text(case: &Case) -> String {
    let (mark, style) =
        if case.judgement.is_good() { ('✓', Style::new().green()) } else { ('✗', Style::new().red()) };
    let mut text = format!("{} {}", screen::styled(&mark.to_string(), style), screen::inert(&case.name));
    match &case.judgement {
        Judgement::Passed => {
            let _ = write!(text, "  {}", screen::faint(&format!("fuel {}", case.fuel)));
        }
        Judgement::Updated => {
            let _ = write!(text, "  {}", screen::faint("updated"));
        }
        Judgement::Unwritten => {
            let _ = write!(text, "\n  {UNWRITTEN}");
        }
        Judgement::Unusable(reason) => {
            let _ = write!(text, "\n  {}", screen::inert(reason));
        }
        Judgement::Different { expected, got } => {
            let _ = write!(text, "  {}\n{}", screen::faint("- expected, + got"), diff::rendered(expected, got, 2));
            for line in &case.logs {
                let _ = write!(text, "\n  {}", screen::faint(line));
            }
        }
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn report() -> Report {
        let case = |name: &str, judgement| Case {
            name: name.into(),
            path: format!("fixtures/{name}.json").into(),
            judgement,
            fuel: 46_597,
            memory_bytes: 262_144,
            micros: 90,
            logs: vec!["info: kept \u{1b}[2J".into()],
        };
        let (expected, got) = (json!({"drop": "no & no"}), json!({"deliver": {"data": {"a": "<1>"}}}));
        Report {
            cases: vec![
                case("delivers", Judgement::Passed),
                case("drafts", Judgement::Different { expected, got }),
                case("new", Judgement::Unwritten),
                case("typo", Judgement::Unusable("fixtures/typo.json: unknown field `confg`".into())),
                case("written", Judgement::Updated),
            ],
        }
    }

    #[test]
    fn shows_each_fixture_and_what_differs() {
        let text: Vec<_> = report().cases.iter().map(case_text).collect();
        insta::assert_snapshot!(screen::uncoloured(&text.join("\n")), @r#"
        ✓ delivers  fuel 46597
        ✗ drafts  - expected, + got
            {
          -   "drop": "no & no"
          +   "deliver": {"data":{"a":"<1>"}}
            }
          info: kept \u{1b}[2J
        ✗ new
          says nothing of what is expected; `plugin test --update` writes what comes out
        ✗ typo
          fixtures/typo.json: unknown field `confg`
        ✓ written  updated
        "#);
        assert_eq!(report().failures(), 3);
    }
}
