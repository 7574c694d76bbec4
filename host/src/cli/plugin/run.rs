//! `plugin run`: a wasm file on an event, here and now; or a recorded run repeated by the host (`rerun`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};

use super::super::delivery::{self, Which};
use super::super::{Exit, Format, screen};
use super::{changed, file, rerun};
use crate::author::expected;
use crate::author::fixture::{self, Body};
use crate::author::trial::Trial;
use crate::clock;
use crate::delivery::{ChainRecord, ChainVerdict, Changes};
use crate::event::Event;
use crate::files;
use crate::ids::EventType;
use crate::plugin::Plugin;
use crate::tasks;

#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// A wasm file to run
    #[arg(value_name = "FILE.wasm", required_unless_present = "delivery", conflicts_with = "delivery")]
    file: Option<PathBuf>,
    /// The event: a JSON file with the body, or with {"headers", "body"}
    #[arg(long, value_name = "FILE", required_unless_present = "delivery", conflicts_with = "delivery")]
    event: Option<PathBuf>,
    /// The event's type, if the body has none in /event
    #[arg(long, value_name = "TYPE", conflicts_with = "delivery")]
    r#type: Option<EventType>,
    /// The plugin's config: JSON, or a file that holds it [default: {}]
    #[arg(long, value_name = "JSON|FILE", conflicts_with = "delivery")]
    config: Option<String>,
    /// Instead: the delivery whose run the host repeats, with the same event, clock, seed, versions, config and limits
    #[arg(long, value_name = "ID|last")]
    delivery: Option<Which>,
    /// With today's config and limits, if they have changed
    #[arg(long, requires = "delivery")]
    today: bool,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn run(asked_for: Option<&Path>, args: RunArgs) -> anyhow::Result<Exit> {
    if let Some(delivery) = args.delivery {
        return rerun::run(asked_for.unwrap_or(Path::new(".")), delivery, args.today, args.format).await;
    }
    let json = args.format.json;
    let asked_for = asked_for.map(Path::to_owned);
    let (trial, record) = tasks::blocking(move || {
        let (Some(path), Some(event)) = (&args.file, &args.event) else { bail!("expected FILE.wasm and --event FILE") };
        let plugin = file::load(path, asked_for.as_deref())?;
        let trial = trial(event, args.r#type, args.config.as_deref())?;
        check_config(&plugin, &trial)?;
        let record = trial.run(&plugin);
        Ok((trial, record))
    })
    .await?;
    screen::line(&if json { as_json(&record) } else { as_text(&trial.event, &record) })?;
    let decided = matches!(record.verdict, ChainVerdict::Deliver { .. } | ChainVerdict::Drop { .. });
    Ok(if decided { Exit::Ok } else { Exit::Failure })
}

fn trial(event: &Path, event_type: Option<EventType>, config: Option<&str>) -> anyhow::Result<Trial> {
    let Body { data, headers } = fixture::body(event)?;
    let event_type = match event_type {
        Some(event_type) => event_type,
        None => fixture::type_of(&data)
            .with_context(|| format!("{} names no type in /event; give --type TYPE", event.display()))?
            .parse()
            .with_context(|| format!("/event of {}", event.display()))?,
    };
    let now = clock::now();
    let event = Event {
        id: Trial::EVENT,
        event_type,
        source: "local".parse()?,
        received: now,
        content_type: "application/json".into(),
        headers: headers.into_iter().collect(),
        attributes: Vec::new(),
        data,
    };
    Ok(Trial {
        event,
        labels: BTreeMap::new(),
        config: config.map_or(Ok("{}".to_owned()), read_config)?.into(),
        run: 1,
        now,
    })
}

/// A config of a webhook is smaller.
const MAX_CONFIG_BYTES: u64 = 64 << 10;

/// JSON as it stands there, or as the file of this name holds it.
fn read_config(text: &str) -> anyhow::Result<String> {
    let (text, place) = if text.trim_start().starts_with('{') {
        (text.to_owned(), "--config")
    } else {
        {
            let bytes = files::read_capped(Path::new(text), MAX_CONFIG_BYTES);
            let bytes = bytes.with_context(|| format!("--config: cannot read {text}"))?;
            (String::from_utf8(bytes).with_context(|| format!("--config: {text} is not text"))?, text)
        }
    };
    let config: Value = serde_json::from_str(&text).with_context(|| format!("{place} is not JSON"))?;
    if !config.is_object() {
        bail!("{place}: expected an object, {{ … }}");
    }
    Ok(config.to_string())
}

fn check_config(plugin: &Plugin, trial: &Trial) -> anyhow::Result<()> {
    let Err(violations) = plugin.check_config(&trial.config) else { return Ok(()) };
    let places: Vec<_> = violations.iter().map(|one| format!("/config{}: {}", one.pointer, one.message)).collect();
    bail!("the config does not fit plugin {}: {}", plugin.name, places.join("; "))
}

fn as_json(record: &ChainRecord) -> String {
    let run = record.runs.last();
    json!({"outcome": expected::outcome(record), "run": run}).to_string()
}

fn as_text(event: &Event, record: &ChainRecord) -> String {
    let mut text = record.runs.last().map(|run| delivery::plugin_run(&json!(run))).unwrap_or_default();
    if let ChainVerdict::Deliver { changes } = &record.verdict {
        let _ = write!(text, "{}", changed::wanted(event, &Changes::default(), changes));
    }
    text
}
