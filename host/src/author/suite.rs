//! A folder of fixtures, run one after the other and judged.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::expected;
use super::fixture::Fixture;
use crate::files;
use crate::plugin::Plugin;

/// More fixtures than anyone looks at.
const MAX_FIXTURES: usize = 10_000;

/// What became of each fixture, in the order of their names.
pub(crate) struct Report {
    pub(crate) cases: Vec<Case>,
}

pub(crate) struct Case {
    /// The file's stem.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) judgement: Judgement,
    pub(crate) fuel: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) micros: u64,
    pub(crate) logs: Vec<String>,
}

pub(crate) enum Judgement {
    Passed,
    /// What was expected was written.
    Updated,
    /// The file says nothing of what is expected.
    Unwritten,
    /// As JSON of the same shape.
    Different {
        expected: Value,
        got: Value,
    },
    /// The file cannot be used, or the config does not fit the plugin.
    Unusable(String),
}

impl Judgement {
    pub(crate) const fn is_good(&self) -> bool {
        matches!(self, Self::Passed | Self::Updated)
    }
}

impl Report {
    pub(crate) fn failures(&self) -> usize {
        self.cases.iter().filter(|case| !case.judgement.is_good()).count()
    }
}

/// Runs every fixture of the folder whose name contains `filter`; with `update`, writes what came out into those that
/// expect otherwise. Blocking.
///
/// # Errors
/// When the folder cannot be read, has no fixture, or one cannot be written.
pub(crate) fn test_folder(
    plugin: &Arc<Plugin>,
    folder: &Path,
    filter: Option<&str>,
    update: bool,
) -> anyhow::Result<Report> {
    let mut cases = Vec::new();
    for path in fixtures(folder)? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if filter.is_none_or(|filter| name.contains(filter)) {
            cases.push(case(plugin, &path, name, update)?);
        }
    }
    Ok(Report { cases })
}

fn how_to_make_one(folder: &Path) -> String {
    let file = folder.join("NAME.json");
    format!("`hookwright plugin fixture --delivery last --out {}` makes one of the newest delivery", file.display())
}

fn fixtures(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| {
        format!("no fixtures: {}, but {} cannot be read", how_to_make_one(folder), folder.display())
    })?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let mut paths = paths.with_context(|| format!("cannot list {}", folder.display()))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json") && path.is_file());
    if paths.is_empty() {
        bail!("no fixtures in {}; {}", folder.display(), how_to_make_one(folder));
    }
    if paths.len() > MAX_FIXTURES {
        bail!("expected 1 to {MAX_FIXTURES} files NAME.json in {}, found {}", folder.display(), paths.len());
    }
    paths.sort();
    Ok(paths)
}

fn case(plugin: &Arc<Plugin>, path: &Path, name: String, update: bool) -> anyhow::Result<Case> {
    let mut case = Case {
        name,
        path: path.to_owned(),
        judgement: Judgement::Passed,
        fuel: 0,
        memory_bytes: 0,
        micros: 0,
        logs: Vec::new(),
    };
    let fixture = match Fixture::read(path) {
        Ok(fixture) => fixture,
        Err(error) => {
            case.judgement = Judgement::Unusable(error.to_string());
            return Ok(case);
        }
    };
    if let Err(violations) = plugin.check_config(&fixture.trial.config) {
        let places = violations.iter().map(|one| format!("/config{}: {}", one.pointer, one.message));
        case.judgement = Judgement::Unusable(places.collect::<Vec<_>>().join("; "));
        return Ok(case);
    }
    let record = fixture.trial.run(plugin);
    if let Some(run) = record.runs.last() {
        (case.fuel, case.memory_bytes, case.micros) = (run.fuel, run.memory_bytes, run.micros);
    }
    case.logs = expected::logs(&record);
    let got = expected::outcome(&record);
    case.judgement = judge(&fixture, got, &case.logs);
    if update && !case.judgement.is_good() {
        let text = fixture.with(&expected::outcome(&record), &case.logs);
        files::replace_public(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        case.judgement = Judgement::Updated;
    }
    Ok(case)
}

fn judge(fixture: &Fixture, got: Value, logs: &[String]) -> Judgement {
    let Some(expect) = &fixture.expect else { return Judgement::Unwritten };
    let expected = expected::completed(expect, &got);
    if expected != got {
        return Judgement::Different { expected, got };
    }
    match &fixture.logs {
        Some(expected) if expected != logs => Judgement::Different {
            expected: serde_json::json!({ "logs": expected }),
            got: serde_json::json!({ "logs": logs }),
        },
        _ => Judgement::Passed,
    }
}
